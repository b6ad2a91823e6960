use candid::{Decode, Encode, Principal, types::internal::TypeContainer};
use proptest::prelude::*;

/// The same types twice: by the derives of candid and serde, and by tables.
macro_rules! twice {
    ($($items:item)*) => {
        mod derived {
            #[allow(unused_imports, reason = "one of the two modules names each")]
            use candid::{CandidType, Principal};
            use serde::Deserialize;
            $($items)*
        }
        mod tabled {
            use candid::Principal;
            use crate::tables::{CandidType, Deserialize};
            $($items)*
        }
    };
}

twice! {
    /// A record.
    ///
    /// Of two paragraphs.
    #[derive(Clone, Debug, CandidType, Deserialize, PartialEq)]
    pub(super) struct Whole {
        /// A number
        /// on two lines.
        pub(super) number: u32,
        pub(super) r#type: Option<Vec<String>>,
        /// Bytes.
        #[serde(with = "serde_bytes")]
        pub(super) bytes: Vec<u8>,
        #[serde(rename = "another name")]
        pub(super) renamed: (u64, bool),
        pub(super) choices: Vec<Choice>,
        pub(super) unit: Unit,
        pub(super) id: Option<Principal>,
    }

    /// A variant.
    #[derive(Clone, Debug, CandidType, Deserialize, PartialEq)]
    pub(super) enum Choice {
        /// Nothing.
        Nothing,
        One(Option<u64>),
        /// Some.
        Some {
            /// A name.
            name: String,
            #[serde(with = "serde_bytes")]
            hash: Vec<u8>,
        },
        #[serde(rename = "last_one")]
        Last,
        Inner(Inner),
    }

    #[derive(Clone, Debug, CandidType, Deserialize, PartialEq)]
    pub(super) struct Inner {}

    #[derive(Clone, Copy, Debug, CandidType, Deserialize, PartialEq)]
    pub(super) enum Unit {
        Two,
        One,
    }
}

/// A value of either module's type.
macro_rules! value {
    ($module:ident, $number:expr, $text:expr, $some:expr) => {{
        use $module::{Choice, Inner, Unit, Whole};
        Whole {
            number: $number,
            r#type: $some.then(|| vec![$text.clone()]),
            bytes: $text.clone().into_bytes(),
            renamed: ($number.into(), $some),
            choices: vec![
                Choice::Nothing,
                Choice::One($some.then_some(7)),
                Choice::Some {
                    name: $text.clone(),
                    hash: vec![1, 2],
                },
                Choice::Last,
                Choice::Inner(Inner {}),
            ],
            unit: if $some { Unit::One } else { Unit::Two },
            id: $some.then(Principal::anonymous),
        }
    }};
}

proptest! {
    #[test]
    fn a_table_means_the_same_messages_as_candids_derive(
        number: u32, text in ".{0,20}", some: bool
    ) {
        let derived = value!(derived, number, text, some);
        let tabled = value!(tabled, number, text, some);
        let message = Encode!(&derived).unwrap();
        prop_assert_eq!(&Encode!(&tabled).unwrap(), &message);
        prop_assert_eq!(&Decode!(&message, tabled::Whole).unwrap(), &tabled);
        prop_assert_eq!(&Decode!(&message, derived::Whole).unwrap(), &derived);
        // A message that is cut off is an error of the same words.
        for end in 0..message.len() {
            let errors = (
                Decode!(&message[..end], tabled::Whole).unwrap_err().to_string(),
                Decode!(&message[..end], derived::Whole).unwrap_err().to_string(),
            );
            prop_assert_eq!(errors.0, errors.1, "cut at {}", end);
        }
    }
}

#[test]
fn a_message_with_more_or_fewer_fields_decodes_as_with_serdes_derive() {
    #[derive(candid::CandidType)]
    struct Other {
        name: String,
        more: Vec<u64>,
        choice: Option<u8>,
    }
    #[derive(Debug, crate::tables::CandidType, crate::tables::Deserialize, PartialEq)]
    struct Few {
        name: String,
        choice: Option<tabled::Unit>,
        missing: Option<u64>,
    }
    let other = Other {
        name: "a".to_string(),
        more: vec![1, 2],
        choice: Some(1),
    };
    let few = Few {
        name: "a".to_string(),
        choice: None,
        missing: None,
    };
    assert_eq!(Decode!(&Encode!(&other).unwrap(), Few).unwrap(), few);

    #[derive(candid::CandidType)]
    enum NewUnit {
        Three,
    }
    let newer = Encode!(&NewUnit::Three).unwrap();
    let errors = (
        Decode!(&newer, tabled::Unit).unwrap_err().to_string(),
        Decode!(&newer, derived::Unit).unwrap_err().to_string(),
    );
    assert_eq!(errors.0, errors.1);
    let wrong = Encode!(&1_u8).unwrap();
    let errors = (
        Decode!(&wrong, tabled::Whole).unwrap_err().to_string(),
        Decode!(&wrong, derived::Whole).unwrap_err().to_string(),
    );
    assert_eq!(errors.0, errors.1);
}

#[test]
fn a_table_prints_the_same_interface_with_the_same_comments() {
    fn interface<T: candid::CandidType>() -> String {
        let mut container = TypeContainer::new();
        let actor = container.add::<T>();
        let mut docs = candid::pretty::candid::DocComments::empty();
        docs.extend_types(container.docs);
        let service = candid::types::TypeInner::Service(vec![(
            "get".to_string(),
            candid::types::TypeInner::Func(candid::types::Function {
                modes: Vec::new(),
                args: Vec::new(),
                rets: vec![actor],
            })
            .into(),
        )]);
        candid::pretty::candid::compile_with_docs(&container.env, &Some(service.into()), &docs)
    }
    // Names of types are given once in each thread: the second type of a name gets a number.
    let derived = std::thread::spawn(interface::<derived::Whole>)
        .join()
        .unwrap();
    let tabled = std::thread::spawn(interface::<tabled::Whole>)
        .join()
        .unwrap();
    assert_eq!(tabled, derived);
    assert!(tabled.contains("// on two lines."), "{tabled}");
}
