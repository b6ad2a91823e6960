//! The registry: members by canister, by role, by parent and by key, page by page.

use candid::Principal;
use canic::api::{
    Denied, MemberRequest, MembersFilter, MembersPage, MembersRequest, ProvisionRequest,
};
use canic_fleet_tests::{Fleet, artifacts, fleet::notebook, user};

fn fleet_with_hub() -> (Fleet, Principal) {
    let fleet = Fleet::start("fixture-hub-root");
    fleet.approve("hub", &artifacts::module("fixture-hub"));
    fleet.approve("worker", &artifacts::module("example-worker"));
    let request = ProvisionRequest {
        role: "hub".into(),
        key: Some("hub".into()),
        parent: None,
        arg: vec![],
    };
    let hub = fleet.provision(&request).expect("a hub").canister;
    for number in 1..=12 {
        let parent = (number % 3 == 0).then_some(hub);
        let request = ProvisionRequest {
            parent,
            ..notebook(user(number))
        };
        fleet.provision(&request).expect("a worker");
    }
    fleet.quiet();
    (fleet, hub)
}

#[test]
fn members_are_listed_by_role_and_by_parent() {
    let (fleet, hub) = fleet_with_hub();
    assert_eq!(fleet.members(&MembersFilter::All).len(), 13);
    let hubs = fleet.members(&MembersFilter::Role("hub".into()));
    assert_eq!(hubs.iter().map(|m| m.canister).collect::<Vec<_>>(), [hub]);
    let workers = fleet.members(&MembersFilter::Role("worker".into()));
    assert_eq!(workers.len(), 12);
    assert!(workers.iter().all(|member| member.role == "worker"));
    let below_hub = fleet.members(&MembersFilter::Parent(hub));
    assert_eq!(below_hub.len(), 4);
    assert!(below_hub.iter().all(|member| member.parent == hub));
    assert_eq!(fleet.members(&MembersFilter::Parent(fleet.root)).len(), 9);
    fleet.audit().passes();
}

#[test]
fn a_member_is_found_by_its_canister_and_by_its_key() {
    let (fleet, hub) = fleet_with_hub();
    for number in 1..=12 {
        let key = user(number).to_text();
        let request = MemberRequest::Key {
            role: "worker".into(),
            key: key.clone(),
        };
        let by_key = fleet.member(&request).expect("found by key");
        assert_eq!(by_key.key, Some(key.clone()));
        let by_canister = fleet.member(&MemberRequest::Canister(by_key.canister));
        assert_eq!(by_canister, Some(by_key));
        let other_role = MemberRequest::Key {
            role: "hub".into(),
            key,
        };
        assert_eq!(fleet.member(&other_role), None, "a key belongs to its role");
    }
    let by_key = MemberRequest::Key {
        role: "hub".into(),
        key: "hub".into(),
    };
    assert_eq!(
        fleet.member(&by_key).map(|member| member.canister),
        Some(hub)
    );
    fleet.audit().passes();
}

#[test]
fn pages_hold_every_row_once() {
    let (fleet, hub) = fleet_with_hub();
    let filters = [
        MembersFilter::All,
        MembersFilter::Role("worker".into()),
        MembersFilter::Parent(hub),
    ];
    for filter in filters {
        let all = fleet.members(&filter);
        for limit in [1, 2, 5, 12, 13, 1_000] {
            let mut rows = Vec::new();
            let mut after = None;
            loop {
                let request = MembersRequest {
                    filter: filter.clone(),
                    after,
                    limit,
                };
                let page: Result<MembersPage, Denied> = fleet.ask("canic_members", (request,));
                let page = page.expect("a controller may list members");
                assert!(page.members.len() <= limit as usize);
                assert_eq!(page.total, all.len() as u64);
                rows.extend(page.members);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(rows, all, "{filter:?} in pages of {limit}");
        }
    }
    fleet.audit().passes();
}
