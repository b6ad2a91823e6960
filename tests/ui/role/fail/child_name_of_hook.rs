//# not: duplicate definitions

struct Hub;

#[canic::role("hub", child(name = "start"))]
impl Hub {
    async fn start() {}
}

fn main() {}
