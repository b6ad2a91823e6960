//! Subscribers: the members that root announces a change to.
//!
//! These are the member's parent, the members whose role watches its role, the members that hold a
//! lease on it, and, when it moves, the member itself.

use std::collections::BTreeMap;

use candid::Principal;

use crate::{
    api::{CatchUpCursor, CatchUpPage, CatchUpRequest, Change, MAX_PAGE},
    config::{RoleConfig, RootConfig},
    operation::Position,
    state::registry::{MemberStatus, Registry},
};

/// The subscribers of a change, each with the position that root announces to it. `None`: the
/// member does not concern the subscriber any more.
pub(crate) fn of_change<'a>(
    config: &RootConfig,
    registry: &Registry,
    canister: Principal,
    (before, after): (Option<&'a Position>, Option<&'a Position>),
    leaseholders: Vec<Principal>,
) -> BTreeMap<Principal, Option<&'a Position>> {
    let mut subscribers = BTreeMap::new();
    // The old parent loses a child, and learns nothing else.
    subscribers.extend(before.map(|position| (position.parent.0, None)));
    subscribers.extend(after.map(|position| (position.parent.0, after)));
    if let Some(position) = before.or(after) {
        let watchers = watchers(config, registry, &position.role, |_| true);
        subscribers.extend(watchers.map(|watcher| (watcher, after)));
    }
    subscribers.extend(leaseholders.into_iter().map(|holder| (holder, after)));
    let concerns_itself = match (before, after) {
        (Some(_), Some(_)) => true,
        // A new watcher has to catch up, and learns that from the gap before its first change.
        (None, Some(position)) => !watched_roles(config, &position.role).is_empty(),
        (_, None) => false,
    };
    if concerns_itself {
        subscribers.insert(canister, after);
    } else if after.is_none() {
        subscribers.remove(&canister);
    }
    subscribers.retain(|subscriber, _| is_announced(registry, *subscriber));
    subscribers
}

/// Whether a canister is a member that root announces, and announces to. One that is being upgraded
/// may know changes from pages already, so that it has to be told those that come after them.
fn is_announced(registry: &Registry, canister: Principal) -> bool {
    let member = registry.member(canister);
    member.is_some_and(|member| match member.status {
        MemberStatus::Active | MemberStatus::Moving | MemberStatus::Upgrading => true,
        MemberStatus::Installing | MemberStatus::Retiring => false,
    })
}

/// The subscribers that root tells the release of a member: those whose role watches releases of
/// the member's role.
pub(crate) fn of_release(
    config: &RootConfig,
    registry: &Registry,
    canister: Principal,
) -> Vec<Principal> {
    let Some(member) = registry.member(canister) else {
        return Vec::new();
    };
    let role = registry.role_name(member.role);
    watchers(config, registry, role, tells_releases)
        .filter(|watcher| *watcher != canister && is_announced(registry, *watcher))
        .collect()
}

fn tells_releases(watcher: &RoleConfig) -> bool {
    watcher.watches_releases
}

/// The release that root tells a subscriber with a change of a member.
pub(crate) fn release_for(
    config: &RootConfig,
    registry: &Registry,
    subscriber: Principal,
    canister: Principal,
) -> Option<u32> {
    if !config.roles.iter().any(tells_releases) {
        return None;
    }
    let (member, watcher) = (registry.member(canister)?, registry.member(subscriber)?);
    let role = registry.role_name(member.role);
    let watcher = registry.role_name(watcher.role);
    let told = config.roles.iter().any(|known| {
        known.name == watcher && tells_releases(known) && known.watches.contains(&role)
    });
    Some(member.release).filter(|release| told && *release != 0)
}

/// The roles that a role watches.
pub(crate) fn watched_roles(config: &RootConfig, role: &str) -> &'static [&'static str] {
    let role = config.roles.iter().find(|known| known.name == role);
    role.map_or(&[], |role| role.watches)
}

/// The members whose role watches a role, and of whose role `counts` says yes.
fn watchers<'a>(
    config: &'a RootConfig,
    registry: &'a Registry,
    role: &'a str,
    counts: fn(&RoleConfig) -> bool,
) -> impl Iterator<Item = Principal> + 'a {
    config
        .roles
        .iter()
        .filter(move |watcher| watcher.watches.contains(&role) && counts(watcher))
        .filter_map(|watcher| registry.role(watcher.name))
        .flat_map(|role| registry.of_role(role.number, None))
}

