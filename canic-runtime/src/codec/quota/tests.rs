//! Tests of the bound: honest messages of many types never meet it, and bombs do.

use std::{collections::BTreeMap, fmt};

use candid::{CandidType, Int, Nat, Principal, Reserved};
use proptest::{collection::vec, option, prelude::*};
use serde::Deserialize;

use super::*;
use crate::codec::decode::{CandidArgument, decode_args};

/// The largest message that a user can send, in bytes.
const INGRESS: usize = 2 << 20;

// Types of authors

#[derive(Clone, Debug, PartialEq, CandidType, Deserialize)]
enum Status {
    Open,
    WaitingForTheApprovalOfTheController,
    Closed { at: u64 },
    Failed(String),
}

/// As dear as a byte can get: a record whose only field is a variant without content.
#[derive(Clone, Debug, PartialEq, CandidType, Deserialize)]
struct Task {
    state_of_the_task_at_present: Status,
}

#[derive(Clone, Debug, PartialEq, CandidType, Deserialize)]
struct Item {
    id: u64,
    name: String,
    owner: Principal,
    status: Status,
    tags: Vec<String>,
    note: Option<String>,
    parent: Option<Option<u64>>,
}

/// A later version of [`Item`], as a newer client would send it.
#[derive(Clone, Debug, PartialEq, CandidType, Deserialize)]
struct NewItem {
    archived: bool,
    id: u64,
    name: String,
    owner: Principal,
    status: Status,
    tags: Vec<String>,
    note: Option<String>,
    parent: Option<Option<u64>>,
    history: Vec<Task>,
    picture: Option<Vec<u8>>,
    second: Status,
}

/// An earlier version of [`AllOptional`], as an older client would send it.
#[derive(Clone, Debug, PartialEq, CandidType, Deserialize)]
struct Early {
    id: u8,
}

#[derive(Clone, Debug, Default, PartialEq, CandidType, Deserialize)]
struct AllOptional {
    id: Option<u8>,
    the_first_of_many_optional_fields: Option<u64>,
    the_second_of_many_optional_fields: Option<String>,
    the_third_of_many_optional_fields: Option<Principal>,
    the_fourth_of_many_optional_fields: Option<Vec<u8>>,
    the_fifth_of_many_optional_fields: Option<bool>,
    the_sixth_of_many_optional_fields: Option<Early>,
}

#[derive(Clone, Debug, PartialEq, CandidType, Deserialize)]
struct Newtype(Vec<(u8, String)>);

#[derive(Clone, Debug, PartialEq, CandidType, Deserialize)]
struct Tree {
    children: Vec<Tree>,
}

#[derive(Clone, Debug, PartialEq, CandidType, Deserialize)]
struct Unit {}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![
        4 => Just(Status::Open),
        4 => Just(Status::WaitingForTheApprovalOfTheController),
        1 => any::<u64>().prop_map(|at| Status::Closed { at }),
        1 => ".{0,9}".prop_map(Status::Failed),
    ]
}

fn task() -> impl Strategy<Value = Task> {
    status().prop_map(|state_of_the_task_at_present| Task {
        state_of_the_task_at_present,
    })
}

fn principal() -> impl Strategy<Value = Principal> {
    vec(any::<u8>(), 0..29).prop_map(|bytes| Principal::from_slice(&bytes))
}

fn item() -> impl Strategy<Value = Item> {
    let parent = option::of(option::of(any::<u64>()));
    let tags = vec(".{0,5}", 0..4);
    let note = option::of(".{0,5}");
    (
        any::<u64>(),
        ".{0,9}",
        principal(),
        status(),
        tags,
        note,
        parent,
    )
        .prop_map(|(id, name, owner, status, tags, note, parent)| Item {
            id,
            name,
            owner,
            status,
            tags,
            note,
            parent,
        })
}

fn new_item() -> impl Strategy<Value = NewItem> {
    let more = (
        any::<bool>(),
        vec(task(), 0..9),
        option::of(vec(any::<u8>(), 0..99)),
        status(),
    );
    (item(), more).prop_map(|(item, (archived, history, picture, second))| NewItem {
        archived,
        id: item.id,
        name: item.name,
        owner: item.owner,
        status: item.status,
        tags: item.tags,
        note: item.note,
        parent: item.parent,
        history,
        picture,
        second,
    })
}

