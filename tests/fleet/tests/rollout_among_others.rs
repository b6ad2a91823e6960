//! Rollouts among other requests: members that are retired, moved, adopted or provisioned
//! meanwhile, hubs, and the watchers that are told releases.

use candid::Principal;
use canic::api::{
    BatchError, ImportAs, ImportError, LookupError, MemberRequest, MoveError, MoveRequest, Moved,
    OperationId, OperationInfo, OperationKind, OperationState, ProvisionError, ProvisionRequest,
    RetireError, RetireRequest, Retired, Retirement, RolloutControl, RolloutError, RolloutOutcome,
    RolloutPhase, RolloutPlan, RolloutRequest, Snapshots, Source,
};
use canic_fleet_tests::{
    Fleet, artifacts,
    rollouts::{
        PLAN, control, ended, member_request, module, new_member, new_member_of,
        no_snapshots_are_left, note, pass, roll_out, roll_out_to, rollout, running_release,
        stage_manually, until, until_one_is_upgraded,
    },
    user,
};

/// A fleet whose members with releases may be below root, below subscribers or below each other.
fn fleet() -> Fleet {
    let fleet = Fleet::start("fixture-index-root");
    fleet.approve("releases", &module("good", 1));
    fleet.approve("subscriber", &artifacts::module("fixture-subscriber"));
    fleet.approve("watcher", &artifacts::module("fixture-watcher"));
    fleet.quiet();
    fleet
}

fn below(fleet: &Fleet, parent: Principal, key: &str) -> Principal {
    let made = fleet.provision(&named(parent, key));
    made.expect("a member").canister
}

fn named(parent: Principal, key: &str) -> ProvisionRequest {
    ProvisionRequest {
        key: Some(key.to_string()),
        parent: Some(parent),
        ..member_request("releases")
    }
}

/// One member at a time.
const ONE_BY_ONE: RolloutPlan = RolloutPlan {
    concurrent: 1,
    ..PLAN
};

/// Members of a role's members, one of which is upgraded as the canary, and the others wait.
fn baking(fleet: &Fleet, members: &[Principal]) -> (u32, Principal) {
    let id = roll_out(fleet, &module("good", 2), &ONE_BY_ONE);
    until(fleet, id, |info| info.phase == RolloutPhase::Bake);
    let waits = |member: &&Principal| running_release(fleet, **member) == "good:0001";
    let waiting = members.iter().find(waits);
    (id, *waiting.expect("a member that waits"))
}

fn move_to(fleet: &Fleet, canister: Principal, parent: Principal) -> Result<Moved, MoveError> {
    fleet.command("canic_move", (MoveRequest { canister, parent },))
}

fn parent_of(fleet: &Fleet, canister: Principal) -> Principal {
    let member = fleet.member(&MemberRequest::Canister(canister));
    member.expect("a member").parent
}

fn canister(operation: &OperationInfo) -> Principal {
    operation.canister.expect("an upgrade has a canister")
}

fn all_have(fleet: &Fleet, members: &[Principal], release: &str) {
    for member in members {
        assert_eq!(running_release(fleet, *member), release, "{member}");
        assert!(note(fleet, *member, "after").is_ok(), "{member} serves");
    }
    no_snapshots_are_left(fleet, members);
}

/// The release of a member, as root told it to another one.
fn told(fleet: &Fleet, watcher: Principal, member: Principal) -> Option<u32> {
    fleet
        .query(watcher, user(1), "release_of", (member,))
        .expect("anybody may ask")
}

fn children(fleet: &Fleet, hub: Principal) -> Vec<String> {
    let keys: Result<Vec<Option<String>>, LookupError> = fleet
        .update(hub, user(1), "keys_of_children", ())
        .expect("it answers");
    let mut keys: Vec<String> = keys.expect("it knows").into_iter().flatten().collect();
    keys.sort();
    keys
}

/// The same module with one section more, and so another release.
fn with_a_section(mut module: Vec<u8>, text: &[u8]) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("a short text");
    module.extend([0, length + 2, 1, b'r']);
    module.extend(text);
    module
}

