struct Worker;

#[canic::role("worker")]
impl Worker {
    #[ic_cdk::init]
    fn init() {}
}

fn main() {}

//# not: error[E
