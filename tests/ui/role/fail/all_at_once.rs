struct Worker;

#[canic::role("worker")]
impl Worker {
    fn intt() {}
    async fn pre_upgrade(x: u8) -> u8 {
        x
    }
    fn start(&self) {}
}

fn main() {}

//# not: error[E
