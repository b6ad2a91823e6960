#[canic::role("worker")]
struct Worker;

mod lifecycle {
    use ic_cdk::init;

    #[init]
    fn set_up(_: u8) {}

    #[ic_cdk::pre_upgrade]
    fn save() {}
}

canic::export_candid!();

fn main() {}

//# not: error[E
