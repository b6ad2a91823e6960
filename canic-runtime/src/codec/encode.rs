//! Encoding of Candid messages, with a cache of type tables: computing a type's table takes longer
//! than writing most values of it.

use std::{any, cell::RefCell, collections::BTreeMap};

use candid::{CandidType, ser::ValueSerializer};

thread_local! {
    static HEADS: RefCell<BTreeMap<Key, Head>> = const { RefCell::new(BTreeMap::new()) };
}

/// The address of a type's `CandidType::ty`, and the type's name. Neither identifies a type alone:
/// the linker may merge functions with the same body, and names may repeat.
type Key = (usize, &'static str);

/// The bytes of a message before its value: magic, type table, and the type's index in it.
type Head = Vec<u8>;

/// Encodes a message of one value.
///
/// # Errors
///
/// If the value is of a type that has no values.
pub(crate) fn encode<T: CandidType>(value: &T) -> candid::Result<Vec<u8>> {
    let key = (T::ty as fn() -> _ as usize, any::type_name::<T>());
    let mut values = ValueSerializer::new();
    value.idl_serialize(&mut values)?;
    let values = values.get_result();
    HEADS.with_borrow_mut(|heads| {
        if let Some(head) = heads.get(&key) {
            return Ok([head, values].concat());
        }
        let whole = candid::encode_one(value)?;
        heads.insert(key, whole[..whole.len() - values.len()].to_vec());
        Ok(whole)
    })
}

#[cfg(test)]
mod tests {
    use candid::Principal;
    use proptest::prelude::*;

    use super::*;
    use crate::api::{ProvisionError, Provisioned, Source};

    fn check<T: CandidType>(value: &T) {
        assert_eq!(encode(value).unwrap(), candid::encode_one(value).unwrap());
    }

    proptest! {
        #[test]
        fn a_cached_head_does_not_change_the_message(
            numbers in prop::collection::vec(any::<u64>(), 0..5), text in ".{0,20}", some: bool
        ) {
            check(&numbers);
            check(&numbers.first().copied());
            check(&text);
            check(&(some.then_some(&text), numbers.len() as u32));
            let member = Provisioned {
                canister: Principal::anonymous(),
                source: Source::Pool,
                operation: numbers.first().copied().unwrap_or_default(),
            };
            let refused = ProvisionError::UnknownRole { role: text.clone(), known: vec![text] };
            check(&if some { Ok(member) } else { Err(refused) });
        }
    }
}
