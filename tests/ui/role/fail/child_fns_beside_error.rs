//# not: no function or associated item

#[canic::role("hub", child(name = "shard"), colour = 1)]
struct Hub;

fn grow() {
    let _ = Hub::shard();
}

fn main() {}
