//! Every option of a root.

use candid::CandidType;

/// The argument of a worker's install.
#[derive(CandidType)]
pub struct WorkerArgs {
    /// The worker's owner.
    pub owner: String,
}

/// The fleet.
pub struct Fleet;

#[canic::root(
    pool(min = 2, max = 10, cycles = "1.5T"),
    role(name = "hub", singleton, cycles = 3_000_000_000_000),
    role(
        name = "worker",
        max = 100,
        max_per_parent = 10,
        cycles = "500B",
        parents("root", "hub"),
        controllers(parent, "ryjl3-tyaaa-aaaaa-aaaba-cai"),
        rollback = "delete",
        wasm = "fixtures/module.wasm",
        args = WorkerArgs,
    ),
    role(
        name = "user-list",
        watches("worker", "user-list"),
        rollback = "recycle",
        args = "Option<WorkerArgs>",
        // The module of a dependency. The host needs none, so that any one will do.
        wasm = candid,
    ),
    reserve = "5T",
    refuel(below = "50T", to = "100T", from("cycles", "icp")),
    http,
    stable_memory = "16GiB",
    crate = ::canic,
)]
impl Fleet {
    fn init(_: Option<String>) {}

    fn pre_upgrade() -> Result<(), String> {
        Err("not today".to_owned())
    }

    fn post_upgrade() {}

    async fn start() {
        std::future::ready(()).await;
    }

    fn inspect_message() -> bool {
        true
    }
}

canic::export_candid!();

fn main() {}
