//# not: no function or associated item

#[canic::root(role(name = "worker", max = 0))]
struct Fleet;

fn provision() {
    let _ = Fleet::worker();
}

fn main() {}
