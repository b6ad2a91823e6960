//! A root in a nested, private module.

mod deep {
    mod deeper {
        #[canic::root(http)]
        struct Fleet;
    }
}

canic::export_candid!();

fn main() {}
