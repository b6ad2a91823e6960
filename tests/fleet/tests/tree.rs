//! Trees of members: their directories, root's announcements, and moves.

use std::time::Duration;

use candid::{CandidType, Encode, Principal};
use canic::api::{
    Announcement, Change, Denied, IdentityInfo, LookupError, MemberRef, MemberRequest, MemberState,
    MembersFilter, MoveError, MoveRequest, Moved, ProvisionError, ProvisionRequest, Provisioned,
    RetireError, RetireRequest, Retired, Retirement,
};
use canic_fleet_tests::{Fleet, artifacts, user};
use pocket_ic::RejectResponse;
use serde::de::DeserializeOwned;

/// Seconds for which a member may rely on an answer of root.
const LEASE: u64 = 300;

struct Tree {
    fleet: Fleet,
}

impl Tree {
    fn new() -> Self {
        let fleet = Fleet::start("fixture-tree-root");
        fleet.approve("subscriber", &artifacts::module("fixture-subscriber"));
        fleet.approve("watcher", &artifacts::module("fixture-watcher"));
        fleet.quiet();
        Self { fleet }
    }

    fn provision(&self, role: &str, key: &str, parent: Option<Principal>) -> Principal {
        let request = ProvisionRequest {
            role: role.into(),
            key: Some(key.into()),
            parent,
            arg: Vec::new(),
        };
        self.fleet.provision(&request).expect("a member").canister
    }

    fn subscriber(&self, key: &str) -> Principal {
        self.provision("subscriber", key, None)
    }

    fn below(&self, parent: Principal, key: &str) -> Principal {
        self.provision("subscriber", key, Some(parent))
    }

    fn retire(&self, canister: Principal) {
        self.fleet
            .retire(canister, Retirement::Recycle)
            .expect("retired");
    }

    /// Lets root's announcements arrive.
    fn settle(&self) {
        self.fleet.quiet();
    }

    /// A user's update call to a member.
    fn ask<R: CandidType + DeserializeOwned>(
        &self,
        member: Principal,
        method: &str,
        args: impl candid::utils::ArgumentEncoder,
    ) -> R {
        self.fleet
            .update(member, user(1), method, args)
            .unwrap_or_else(|reject| panic!("{method}: {reject}"))
    }

    fn children(&self, member: Principal) -> Vec<String> {
        let keys: Result<Vec<Option<String>>, LookupError> =
            self.ask(member, "keys_of_children", ());
        let mut keys: Vec<String> = keys.expect("known").into_iter().flatten().collect();
        keys.sort();
        keys
    }

    /// A lookup of a subscriber in a member's directory, without a call to root.
    fn knows(&self, member: Principal, key: &str) -> Option<Principal> {
        self.fleet
            .query(member, user(1), "knows", ("subscriber", key))
            .expect("anybody may ask")
    }

    /// Whether a member's endpoint accepts another member.
    fn accepts(&self, member: Principal, caller: Principal, method: &str) -> bool {
        let nothing = Encode!().expect("no argument");
        let answer: Option<Vec<u8>> = if method.ends_with("_now") {
            let arguments = (member, method, nothing);
            self.fleet
                .query(caller, user(1), "forward_query", arguments)
                .expect("the fixture forwards")
        } else {
            self.ask(caller, "forward", (member, method, nothing))
        };
        answer.is_some()
    }

    fn move_to(&self, canister: Principal, parent: Principal) -> Result<Moved, MoveError> {
        self.fleet
            .command("canic_move", (MoveRequest { canister, parent },))
    }

    fn parent_of(&self, canister: Principal) -> Principal {
        let member = self.fleet.member(&MemberRequest::Canister(canister));
        member.expect("a member").parent
    }

    /// Calls of `caller` to other canisters while `act` runs: callee and method. `None` on a server
    /// without a trace.
    fn calls_of(&self, caller: Principal, act: impl FnOnce()) -> Option<Vec<(Principal, String)>> {
        let observer = self.fleet.observer.as_ref();
        let from = observer.map(|observer| observer.now());
        act();
        let Some((observer, from)) = observer.zip(from) else {
            println!("skipped: this server has no trace to count messages in");
            return None;
        };
        Some(observer.calls_to_canisters(caller, from))
    }

