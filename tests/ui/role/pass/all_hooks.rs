//! Every hook.

struct Worker;

#[canic::role("worker", http)]
impl Worker {
    fn init(owner: String, limit: u64) -> Result<(), String> {
        if limit == 0 {
            return Err(format!("{owner} has nothing"));
        }
        Ok(())
    }

    fn pre_upgrade() {}

    fn post_upgrade(_: String, limit: u64) -> Result<(), std::num::TryFromIntError> {
        u8::try_from(limit).map(drop)
    }

    async fn start() -> Result<(), String> {
        std::future::ready(Ok(())).await
    }

    fn health() -> Result<(), String> {
        Err("a cold".to_owned())
    }

    fn inspect_message() -> bool {
        true
    }

    async fn heartbeat() {
        std::future::ready(()).await;
    }

    fn on_low_wasm_memory() {}
}

canic::export_candid!();

fn main() {}
