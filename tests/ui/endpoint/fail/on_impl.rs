#[canic::query]
impl Work {}

struct Work;

fn main() {}

//# not: error[E
