//# not: E0277
//# not: E0282

use canic::prelude::*;

#[derive(CandidType)]
struct ShardArgs {
    owner: String,
}

#[canic::role("hub", child(name = "shard", args = ShardArgs))]
struct Hub;

async fn grow() {
    let _ = Hub::shard().args("alice").provision().await;
}

canic::export_candid!();

fn main() {}
