//! Candid messages whose type tables are worked out once in each life of the code: what a type looks like takes longer to
//! write than most values.

use candid::{CandidType, ser::ValueSerializer};
use std::{any, cell::RefCell, collections::BTreeMap};

thread_local! {
    /// What comes before the values of each type: magic, type table, and the type's place in it. By the type's own description
    /// and its name: neither alone tells types apart, as functions with the same body may be merged, and names may repeat.
    static HEADS: RefCell<BTreeMap<(usize, &'static str), Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
}

/// A message of one value.
///
/// # Errors
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
    use super::*;
    use crate::api::{ProvisionError, Provisioned, Source};
    use candid::Principal;
    use proptest::prelude::*;

    fn check<T: CandidType>(value: &T) {
        assert_eq!(encode(value).unwrap(), candid::encode_one(value).unwrap());
    }

    proptest! {
        #[test]
        fn a_message_is_the_same_the_first_time_and_later(
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
