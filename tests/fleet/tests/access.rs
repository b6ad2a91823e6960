//! Access: each endpoint of root for each kind of caller, and the `allow(..)` of members.

use std::time::Duration;

use candid::{Principal, Reserved};
use canic::api::{
    ApproveRequest, Denied, Identity, IdentityInfo, ImportAs, ImportRequest, MemberRequest,
    MembersFilter, MembersRequest, OperationsFilter, OperationsRequest, PageRequest,
    ProvisionError, ProvisionRequest, Provisioned, PruneRequest, RetireError, RetireRequest,
    Retired, Retirement, StageRequest,
};
use canic_fleet_tests::{
    Fleet, artifacts,
    fleet::{notebook, owner_argument},
    user,
};
use pocket_ic::RejectResponse;

fn list_calls(fleet: &Fleet) -> Vec<(&'static str, Vec<u8>)> {
    let encode = |bytes: candid::Result<Vec<u8>>| bytes.expect("the argument can be encoded");
    let page = PageRequest {
        after: None,
        limit: 10,
    };
    let members = MembersRequest {
        filter: MembersFilter::All,
        after: None,
        limit: 10,
    };
    let operations = OperationsRequest {
        filter: OperationsFilter::Open,
        after: None,
        limit: 10,
    };
    vec![
        ("canic_members", encode(candid::encode_one(members))),
        (
            "canic_member",
            encode(candid::encode_one(MemberRequest::Canister(fleet.root))),
        ),
        ("canic_modules", encode(candid::encode_one(page))),
        ("canic_pool", encode(candid::encode_one(page))),
        ("canic_operations", encode(candid::encode_one(operations))),
        ("canic_operation", encode(candid::encode_one(1_u64))),
        ("canic_metrics", encode(candid::encode_one(page))),
    ]
}

fn mutating_calls(fleet: &Fleet) -> Vec<(&'static str, Vec<u8>)> {
    let encode = |bytes: candid::Result<Vec<u8>>| bytes.expect("the argument can be encoded");
    let retire = RetireRequest {
        canister: fleet.root,
        how: Retirement::Delete,
        subtree: None,
    };
    let import = ImportRequest {
        canister: fleet.root,
        import_as: ImportAs::Pool,
    };
    let approve = ApproveRequest {
        role: "worker".into(),
        hash: vec![0; 32],
        chunks: vec![],
        manual: None,
    };
    vec![
        (
            "canic_provision",
            encode(candid::encode_one(notebook(user(1)))),
        ),
        (
            "canic_provision_batch",
            encode(candid::encode_one(vec![notebook(user(1))])),
        ),
        ("canic_retire", encode(candid::encode_one(retire))),
        ("canic_import", encode(candid::encode_one(import))),
        (
            "canic_module_stage",
            encode(candid::encode_one(StageRequest { chunk: vec![1] })),
        ),
        ("canic_module_approve", encode(candid::encode_one(approve))),
        (
            "canic_prune",
            encode(candid::encode_one(PruneRequest { before: 1 })),
        ),
    ]
}

fn is_denied(answer: &[u8]) -> bool {
    candid::decode_one::<Result<Reserved, Denied>>(answer)
        .expect("an answer")
        .is_err()
}

