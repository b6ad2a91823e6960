use candid::{Decode, Encode, Int, Nat, Principal, Reserved, types::internal::TypeContainer};
use proptest::prelude::*;

use crate::{
    api::{Announcement, Change, MemberRef, ProvisionError, ProvisionRequest, Provisioned, Source},
    tables::read::{Misfit, Read, ReadAll},
};

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
            use crate::tables::{CandidType, Read as Deserialize};
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

fn read<T: Read>(message: &[u8]) -> Result<T, Misfit> {
    ReadAll::read_all(message).map(|(value,)| value)
}

fn type_error<T>(expected: &'static str, field: Option<&'static str>) -> Result<T, Misfit> {
    Err(Misfit::Type { expected, field })
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
        prop_assert_eq!(&read::<tabled::Whole>(&message), &Ok(tabled));
        prop_assert_eq!(&Decode!(&message, derived::Whole).unwrap(), &derived);
        for end in 0..message.len() {
            prop_assert_eq!(
                read::<tabled::Whole>(&message[..end]), Err(Misfit::Damaged), "cut at {}", end
            );
        }
    }

    #[test]
    fn a_damaged_message_is_what_candid_reads_or_an_error(
        number: u32, text in ".{0,20}", some: bool, at: prop::sample::Index, byte: u8,
    ) {
        let derived = value!(derived, number, text, some);
        let mut message = Encode!(&derived).unwrap();
        let at = at.index(message.len());
        message[at] = byte;
        let read = read::<tabled::Whole>(&message);
        if let Ok(derived) = Decode!(&message, derived::Whole) {
            let again = read.map(|tabled| Encode!(&tabled).unwrap());
            prop_assert_eq!(again, Ok(Encode!(&derived).unwrap()));
        }
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let message = [b"DIDL", &bytes[..]].concat();
        let _ = read::<tabled::Whole>(&message);
        let _ = read::<Option<Vec<tabled::Choice>>>(&message);
        let _ = read::<Reserved>(&message);
        let _ = read::<tabled::Whole>(&bytes);
    }
}

#[test]
fn a_message_with_more_or_fewer_fields_is_read() {
    candid::define_service!(Service: { "get": candid::func!((u8) -> (u8) query) });
    candid::define_function!(Method: (u8, Principal) -> () oneway);
    #[derive(candid::CandidType)]
    struct Other {
        name: String,
        integers: Vec<(i8, i16, i32, i64, Int)>,
        others: Vec<(u64, Option<Nat>, f32, f64)>,
        choice: Option<u8>,
        wrong: u64,
        service: Service,
        method: Method,
    }
    #[derive(Debug, crate::tables::Read, PartialEq)]
    struct Few {
        name: String,
        choice: Option<tabled::Unit>,
        wrong: Option<Vec<u64>>,
        missing: Option<u64>,
    }
    #[derive(Debug, crate::tables::Read, PartialEq)]
    struct Strict {
        name: u64,
    }
    #[derive(Debug, crate::tables::Read, PartialEq)]
    struct Lacking {
        name: String,
        missing: u64,
    }
    let principal = Principal::anonymous();
    let other = Other {
        name: "a".to_string(),
        integers: vec![(1, 1, 1, 1, Int::from(-1)); 2],
        others: vec![(1, Some(Nat::from(u128::MAX)), 1.0, 1.0); 2],
        choice: Some(1),
        wrong: 1,
        service: Service::new(principal),
        method: Method::new(principal, "method".to_string()),
    };
    let few = Few {
        name: "a".to_string(),
        choice: None,
        wrong: None,
        missing: None,
    };
    let message = Encode!(&other, &"another value").unwrap();
    assert_eq!(read(&message), Ok(few));
    assert_eq!(read::<Strict>(&message), type_error("nat64", Some("name")));
    assert_eq!(read::<Lacking>(&message), Err(Misfit::Lacks("missing")));
    let trailing = [&message[..], b"x"].concat();
    assert_eq!(read::<Few>(&trailing), Err(Misfit::Damaged));

    #[derive(candid::CandidType)]
    enum NewUnit {
        Three,
    }
    let newer = Encode!(&NewUnit::Three).unwrap();
    let unknown = type_error("variant that is known here", None);
    assert_eq!(read::<tabled::Unit>(&newer), unknown);
    assert_eq!(read::<Option<tabled::Unit>>(&newer), Ok(None));
    assert_eq!(
        read::<Option<tabled::Unit>>(&Encode!(&Some(NewUnit::Three)).unwrap()),
        Ok(None)
    );
    let number = Encode!(&1_u8).unwrap();
    assert_eq!(read::<tabled::Whole>(&number), type_error("record", None));
    assert_eq!(read::<Option<u8>>(&number), Ok(Some(1)));
}

