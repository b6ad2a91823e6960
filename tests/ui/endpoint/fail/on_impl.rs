#[canic::query]
impl Work {}

struct Work;

fn main() {}