#[test]
fn lists_are_for_controllers_and_members() {
    let fleet = Fleet::of_notebooks();
    let member = fleet
        .provision(&notebook(user(1)))
        .expect("a member")
        .canister;
    let callers = [
        (Principal::anonymous(), false),
        (user(1), false),
        (fleet.controller, true),
        (member, true),
    ];
    for (method, argument) in list_calls(&fleet) {
        for (caller, allowed) in callers {
            let answer = fleet
                .pic
                .query_call(fleet.root, caller, method, argument.clone());
            let answer = answer.unwrap_or_else(|reject| panic!("{method} by {caller}: {reject}"));
            assert_eq!(is_denied(&answer), !allowed, "{method} by {caller}");
        }
    }
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn mutations_by_strangers_are_rejected_before_root_pays() {
    let fleet = Fleet::of_notebooks();
    for (method, argument) in mutating_calls(&fleet) {
        for caller in [Principal::anonymous(), user(1)] {
            let before = fleet.pic.cycle_balance(fleet.root);
            let answer = fleet
                .pic
                .update_call(fleet.root, caller, method, argument.clone());
            assert!(answer.is_err(), "{method} by {caller}: {answer:?}");
            let paid = before - fleet.pic.cycle_balance(fleet.root);
            // Storage is paid while the call takes its time. Its reception and execution would cost
            // more than the bound.
            assert!(
                paid < 1_000_000,
                "{method} by {caller} cost root {paid} cycles"
            );
        }
    }
    assert!(fleet.members(&MembersFilter::All).is_empty());
    fleet.audit().passes();
}

#[test]
fn members_do_not_administer_the_fleet() {
    let fleet = Fleet::of_notebooks();
    let member = fleet
        .provision(&notebook(user(1)))
        .expect("a member")
        .canister;
    fleet.quiet();
    for (method, argument) in mutating_calls(&fleet) {
        if method.starts_with("canic_provision") {
            continue; // Members may provision children: see below.
        }
        let answer = fleet.pic.update_call(fleet.root, member, method, argument);
        match answer {
            Err(_) => {}
            Ok(bytes) => {
                // Controllers and parents may retire members. To any other caller root answers that
                // it is no member.
                let refused =
                    candid::decode_one::<Result<Reserved, Reserved>>(&bytes).expect("an answer");
                assert!(refused.is_err(), "{method} by a member");
            }
        }
    }
    fleet.audit().passes();
}

#[test]
fn a_member_may_only_have_children_of_roles_that_allow_it() {
    let fleet = Fleet::of_notebooks();
    let member = fleet
        .provision(&notebook(user(1)))
        .expect("a member")
        .canister;
    let answer: Result<Result<Provisioned, ProvisionError>, RejectResponse> =
        fleet.update(fleet.root, member, "canic_provision", (notebook(user(2)),));
    let error = answer
        .expect("members may ask")
        .expect_err("but a worker is no parent of workers");
    assert!(
        matches!(error, ProvisionError::ParentNotAllowed { .. }),
        "{error:?}"
    );
    fleet.quiet();
    assert_eq!(fleet.members(&MembersFilter::All).len(), 1);
    fleet.audit().passes();
}

fn fleet_of_hubs() -> (Fleet, [Principal; 2]) {
    let fleet = Fleet::start("fixture-hub-root");
    fleet.approve("hub", &artifacts::module("fixture-hub"));
    fleet.approve("worker", &artifacts::module("example-worker"));
    let hubs = ["one", "two"].map(|key| {
        let request = ProvisionRequest {
            role: "hub".into(),
            key: Some(key.into()),
            parent: None,
            arg: Vec::new(),
        };
        fleet.provision(&request).expect("a hub").canister
    });
    (fleet, hubs)
}

fn hire(fleet: &Fleet, hub: Principal, owner: Principal) -> Principal {
    let hired: Result<Provisioned, ProvisionError> = fleet
        .update(hub, user(7), "hire", (owner,))
        .expect("the hub answers");
    hired.expect("a worker").canister
}

#[test]
fn a_hub_is_parent_and_controller_of_its_workers() {
    let (fleet, [one, two]) = fleet_of_hubs();
    let worker = hire(&fleet, one, user(1));
    let member = fleet
        .member(&MemberRequest::Canister(worker))
        .expect("on record");
    assert_eq!(member.parent, one);
    let controllers = fleet.pic.get_controllers(worker);
    assert!(
        controllers.contains(&one) && controllers.contains(&fleet.root),
        "{controllers:?}"
    );
    assert!(!controllers.contains(&two));
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn a_hubs_typed_request_passes_its_argument_to_the_worker() {
    let (fleet, [one, _]) = fleet_of_hubs();
    let worker = hire(&fleet, one, user(1));
    let note = ("title", "text");
    let put = |caller| -> Result<Result<(), String>, RejectResponse> {
        fleet.update(worker, caller, "put", note)
    };
    assert_eq!(put(user(1)).expect("the owner is allowed"), Ok(()));
    put(user(2)).expect_err("the argument named another owner");

    let refused: Result<Provisioned, ProvisionError> = fleet
        .update(one, user(7), "hire", (Principal::anonymous(),))
        .expect("the hub answers");
    let Err(ProvisionError::InstallFailed { reason, .. }) = &refused else {
        panic!("{refused:?}");
    };
    assert!(reason.contains("can't own a notebook"), "{reason}");
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn a_parent_retires_its_own_children_only() {
    let (fleet, [one, two]) = fleet_of_hubs();
    let worker = hire(&fleet, one, user(1));
    let dismiss = |hub: Principal| -> Result<Retired, RetireError> {
        fleet
            .update(hub, user(7), "dismiss", (worker,))
            .expect("the hub answers")
    };
    let refused = dismiss(two).expect_err("two is not the parent");
    assert!(matches!(refused, RetireError::Denied(_)), "{refused:?}");
    assert!(fleet.member(&MemberRequest::Canister(worker)).is_some());
    dismiss(one).expect("one is");
    fleet.quiet();
    assert!(fleet.member(&MemberRequest::Canister(worker)).is_none());
    fleet.audit().passes();
}

#[test]
fn allow_admits_the_named_callers_only() {
    let (fleet, [one, two]) = fleet_of_hubs();
    let child = hire(&fleet, one, user(1));
    let may = |caller: Principal, method: &str| {
        let answer: Result<bool, RejectResponse> = if method == "for_controllers" {
            fleet.query(one, caller, method, ())
        } else {
            fleet.update(one, caller, method, ())
        };
        answer.is_ok()
    };
    for method in ["echo", "echo_later"] {
        let echo: Result<u64, RejectResponse> = fleet.update(one, child, method, (7_u64,));
        assert_eq!(echo.expect("a child is allowed"), 7);
        let refused: Result<u64, RejectResponse> = fleet.update(one, two, method, (7_u64,));
        assert!(
            refused.is_err(),
            "{method} allows a member that is no child"
        );
    }
    for (method, allowed) in [
        ("for_root", fleet.root),
        ("for_controllers", fleet.root),
        ("for_children", child),
    ] {
        assert!(may(allowed, method), "{method} by {allowed}");
        for other in [Principal::anonymous(), user(7), fleet.controller, two] {
            assert!(!may(other, method), "{method} by {other}");
        }
    }
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn a_recycled_canister_loses_its_rights_as_a_member() {
    let fleet = Fleet::start("fixture-small-root");
    fleet.approve("hub", &artifacts::module("fixture-hub"));
    fleet.approve("worker", &artifacts::module("example-worker"));
    let request = ProvisionRequest {
        role: "hub".into(),
        key: None,
        parent: None,
        arg: Vec::new(),
    };
    let hub = fleet.provision(&request).expect("a hub").canister;
    let is_child = |canister: Principal| {
        let answer: Result<bool, RejectResponse> = fleet.update(hub, canister, "for_children", ());
        answer.is_ok()
    };
    let serves_lists = |canister: Principal| {
        let members = MembersRequest {
            filter: MembersFilter::All,
            after: None,
            limit: 1,
        };
        let answer: Result<Result<Reserved, Denied>, RejectResponse> =
            fleet.query(fleet.root, canister, "canic_members", (members,));
        answer.expect("root answers").is_ok()
    };
    // Long after the hub: the pool no longer counts that demand, and has room for one more
    // canister.
    fleet.pic.advance_time(Duration::from_secs(2_000));
    let worker = hire(&fleet, hub, user(1));
    assert!(is_child(worker) && serves_lists(worker));

    fleet
        .retire(worker, Retirement::Recycle)
        .expect("into the pool");
    fleet.quiet();
    assert!(!is_child(worker) && !serves_lists(worker));

    // A later provision takes the canister from the pool, below another parent.
    let mut numbers = 2..10;
    let reused = numbers.any(|number| {
        let request = notebook(user(number));
        fleet.provision(&request).expect("a member").canister == worker
    });
    assert!(reused, "a later member has the same canister");
    assert!(!is_child(worker) && serves_lists(worker));
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn a_notebook_is_for_its_owner_and_root() {
    let fleet = Fleet::of_notebooks();
    let notebook = fleet
        .provision(&notebook(user(1)))
        .expect("a member")
        .canister;
    for (caller, allowed) in [
        (user(1), true),
        (fleet.root, true),
        (user(2), false),
        (fleet.controller, false),
        (Principal::anonymous(), false),
    ] {
        let written: Result<Result<(), String>, RejectResponse> =
            fleet.update(notebook, caller, "put", ("title", "text"));
        assert_eq!(written.is_ok(), allowed, "put by {caller}: {written:?}");
        let read: Result<Option<String>, RejectResponse> =
            fleet.query(notebook, caller, "get", ("title",));
        assert_eq!(read.is_ok(), allowed, "get by {caller}: {read:?}");
    }
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn only_root_sets_the_identity_of_a_member() {
    let fleet = Fleet::of_notebooks();
    let member = fleet
        .provision(&notebook(user(1)))
        .expect("a member")
        .canister;
    let false_identity = Identity {
        root: user(2),
        role: "worker".into(),
        parent: user(2),
        key: None,
    };
    for caller in [user(2), user(1), fleet.controller, Principal::anonymous()] {
        let answer: Result<Result<(), Denied>, RejectResponse> =
            fleet.update(member, caller, "canic_sync", (&false_identity,));
        assert!(!matches!(answer, Ok(Ok(()))), "canic_sync by {caller}");
    }
    let info: IdentityInfo = fleet
        .query(member, user(1), "canic_identity", ())
        .expect("anybody may ask");
    let identity = info.identity.expect("a member knows its identity");
    assert_eq!((identity.root, identity.parent), (fleet.root, fleet.root));
    assert_eq!((info.canister, info.role.as_str()), (member, "worker"));
    assert_eq!(identity.key, Some(user(1).to_text()));
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn a_user_cannot_take_over_a_notebook_by_reinstalling_it() {
    let fleet = Fleet::of_notebooks();
    let member = fleet
        .provision(&notebook(user(1)))
        .expect("a member")
        .canister;
    let module = artifacts::module("example-worker");
    let reinstalled =
        fleet
            .pic
            .reinstall_canister(member, module, owner_argument(user(2)), Some(user(2)));
    assert!(reinstalled.is_err(), "{reinstalled:?}");
    fleet.quiet();
    fleet.audit().passes();
}