    fn root_calls_during(&self, act: impl FnOnce()) -> Option<Vec<(Principal, String)>> {
        self.calls_of(self.fleet.root, act)
    }

    fn finish(&self) {
        self.fleet.quiet();
        self.fleet.audit().passes();
    }
}

#[test]
fn a_parent_knows_its_children_and_a_watcher_the_members_of_the_role() {
    let tree = Tree::new();
    let early = tree.subscriber("early");
    let watcher = tree.provision("watcher", "w", None);
    let hub = tree.subscriber("hub");
    let a = tree.below(hub, "a");
    let b = tree.below(hub, "b");
    tree.below(a, "aa");
    tree.settle();

    assert_eq!(tree.children(hub), ["a", "b"]);
    assert_eq!(tree.children(a), ["aa"]);
    assert_eq!(tree.knows(hub, "b"), Some(b));
    assert_eq!(tree.knows(hub, "early"), None, "it is no child");
    // Members that are older than the watcher, and younger ones.
    assert_eq!(tree.knows(watcher, "early"), Some(early));
    assert_eq!(tree.knows(watcher, "b"), Some(b));

    tree.retire(b);
    tree.settle();
    assert_eq!(tree.children(hub), ["a"]);
    assert_eq!(tree.knows(watcher, "b"), None);
    let unknown: Result<Option<Principal>, LookupError> =
        tree.ask(watcher, "look_up", ("subscriber", "b"));
    assert_eq!(unknown, Ok(None), "root answers the same");
    tree.finish();
}

#[test]
fn a_parent_knows_a_child_as_soon_as_it_is_provisioned() {
    let tree = Tree::new();
    let hub = tree.subscriber("hub");
    let hired: Result<Provisioned, ProvisionError> = tree.ask(hub, "hire", ("a",));
    hired.expect("a child");
    assert_eq!(tree.children(hub), ["a"]);
    tree.finish();
}

#[test]
fn a_provision_is_announced_to_its_parent_and_its_watchers_only() {
    let tree = Tree::new();
    let (w1, w2) = (
        tree.provision("watcher", "1", None),
        tree.provision("watcher", "2", None),
    );
    let hub = tree.subscriber("hub");
    for number in 0..2 {
        tree.subscriber(&format!("other {number}"));
    }
    tree.settle();
    let calls = tree.root_calls_during(|| {
        tree.below(hub, "a");
        tree.settle();
    });
    if let Some(mut calls) = calls {
        calls.sort();
        let mut expected = [hub, w1, w2].map(|member| (member, "canic_announce".to_string()));
        expected.sort();
        assert_eq!(calls, expected);
    }
    // A member below root without watchers is announced to no member.
    let calls = tree.root_calls_during(|| {
        tree.provision("watcher", "3", None);
        tree.settle();
    });
    let to_others = calls.map(|calls| {
        calls
            .iter()
            .filter(|(callee, _)| [hub, w1, w2].contains(callee))
            .count()
    });
    assert_eq!(to_others.unwrap_or_default(), 0);
    tree.finish();
}

#[test]
fn changes_are_announced_in_batches_and_in_order() {
    let tree = Tree::new();
    let watcher = tree.provision("watcher", "w", None);
    tree.settle();
    let pic = &tree.fleet.pic;
    let calls = tree.root_calls_during(|| {
        // No announcement arrives while the watcher is stopped.
        pic.stop_canister(watcher, Some(tree.fleet.root))
            .expect("stopped");
        for number in 0..5 {
            let member = tree.subscriber(&format!("{number}"));
            if number % 2 == 0 {
                tree.retire(member);
            }
        }
        pic.start_canister(watcher, Some(tree.fleet.root))
            .expect("started");
        for _ in 0..30 {
            pic.advance_time(Duration::from_secs(10));
            pic.tick();
        }
    });
    let known = (0..5).map(|number| tree.knows(watcher, &number.to_string()).is_some());
    assert_eq!(Vec::from_iter(known), [false, true, false, true, false]);
    if let Some(calls) = calls {
        // Some deliveries fail, and the last one has all eight changes.
        assert!(calls.len() < 15, "{calls:?}");
    }
    tree.finish();
}

