mod one {
    #[canic::root]
    struct Fleet;
}

mod other {
    #[canic::root]
    struct Fleet;
}

fn main() {}
