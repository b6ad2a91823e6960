//! Encoding of Candid messages, with a cache of type tables: computing a type's table takes longer
//! than writing most values of it.

use std::{cell::RefCell, iter};

use candid::{
    CandidType,
    ser::{IDLBuilder, ValueSerializer},
    types::Type,
};

use crate::{
    codec::decode::CandidValues,
    tables::erased::{self, Erased},
};

thread_local! {
    /// A canister replies with few types, so that a search beats a map, whose code is larger, too.
    static HEADS: RefCell<Vec<Head>> = const { RefCell::new(Vec::new()) };
}

/// The `CandidType::ty` of each value of a message.
type Types = [fn() -> Type];

/// The bytes of a message before its values: magic, type table, and the types' indexes in it.
///
/// The addresses of `types` are the key. Functions that the linker merges have the same body, and so
/// answer the same type.
struct Head {
    types: Box<Types>,
    bytes: Vec<u8>,
}

/// Encodes a message of one value.
///
/// # Errors
///
/// If the value is of a type that has no values.
pub(crate) fn encode<T: CandidType>(value: &T) -> candid::Result<Vec<u8>> {
    let mut values = ValueSerializer::new();
    value.idl_serialize(&mut values)?;
    with_head(&[T::ty], values.get_result())
}

/// Encodes a message of several values.
///
/// # Errors
///
/// If a value is of a type that has no values.
pub(crate) fn encode_values<R: CandidValues>(values: &R) -> candid::Result<Vec<u8>> {
    let mut serializer = ValueSerializer::new();
    values.serialize(&mut serializer)?;
    with_head(R::TYPES, serializer.get_result())
}

/// The message of values of these types.
#[inline(never)]
fn with_head(types: &Types, values: &[u8]) -> candid::Result<Vec<u8>> {
    HEADS.with_borrow_mut(|heads| {
        if let Some(head) = heads.iter().find(|head| head.is_of(types)) {
            return Ok([&head.bytes, values].concat());
        }
        let bytes = head(types)?;
        let whole = [&bytes, values].concat();
        heads.push(Head {
            types: types.into(),
            bytes,
        });
        Ok(whole)
    })
}

impl Head {
    fn is_of(&self, types: &Types) -> bool {
        let pairs = || iter::zip(&*self.types, types);
        self.types.len() == types.len()
            && pairs().all(|(one, other)| *one as usize == *other as usize)
    }
}

fn head(types: &Types) -> candid::Result<Vec<u8>> {
    let mut builder = IDLBuilder::new();
    for ty in types {
        erased::with_type(*ty, || builder.arg(&Erased).map(drop))?;
    }
    builder.serialize_to_vec()
}

#[cfg(test)]
mod tests {
    use candid::Principal;
    use proptest::prelude::*;

    use super::*;
    use crate::api::{ProvisionError, Provisioned, Source};

    fn check<T: CandidType>(value: &T) {
        let message = candid::encode_one(value).unwrap();
        assert_eq!(encode(value).unwrap(), message);
        assert_eq!(encode(value).unwrap(), message, "with a cached head");
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
            check(&if some { Ok(member.clone()) } else { Err(refused) });
            let two = (member, numbers);
            prop_assert_eq!(encode_values(&two).unwrap(), candid::encode_args(two).unwrap());
            prop_assert_eq!(encode_values(&()).unwrap(), candid::encode_args(()).unwrap());
        }
    }

    #[test]
    fn types_of_one_name_have_heads_of_their_own() {
        {
            #[derive(CandidType)]
            struct Twin {
                number: u32,
            }
            check(&Twin { number: 1 });
        }
        {
            #[derive(CandidType)]
            struct Twin {
                text: String,
            }
            let text = "text".to_string();
            check(&Twin { text });
        }
    }
}
