#[canic::root(
    pool(min = 3, max = "ten", cycles = "1X"),
    role(name = "Worker", max = 0, rollback = "never"),
    role(name = "hub", parents("nobody"), wasm = "fixtures/nowhere.wasm"),
    reserv = 7,
)]
impl Fleet {
    async fn init() {}
    fn start(&self) {}
}

struct Fleet;

fn main() {}

//# not: error[E
