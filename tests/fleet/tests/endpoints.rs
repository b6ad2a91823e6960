//! An author's endpoints: what a refused caller is told and what it costs, and the bound on the
//! work that an argument can cause.

use candid::{CandidType, Encode, Principal};
use canic::api::{ProvisionError, ProvisionRequest, RolledBack};
use canic_fleet_tests::{Fleet, artifacts, user};
use pocket_ic::RejectResponse;

/// A fleet with a member of the fixture `doors`, and a user who controls it.
struct Doors {
    fleet: Fleet,
    member: Principal,
}

impl Doors {
    fn new() -> Self {
        let fleet = Fleet::start("fixture-hub-root");
        fleet.approve("doors", &artifacts::module("fixture-doors"));
        let request = ProvisionRequest {
            role: "doors".into(),
            key: None,
            parent: None,
            arg: Vec::new(),
        };
        let member = fleet.provision(&request).expect("a member").canister;
        Self { fleet, member }
    }

    /// The controller of `doors` that is no canister, from the configuration of its role.
    fn controller() -> Principal {
        user(201)
    }

    fn call(&self, sender: Principal, method: &str, argument: Vec<u8>) -> Result<Vec<u8>, String> {
        let answer = self
            .fleet
            .pic
            .update_call(self.member, sender, method, argument);
        answer.map_err(|reject| reject.reject_message)
    }

    fn upgrade(&self) {
        let (fleet, module) = (&self.fleet, artifacts::module("fixture-doors"));
        let nothing = Encode!().expect("no argument");
        fleet
            .pic
            .upgrade_canister(self.member, module, nothing, Some(fleet.root))
            .expect("upgraded");
    }

    /// The instructions of the last call of a method; `None` if the server does not tell.
    fn instructions(&self, method: &str, from: Option<u64>) -> Option<u64> {
        let observer = self.fleet.observer.as_ref()?;
        observer.instructions(self.member, method, from?).pop()
    }

    fn now(&self) -> Option<u64> {
        self.fleet.observer.as_ref().map(|observer| observer.now())
    }
}

fn nothing() -> Vec<u8> {
    Encode!().expect("no argument")
}

// What a refused caller is told

#[test]
fn a_guards_reason_is_told_each_time() {
    let doors = Doors::new();
    for _ in 0..2 {
        for _ in 0..3 {
            for (method, sender) in [
                ("guarded_shop", user(1)),
                ("guarded_list", user(1)),
                ("guarded_twice", Doors::controller()),
            ] {
                let reason = doors.call(sender, method, nothing()).expect_err("closed");
                assert!(reason.contains("closed on Sundays"), "{method}: {reason}");
            }
        }
        doors.upgrade();
    }
    let stranger = doors.call(user(1), "guarded_list", nothing());
    let reason = stranger.expect_err("neither word lets him in");
    let allowed = "allowed are controllers, callers that a guard lets in (closed on Sundays)";
    assert!(reason.contains(allowed), "{reason}");
    doors.fleet.quiet();
    doors.fleet.audit().passes();
}

#[test]
fn whom_the_list_refuses_is_turned_away_from_the_first_call_on() {
    let doors = Doors::new();
    let arguments = Encode!(&Vec::<Option<u64>>::new()).expect("values");
    let closed = [
        ("update_controller", nothing()),
        ("query_controller", nothing()),
        ("update_root", nothing()),
        ("update_child", nothing()),
        ("guarded_twice", nothing()),
        ("guarded_by_list", arguments.clone()),
    ];
    for _ in 0..2 {
        for (method, argument) in &closed {
            let from = doors.now();
            let before = doors.fleet.pic.cycle_balance(doors.member);
            let reason = doors.call(user(1), method, argument.clone());
            let reason = reason.expect_err("for others");
            assert!(
                reason.contains("rejected the message"),
                "{method}: {reason}"
            );
            let paid = before - doors.fleet.pic.cycle_balance(doors.member);
            // Storage alone: the reception of a message costs more than the bound.
            assert!(paid < 1_000_000, "{method} cost {paid} cycles");
            assert_eq!(
                doors.instructions(method, from),
                None,
                "{method} did not run"
            );
        }
        let welcome = doors.call(Doors::controller(), "guarded_by_list", arguments.clone());
        welcome.expect("a controller is let in");
        doors.upgrade();
    }
    doors.fleet.quiet();
    doors.fleet.audit().passes();
}

#[test]
fn a_guard_may_use_all_that_a_call_may() {
    let doors = Doors::new();
    for _ in 0..3 {
        doors
            .call(user(1), "guarded_by_much", nothing())
            .expect("the guard lets everybody in");
    }
    doors.fleet.quiet();
    doors.fleet.audit().passes();
}