#[test]
fn a_stopped_watcher_delays_no_others_and_catches_up_when_started() {
    let tree = Tree::new();
    let pic = &tree.fleet.pic;
    let watchers: Vec<_> = (0..6)
        .map(|number| tree.provision("watcher", &number.to_string(), None))
        .collect();
    tree.settle();
    let (down, up) = watchers.split_at(3);
    for watcher in down {
        pic.stop_canister(*watcher, Some(tree.fleet.root))
            .expect("stopped");
    }
    let a = tree.subscriber("a");
    tree.settle();
    for watcher in up {
        assert_eq!(tree.knows(*watcher, "a"), Some(a));
    }
    for watcher in down {
        pic.start_canister(*watcher, Some(tree.fleet.root))
            .expect("started");
        assert_eq!(tree.knows(*watcher, "a"), None, "not yet");
    }
    for _ in 0..30 {
        pic.advance_time(Duration::from_secs(10));
        pic.tick();
    }
    for watcher in down {
        assert_eq!(tree.knows(*watcher, "a"), Some(a));
    }
    tree.finish();
}

#[test]
fn a_member_catches_up_after_its_upgrade() {
    let tree = Tree::new();
    let watcher = tree.provision("watcher", "w", None);
    let hub = tree.subscriber("hub");
    let a = tree.below(hub, "a");
    tree.settle();
    let nothing = Encode!().expect("no argument");
    for (member, package) in [(watcher, "fixture-watcher"), (hub, "fixture-subscriber")] {
        let module = artifacts::module(package);
        let upgraded =
            tree.fleet
                .pic
                .upgrade_canister(member, module, nothing.clone(), Some(tree.fleet.root));
        upgraded.expect("upgraded");
    }
    tree.settle();
    // Both subscribe again at once.
    assert_eq!(tree.knows(watcher, "a"), Some(a));
    assert_eq!(tree.children(hub), ["a"]);
    assert_eq!(tree.knows(hub, "a"), Some(a));
    // Both receive later announcements.
    let b = tree.below(hub, "b");
    tree.settle();
    assert_eq!(tree.knows(watcher, "b"), Some(b));
    assert_eq!(tree.children(hub), ["a", "b"]);
    tree.finish();
}

#[test]
fn pending_announcements_survive_an_upgrade_of_root() {
    let tree = Tree::new();
    let watcher = tree.provision("watcher", "w", None);
    tree.settle();
    let pic = &tree.fleet.pic;
    pic.stop_canister(watcher, Some(tree.fleet.root))
        .expect("stopped");
    let a = tree.subscriber("a");
    tree.settle();
    tree.fleet
        .upgrade_root("fixture-tree-root")
        .expect("upgraded");
    pic.start_canister(watcher, Some(tree.fleet.root))
        .expect("started");
    for _ in 0..40 {
        pic.advance_time(Duration::from_secs(1));
        pic.tick();
    }
    assert_eq!(tree.knows(watcher, "a"), Some(a));
    tree.finish();
}

#[test]
fn a_cached_answer_is_invalidated_when_its_member_retires() {
    let tree = Tree::new();
    let (a, b) = (tree.subscriber("a"), tree.subscriber("b"));
    let accepts = |method| tree.accepts(b, a, method);
    assert!(!accepts("for_subscribers_now"), "a query can't ask");
    assert!(accepts("for_subscribers"), "an update asks root");
    assert!(accepts("for_subscribers_now"), "then it is known");
    let role = || -> Option<String> {
        let role: Result<Option<String>, LookupError> = tree.ask(b, "role_of", (a,));
        role.expect("known")
    };
    let asked = tree.calls_of(b, || assert_eq!(role().as_deref(), Some("subscriber")));
    assert_eq!(
        asked.unwrap_or_default(),
        [],
        "root need not be asked again"
    );

    // Root announces the retirement to the member with the cached answer, which asks root again.
    let calls = tree.root_calls_during(|| {
        tree.retire(a);
        tree.settle();
    });
    if let Some(calls) = calls {
        assert_eq!(calls, [(b, "canic_announce".to_string())]);
    }
    let asked = tree.calls_of(b, || assert_eq!(role(), None));
    if let Some(asked) = asked {
        assert_eq!(asked[0], (tree.fleet.root, "canic_lookup".to_string()));
    }
    tree.finish();
}

