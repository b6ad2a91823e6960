//! Provisioning of a member: its calls, its result, and repeated keys.

use std::collections::BTreeSet;

use candid::Principal;
use canic::api::{
    BatchError, MemberState, MembersFilter, OperationState, OperationsFilter, ProvisionError,
    ProvisionRequest, Provisioned, Retirement, Source,
};
use canic_fleet_tests::{Fleet, artifacts, fleet::notebook, user};

type Answer = Result<Provisioned, ProvisionError>;

/// The management methods that root calls while `act` runs; `None` on a server without a trace.
fn calls_during(fleet: &Fleet, act: impl FnOnce()) -> Option<Vec<String>> {
    let from = fleet.observer.as_ref().map(|observer| observer.now());
    act();
    let Some((observer, from)) = fleet.observer.as_ref().zip(from) else {
        println!("skipped: this server has no trace to count management calls in");
        return None;
    };
    Some(observer.management_calls(fleet.root, from))
}

#[test]
fn a_pool_hit_is_one_management_call() {
    let fleet = Fleet::of_notebooks();
    // The pool has one canister more than its minimum, so the hit starts no refill.
    let extra = fleet.provision(&notebook(user(1))).expect("a member");
    fleet.quiet();
    fleet
        .retire(extra.canister, Retirement::Recycle)
        .expect("retired");
    fleet.quiet();
    assert_eq!(fleet.pool().len(), 3);

    let calls = calls_during(&fleet, || {
        let hit = fleet.provision(&notebook(user(2))).expect("a member");
        assert_eq!(hit.source, Source::Pool);
    });
    if let Some(calls) = calls {
        assert_eq!(calls, ["install_chunked_code"]);
    }
    fleet.audit().passes();
}

#[test]
fn a_recycled_canister_takes_the_same_calls_as_a_new_one() {
    let fleet = Fleet::of_notebooks();
    let first = fleet.provision(&notebook(user(1))).expect("a member");
    fleet.quiet();
    fleet
        .retire(first.canister, Retirement::Recycle)
        .expect("retired");
    fleet.quiet();
    for number in [2, 3] {
        fleet.provision(&notebook(user(number))).expect("a member");
        fleet.quiet();
    }
    let calls = calls_during(&fleet, || {
        let hit = fleet.provision(&notebook(user(4))).expect("a member");
        assert_eq!((hit.canister, hit.source), (first.canister, Source::Pool));
    });
    // The refill that the hit started may be among them.
    if let Some(calls) = calls {
        let own: Vec<&String> = calls
            .iter()
            .filter(|method| *method != "create_canister")
            .collect();
        assert_eq!(own, ["install_chunked_code"]);
    }
    fleet.audit().passes();
}

#[test]
fn a_fresh_canister_is_two_management_calls() {
    let fleet = Fleet::start("fixture-bare-root");
    fleet.approve("worker", &artifacts::module("example-worker"));
    let calls = calls_during(&fleet, || {
        let fresh = fleet.provision(&notebook(user(1))).expect("a member");
        assert_eq!(fresh.source, Source::Fresh);
    });
    if let Some(calls) = calls {
        assert_eq!(calls, ["create_canister", "install_chunked_code"]);
    }
    fleet.audit().passes();
}

#[test]
fn a_member_is_active_below_its_parent_with_the_cycles_of_its_role() {
    let fleet = Fleet::of_notebooks();
    let made = fleet.provision(&notebook(user(1))).expect("a member");
    let members = fleet.members(&MembersFilter::All);
    let [member] = members.as_slice() else {
        panic!("one member, not {members:?}")
    };
    assert_eq!(member.canister, made.canister);
    assert_eq!(
        (member.parent, member.state),
        (fleet.root, MemberState::Active)
    );
    assert_eq!(member.key, Some(user(1).to_text()));
    assert_eq!(member.operation, made.operation);
    assert_eq!(fleet.operation(made.operation).state, OperationState::Done);
    let cycles = fleet.pic.cycle_balance(made.canister);
    assert!(
        (1_900_000_000_000..=2_000_000_000_000).contains(&cycles),
        "{cycles} cycles"
    );
    assert_eq!(fleet.pic.get_controllers(made.canister), [fleet.root]);
    fleet.audit().passes();
}

