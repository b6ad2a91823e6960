#[canic::query]
fn above() {}

canic::export_candid!();

#[canic::query]
fn below() {}

mod below_too {
    #[canic::update]
    fn in_module(_: u8) {}
}

fn main() {}

//# not: E0277
//# not: E0308
//# not: E0412
