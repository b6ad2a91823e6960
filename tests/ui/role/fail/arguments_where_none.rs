struct Worker;

#[canic::role("worker")]
impl Worker {
    fn pre_upgrade(_reason: String) {}
    async fn start(_now: u64) {}
    fn inspect_message(_method: String) -> bool {
        true
    }
}

fn main() {}

//# not: error[E