/// A page of the members that concern a subscriber: its children first, then the members of each
/// role that its own role watches. `upto` is the last change that the page shows.
pub(crate) fn catch_up(
    config: &RootConfig,
    registry: &Registry,
    subscriber: Principal,
    request: CatchUpRequest,
    upto: u64,
) -> CatchUpPage {
    let role = registry.member_ref(subscriber).map(|member| member.role);
    let watched = role.map_or(&[][..], |role| watched_roles(config, &role));
    let (first, mut after) = match request.after {
        Some(cursor) => (cursor.list as usize, Some(cursor.canister)),
        None => (0, None),
    };
    let mut page = CatchUpPage {
        upto,
        changes: Vec::new(),
        next: None,
    };
    for list in first..=watched.len() {
        let rows: Box<dyn Iterator<Item = Principal> + '_> = match list.checked_sub(1) {
            None => Box::new(registry.children(subscriber, after)),
            Some(at) => match registry.role(watched[at]) {
                Some(role) => Box::new(registry.of_role(role.number, after)),
                None => Box::new(std::iter::empty()),
            },
        };
        for canister in rows {
            if page.changes.len() >= MAX_PAGE as usize {
                return page;
            }
            let list = list as u32;
            page.next = Some(CatchUpCursor { list, canister });
            if canister != subscriber && is_announced(registry, canister) {
                page.changes.push(Change {
                    number: upto,
                    canister,
                    now: registry.member_ref(canister),
                    release: release_for(config, registry, subscriber, canister),
                });
            }
        }
        after = None;
    }
    page.next = None;
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::DEFAULT_RESERVE,
        stable::{memory, record::Id},
    };

    static ROLES: [RoleConfig; 3] = [
        RoleConfig::open("worker"),
        RoleConfig {
            watches: &["worker"],
            ..RoleConfig::open("monitor")
        },
        RoleConfig {
            watches: &["worker"],
            watches_releases: true,
            ..RoleConfig::open("index")
        },
    ];
    static CONFIG: RootConfig = RootConfig {
        pool: None,
        reserve: DEFAULT_RESERVE,
        budget: None,
        refuel: None,
        roles: &ROLES,
    };

    fn id(n: u8) -> Principal {
        Principal::from_slice(&[n, 1])
    }

    fn position(role: &str, parent: u8) -> Position {
        Position {
            role: role.to_string(),
            ..Position::sample(id(parent))
        }
    }

    /// Members 1 and 2 are hubs of root (100), 3 is a monitor, 10 is a worker below 1.
    fn registry() -> Registry {
        memory::forget();
        let mut registry = Registry::open(0, 1);
        for (member, role, parent) in [
            (1, "hub", 100),
            (2, "hub", 100),
            (3, "monitor", 100),
            (10, "worker", 1),
        ] {
            let position = position(role, parent);
            registry.take_position(&position, 1);
            registry.register(id(member), &position, MemberStatus::Active, [0; 32], 1, 0);
        }
        registry
    }

    fn of_change(
        registry: &Registry,
        member: u8,
        before: Option<&Position>,
        after: Option<&Position>,
        leaseholders: &[u8],
    ) -> Vec<(Principal, bool)> {
        let leaseholders = leaseholders.iter().map(|holder| id(*holder)).collect();
        super::of_change(&CONFIG, registry, id(member), (before, after), leaseholders)
            .into_iter()
            .map(|(subscriber, now)| (subscriber, now.is_some()))
            .collect()
    }

    #[test]
    fn a_new_member_concerns_its_parent_and_watchers_only() {
        let registry = registry();
        let worker = position("worker", 1);
        let subscribers = of_change(&registry, 10, None, Some(&worker), &[]);
        assert_eq!(subscribers, [(id(1), true), (id(3), true)]);
    }

    #[test]
    fn a_move_tells_the_old_parent_that_the_child_is_gone_and_the_member_its_new_position() {
        let registry = registry();
        let (before, after) = (position("worker", 1), position("worker", 2));
        let subscribers = of_change(&registry, 10, Some(&before), Some(&after), &[]);
        let expected = [(id(1), false), (id(2), true), (id(3), true), (id(10), true)];
        assert_eq!(subscribers, expected);
    }

    #[test]
    fn a_retirement_reaches_leaseholders_but_neither_the_member_nor_canisters_of_others() {
        let registry = registry();
        let before = position("worker", 1);
        let subscribers = of_change(&registry, 10, Some(&before), None, &[2, 10, 99]);
        assert_eq!(
            subscribers,
            [(id(1), false), (id(2), false), (id(3), false)]
        );
    }

    #[test]
    fn a_new_watcher_gets_its_own_position() {
        let registry = registry();
        let monitor = position("monitor", 100);
        let subscribers = of_change(&registry, 3, None, Some(&monitor), &[]);
        assert_eq!(subscribers, [(id(3), true)]);
    }

    #[test]
    fn catching_up_lists_children_and_watched_members() {
        let mut registry = registry();
        let child = Position {
            parent: Id(id(3)),
            ..position("hub", 3)
        };
        registry.take_position(&child, 1);
        registry.register(id(20), &child, MemberStatus::Active, [0; 32], 1, 0);
        let request = CatchUpRequest { after: None };
        let page = catch_up(&CONFIG, &registry, id(3), request, 7);
        let rows: Vec<_> = page
            .changes
            .iter()
            .map(|change| (change.canister, change.number))
            .collect();
        assert_eq!(rows, [(id(20), 7), (id(10), 7)]);
        assert_eq!((page.upto, page.next), (7, None));
        // A page goes on in the list where the last one ended.
        let after = Some(CatchUpCursor {
            list: 1,
            canister: id(10),
        });
        let page = catch_up(&CONFIG, &registry, id(3), CatchUpRequest { after }, 7);
        assert!(page.changes.is_empty());
    }

    /// An index (4) beside the monitor (3), and two releases of the worker (10).
    fn with_index() -> Registry {
        let mut registry = registry();
        let index = position("index", 100);
        registry.take_position(&index, 1);
        registry.register(id(4), &index, MemberStatus::Active, [0; 32], 1, 0);
        registry.change_member(id(10), |worker| worker.release = 2);
        registry
    }

    #[test]
    fn only_a_role_that_asks_is_told_releases_of_the_roles_that_it_watches() {
        let registry = with_index();
        assert_eq!(of_release(&CONFIG, &registry, id(10)), [id(4)]);
        assert_eq!(of_release(&CONFIG, &registry, id(1)), []);
        let release =
            |subscriber, member| release_for(&CONFIG, &registry, id(subscriber), id(member));
        // The parent, the monitor, the index.
        assert_eq!([1, 3, 4].map(|one| release(one, 10)), [None, None, Some(2)]);
        assert_eq!(release(4, 1), None, "hubs are not watched");
        let page = |subscriber| {
            let request = CatchUpRequest { after: None };
            let page = catch_up(&CONFIG, &registry, id(subscriber), request, 7);
            page.changes
                .into_iter()
                .map(|change| change.release)
                .collect::<Vec<_>>()
        };
        assert_eq!((page(3), page(4)), (vec![None], vec![Some(2)]));
    }

    #[test]
    fn a_release_that_root_does_not_know_is_not_told() {
        let mut registry = with_index();
        registry.change_member(id(10), |worker| worker.release = 0);
        assert_eq!(release_for(&CONFIG, &registry, id(4), id(10)), None);
    }

    #[test]
    fn a_member_that_is_being_upgraded_is_announced_and_announced_to() {
        let mut registry = with_index();
        for member in [3, 10] {
            registry.set_status(id(member), MemberStatus::Upgrading, 5);
        }
        let request = CatchUpRequest { after: None };
        let page = catch_up(&CONFIG, &registry, id(3), request, 7);
        assert_eq!(page.changes.len(), 1, "the worker");
        let worker = position("worker", 1);
        let subscribers = of_change(&registry, 10, Some(&worker), None, &[]);
        assert!(subscribers.contains(&(id(3), false)), "the monitor");
    }
}
