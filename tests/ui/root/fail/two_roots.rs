mod one {
    #[canic::root]
    struct Fleet;
}

mod other {
    #[canic::root]
    struct Fleet;
}

canic::export_candid!();

fn main() {}

//# not: E0277
//# not: E0308
//# not: E0412