#[test]
fn a_member_that_waits_is_moved_and_upgraded_below_its_new_parent() {
    let fleet = fleet();
    let (old, new) = (
        new_member_of(&fleet, "subscriber"),
        new_member_of(&fleet, "subscriber"),
    );
    let members: Vec<_> = ["a", "b", "c"].map(|key| below(&fleet, old, key)).into();
    let (id, waiting) = baking(&fleet, &members);
    move_to(&fleet, waiting, new).expect("it is moved");
    let info = until(&fleet, id, ended);
    assert_eq!((info.upgraded, info.failed, info.left), (3, 0, 0));
    assert_eq!(parent_of(&fleet, waiting), new);
    all_have(&fleet, &members, "good:0002");
    let controllers = fleet.pic.get_controllers(waiting);
    assert!(controllers.contains(&new) && !controllers.contains(&old));
    assert_eq!(children(&fleet, new).len(), 1);
    fleet.audit().passes();
}

#[test]
fn a_member_that_is_being_upgraded_is_moved_afterwards() {
    let fleet = fleet();
    let hub = new_member_of(&fleet, "subscriber");
    let members: Vec<_> = ["a", "b"].map(|key| below(&fleet, hub, key)).into();
    let id = roll_out(&fleet, &module("good", 2), &PLAN);
    let upgrade = until_one_is_upgraded(&fleet);
    let busy = canister(&upgrade);
    let operation = upgrade.id;
    let refused = move_to(&fleet, busy, fleet.root);
    assert_eq!(refused, Err(MoveError::Pending { operation }));
    // The operation says when it has ended.
    fleet.until("the upgrade has ended", |fleet| {
        fleet.open().iter().all(|op| op.id != operation)
    });
    move_to(&fleet, busy, fleet.root).expect("it is moved now");
    let info = until(&fleet, id, ended);
    assert_eq!((info.upgraded, info.failed), (2, 0));
    assert_eq!(parent_of(&fleet, busy), fleet.root);
    all_have(&fleet, &members, "good:0002");
    fleet.audit().passes();
}

#[test]
fn a_member_that_is_moving_is_waited_for() {
    let fleet = fleet();
    let (old, new) = (
        new_member_of(&fleet, "subscriber"),
        new_member_of(&fleet, "subscriber"),
    );
    let member = below(&fleet, old, "a");
    let request = MoveRequest {
        canister: member,
        parent: new,
    };
    let moving = fleet.submit(fleet.root, fleet.controller, "canic_move", (request,));
    let id = roll_out(&fleet, &module("good", 2), &PLAN);
    let moved: Result<Moved, MoveError> = fleet.answer(moving);
    moved.expect("it is moved");
    let info = until(&fleet, id, ended);
    assert_eq!((info.upgraded, info.failed), (1, 0));
    assert_eq!(parent_of(&fleet, member), new);
    all_have(&fleet, &[member], "good:0002");
}

/// A canister that was installed by hand. Root is one of its controllers.
fn unmanaged(fleet: &Fleet, module: Vec<u8>) -> Principal {
    let canister = fleet.stranger_canister(fleet.controller);
    let nothing = candid::encode_args(()).expect("no argument");
    let sender = Some(fleet.controller);
    fleet
        .pic
        .install_canister(canister, module, nothing, sender);
    let controllers = vec![fleet.controller, fleet.root];
    fleet
        .pic
        .set_controllers(canister, sender, controllers)
        .expect("root becomes a controller");
    canister
}

fn as_member(key: &str) -> ImportAs {
    ImportAs::Member {
        role: "releases".to_string(),
        key: Some(key.to_string()),
        parent: None,
    }
}

