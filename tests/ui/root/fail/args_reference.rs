#[canic::root(
    role(name = "worker", args = &'static str),
    role(name = "shard", args = Option<&'static str>),
)]
struct Fleet;

fn main() {}

//# not: error[E
