struct Worker;

#[canic::role("worker")]
impl Worker {
    async fn init() {}
    async fn pre_upgrade() {}
    async fn post_upgrade() {}
    async fn inspect_message() -> bool {
        true
    }
    async fn on_low_wasm_memory() {}
}

fn main() {}

//# not: error[E
