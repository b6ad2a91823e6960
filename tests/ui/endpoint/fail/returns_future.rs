#[canic::update]
fn work() -> impl Future<Output = u64> {
    async { 7 }
}

fn main() {}

//# not: error[E
