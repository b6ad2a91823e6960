//! Invalid input: a typed error, and nothing paid or lost.

use candid::{Principal, encode_args};
use canic::api::{
    Denied, MAX_ARGUMENT, MAX_KEY, MemberRequest, MembersFilter, OperationInfo, OperationsFilter,
    PageRequest, PoolPage, ProvisionError, ProvisionRequest, Provisioned, RolledBack,
};
use canic_fleet_tests::{
    Fleet, artifacts,
    fleet::{notebook, owner_argument},
    user,
};
use pocket_ic::RejectResponse;

const JUNK: &[u8] = b"this is not Candid";

/// The error of a request that root must refuse before it pays or records anything.
fn refused(fleet: &Fleet, request: &ProvisionRequest) -> ProvisionError {
    let from = fleet.observer.as_ref().map(|observer| observer.now());
    let last = |fleet: &Fleet| {
        fleet
            .operations(OperationsFilter::Closed)
            .last()
            .map(|o| o.id)
    };
    let before = last(fleet);
    let error = fleet.provision(request).expect_err("root refuses");
    assert!(fleet.open().is_empty(), "no operation was begun");
    assert_eq!(last(fleet), before, "no operation was begun");
    if let Some((observer, from)) = fleet.observer.as_ref().zip(from) {
        let calls = observer.management_calls(fleet.root, from);
        assert!(calls.is_empty(), "nothing is paid: {calls:?}");
    }
    error
}