#[test]
fn a_message_of_other_values_than_are_asked_for_is_read_as_candid_prescribes() {
    let none = Encode!().unwrap();
    assert_eq!(read::<u8>(&none), Err(Misfit::Fewer));
    assert_eq!(read::<Option<u8>>(&none), Ok(None));
    assert_eq!(ReadAll::read_all(&Encode!(&1_u8).unwrap()), Ok(()));
    let two = Encode!(&1_u8, &"b").unwrap();
    assert_eq!(ReadAll::read_all(&two), Ok((1_u8, "b".to_string())));
    assert_eq!(
        <(u8, u8)>::read_all(&Encode!(&1_u8).unwrap()),
        Err(Misfit::Fewer)
    );
}

#[test]
fn natural_numbers_end_with_the_largest() {
    let largest = Nat::from(u128::MAX);
    for (number, expected) in [
        (Nat::from(0_u8), 0),
        (Nat::from(1_u128 << 127), 1 << 127),
        (largest.clone(), u128::MAX),
        (largest.clone() + 1_u8, u128::MAX),
        (largest.clone() * 4_u8, u128::MAX),
        (largest.clone() * largest, u128::MAX),
    ] {
        assert_eq!(read(&Encode!(&number).unwrap()), Ok(expected));
    }
}

#[test]
fn canics_own_messages_fit() {
    let member = MemberRef {
        role: "w".to_string(),
        parent: Principal::anonymous(),
        key: None,
    };
    let changes = (0..500).map(|number| Change {
        number,
        canister: Principal::anonymous(),
        now: (number % 2 == 0).then(|| member.clone()),
        release: Some(number as u32),
    });
    let announcement = Announcement {
        after: 0,
        upto: 500,
        changes: changes.collect(),
    };
    assert_eq!(read(&Encode!(&announcement).unwrap()), Ok(announcement));
    let request = ProvisionRequest {
        role: "w".to_string(),
        key: None,
        parent: None,
        arg: vec![],
    };
    let requests = vec![request; 300];
    assert_eq!(read(&Encode!(&requests).unwrap()), Ok(requests));
    let answer: Result<Provisioned, ProvisionError> = Ok(Provisioned {
        canister: Principal::anonymous(),
        source: Source::Pool,
        operation: 1,
    });
    assert_eq!(read(&Encode!(&answer).unwrap()), Ok(answer));
}

/// The number 2^26 as Candid writes a length.
const MANY: [u8; 4] = [0x80, 0x80, 0x80, 0x20];

/// A message with a type table of these bytes, and values of those.
fn message(table_and_types: &[u8], values: &[u8]) -> Vec<u8> {
    [b"DIDL", table_and_types, values].concat()
}

#[test]
fn millions_of_values_without_bytes_are_refused() {
    fn refused<T: Read>(bytes: &[u8]) {
        assert_eq!(read::<T>(bytes).err(), Some(Misfit::TooMany), "{bytes:?}");
    }
    // `vec null`
    let nulls = message(&[1, 0x6d, 0x7f, 1, 0], &MANY);
    refused::<Vec<Option<u64>>>(&nulls);
    refused::<Vec<()>>(&nulls);
    refused::<Reserved>(&nulls);
    refused::<Option<u64>>(&nulls);
    // `vec record {}`
    let records = message(&[2, 0x6d, 1, 0x6c, 0, 1, 0], &MANY);
    refused::<Vec<tabled::Inner>>(&records);
    // `record { 0: vec null }`: a field that the type does not have.
    let field = message(&[2, 0x6c, 1, 0, 1, 0x6d, 0x7f, 1, 0], &MANY);
    refused::<tabled::Inner>(&field);
    // A value that is not asked for.
    let two = message(&[1, 0x6d, 0x7f, 2, 0x7b, 0], &[&[7][..], &MANY].concat());
    refused::<u8>(&two);
}

#[test]
fn types_within_themselves_are_refused() {
    // `type T = record { 0: T }`, and `type T = opt T` with a value of 100,000 levels.
    let endless = message(&[1, 0x6c, 1, 0, 0, 1, 0], &[]);
    let deep = message(&[1, 0x6e, 0, 1, 0], &[1; 100_000]);
    for message in [endless, deep] {
        assert_eq!(read::<Reserved>(&message).err(), Some(Misfit::Damaged));
        assert_eq!(read::<Option<u64>>(&message).err(), Some(Misfit::Damaged));
    }
}

#[test]
fn a_misfit_says_what_is_wrong() {
    let sentences = [
        (
            Misfit::Damaged,
            "it is no Candid message, or not a whole one",
        ),
        (
            Misfit::TooMany,
            "it holds more values than a message of its length may",
        ),
        (
            Misfit::Type {
                expected: "text",
                field: None,
            },
            "it is no text",
        ),
        (
            Misfit::Type {
                expected: "text",
                field: Some("key"),
            },
            "its field 'key' is no text",
        ),
        (Misfit::Lacks("key"), "it lacks the field 'key'"),
        (Misfit::Fewer, "it has too few values"),
    ];
    for (misfit, sentence) in sentences {
        assert_eq!(misfit.to_string(), sentence);
    }
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