#[test]
fn the_same_key_gives_the_same_member() {
    let fleet = Fleet::of_notebooks();
    let first = fleet.provision(&notebook(user(1))).expect("a member");
    let again = fleet
        .provision(&notebook(user(1)))
        .expect("the same member");
    assert_eq!(again.canister, first.canister);
    assert_eq!(again.source, Source::Existing);
    let other = fleet.provision(&notebook(user(2))).expect("another member");
    assert_ne!(other.canister, first.canister);
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn concurrent_requests_with_one_key_give_one_member() {
    let fleet = Fleet::of_notebooks();
    let submitted = [(); 4].map(|()| {
        fleet.submit(
            fleet.root,
            fleet.controller,
            "canic_provision",
            (notebook(user(1)),),
        )
    });
    let answers: Vec<Answer> = submitted
        .into_iter()
        .map(|message| fleet.answer(message))
        .collect();
    let mut canisters = BTreeSet::new();
    for answer in &answers {
        match answer {
            Ok(made) => {
                canisters.insert(made.canister);
            }
            Err(ProvisionError::Pending { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(canisters.len(), 1, "{answers:?}");
    fleet.quiet();
    assert_eq!(fleet.members(&MembersFilter::All).len(), 1);
    fleet.audit().passes();
}

#[test]
fn a_pool_canister_is_claimed_once() {
    let fleet = Fleet::of_notebooks();
    let submitted = [1, 2, 3, 4, 5].map(|number| {
        fleet.submit(
            fleet.root,
            fleet.controller,
            "canic_provision",
            (notebook(user(number)),),
        )
    });
    let answers: Vec<Answer> = submitted
        .into_iter()
        .map(|message| fleet.answer(message))
        .collect();
    let made: Vec<&Provisioned> = answers
        .iter()
        .map(|a| a.as_ref().expect("a member"))
        .collect();
    let canisters: BTreeSet<Principal> = made.iter().map(|made| made.canister).collect();
    assert_eq!(canisters.len(), 5, "{made:?}");
    let hits = made
        .iter()
        .filter(|made| made.source == Source::Pool)
        .count();
    assert_eq!(hits, 2, "the pool held two: {made:?}");
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn a_batch_is_accepted_at_once_and_provisioned_in_the_background() {
    let fleet = Fleet::of_notebooks();
    let mut requests: Vec<_> = [1, 2, 3].map(|number| notebook(user(number))).into();
    requests.push(ProvisionRequest {
        role: "gardener".into(),
        ..notebook(user(4))
    });
    let answer: Result<Vec<Result<u64, ProvisionError>>, BatchError> =
        fleet.command("canic_provision_batch", (requests,));
    let answers = answer.expect("the batch is accepted");
    let (accepted, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(accepted.len(), 3);
    assert!(
        matches!(
            refused.as_slice(),
            [Err(ProvisionError::UnknownRole { .. })]
        ),
        "{refused:?}"
    );
    fleet.quiet();
    for operation in accepted.into_iter().flatten() {
        assert_eq!(fleet.operation(operation).state, OperationState::Done);
    }
    assert_eq!(fleet.members(&MembersFilter::All).len(), 3);
    fleet.audit().passes();
}

#[test]
fn users_sign_up_for_their_own_notebook() {
    let fleet = Fleet::of_notebooks();
    let where_is = |owner: Principal| -> Option<Principal> {
        fleet
            .query(fleet.root, user(9), "where_is", (owner,))
            .expect("anybody may ask")
    };
    assert_eq!(where_is(user(1)), None);
    let answer: Answer = fleet
        .update(fleet.root, user(1), "sign_up", ())
        .expect("root answers");
    let made = answer.expect("a notebook");
    assert_eq!(where_is(user(1)), Some(made.canister));
    let again: Answer = fleet
        .update(fleet.root, user(1), "sign_up", ())
        .expect("root answers");
    assert_eq!(again.expect("the same notebook").canister, made.canister);

    let written: Result<(), String> = fleet
        .update(made.canister, user(1), "put", ("title", "text"))
        .expect("the owner may write");
    written.expect("written");
    let read: Option<String> = fleet
        .query(made.canister, user(1), "get", ("title",))
        .expect("the owner may read");
    assert_eq!(read.as_deref(), Some("text"));
    let page: Vec<(String, String)> = fleet
        .query(made.canister, user(1), "list", (Some("title"), 10_u32))
        .expect("the owner may list");
    assert!(
        page.is_empty(),
        "nothing comes after the only note: {page:?}"
    );
    fleet.audit().passes();
}

#[test]
fn a_trap_in_the_requesting_code_does_not_end_the_provision() {
    let fleet = Fleet::start("fixture-careless-root");
    fleet.approve("worker", &artifacts::module("example-worker"));
    fleet.quiet();
    let request = notebook(user(1));
    let trapped: Result<(), _> =
        fleet.update(fleet.root, fleet.controller, "hire_and_trap", (&request,));
    let reason = trapped.expect_err("it traps").reject_message;
    // The platform tells so once the last call of the request was answered.
    assert!(reason.contains("did not reply"), "{reason}");
    fleet.quiet();
    let created = &fleet.operations(OperationsFilter::Closed)[0];
    assert_eq!(created.state, OperationState::Done, "{created:?}");
    let member = fleet.provision(&request).expect("the member is there");
    assert_eq!(member.source, Source::Existing);
    fleet.audit().passes();
}