#[test]
fn a_cached_answer_expires_with_its_lease() {
    let tree = Tree::new();
    let (a, b) = (tree.subscriber("a"), tree.subscriber("b"));
    assert!(tree.accepts(b, a, "for_subscribers"));
    // The announcement can't arrive.
    let pic = &tree.fleet.pic;
    pic.stop_canister(b, Some(tree.fleet.root))
        .expect("stopped");
    let kept = tree.fleet.member(&MemberRequest::Canister(a)).is_some();
    assert!(kept);
    pic.advance_time(Duration::from_secs(LEASE));
    pic.start_canister(b, Some(tree.fleet.root))
        .expect("started");
    assert!(
        !tree.accepts(b, a, "for_subscribers_now"),
        "its time is over"
    );
    assert!(tree.accepts(b, a, "for_subscribers"), "root is asked again");
    tree.finish();
}

#[test]
fn a_member_moves_with_its_subtree_and_its_subscribers_learn_it() {
    let tree = Tree::new();
    let watcher = tree.provision("watcher", "w", None);
    let (old, new) = (tree.subscriber("old"), tree.subscriber("new"));
    let a = tree.below(old, "a");
    let aa = tree.below(a, "aa");
    tree.settle();
    assert!(tree.accepts(a, old, "for_parent"));
    assert!(tree.accepts(old, a, "for_children"));

    tree.move_to(a, new).expect("moved");
    tree.settle();
    assert_eq!((tree.parent_of(a), tree.parent_of(aa)), (new, a));
    assert_eq!(
        (tree.children(old), tree.children(new)),
        (vec![], vec!["a".to_string()])
    );
    assert_eq!(tree.children(a), ["aa"]);
    assert_eq!(tree.knows(watcher, "a"), Some(a));
    let info: IdentityInfo = tree.ask(a, "canic_identity", ());
    assert_eq!(
        info.identity
            .map(|identity| (identity.parent, identity.key)),
        Some((new, Some("a".into())))
    );
    // Access lists follow the new parent.
    assert!(tree.accepts(a, new, "for_parent") && !tree.accepts(a, old, "for_parent"));
    assert!(tree.accepts(new, a, "for_children") && !tree.accepts(old, a, "for_children"));
    assert!(!tree.accepts(old, a, "for_children_now"));
    // The new parent replaces the old one as a controller.
    let status = tree.fleet.pic.canister_status(a, Some(tree.fleet.root));
    let mut controllers = status.expect("root may see it").settings.controllers;
    controllers.sort();
    let mut expected = vec![tree.fleet.root, new];
    expected.sort();
    assert_eq!(controllers, expected);

    // A move to the present parent starts no operation.
    let again = tree.move_to(a, new).expect("it is below this parent");
    assert!(tree.fleet.open().is_empty(), "{again:?}");
    // A parent may move its child; other members may not.
    let moved: Result<Moved, MoveError> = tree.ask(old, "hand_over", (a, old));
    assert!(matches!(moved, Err(MoveError::Denied(_))), "{moved:?}");
    let moved: Result<Moved, MoveError> = tree.ask(new, "hand_over", (a, tree.fleet.root));
    moved.expect("the parent may move it");
    tree.settle();
    assert_eq!(tree.parent_of(a), tree.fleet.root);
    tree.finish();
}