fn all_optional() -> impl Strategy<Value = AllOptional> {
    (any::<u8>(), option::of(any::<u64>()), option::of(".{0,9}")).prop_map(|(id, first, second)| {
        AllOptional {
            id: Some(id),
            the_first_of_many_optional_fields: first,
            the_second_of_many_optional_fields: second,
            ..AllOptional::default()
        }
    })
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = Tree { children: vec![] };
    Just(leaf).prop_recursive(5, 60, 4, |tree| {
        vec(tree, 0..4).prop_map(|children| Tree { children })
    })
}

// Honest messages

/// Decodes a message with the units that its bytes give it, and none besides: so it would fit at
/// any length.
fn read<T: CandidArgument>(bytes: &[u8]) -> Result<T, String> {
    let quota = Quota {
        units: Some(PER_BYTE * bytes.len()),
        ..Quota::ARGUMENT
    };
    decode_args::<(T,)>(bytes, quota).map(|(value,)| value)
}

fn fits<T: CandidArgument + fmt::Debug + PartialEq>(value: &T) -> Result<(), TestCaseError> {
    let bytes = candid::encode_one(value).expect("it has values");
    prop_assert_eq!(&read::<T>(&bytes).map_err(TestCaseError::fail)?, value);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn plain_values_fit(
        small in vec(any::<u8>(), 0..500), large in vec(any::<u64>(), 0..500),
        floats in vec(any::<f32>().prop_filter("comparable", |f| !f.is_nan()), 0..50),
        flags in vec(any::<bool>(), 0..500), texts in vec(".{0,3}", 0..99),
        principals in vec(principal(), 0..99), blobs in vec(vec(any::<u8>(), 0..3), 0..99),
    ) {
        fits(&small)?;
        fits(&serde_bytes::ByteBuf::from(small.clone()))?;
        fits(&small.iter().map(|n| Nat::from(*n)).collect::<Vec<_>>())?;
        fits(&large.iter().map(|n| Int::from(*n)).collect::<Vec<_>>())?;
        fits(&large)?;
        fits(&large.iter().map(|n| u128::from(*n) << 64).collect::<Vec<_>>())?;
        fits(&floats)?;
        fits(&flags)?;
        fits(&texts)?;
        fits(&principals)?;
        fits(&blobs)?;
    }

    #[test]
    fn values_of_values_fit(
        numbers in vec(option::of(option::of(any::<u8>())), 0..200),
        map in prop::collection::btree_map(".{0,3}", any::<u64>(), 0..99),
        ids in prop::collection::btree_map(any::<u8>(), status(), 0..99),
        results in vec(prop::result::maybe_ok(any::<bool>(), ".{0,2}"), 0..99),
        pairs in vec((any::<bool>(), ".{0,3}"), 0..99), tree in tree(),
    ) {
        fits(&numbers)?;
        fits(&map)?;
        fits(&ids)?;
        fits(&map.into_iter().map(|(k, v)| (Nat::from(v), k)).collect::<BTreeMap<_, _>>())?;
        fits(&results)?;
        fits(&results.iter().map(|r| r.clone().map(drop)).collect::<Vec<_>>())?;
        fits(&Newtype(pairs.iter().map(|(b, t)| (u8::from(*b), t.clone())).collect()))?;
        fits(&pairs)?;
        fits(&tree)?;
    }

    #[test]
    fn records_and_variants_fit(
        states in vec(status(), 0..200), tasks in vec(task(), 0..200), items in vec(item(), 0..50),
        optional in vec(all_optional(), 0..99),
    ) {
        fits(&states)?;
        fits(&states.into_iter().map(Some).collect::<Vec<_>>())?;
        fits(&tasks)?;
        fits(&tasks.iter().cloned().map(|task| (task,)).collect::<Vec<_>>())?;
        fits(&items)?;
        fits(&optional)?;
    }

    #[test]
    fn clients_of_another_version_fit(
        items in vec(new_item(), 0..50), early in vec(any::<u8>(), 0..200)
    ) {
        // Newer: fields that the type lacks, and arguments that the function lacks.
        let bytes = candid::encode_args((&items, &items)).expect("it has values");
        let read_items = read::<Vec<Item>>(&bytes).map_err(TestCaseError::fail)?;
        prop_assert_eq!(read_items.len(), items.len());
        let read_ids = read::<Vec<Early>>(&candid::encode_one(
            items.iter().map(all_optional_of).collect::<Vec<_>>()
        ).expect("it has values")).map_err(TestCaseError::fail)?;
        prop_assert_eq!(read_ids.len(), items.len());
        // Variants that an optional field does not know become None.
        let unknown: Vec<Option<Task>> = items.iter().flat_map(|i| i.history.clone()).map(Some)
            .collect();
        let bytes = candid::encode_one(&unknown).expect("it has values");
        let known = read::<Vec<Option<OldTask>>>(&bytes).map_err(TestCaseError::fail)?;
        prop_assert_eq!(known.len(), unknown.len());
        // Older: fields that the message lacks.
        let early: Vec<Early> = early.into_iter().map(|id| Early { id }).collect();
        let bytes = candid::encode_one(&early).expect("it has values");
        let later = read::<Vec<AllOptional>>(&bytes).map_err(TestCaseError::fail)?;
        prop_assert_eq!(later.len(), early.len());
    }
}

