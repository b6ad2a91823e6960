//! Encoding of Candid messages, with a cache of type tables: computing a type's table takes longer
//! than writing most values of it.

use std::{cell::RefCell, iter};

use candid::{CandidType, types::Type};

use crate::{
    codec::decode::CandidValues,
    tables::write::{self, Unencodable, Values},
};

thread_local! {
    /// A canister replies with few types, so that a search beats a map, whose code is larger, too.
    static HEADS: RefCell<Vec<Head>> = const { RefCell::new(Vec::new()) };
}

/// The `CandidType::ty` of each value of a message.
type Types = [fn() -> Type];

/// The bytes of a message before its values: magic, type table, and the types' indexes in it.
///
/// The addresses of `types` are the key. Functions that the linker merges have the same body, and
/// so answer the same type.
struct Head {
    types: Box<Types>,
    bytes: Vec<u8>,
}

/// Encodes a message of one value.
///
/// # Errors
///
/// If the value is of a type that has no values.
pub(crate) fn encode<T: CandidType>(value: &T) -> Result<Vec<u8>, Unencodable> {
    let mut values = Values::default();
    value.idl_serialize(&mut values)?;
    Ok(with_head(&[T::ty], &values.0))
}

/// Encodes a message of several values.
///
/// # Errors
///
/// If a value is of a type that has no values.
pub(crate) fn encode_values<R: CandidValues>(values: &R) -> Result<Vec<u8>, Unencodable> {
    let mut serializer = Values::default();
    values.serialize(&mut serializer)?;
    Ok(with_head(R::TYPES, &serializer.0))
}

/// The message of values of these types.
#[inline(never)]
fn with_head(types: &Types, values: &[u8]) -> Vec<u8> {
    HEADS.with_borrow_mut(|heads| {
        if let Some(head) = heads.iter().find(|head| head.is_of(types)) {
            return [&head.bytes, values].concat();
        }
        let bytes = write::head(types);
        let whole = [&bytes, values].concat();
        heads.push(Head {
            types: types.into(),
            bytes,
        });
        whole
    })
}

impl Head {
    fn is_of(&self, types: &Types) -> bool {
        let pairs = || iter::zip(&*self.types, types);
        self.types.len() == types.len()
            && pairs().all(|(one, other)| *one as usize == *other as usize)
    }
}

#[cfg(test)]
mod tests {
    use candid::{Int, Nat, Principal, Reserved};
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

    candid::define_function!(Method: (u8, Vec<Tree>) -> (Option<Tree>) query);
    candid::define_service!(Service: {
        "get": candid::func!((u8) -> (u8) composite_query);
        "put": Method::ty()
    });

    /// A type within itself.
    #[derive(Clone, Debug, CandidType)]
    struct Tree {
        leaf: Option<Leaf>,
        children: Vec<Tree>,
        parent: Option<Box<Tree>>,
    }

    /// A type that is within the other, and holds it.
    #[derive(Clone, Debug, CandidType)]
    enum Leaf {
        Whole(Int, Nat),
        Signed(i128, i64, i32, i16, i8),
        Floats { wide: Vec<f64>, narrow: [f32; 2] },
        Grown(Box<Tree>),
        Nothing(Reserved, ()),
    }

    fn leaf() -> impl Strategy<Value = Leaf> {
        prop_oneof![
            any::<(i128, u128)>().prop_map(|(int, nat)| Leaf::Whole(Int::from(int), nat.into())),
            any::<(i128, i64, i32, i16, i8)>()
                .prop_map(|(a, b, c, d, e)| Leaf::Signed(a, b, c, d, e)),
            any::<(Vec<f64>, [f32; 2])>().prop_map(|(wide, narrow)| Leaf::Floats { wide, narrow }),
            Just(Leaf::Nothing(Reserved, ())),
        ]
    }

    proptest! {
        #[test]
        fn every_type_is_encoded_as_candid_encodes_it(
            leaves in prop::collection::vec(leaf(), 1..5), nat: u128, small: i64, text in ".{0,9}",
        ) {
            let mut tree = Tree { leaf: None, children: Vec::new(), parent: None };
            for leaf in leaves {
                let whole = tree.clone();
                tree = Tree { leaf: Some(leaf), children: vec![whole.clone()], parent: None };
                tree.parent = Some(Box::new(whole.clone()));
                let grown = Some(Leaf::Grown(Box::new(whole)));
                tree.children.push(Tree { leaf: grown, ..tree.clone() });
            }
            check(&tree);
            check(&(nat, i128::from(small) - 1, nat as i128, small, -small.saturating_abs()));
            check(&Method::new(Principal::anonymous(), text.clone()));
            check(&Some(Service::new(Principal::management_canister())));
            check(&vec![(text.clone(), Err::<u8, _>(serde_bytes::ByteBuf::from(text)))]);
        }
    }

    #[test]
    fn a_value_without_an_encoding_is_an_error() {
        let message = std::path::PathBuf::from("a path");
        check(&message);
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStringExt;
            let path = std::path::PathBuf::from(std::ffi::OsString::from_vec(vec![0xff]));
            assert_eq!(encode(&path), Err(Unencodable));
            assert!(candid::encode_one(&path).is_err());
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
