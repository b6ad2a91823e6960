//! A function that replies itself may name its type by an alias.

type ByHand<T> = std::marker::PhantomData<T>;

#[canic::update(manual_reply)]
fn jobs() -> ByHand<u64> {
    ic_cdk::api::msg_reply([]);
    std::marker::PhantomData
}

canic::export_candid!();

fn main() {}
