//! A canister's status, field by field, whether this project knows the field or not.

use std::collections::BTreeMap;

use candid::{
    IDLArgs, IDLValue, idl_hash,
    types::{Label, value::IDLField},
};

/// The fields of a record, by the hashes of their names.
pub type Record = BTreeMap<u32, IDLValue>;

/// The record `part` of a reply of `canister_status`, with each field that the platform tells.
///
/// # Panics
/// When the reply has no such record.
#[must_use]
pub fn part_of_status(reply: &[u8], part: &str) -> Record {
    let reply = IDLArgs::from_bytes(reply).expect("the platform answers Candid");
    let Some(IDLValue::Record(status)) = reply.args.into_iter().next() else {
        panic!("a status is a record");
    };
    let mut status = fields(status);
    match status.remove(&idl_hash(part)) {
        Some(IDLValue::Record(part)) => fields(part),
        other => panic!("{part} is {other:?}"),
    }
}

fn fields(record: Vec<IDLField>) -> Record {
    let fields = record.into_iter();
    fields
        .map(|IDLField { id, val }: IDLField| (Label::get_id(&id), val))
        .collect()
}