#[test]
fn a_canister_is_adopted_with_the_current_release_and_upgraded_if_that_is_the_old_one() {
    let fleet = fleet();
    let members: Vec<_> = (0..3).map(|_| new_member(&fleet)).collect();
    let (id, _) = baking(&fleet, &members);
    // Until the canaries have served for a while, the old release is the current one.
    let new = unmanaged(&fleet, module("good", 2));
    let refused = fleet.import(new, as_member("new"));
    assert!(
        matches!(refused, Err(ImportError::WrongModule { .. })),
        "{refused:?}"
    );
    let old = unmanaged(&fleet, module("good", 1));
    fleet.import(old, as_member("old")).expect("adopted");
    assert_eq!(note(&fleet, old, "before"), Ok(1));
    until(&fleet, id, |info| info.phase == RolloutPhase::Rest);
    let late = unmanaged(&fleet, module("good", 1));
    let refused = fleet.import(late, as_member("late"));
    assert!(
        matches!(refused, Err(ImportError::WrongModule { .. })),
        "{refused:?}"
    );
    fleet.import(new, as_member("new")).expect("adopted now");
    let info = until(&fleet, id, ended);
    assert_eq!((info.upgraded, info.failed, info.left), (4, 0, 0));
    all_have(&fleet, &[&members[..], &[old, new]].concat(), "good:0002");
    fleet.audit().passes_except(&[late]);
}

/// Begins to retire a member and those below it. The error names the operation that holds it.
fn retire_subtree(fleet: &Fleet, canister: Principal) -> Result<(), RetireError> {
    let request = RetireRequest {
        canister,
        how: Retirement::Delete,
        subtree: Some(true),
    };
    let retired: Result<Retired, RetireError> = fleet.command("canic_retire", (request,));
    match retired {
        Ok(_) => Ok(()),
        // It takes longer than root lets its caller wait.
        Err(RetireError::Pending { operation })
            if fleet.operation(operation).kind == OperationKind::Retire =>
        {
            Ok(())
        }
        Err(error) => Err(error),
    }
}

#[test]
fn a_subtree_is_retired_once_the_upgrades_in_it_have_ended() {
    let fleet = fleet();
    let hub = new_member_of(&fleet, "subscriber");
    let inside: Vec<_> = ["a", "b", "c"].map(|key| below(&fleet, hub, key)).into();
    let outside = new_member(&fleet);
    let id = roll_out(&fleet, &module("good", 2), &PLAN);
    let busy = loop {
        let upgrade = until_one_is_upgraded(&fleet);
        if inside.contains(&canister(&upgrade)) {
            break upgrade;
        }
        pass(&fleet, 1);
    };
    retire_subtree(&fleet, hub).expect("it begins");
    fleet.quiet();
    let upgrade = fleet.operation(busy.id);
    assert_eq!(
        upgrade.state,
        OperationState::Done,
        "it was let end, not cut off"
    );
    let info = until(&fleet, id, ended);
    assert_eq!((info.failed, info.left), (0, 0));
    all_have(&fleet, &[outside], "good:0002");
    for member in inside {
        assert_eq!(fleet.member(&MemberRequest::Canister(member)), None);
    }
    fleet.audit().passes();
}

#[test]
fn a_hub_that_is_being_upgraded_is_retired_with_its_subtree_afterwards() {
    let fleet = fleet();
    let hub = new_member(&fleet);
    let child = below(&fleet, hub, "a");
    stage_manually(&fleet, &module("good", 2));
    let id = begin_with(&fleet, hub);
    let upgrade = until_one_is_upgraded(&fleet);
    assert_eq!(canister(&upgrade), hub);
    let operation = upgrade.id;
    let refused = retire_subtree(&fleet, hub);
    assert_eq!(refused, Err(RetireError::Pending { operation }));
    fleet.until("the upgrade has ended", |fleet| {
        fleet.open().iter().all(|op| op.id != operation)
    });
    retire_subtree(&fleet, hub).expect("it begins now");
    fleet.quiet();
    let gone = [hub, child].map(|canister| fleet.member(&MemberRequest::Canister(canister)));
    assert_eq!(gone, [None, None]);
    let info = until(&fleet, id, ended);
    assert_eq!((info.failed, info.left), (0, 0));
    fleet.audit().passes();
}