#[test]
fn an_error_as_text_is_a_sentence() {
    let doors = Doors::new();
    let answer: Result<Result<Principal, String>, RejectResponse> =
        doors.fleet.update(doors.member, user(1), "hire_worker", ());
    let error = answer.expect("it answers").expect_err("not its child");
    let expected = format!(
        "{}, a member of role 'doors', can't be the parent: root, hub can",
        doors.member
    );
    assert_eq!(error, expected);
    doors.fleet.quiet();
    doors.fleet.audit().passes();
}

// The bound on arguments

/// 2^26 values without bytes, as `vec null` and as `vec record {}`.
fn bombs() -> [Vec<u8>; 2] {
    let many = [0x80, 0x80, 0x80, 0x20];
    [
        [b"DIDL\x01\x6d\x7f\x01\x00", &many[..]].concat(),
        [b"DIDL\x02\x6d\x01\x6c\x00\x01\x00", &many[..]].concat(),
    ]
}

/// A newer client's item: `put_items` does not know its note.
#[derive(Clone, CandidType)]
struct NewItem {
    id: u64,
    note: String,
}

#[test]
fn a_message_of_a_few_bytes_costs_a_few_instructions() {
    let doors = Doors::new();
    let [nulls, records] = bombs();
    // Without the bound, the first of them takes 21.8 billion instructions.
    for (method, argument, most) in [
        ("put_numbers", &nulls, 40_000_000),
        ("put_records", &records, 40_000_000),
        ("put_items", &records, 40_000_000),
        // Its author allows ten times as much.
        ("put_nulls", &nulls, 400_000_000),
        ("canic_metrics", &nulls, 40_000_000),
        ("canic_metrics", &records, 40_000_000),
    ] {
        let from = doors.now();
        let reason = doors.call(user(1), method, argument.clone());
        let reason = reason.expect_err("too many values");
        let is_told = reason.contains("the argument does not fit: ");
        assert!(is_told, "{method}: {reason}");
        if method.starts_with("put_") && method != "put_items" {
            let option = "the option `decoding_quota` of the endpoint's attribute moves it";
            assert!(reason.contains(option), "{method}: {reason}");
        }
        let instructions = doors.instructions(method, from).unwrap_or_default();
        println!("{method}: {instructions} instructions");
        assert!(instructions < most, "{method}: {instructions}");
    }
    doors.fleet.quiet();
    doors.fleet.audit().passes();
}

#[test]
fn honest_arguments_of_any_length_are_read() {
    let doors = Doors::new();
    let ask = |method: &str, argument: Vec<u8>| -> u64 {
        let from = doors.now();
        let bytes = argument.len();
        let answer = doors.call(user(1), method, argument);
        let answer = answer.unwrap_or_else(|reason| panic!("{method}, {bytes} bytes: {reason}"));
        let instructions = doors.instructions(method, from).unwrap_or_default();
        println!("{method}, {bytes} bytes: {instructions} instructions");
        candid::decode_one(&answer).expect("a number")
    };
    let item = NewItem {
        id: 1,
        note: "a field that the canister's type does not have".to_string(),
    };
    for count in [100, 10_000, 35_000] {
        let items = Encode!(&vec![item.clone(); count]).expect("values");
        assert_eq!(ask("put_items", items), count as u64);
    }
    let numbers = Encode!(&vec![None::<u64>; 2_000_000]).expect("values");
    assert_eq!(ask("put_numbers", numbers), 2_000_000);
    // Values without bytes: some by default, and more where the author allows them.
    let nulls = |count| Encode!(&vec![(); count]).expect("values");
    assert_eq!(ask("put_numbers", nulls(20_000)), 20_000);
    assert_eq!(ask("put_nulls", nulls(200_000)), 200_000);
    let refused = doors.call(user(1), "put_numbers", nulls(200_000));
    let reason = refused.expect_err("more than by default");
    assert!(
        reason.contains("costs more than 100768 of Candid's units"),
        "{reason}"
    );
    let refused = doors.call(user(1), "put_nulls", nulls(300_000));
    let reason = refused.expect_err("more than the author allows");
    assert!(
        reason.contains("costs more than 1000000 of Candid's units"),
        "{reason}"
    );
    doors.fleet.quiet();
    doors.fleet.audit().passes();
}

#[test]
fn the_argument_of_init_is_bounded() {
    let fleet = Fleet::start("fixture-hub-root");
    fleet.approve("hooks", &artifacts::module("fixture-hooks"));
    // A greeting, which `init` takes, and a second argument that it does not have.
    let many = [0x80, 0x80, 0x80, 0x20];
    let arg = [b"DIDL\x01\x6d\x7f\x02\x71\x00\x02hi", &many[..]].concat();
    let error = fleet
        .provision(&ProvisionRequest {
            role: "hooks".into(),
            key: None,
            parent: None,
            arg,
        })
        .expect_err("the member refuses it");
    let ProvisionError::InstallFailed {
        reason,
        rolled_back,
        ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert!(reason.contains("of Candid's units"), "{reason}");
    assert_ne!(*rolled_back, RolledBack::Nothing);
    fleet.quiet();
    fleet.audit().passes();
}
