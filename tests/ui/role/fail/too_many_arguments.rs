struct Worker;

#[canic::role("worker")]
impl Worker {
    fn init(
        _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8,
        _: u8, _: u8, _: u8, _: u8,
    ) {}
}

fn main() {}

//# not: error[E
