//# not: no method named
//# not: E0282

use candid::CandidType;

#[derive(CandidType)]
struct WorkerArgs {
    owner: String,
}

#[canic::root(role(name = "worker", args = WorkerArgs))]
struct Fleet;

async fn sign_up() {
    let _ = Fleet::worker().key("alice").provision().await;
}

canic::export_candid!();

fn main() {}
