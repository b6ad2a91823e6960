//# not: ProvisionRole
//# not: E0282

use candid::CandidType;

#[derive(CandidType)]
struct WorkerArgs {
    owner: String,
}

#[canic::root(role(name = "worker", args = WorkerArgs))]
struct Fleet;

async fn sign_up() {
    let _ = Fleet::wroker();
}

canic::export_candid!();

fn main() {}

//# not: E0277
//# not: E0308
//# not: E0412
