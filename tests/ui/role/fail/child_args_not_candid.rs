//# not: no function or associated item

struct ShardArgs;

#[canic::role("hub", child(name = "shard", args = ShardArgs))]
struct Hub;

fn grow() {
    let _ = Hub::shard();
}

canic::export_candid!();

fn main() {}