#[derive(Clone, Debug, PartialEq, CandidType, Deserialize)]
enum OldStatus {
    Open,
}

#[derive(Clone, Debug, PartialEq, CandidType, Deserialize)]
struct OldTask {
    state_of_the_task_at_present: OldStatus,
}

/// A record with a required id and every field that [`Early`] lacks.
#[derive(Clone, CandidType)]
struct Required {
    id: u8,
    first: Option<u64>,
    status: Status,
    done: bool,
}

fn all_optional_of(item: &NewItem) -> Required {
    Required {
        id: 1,
        first: item.note.as_ref().map(|_| item.id),
        status: item.status.clone(),
        done: item.archived,
    }
}

/// The dearest honest types at the length of a whole ingress message.
#[test]
fn honest_messages_of_two_mebibytes_are_decoded() {
    fn fill<T: CandidType + Clone, R: CandidArgument>(value: T) {
        let length = |n| {
            candid::encode_one(vec![value.clone(); n])
                .expect("values")
                .len()
        };
        let each = (length(1_000) - length(900)) as f64 / 100.0;
        let n = ((INGRESS - 1_000) as f64 / each) as usize;
        let bytes = candid::encode_one(vec![value; n]).expect("values");
        assert!(
            (INGRESS * 9 / 10..=INGRESS).contains(&bytes.len()),
            "{}",
            bytes.len()
        );
        let read = decode_args::<(Vec<R>,)>(&bytes, Quota::ARGUMENT);
        assert_eq!(read.map(|(values,)| values.len()), Ok(n));
    }
    fill::<_, Task>(Task {
        state_of_the_task_at_present: Status::Open,
    });
    fill::<_, Early>(Required {
        id: 1,
        first: None,
        status: Status::Open,
        done: true,
    });
}

#[test]
fn a_few_values_without_bytes_fit() {
    let units = vec![Unit {}; 10_000];
    let bytes = candid::encode_one(&units).expect("values");
    let read = decode_args::<(Vec<Unit>,)>(&bytes, Quota::ARGUMENT);
    assert_eq!(read, Ok((units,)));
    let bytes = candid::encode_one(vec![(); 20_000]).expect("values");
    let read = decode_args::<(Vec<()>,)>(&bytes, Quota::ARGUMENT);
    assert_eq!(read.map(|(nulls,)| nulls.len()), Ok(20_000));
}

// Bombs

/// A message with a type table of these bytes and values of those.
fn message(table_and_types: &[u8], values: &[u8]) -> Vec<u8> {
    [b"DIDL", table_and_types, values].concat()
}

/// The number 2^26 as Candid writes a length.
const MANY: [u8; 4] = [0x80, 0x80, 0x80, 0x20];

fn null_bomb() -> Vec<u8> {
    // `vec null`
    message(&[1, 0x6d, 0x7f, 1, 0], &MANY)
}

