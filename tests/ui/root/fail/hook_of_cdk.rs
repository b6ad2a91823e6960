mod fleet {
    struct Fleet;

    #[canic::root]
    impl Fleet {
        fn heartbeat() {}
    }
}

// At the root of the crate, and private.
#[ic_cdk::post_upgrade]
fn post_upgrade(_: u8) {}

#[ic_cdk::heartbeat]
async fn heartbeat() {}

canic::export_candid!();

fn main() {}

//# not: E0277
//# not: E0308
//# not: E0428
