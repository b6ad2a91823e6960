#[canic::query(manual_reply, encode_with = encode)]
fn jobs() -> std::marker::PhantomData<u64> {
    std::marker::PhantomData
}

fn main() {}

//# not: error[E