#[test]
fn a_move_below_itself_or_to_a_full_parent_is_refused() {
    let tree = Tree::new();
    let hub = tree.subscriber("hub");
    let a = tree.below(hub, "a");
    let aa = tree.below(a, "aa");
    for parent in [hub, a, aa] {
        let answer = tree.move_to(hub, parent);
        assert_eq!(answer, Err(MoveError::BelowItself { parent }));
    }
    let stranger = user(7);
    let answer = tree.move_to(a, stranger);
    assert!(
        matches!(
            answer,
            Err(MoveError::Refused(ProvisionError::ParentNotAllowed { .. }))
        ),
        "{answer:?}"
    );
    let canister = stranger;
    assert_eq!(
        tree.move_to(canister, hub),
        Err(MoveError::NotAMember { canister })
    );
    let watcher = tree.provision("watcher", "w", None);
    assert!(matches!(
        tree.move_to(watcher, hub),
        Err(MoveError::Refused(_))
    ));
    // A parent has three subscribers at most.
    let full = tree.subscriber("full");
    for key in ["1", "2", "3"] {
        tree.below(full, key);
    }
    let fourth = ProvisionRequest {
        role: "subscriber".into(),
        key: Some("4".into()),
        parent: Some(full),
        arg: Vec::new(),
    };
    let refusal = ProvisionError::ParentFull {
        parent: full,
        role: "subscriber".to_string(),
        max: 3,
    };
    assert_eq!(tree.fleet.provision(&fourth), Err(refusal.clone()));
    assert_eq!(tree.move_to(aa, full), Err(MoveError::Refused(refusal)));
    // After one child moves away, another fits.
    let first = tree.fleet.member(&MemberRequest::Key {
        role: "subscriber".into(),
        key: "1".into(),
    });
    tree.move_to(first.expect("a member").canister, hub)
        .expect("moved");
    tree.move_to(aa, full)
        .expect("the parent is no longer full");
    tree.settle();
    assert_eq!(tree.children(full), ["2", "3", "aa"]);
    assert_eq!(tree.children(hub), ["1", "a"]);
    let page = tree.fleet.members(&MembersFilter::Parent(full));
    assert!(
        page.iter()
            .all(|member| member.state == MemberState::Active)
    );
    tree.finish();
}

#[test]
fn concurrent_operations_on_a_moving_member_are_refused() {
    let tree = Tree::new();
    let (old, new) = (tree.subscriber("old"), tree.subscriber("new"));
    let a = tree.below(old, "a");
    tree.settle();
    let fleet = &tree.fleet;
    let request = MoveRequest {
        canister: a,
        parent: new,
    };
    let moving = fleet.submit(fleet.root, fleet.controller, "canic_move", (request,));
    let retire = |canister| {
        let request = RetireRequest {
            canister,
            how: Retirement::Delete,
            subtree: None,
        };
        fleet.submit(fleet.root, fleet.controller, "canic_retire", (request,))
    };
    let retired = [a, old, new].map(retire);
    let second = MoveRequest {
        canister: old,
        parent: a,
    };
    let second = fleet.submit(fleet.root, fleet.controller, "canic_move", (second,));
    let [of_moving, of_old, of_new] =
        retired.map(|message| fleet.answer::<Result<Retired, RetireError>>(message));
    assert!(
        matches!(of_moving, Err(RetireError::Pending { .. })),
        "{of_moving:?}"
    );
    assert_eq!(of_old, Err(RetireError::HasChildren { child: a }));
    assert!(
        matches!(of_new, Err(RetireError::Pending { .. })),
        "{of_new:?}"
    );
    let second: Result<Moved, MoveError> = fleet.answer(second);
    assert!(
        matches!(second, Err(MoveError::Pending { .. })),
        "{second:?}"
    );
    let moved: Result<Moved, MoveError> = fleet.answer(moving);
    moved.expect("moved");
    tree.settle();
    assert_eq!(tree.parent_of(a), new);
    tree.finish();
}

#[test]
fn announcements_of_other_callers_are_denied() {
    let tree = Tree::new();
    let hub = tree.subscriber("hub");
    let announcement = Announcement {
        after: 0,
        upto: 1,
        changes: vec![Change {
            number: 1,
            canister: user(3),
            now: Some(MemberRef {
                role: "subscriber".into(),
                parent: hub,
                key: Some("false".into()),
            }),
            release: None,
        }],
    };
    let answer: Result<Result<(), Denied>, RejectResponse> =
        tree.fleet
            .update(hub, user(1), "canic_announce", (&announcement,));
    assert!(answer.is_err(), "inspection rejects users");
    let argument = Encode!(&announcement).expect("an argument");
    let other = tree.subscriber("other");
    let answer: Option<Vec<u8>> = tree.ask(other, "forward", (hub, "canic_announce", argument));
    let answer: Result<(), Denied> =
        candid::decode_one(&answer.expect("it answers")).expect("an answer");
    assert!(answer.is_err());
    assert_eq!(tree.knows(hub, "false"), None);
    tree.finish();
}
