//# not: E0277
//# not: E0282

use candid::CandidType;

#[derive(CandidType)]
struct WorkerArgs {
    owner: String,
}

#[canic::root(role(name = "worker", args = WorkerArgs))]
struct Fleet;

async fn sign_up() {
    let _ = Fleet::worker().args("alice").provision().await;
}

canic::export_candid!();

fn main() {}

//# not: E0277
//# not: E0412
//# not: E0425
