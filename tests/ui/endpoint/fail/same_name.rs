#[canic::update]
fn work() {}

mod other {
    #[canic::query(name = "work")]
    fn works() {}
}

fn main() {}

//# not: E0277
//# not: E0308
//# not: E0412