#[test]
fn endpoints_reject_arguments_that_are_not_candid() {
    let fleet = Fleet::of_notebooks();
    let updates = [
        "canic_provision",
        "canic_provision_batch",
        "canic_retire",
        "canic_import",
        "canic_module_stage",
        "canic_module_approve",
        "canic_prune",
    ];
    let queries = [
        "canic_members",
        "canic_member",
        "canic_modules",
        "canic_pool",
        "canic_operations",
        "canic_operation",
        "canic_metrics",
        "where_is",
    ];
    for method in updates {
        let answer = fleet
            .pic
            .update_call(fleet.root, fleet.controller, method, JUNK.to_vec());
        assert!(answer.is_err(), "{method}: {answer:?}");
    }
    for method in queries {
        let answer = fleet
            .pic
            .query_call(fleet.root, fleet.controller, method, JUNK.to_vec());
        assert!(answer.is_err(), "{method}: {answer:?}");
    }
    let made = fleet
        .provision(&notebook(user(1)))
        .expect("root still serves requests");
    let answer = fleet
        .pic
        .update_call(made.canister, user(1), "put", JUNK.to_vec());
    let reject = answer.expect_err("junk is refused");
    assert!(!reject.reject_message.is_empty());
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn a_member_argument_that_is_not_candid_is_refused() {
    let fleet = Fleet::of_notebooks();
    let error = refused(
        &fleet,
        &ProvisionRequest {
            arg: JUNK.to_vec(),
            ..notebook(user(1))
        },
    );
    assert!(
        matches!(error, ProvisionError::InvalidArgument { .. }),
        "{error:?}"
    );
    fleet.audit().passes();
}

#[test]
fn a_member_argument_of_another_type_fails_the_install() {
    let fleet = Fleet::of_notebooks();
    for arg in [encode_args((7_u8, "seven")).expect("encoded"), Vec::new()] {
        let answer = fleet.provision(&ProvisionRequest {
            arg,
            ..notebook(user(1))
        });
        assert!(
            matches!(
                answer,
                Err(ProvisionError::InstallFailed {
                    rolled_back: RolledBack::Recycled,
                    ..
                })
            ),
            "{answer:?}"
        );
        fleet.quiet();
    }
    assert!(fleet.members(&MembersFilter::All).is_empty());
    fleet.audit().passes();
}

#[test]
fn arguments_and_keys_of_the_wrong_size_are_refused() {
    let fleet = Fleet::of_notebooks();
    let arg = encode_args((vec![0_u8; MAX_ARGUMENT],)).expect("encoded");
    let error = refused(
        &fleet,
        &ProvisionRequest {
            arg,
            ..notebook(user(1))
        },
    );
    assert!(
        matches!(error, ProvisionError::ArgumentTooLarge { .. }),
        "{error:?}"
    );
    for key in [String::new(), "k".repeat(MAX_KEY + 1)] {
        let length = key.len() as u32;
        let error = refused(
            &fleet,
            &ProvisionRequest {
                key: Some(key),
                ..notebook(user(1))
            },
        );
        assert_eq!(
            error,
            ProvisionError::InvalidKey {
                length,
                max: MAX_KEY as u32
            }
        );
    }
    let key = Some("k".repeat(MAX_KEY));
    let longest = fleet.provision(&ProvisionRequest {
        key,
        ..notebook(user(1))
    });
    assert!(longest.is_ok(), "the limit itself is allowed: {longest:?}");
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn an_unknown_role_is_refused_with_the_known_ones() {
    let fleet = Fleet::of_notebooks();
    let error = refused(
        &fleet,
        &ProvisionRequest {
            role: "gardener".into(),
            ..notebook(user(1))
        },
    );
    let known = ["worker", "club", "page"].map(String::from).to_vec();
    assert_eq!(
        error,
        ProvisionError::UnknownRole {
            role: "gardener".into(),
            known
        }
    );
    fleet.audit().passes();
}

#[test]
fn a_parent_that_is_no_member_is_refused() {
    let fleet = Fleet::of_notebooks();
    for parent in [
        user(5),
        Principal::anonymous(),
        Principal::management_canister(),
    ] {
        let request = ProvisionRequest {
            parent: Some(parent),
            ..notebook(user(1))
        };
        let error = refused(&fleet, &request);
        assert!(
            matches!(error, ProvisionError::ParentNotAllowed { .. }),
            "{error:?}"
        );
    }
    fleet.audit().passes();
}

#[test]
fn the_anonymous_caller_is_refused() {
    let fleet = Fleet::of_notebooks();
    let anonymous = Principal::anonymous();
    let signed_up: Result<Result<Provisioned, ProvisionError>, RejectResponse> =
        fleet.update(fleet.root, anonymous, "sign_up", ());
    let reject = signed_up.expect_err("the anonymous caller can't sign up");
    assert!(reject.reject_message.contains("sign in first"), "{reject}");
    let provisioned: Result<Result<Provisioned, ProvisionError>, RejectResponse> = fleet.update(
        fleet.root,
        anonymous,
        "canic_provision",
        (notebook(user(1)),),
    );
    assert!(provisioned.is_err(), "{provisioned:?}");
    assert!(fleet.members(&MembersFilter::All).is_empty());
    fleet.audit().passes();
}

#[test]
fn concurrent_requests_beyond_the_maximum_of_a_role_are_refused() {
    let fleet = Fleet::start("fixture-tight-root");
    fleet.approve("worker", &artifacts::module("example-worker"));
    fleet.quiet();
    let submitted = [1, 2, 3, 4, 5].map(|number| {
        fleet.submit(
            fleet.root,
            fleet.controller,
            "canic_provision",
            (notebook(user(number)),),
        )
    });
    let answers = submitted.map(|m| fleet.answer::<Result<Provisioned, ProvisionError>>(m));
    let full = Err(ProvisionError::RoleFull {
        role: "worker".into(),
        max: 3,
    });
    assert_eq!(
        answers.iter().filter(|answer| answer.is_ok()).count(),
        3,
        "{answers:?}"
    );
    assert_eq!(
        answers.iter().filter(|answer| **answer == full).count(),
        2,
        "{answers:?}"
    );
    fleet.quiet();
    assert_eq!(fleet.members(&MembersFilter::All).len(), 3);
    fleet.audit().passes();
}

#[test]
fn a_root_without_enough_cycles_refuses_before_it_pays() {
    // The reserve is 1 T; a member takes 1 T and the creation fee.
    let fleet = Fleet::start_with("fixture-bare-root", 2_000_000_000_000);
    fleet.approve("worker", &artifacts::module("example-worker"));
    fleet.quiet();
    let error = refused(&fleet, &notebook(user(1)));
    let ProvisionError::InsufficientCycles { needed, available } = error else {
        panic!("{error:?}");
    };
    assert!(
        needed > available && needed > 1_000_000_000_000,
        "{needed} of {available}"
    );

    fleet.pic.add_cycles(fleet.root, needed);
    fleet
        .provision(&notebook(user(1)))
        .expect("root has enough cycles now");
    assert!(
        fleet.pic.cycle_balance(fleet.root) >= 1_000_000_000_000,
        "the reserve is untouched"
    );
    fleet.audit().passes();
}

#[test]
fn queries_of_unknown_things_answer_nothing() {
    let fleet = Fleet::of_notebooks();
    assert_eq!(fleet.member(&MemberRequest::Canister(user(1))), None);
    let key = MemberRequest::Key {
        role: "gardener".into(),
        key: "nobody".into(),
    };
    assert_eq!(fleet.member(&key), None);
    assert!(
        fleet
            .members(&MembersFilter::Role("gardener".into()))
            .is_empty()
    );
    assert!(fleet.members(&MembersFilter::Parent(user(1))).is_empty());
    let unknown: Result<Option<OperationInfo>, Denied> = fleet.ask("canic_operation", (u64::MAX,));
    assert_eq!(unknown, Ok(None));
    let request = PageRequest {
        after: Some(u64::MAX),
        limit: u32::MAX,
    };
    let page: Result<PoolPage, Denied> = fleet.ask("canic_pool", (request,));
    assert!(page.expect("a page").entries.is_empty());
    fleet.audit().passes();
}

/// Asserts that an upgrade to a package fails on the stable memory of another program, and changes
/// nothing.
fn check_foreign_memory(package: &str, argument: Vec<u8>) {
    let fleet = Fleet::start("fixture-bare-root");
    let canister = fleet.stranger_canister(fleet.controller);
    let sender = Some(fleet.controller);
    let nothing = encode_args(()).expect("encoded");
    fleet.pic.install_canister(
        canister,
        artifacts::module("fixture-foreign"),
        nothing,
        sender,
    );
    let before = fleet.pic.get_stable_memory(canister);
    assert!(before.starts_with(b"a layout that nobody else knows"));

    let upgraded =
        fleet
            .pic
            .upgrade_canister(canister, artifacts::module(package), argument, sender);
    let reject = upgraded.expect_err("the upgrade fails");
    assert!(
        reject.reject_message.contains("canic"),
        "the message names canic: {reject}"
    );
    assert!(
        fleet.pic.get_stable_memory(canister) == before,
        "stable memory is untouched"
    );
    let alive: bool = fleet
        .query(canister, user(1), "alive", ())
        .expect("the old program runs");
    assert!(alive);
    fleet.audit().passes();
}

#[test]
fn root_leaves_stable_memory_of_another_program_alone() {
    check_foreign_memory("example-root", encode_args(()).expect("encoded"));
}

#[test]
fn a_member_leaves_stable_memory_of_another_program_alone() {
    check_foreign_memory("example-worker", owner_argument(user(1)));
}