#[test]
fn millions_of_values_without_bytes_are_refused() {
    fn refused<T: CandidArgument>(bytes: &[u8]) {
        let Err(reason) = decode_args::<(T,)>(bytes, Quota::ARGUMENT) else {
            panic!("{} bytes pass", bytes.len());
        };
        let limit = BASE + PER_BYTE * bytes.len();
        let expected = format!(
            "the argument does not fit: decoding it costs more than {limit} of Candid's units, the \
             limit for its {} bytes",
            bytes.len()
        );
        assert_eq!(reason, expected);
    }
    assert_eq!(null_bomb().len(), 13);
    refused::<Vec<Option<u64>>>(&null_bomb());
    refused::<Vec<()>>(&null_bomb());
    refused::<Vec<Reserved>>(&null_bomb());
    refused::<Option<Vec<Option<u64>>>>(&null_bomb());
    refused::<Reserved>(&null_bomb());
    // An argument, or an optional one, that the function does not have.
    refused::<Option<u64>>(&null_bomb());
    let two = message(&[1, 0x6d, 0x7f, 2, 0x7b, 0], &[&[7][..], &MANY].concat());
    refused::<u8>(&two);
    // `vec record {}`, `vec reserved`, `vec record { 0: null; 1: record {} }`
    let records = message(&[2, 0x6d, 1, 0x6c, 0, 1, 0], &MANY);
    refused::<Vec<AllOptional>>(&records);
    refused::<Vec<Unit>>(&records);
    refused::<Vec<Option<u8>>>(&message(&[1, 0x6d, 0x70, 1, 0], &MANY));
    let nested = [3, 0x6d, 1, 0x6c, 2, 0, 0x7f, 1, 2, 0x6c, 0, 1, 0];
    refused::<Vec<(Option<u8>, Option<Unit>)>>(&message(&nested, &MANY));
    // `record { 0: vec null }`: a field that the type does not have.
    let field = message(&[2, 0x6c, 1, 0, 1, 0x6d, 0x7f, 1, 0], &MANY);
    refused::<Unit>(&field);
    refused::<AllOptional>(&field);
    // `vec vec null`, many of many.
    let vectors = MANY.repeat(1_000);
    let count = [0xe8, 0x07];
    let nested = message(
        &[2, 0x6d, 1, 0x6d, 0x7f, 1, 0],
        &[&count[..], &vectors].concat(),
    );
    refused::<Vec<Vec<Option<u8>>>>(&nested);
    // A long message buys values in proportion only.
    let long = [null_bomb(), vec![0; 10_000]].concat();
    refused::<Vec<Option<u64>>>(&long);
}

#[test]
fn values_that_are_skipped_again_and_again_are_refused() {
    /// `type T = opt record { T; text }`, from a message in which the text is a number.
    #[derive(Debug, CandidType, Deserialize)]
    struct Node(Box<Option<Node>>, String);
    #[derive(CandidType)]
    struct Liar(Box<Option<Liar>>, u8);
    let chain = |depth| {
        let mut list = None;
        for _ in 0..depth {
            list = Some(Liar(Box::new(list), 1));
        }
        list
    };
    let short = candid::encode_one(chain(3)).expect("values");
    assert!(matches!(
        decode_args::<(Option<Node>,)>(&short, Quota::ARGUMENT),
        Ok((None,))
    ));
    let lists: Vec<_> = (0..100).map(|_| chain(100)).collect();
    let bytes = candid::encode_one(lists).expect("values");
    let read = decode_args::<(Vec<Option<Node>>,)>(&bytes, Quota::ARGUMENT);
    assert!(read.is_err_and(|reason| reason.contains("costs more than")));
}

#[test]
fn an_option_moves_the_limit_and_the_caller_is_told_its_name() {
    let quota = |units| Quota::of_endpoint(Some(units));
    let bytes = candid::encode_one(vec![(); 60_000]).expect("values");
    let read = |units| decode_args::<(Vec<()>,)>(&bytes, quota(units)).map(|(nulls,)| nulls.len());
    assert_eq!(read(300_000), Ok(60_000));
    let expected = "the argument does not fit: decoding it costs more than 1000 of Candid's \
                    units, the limit for its 12 bytes; the option `decoding_quota` \
                    of the endpoint's attribute moves it";
    assert_eq!(read(1_000), Err(expected.to_string()));
}

#[test]
fn a_message_of_another_type_is_refused_with_all_causes() {
    let bytes = candid::encode_one("text").expect("values");
    let reason = decode_args::<(u64,)>(&bytes, Quota::ARGUMENT).expect_err("it is no number");
    assert!(reason.contains("from text to nat64"), "{reason}");
    assert!(reason.contains("Subtyping error: "), "{reason}");
}

/// The bound depends on how Candid says that it stopped.
#[test]
fn candids_two_messages_about_costs_are_known() {
    for set in [
        DecoderConfig::set_decoding_quota,
        DecoderConfig::set_skipping_quota,
    ] {
        let bytes = candid::encode_one(vec![(); 1_000]).expect("values");
        let mut tries = Tries::first(&bytes, Quota::ARGUMENT);
        tries.config = DecoderConfig::new();
        set(&mut tries.config, 100);
        let failure = tries.walk().expect_err("it costs 4,000");
        assert!(is_cost(&reason(&failure)), "{failure}");
    }
}
