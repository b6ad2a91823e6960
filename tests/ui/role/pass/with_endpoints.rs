//! A member with endpoints and an exported Candid interface.

use candid::CandidType;
use serde::Deserialize;

/// The argument of its install.
#[derive(CandidType, Deserialize)]
pub struct WorkerArgs {
    /// The worker's owner.
    pub owner: String,
}

struct Worker;

#[canic::role("worker", http, subscribes, stable_memory = "500GiB")]
impl Worker {
    fn init(args: WorkerArgs) -> Result<(), String> {
        if args.owner.is_empty() {
            return Err("nobody".to_owned());
        }
        Ok(())
    }
}

#[canic::update(allow(root))]
fn work(args: WorkerArgs) -> Result<u64, String> {
    u64::from_str_radix(&args.owner, 16).map_err(|error| error.to_string())
}

canic::export_candid!();

fn main() {}