/// Begins the rollout of the candidate, with this member as the canary.
fn begin_with(fleet: &Fleet, canary: Principal) -> u32 {
    let request = RolloutRequest {
        role: "releases".to_string(),
        release: None,
        plan: Some(PLAN),
        canaries: Some(vec![canary]),
    };
    let begun: Result<u32, RolloutError> = fleet.command("canic_rollout_start", (request,));
    begun.expect("the rollout begins")
}

/// Begins a batch of members below root.
fn batch(fleet: &Fleet, members: usize) -> Vec<OperationId> {
    let batch: Vec<_> = (0..members)
        .map(|number| named(fleet.root, &number.to_string()))
        .collect();
    let accepted: Result<Vec<Result<OperationId, ProvisionError>>, BatchError> =
        fleet.command("canic_provision_batch", (batch,));
    let accepted: Result<_, _> = accepted.expect("it is accepted").into_iter().collect();
    accepted.expect("every request is accepted")
}

fn canisters_of(fleet: &Fleet, operations: Vec<OperationId>) -> Vec<Principal> {
    let made = operations
        .into_iter()
        .map(|id| fleet.operation(id).canister);
    made.map(|made| made.expect("a member")).collect()
}

#[test]
fn a_batch_during_a_rollout_ends_with_the_new_release() {
    let fleet = Fleet::start_with("fixture-index-root", 500_000_000_000_000);
    fleet.approve("releases", &module("good", 1));
    fleet.quiet();
    let members: Vec<_> = (0..3).map(|_| new_member(&fleet)).collect();
    let plan = RolloutPlan { bake: 0, ..PLAN };
    let id = roll_out(&fleet, &module("good", 2), &plan);
    let _ = until_one_is_upgraded(&fleet);
    // These are accepted with the old release, and most are queued when new members get the new.
    let made = batch(&fleet, 24);
    let info = until(&fleet, id, ended);
    assert_eq!((info.failed, info.left), (0, 0));
    let made = canisters_of(&fleet, made);
    all_have(&fleet, &[members, made].concat(), "good:0002");
    fleet.audit().passes();
}

#[test]
fn a_batch_with_a_release_that_is_undone_gets_the_old_one() {
    let fleet = Fleet::start_with("fixture-index-root", 500_000_000_000_000);
    fleet.approve("releases", &module("good", 1));
    fleet.quiet();
    let members: Vec<_> = (0..4).map(|_| new_member(&fleet)).collect();
    let id = roll_out(&fleet, &module("good", 2), &ONE_BY_ONE);
    until(&fleet, id, |info| info.phase == RolloutPhase::Rest);
    let made = batch(&fleet, 20);
    control(&fleet, id, RolloutControl::Undo { state: false }).expect("it is undone");
    let info = until(&fleet, id, ended);
    assert_eq!(
        (info.outcome, info.failed),
        (Some(RolloutOutcome::Undone), 0)
    );
    let made = canisters_of(&fleet, made);
    all_have(&fleet, &[members, made].concat(), "good:0001");
    fleet.audit().passes();
}

#[test]
fn other_canaries_are_chosen_if_those_that_were_named_retire() {
    let fleet = fleet();
    let members: Vec<_> = (0..4).map(|_| new_member(&fleet)).collect();
    let request = RetireRequest {
        canister: members[0],
        how: Retirement::Delete,
        subtree: None,
    };
    stage_manually(&fleet, &module("good", 2));
    let retiring = fleet.submit(fleet.root, fleet.controller, "canic_retire", (request,));
    let id = begin_with(&fleet, members[0]);
    let retired: Result<Retired, RetireError> = fleet.answer(retiring);
    retired.expect("it is retired");
    let info = until(&fleet, id, |info| {
        !matches!(info.phase, RolloutPhase::Clear | RolloutPhase::Canary)
    });
    assert_eq!((info.phase, info.upgraded), (RolloutPhase::Bake, 1));
    let info = until(&fleet, id, ended);
    assert_eq!((info.upgraded, info.failed, info.left), (3, 0, 0));
    all_have(&fleet, &members[1..], "good:0002");
    fleet.audit().passes();
}

