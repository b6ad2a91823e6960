mod fleet {
    struct Fleet;

    #[canic::root]
    impl Fleet {
        fn init() {}
    }

    fn pre_upgrade() -> Result<(), String> {
        Ok(())
    }
}

fn main() {}

//# not: error[E
