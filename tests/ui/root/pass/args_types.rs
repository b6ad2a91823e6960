//! The argument of a role is written like any other type.

use canic::prelude::*;
use std::collections::BTreeMap;

#[derive(CandidType)]
struct Args<T> {
    value: T,
}

macro_rules! fleet {
    ($ty:ty) => {
        #[canic::root(
            role(name = "bytes", args = Vec<u8>),
            role(name = "array", args = [u64; 2]),
            role(name = "tuple", args = (u8, Option<String>)),
            role(name = "map", args = BTreeMap<String, Vec<Args<u8>>>),
            role(name = "qualified", args = <Vec<u8> as IntoIterator>::Item),
            role(name = "unit", args = ()),
            role(name = "quoted", args = "Vec<Args<u8>>"),
            role(name = "passed", args = $ty),
        )]
        struct Fleet;
    };
}
fleet!(Args<Vec<u8>>);

#[canic::update(allow(controller))]
async fn hire() -> Result<Principal, ProvisionError> {
    let bytes = Fleet::bytes().args(vec![7]).provision().await?;
    Fleet::array().args([1, 2]).provision().await?;
    Fleet::tuple().args((1, None)).provision().await?;
    Fleet::map().args(BTreeMap::new()).provision().await?;
    Fleet::qualified().args(7).provision().await?;
    Fleet::quoted().args(vec![Args { value: 7 }]).provision().await?;
    Fleet::passed().args(Args { value: vec![7] }).provision().await?;
    Ok(bytes.canister)
}

canic::export_candid!();

fn main() {}