#[test]
fn a_request_repeated_during_its_upgrade_answers_the_member() {
    let fleet = fleet();
    let member = below(&fleet, fleet.root, "a");
    let id = roll_out(&fleet, &module("good", 2), &PLAN);
    let upgrade = until_one_is_upgraded(&fleet);
    assert_eq!(canister(&upgrade), member);
    let again = fleet
        .provision(&named(fleet.root, "a"))
        .expect("it is there");
    assert_eq!((again.canister, again.source), (member, Source::Existing));
    until(&fleet, id, ended);
}

#[test]
fn hubs_and_their_children_are_upgraded_like_others_and_keep_each_other() {
    let fleet = fleet();
    let hub = new_member_of(&fleet, "subscriber");
    let other = new_member_of(&fleet, "subscriber");
    let children_of_hub: Vec<_> = ["a", "b", "c"].map(|key| below(&fleet, hub, key)).into();
    let deep = below(&fleet, children_of_hub[0], "deep");
    let all = [&children_of_hub[..], &[deep]].concat();
    let next = with_a_section(artifacts::module("fixture-subscriber"), b"2");
    // Both roles at once.
    let of_hubs = roll_out_to(&fleet, "subscriber", &next, &ONE_BY_ONE);
    let of_children = roll_out(&fleet, &module("good", 2), &PLAN);
    // Children come below the hub also while it is being upgraded.
    let upgraded_hub = loop {
        let open = fleet.open();
        let upgrades = open.iter().filter(|op| op.kind == OperationKind::Upgrade);
        let hubs = [hub, other];
        if let Some(at) = upgrades.map(canister).find(|at| hubs.contains(at)) {
            break at;
        }
        pass(&fleet, 1);
    };
    let late = below(&fleet, upgraded_hub, "late");
    for id in [of_hubs, of_children] {
        let info = until(&fleet, id, ended);
        assert_eq!(
            (info.failed, info.left),
            (0, 0),
            "{:?}",
            rollout(&fleet, id)
        );
    }
    fleet.quiet();
    all_have(&fleet, &[&all[..], &[late]].concat(), "good:0002");
    for member in [hub, other] {
        let member = fleet.member(&MemberRequest::Canister(member));
        assert_eq!(member.expect("a member").release, 2);
    }
    let mut expected = vec!["a", "b", "c"];
    if upgraded_hub == hub {
        expected.push("late");
    }
    assert_eq!(children(&fleet, hub), expected);
    assert_eq!(parent_of(&fleet, deep), children_of_hub[0]);
    fleet.audit().passes();
}

#[test]
fn a_watcher_that_asks_for_releases_is_told_them_and_others_are_not() {
    let fleet = fleet();
    let early = below(&fleet, fleet.root, "early");
    let watcher = new_member_of(&fleet, "watcher");
    let other = new_member_of(&fleet, "subscriber");
    let member = below(&fleet, fleet.root, "a");
    fleet.quiet();
    let both = [early, member];
    let seen = |watcher| both.map(|member| told(&fleet, watcher, member));
    // One from a page, one from an announcement.
    assert_eq!(seen(watcher), [Some(1), Some(1)]);
    let id = roll_out(&fleet, &module("good", 2), &PLAN);
    until(&fleet, id, |info| info.phase == RolloutPhase::Bake);
    fleet.quiet();
    let mut halfway = seen(watcher);
    halfway.sort();
    assert_eq!(halfway, [Some(1), Some(2)], "the canary has it");
    until(&fleet, id, ended);
    fleet.quiet();
    assert_eq!(seen(watcher), [Some(2), Some(2)]);
    // The other one watches them, too, and did not ask.
    assert_eq!(seen(other), [None, None]);
    let known: Option<Principal> = fleet
        .query(other, user(1), "knows", ("releases", "a"))
        .expect("anybody may ask");
    assert_eq!(known, Some(member));
    fleet.audit().passes();
}

