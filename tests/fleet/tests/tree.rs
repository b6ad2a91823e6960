//! Trees of members: what they know about each other, how they learn it, and how they come to stand elsewhere.

use candid::{CandidType, Encode, Principal};
use canic::api::{
    IdentityInfo, LookupError, MemberRequest, MemberState, MembersFilter, MoveError, MoveRequest,
    Moved, ProvisionError, ProvisionRequest, Provisioned, RetireError, Retirement,
};
use canic_fleet_tests::{Fleet, artifacts, user};
use pocket_ic::RejectResponse;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Seconds for which an answer of root's counts.
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

    /// Lets what is announced arrive.
    fn settle(&self) {
        self.fleet.quiet();
    }

    /// An update of a member's, asked by a person.
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

    /// What a member knows of a subscriber without asking.
    fn knows(&self, member: Principal, key: &str) -> Option<Principal> {
        self.fleet
            .query(member, user(1), "knows", ("subscriber", key))
            .expect("anybody may ask")
    }

    /// Whether a member lets another one in.
    fn lets_in(&self, member: Principal, caller: Principal, method: &str) -> bool {
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

    /// Calls that a canister made to others of the fleet while something was done, by method.
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

    fn told_during(&self, act: impl FnOnce()) -> Option<Vec<(Principal, String)>> {
        self.calls_of(self.fleet.root, act)
    }

    fn ends_well(&self) {
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
    // Those that were there before the watcher, and those that came after it.
    assert_eq!(tree.knows(watcher, "early"), Some(early));
    assert_eq!(tree.knows(watcher, "b"), Some(b));

    tree.retire(b);
    tree.settle();
    assert_eq!(tree.children(hub), ["a"]);
    assert_eq!(tree.knows(watcher, "b"), None);
    let unknown: Result<Option<Principal>, LookupError> =
        tree.ask(watcher, "look_up", ("subscriber", "b"));
    assert_eq!(unknown, Ok(None), "root says the same");
    tree.ends_well();
}

#[test]
fn a_parent_knows_a_child_as_soon_as_it_has_it() {
    let tree = Tree::new();
    let hub = tree.subscriber("hub");
    let hired: Result<Provisioned, ProvisionError> = tree.ask(hub, "hire", ("a",));
    hired.expect("a child");
    assert_eq!(tree.children(hub), ["a"]);
    tree.ends_well();
}

#[test]
fn one_provision_tells_the_parent_and_the_watchers_and_nobody_else() {
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
    let told = tree.told_during(|| {
        tree.below(hub, "a");
        tree.settle();
    });
    if let Some(mut told) = told {
        told.sort();
        let mut expected = [hub, w1, w2].map(|one| (one, "canic_announce".to_string()));
        expected.sort();
        assert_eq!(told, expected);
    }
    // Without a parent that is a member, and without watchers, nobody is told anything.
    let told = tree.told_during(|| {
        tree.provision("watcher", "3", None);
        tree.settle();
    });
    let to_others = told.map(|told| {
        told.iter()
            .filter(|(one, _)| [hub, w1, w2].contains(one))
            .count()
    });
    assert_eq!(to_others.unwrap_or_default(), 0);
    tree.ends_well();
}

#[test]
fn many_changes_are_told_together_and_in_order() {
    let tree = Tree::new();
    let watcher = tree.provision("watcher", "w", None);
    tree.settle();
    let pic = &tree.fleet.pic;
    let told = tree.told_during(|| {
        // Nothing arrives for a while.
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
    if let Some(told) = told {
        // Some in vain, and the last one with all eight changes.
        assert!(told.len() < 15, "{told:?}");
    }
    tree.ends_well();
}

#[test]
fn who_is_down_holds_up_nobody_and_hears_everything_afterwards() {
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
    tree.ends_well();
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
    // They ask at once.
    assert_eq!(tree.knows(watcher, "a"), Some(a));
    assert_eq!(tree.children(hub), ["a"]);
    assert_eq!(tree.knows(hub, "a"), Some(a));
    // And both hear what comes then.
    let b = tree.below(hub, "b");
    tree.settle();
    assert_eq!(tree.knows(watcher, "b"), Some(b));
    assert_eq!(tree.children(hub), ["a", "b"]);
    tree.ends_well();
}

#[test]
fn what_root_has_to_tell_survives_its_upgrade() {
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
    tree.ends_well();
}

#[test]
fn who_relies_on_a_member_learns_that_it_is_gone() {
    let tree = Tree::new();
    let (a, b) = (tree.subscriber("a"), tree.subscriber("b"));
    let nowhere = |method| tree.lets_in(b, a, method);
    assert!(!nowhere("for_subscribers_now"), "a query can't ask");
    assert!(nowhere("for_subscribers"), "an update asks root");
    assert!(nowhere("for_subscribers_now"), "then it is known");
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

    // Root tells who relied on it, who asks anew.
    let told = tree.told_during(|| {
        tree.retire(a);
        tree.settle();
    });
    if let Some(told) = told {
        assert_eq!(told, [(b, "canic_announce".to_string())]);
    }
    let asked = tree.calls_of(b, || assert_eq!(role(), None));
    if let Some(asked) = asked {
        assert_eq!(asked[0], (tree.fleet.root, "canic_lookup".to_string()));
    }
    tree.ends_well();
}

#[test]
fn nobody_relies_on_an_answer_for_longer_than_its_lease() {
    let tree = Tree::new();
    let (a, b) = (tree.subscriber("a"), tree.subscriber("b"));
    assert!(tree.lets_in(b, a, "for_subscribers"));
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
        !tree.lets_in(b, a, "for_subscribers_now"),
        "its time is over"
    );
    assert!(tree.lets_in(b, a, "for_subscribers"), "root is asked again");
    tree.ends_well();
}

#[test]
fn a_member_moves_with_all_that_is_below_it_and_everybody_learns_it() {
    let tree = Tree::new();
    let watcher = tree.provision("watcher", "w", None);
    let (old, new) = (tree.subscriber("old"), tree.subscriber("new"));
    let a = tree.below(old, "a");
    let aa = tree.below(a, "aa");
    tree.settle();
    assert!(tree.lets_in(a, old, "for_parent"));
    assert!(tree.lets_in(old, a, "for_children"));

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
    // Doors open and close accordingly.
    assert!(tree.lets_in(a, new, "for_parent") && !tree.lets_in(a, old, "for_parent"));
    assert!(tree.lets_in(new, a, "for_children") && !tree.lets_in(old, a, "for_children"));
    assert!(!tree.lets_in(old, a, "for_children_now"));
    // The old parent is its controller no more, and the new one is.
    let status = tree.fleet.pic.canister_status(a, Some(tree.fleet.root));
    let mut controllers = status.expect("root may see it").settings.controllers;
    controllers.sort();
    let mut expected = vec![tree.fleet.root, new];
    expected.sort();
    assert_eq!(controllers, expected);

    // Back to where it is costs nothing.
    let again = tree.move_to(a, new).expect("it stands there");
    assert!(tree.fleet.open().is_empty(), "{again:?}");
    // A parent may hand its child over, and others may not.
    let handed: Result<Moved, MoveError> = tree.ask(old, "hand_over", (a, old));
    assert!(matches!(handed, Err(MoveError::Denied(_))), "{handed:?}");
    let handed: Result<Moved, MoveError> = tree.ask(new, "hand_over", (a, tree.fleet.root));
    handed.expect("the parent may");
    tree.settle();
    assert_eq!(tree.parent_of(a), tree.fleet.root);
    tree.ends_well();
}

#[test]
fn nothing_comes_to_stand_below_itself_or_where_there_is_no_room() {
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
    // One goes, and there is room again.
    let one = tree.fleet.member(&MemberRequest::Key {
        role: "subscriber".into(),
        key: "1".into(),
    });
    tree.move_to(one.expect("a member").canister, hub)
        .expect("moved");
    tree.move_to(aa, full).expect("now there is room");
    tree.settle();
    assert_eq!(tree.children(full), ["2", "3", "aa"]);
    assert_eq!(tree.children(hub), ["1", "a"]);
    let page = tree.fleet.members(&MembersFilter::Parent(full));
    assert!(
        page.iter()
            .all(|member| member.state == MemberState::Active)
    );
    tree.ends_well();
}

#[test]
fn a_member_that_is_being_moved_is_left_alone_by_others() {
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
        let request = canic::api::RetireRequest {
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
    let [of_it, of_old, of_new] =
        retired.map(|message| fleet.answer::<Result<canic::api::Retired, RetireError>>(message));
    assert!(
        matches!(of_it, Err(RetireError::Pending { .. })),
        "{of_it:?}"
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
    tree.ends_well();
}

#[test]
fn only_root_announces() {
    let tree = Tree::new();
    let hub = tree.subscriber("hub");
    let announcement = canic::api::Announcement {
        after: 0,
        upto: 1,
        changes: vec![canic::api::Change {
            number: 1,
            canister: user(3),
            now: Some(canic::api::MemberRef {
                role: "subscriber".into(),
                parent: hub,
                key: Some("false".into()),
            }),
        }],
    };
    let answer: Result<Result<(), canic::api::Denied>, RejectResponse> =
        tree.fleet
            .update(hub, user(1), "canic_announce", (&announcement,));
    assert!(
        answer.is_err(),
        "people are turned away before it costs anything"
    );
    let argument = Encode!(&announcement).expect("an argument");
    let other = tree.subscriber("other");
    let answer: Option<Vec<u8>> = tree.ask(other, "forward", (hub, "canic_announce", argument));
    let answer: Result<(), canic::api::Denied> =
        candid::decode_one(&answer.expect("it answers")).expect("an answer");
    assert!(answer.is_err());
    assert_eq!(tree.knows(hub, "false"), None);
    tree.ends_well();
}
