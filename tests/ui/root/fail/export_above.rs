canic::export_candid!();

#[canic::root]
struct Fleet;

fn main() {}

//# not: E0277
//# not: E0308
//# not: E0412