#[test]
fn only_those_who_ask_get_a_message_when_a_member_has_a_new_release() {
    let fleet = fleet();
    let watcher = new_member_of(&fleet, "watcher");
    let hub = new_member_of(&fleet, "subscriber");
    below(&fleet, hub, "a");
    fleet.quiet();
    let Some(observer) = fleet.observer.as_ref() else {
        println!("skipped: this server has no trace to count messages in");
        return;
    };
    let from = observer.now();
    let id = roll_out(&fleet, &module("good", 2), &PLAN);
    until(&fleet, id, ended);
    fleet.quiet();
    let calls = observer.calls_to_canisters(fleet.root, from);
    let announced: Vec<_> = calls
        .into_iter()
        .filter(|(_, method)| method == "canic_announce")
        .map(|(callee, _)| callee)
        .collect();
    assert_eq!(announced, [watcher], "one change, and not to the parent");
}

#[test]
fn a_watcher_that_was_down_learns_the_releases_later() {
    let fleet = fleet();
    let watcher = new_member_of(&fleet, "watcher");
    let members: Vec<_> = (0..3).map(|_| new_member(&fleet)).collect();
    fleet.quiet();
    let sender = Some(fleet.root);
    fleet.pic.stop_canister(watcher, sender).expect("stopped");
    let id = roll_out(&fleet, &module("good", 2), &PLAN);
    until(&fleet, id, ended);
    fleet.upgrade_root("fixture-index-root").expect("upgraded");
    fleet.pic.start_canister(watcher, sender).expect("started");
    let seen = || members.iter().map(|member| told(&fleet, watcher, *member));
    assert!(seen().all(|release| release == Some(1)), "not yet");
    pass(&fleet, 200);
    assert!(seen().all(|release| release == Some(2)));
    // After its own upgrade it has pages only.
    let nothing = candid::encode_args(()).expect("no argument");
    let module = artifacts::module("fixture-watcher");
    let upgraded = fleet.pic.upgrade_canister(watcher, module, nothing, sender);
    upgraded.expect("upgraded");
    fleet.quiet();
    assert!(seen().all(|release| release == Some(2)));
    fleet.audit().passes();
}

#[test]
fn a_watcher_is_told_of_the_way_back() {
    for state in [false, true] {
        let fleet = fleet();
        let watcher = new_member_of(&fleet, "watcher");
        let member = new_member(&fleet);
        let plan = RolloutPlan {
            snapshots: Snapshots::All,
            keep: 1_000_000,
            ..PLAN
        };
        let id = roll_out(&fleet, &module("good", 2), &plan);
        until(&fleet, id, |info| info.phase == RolloutPhase::Settle);
        fleet.quiet();
        assert_eq!(told(&fleet, watcher, member), Some(2));
        control(&fleet, id, RolloutControl::Undo { state }).expect("it is undone");
        until(&fleet, id, |info| info.phase == RolloutPhase::Settle);
        fleet.quiet();
        assert_eq!(running_release(&fleet, member), "good:0001");
        assert_eq!(told(&fleet, watcher, member), Some(1), "state: {state}");
    }
}

/// The old state of a hub has an older directory and an older identity.
#[test]
fn a_hub_that_gets_its_old_state_back_catches_up() {
    let fleet = fleet();
    let hub = new_member_of(&fleet, "subscriber");
    below(&fleet, hub, "early");
    fleet.quiet();
    assert_eq!(children(&fleet, hub), ["early"]);
    let next = with_a_section(artifacts::module("fixture-subscriber"), b"2");
    let plan = RolloutPlan {
        snapshots: Snapshots::All,
        keep: 1_000_000,
        ..PLAN
    };
    let id = roll_out_to(&fleet, "subscriber", &next, &plan);
    until(&fleet, id, |info| info.phase == RolloutPhase::Settle);
    below(&fleet, hub, "late");
    fleet.quiet();
    assert_eq!(children(&fleet, hub), ["early", "late"]);
    let wish = RolloutControl::Undo { state: true };
    control(&fleet, id, wish).expect("it is undone");
    let info = until(&fleet, id, |info| info.phase == RolloutPhase::Settle);
    assert_eq!((info.undone, info.failed), (1, 0));
    fleet.quiet();
    assert_eq!(children(&fleet, hub), ["early", "late"]);
    fleet.audit().passes();
}
