//! The live state of members, by a composite query of root.

use std::time::Duration;

use candid::Principal;
use canic::api::{
    Denied, FundingInfo, GrantError, GrantPurpose, GrantRequest, Granted, Level, LiveState,
    MAX_STATUS_PAGE, MemberLive, MembersFilter, ProvisionRequest, RunState, StatusPage,
    StatusRequest,
};
use canic_fleet_tests::{
    Fleet, artifacts,
    fleet::{notebook, sha256},
    user,
};

fn page(fleet: &Fleet, filter: MembersFilter, after: Option<Principal>, limit: u32) -> StatusPage {
    let request = StatusRequest {
        filter,
        after,
        limit,
        canisters: None,
    };
    let page: Result<StatusPage, Denied> = fleet.ask("canic_status", (request,));
    page.expect("a controller may ask")
}

fn only(page: &StatusPage) -> &MemberLive {
    match &page.members[..] {
        [member] => member,
        other => panic!("{other:?}"),
    }
}

fn live(member: &MemberLive) -> &LiveState {
    member.live.as_ref().expect("it is seen")
}

#[test]
fn a_members_live_state_is_what_the_platform_says() {
    let fleet = Fleet::of_notebooks();
    let member = fleet
        .provision(&notebook(user(1)))
        .expect("a member")
        .canister;
    fleet.quiet();
    let all = page(&fleet, MembersFilter::All, None, 10);
    let row = only(&all);
    assert_eq!(
        (row.canister, row.role.as_str(), row.release),
        (member, "worker", 1)
    );
    assert_eq!(row.runs_release, Some(true));
    let seen = live(row);
    let told = fleet
        .pic
        .canister_status(member, Some(fleet.root))
        .expect("root may ask");
    assert_eq!(
        seen.module,
        Some(sha256(&artifacts::module("example-worker")))
    );
    assert_eq!(seen.run, RunState::Running);
    assert_eq!(candid::Nat::from(seen.memory), told.memory_size);
    let burned: u128 = told
        .idle_cycles_burned_per_day
        .0
        .try_into()
        .expect("it fits");
    assert_eq!((seen.burned_per_day, seen.frozen), (burned, burned * 30));
    let cycles = fleet.pic.cycle_balance(member);
    assert!(
        seen.cycles >= cycles && seen.cycles - cycles < 20_000_000,
        "{seen:?}"
    );
    let days = (cycles - burned * 30) as f64 / burned as f64;
    assert!(
        (seen.days_left.expect("it burns") - days).abs() < 0.1,
        "{seen:?}, not {days}"
    );
    // Root tells itself, too.
    let root = all.root.expect("root sees itself");
    assert!(root.cycles >= fleet.pic.cycle_balance(fleet.root));
}

#[test]
fn stopped_changed_and_foreign_members_are_told_apart() {
    let fleet = Fleet::of_notebooks();
    let member = fleet
        .provision(&notebook(user(1)))
        .expect("a member")
        .canister;
    fleet.quiet();
    let pic = &fleet.pic;
    pic.stop_canister(member, Some(fleet.root))
        .expect("stopped");
    let all = page(&fleet, MembersFilter::Role("worker".into()), None, 10);
    assert_eq!(live(only(&all)).run, RunState::Stopped);
    // Somebody else upgrades it.
    let other = artifacts::module("fixture-doors");
    let nothing = candid::encode_args(()).expect("no argument");
    pic.reinstall_canister(member, other, nothing, Some(fleet.root))
        .expect("installed");
    let all = page(&fleet, MembersFilter::All, None, 10);
    assert_eq!(only(&all).runs_release, Some(false));
    // Root does not control it any more.
    pic.set_controllers(member, Some(fleet.root), vec![user(3)])
        .expect("set");
    let all = page(&fleet, MembersFilter::All, None, 10);
    let reason = only(&all).live.as_ref().expect_err("root may not see it");
    assert!(reason.contains("not allowed"), "{reason}");
    assert_eq!(only(&all).runs_release, None);
}

#[test]
fn pages_have_as_many_rows_as_the_platform_lets_a_composite_query_ask_for() {
    let fleet = Fleet::start("fixture-bare-root");
    fleet.approve("worker", &artifacts::module("example-worker"));
    fleet.pic.add_cycles(fleet.root, 200_000_000_000_000);
    let number = MAX_STATUS_PAGE as u8 + 3;
    for member in 0..number {
        fleet
            .provision(&notebook(user(member + 1)))
            .expect("a member");
    }
    let first = page(&fleet, MembersFilter::All, None, u32::MAX);
    assert_eq!(first.members.len(), MAX_STATUS_PAGE as usize);
    assert_eq!(first.total, u64::from(number));
    let rest = page(&fleet, MembersFilter::All, first.next, u32::MAX);
    assert_eq!((rest.members.len(), rest.next), (3, None));
    let all = first.members.iter().chain(&rest.members);
    assert!(all.clone().all(|row| row.live.is_ok()));
    let mut ids: Vec<Principal> = all.map(|row| row.canister).collect();
    ids.dedup();
    assert_eq!(ids.len(), usize::from(number));
    // A page of no rows has one: who asks for page after page gets to the end.
    let least = page(&fleet, MembersFilter::All, None, 0);
    assert_eq!(least.members.len(), 1);
}

#[test]
fn canisters_of_the_pool_are_seen_by_name() {
    let fleet = Fleet::of_notebooks();
    fleet.provision(&notebook(user(1))).expect("a member");
    fleet.until("the pool is full", |fleet| fleet.pool().len() == 2);
    fleet.quiet();
    let pool: Vec<Principal> = fleet.pool().iter().map(|entry| entry.canister).collect();
    fleet.pic.add_cycles(pool[1], 1_000_000);
    let foreign = fleet.pic.create_canister_with_settings(Some(user(3)), None);
    let ask = |canisters: Vec<Principal>| {
        let request = StatusRequest {
            filter: MembersFilter::All,
            after: None,
            limit: 1,
            canisters: Some(canisters),
        };
        let page: Result<StatusPage, Denied> = fleet.ask("canic_status", (request,));
        page.expect("a controller may ask")
    };
    let page = ask(vec![pool[1], foreign, pool[0]]);
    assert_eq!((page.members.len(), page.total), (0, 1));
    let rows = page.canisters.expect("they were named");
    let [second, stranger, first] = &rows[..] else {
        panic!("{rows:?}");
    };
    for (row, canister) in [(second, pool[1]), (first, pool[0])] {
        assert_eq!(row.canister, canister);
        let live = row.live.as_ref().expect("root may ask");
        assert_eq!(live.cycles, fleet.pic.cycle_balance(canister));
        assert_eq!(live.module, None);
    }
    let reason = stranger.live.as_ref().expect_err("root may not see it");
    assert!(reason.contains("not allowed"), "{reason}");
    // However many are named, the platform executes the query.
    let many = vec![pool[0]; 1_000];
    let rows = ask(many).canisters.expect("they were named");
    assert_eq!(rows.len(), MAX_STATUS_PAGE as usize);
    assert!(rows.iter().all(|row| row.live.is_ok()));
}

#[test]
fn status_costs_root_nothing_and_is_no_update() {
    let fleet = Fleet::of_notebooks();
    fleet.provision(&notebook(user(1))).expect("a member");
    fleet.quiet();
    let before = fleet.pic.cycle_balance(fleet.root);
    page(&fleet, MembersFilter::All, None, 10);
    assert_eq!(fleet.pic.cycle_balance(fleet.root), before);
    let request = StatusRequest {
        filter: MembersFilter::All,
        after: None,
        limit: 1,
        canisters: None,
    };
    let as_update: Result<Result<StatusPage, Denied>, _> = fleet.update(
        fleet.root,
        fleet.controller,
        "canic_status",
        (request.clone(),),
    );
    assert!(as_update.is_err(), "{as_update:?}");
    let stranger: Result<Result<StatusPage, Denied>, _> =
        fleet.query(fleet.root, user(9), "canic_status", (request,));
    assert!(matches!(stranger, Ok(Err(_))), "{stranger:?}");
}

#[test]
fn funding_tells_what_roles_burn_what_was_granted_and_what_was_refused() {
    const B: u128 = 1_000_000_000;
    let fleet = Fleet::start_with("fixture-funded-root", 30_000 * B);
    let provision = |role: &str| {
        fleet.approve(role, &artifacts::burner(role));
        let request = ProvisionRequest {
            role: role.to_string(),
            key: None,
            parent: None,
            arg: Vec::new(),
        };
        fleet.provision(&request).expect("a member").canister
    };
    let (burner, sleepy) = (provision("burner"), provision("sleepy"));
    fleet.quiet();
    let grant = |canister, cycles| -> Result<Granted, GrantError> {
        fleet.command("canic_grant", (GrantRequest { canister, cycles },))
    };
    grant(burner, 500 * B).expect("within the limits");
    grant(sleepy, 50_000 * B).expect_err("beyond the limits");
    // Root looks at new members after six hours.
    for _ in 0..8 {
        fleet.pic.advance_time(Duration::from_secs(3_600));
        for _ in 0..10 {
            fleet.pic.tick();
        }
    }
    fleet.quiet();
    let funding: Result<FundingInfo, Denied> = fleet.ask("canic_funding", ());
    let funding = funding.expect("a controller may ask");
    // It is the next day in UTC.
    assert_eq!(
        (funding.budget, funding.charged_today),
        (Some(12_000 * B), 0)
    );
    let [one, other] = &funding.roles[..] else {
        panic!("{:#?}", funding.roles);
    };
    assert_eq!(
        (one.role.as_str(), other.role.as_str()),
        ("burner", "sleepy")
    );
    for (role, member) in [(one, burner), (other, sleepy)] {
        assert_eq!((role.members, role.seen, role.level), (1, 1, Level::Ok));
        let status = fleet
            .pic
            .canister_status(member, Some(fleet.root))
            .expect("root may ask");
        let idle: u128 = status
            .idle_cycles_burned_per_day
            .0
            .try_into()
            .expect("it fits");
        assert!(
            role.burned_per_day >= idle * 99 / 100,
            "{role:?}, idle {idle}"
        );
        assert_eq!((role.days_left, role.frozen, role.refused), (None, 0, 0));
    }
    let [day] = &funding.days[..] else {
        panic!("{:#?}", funding.days);
    };
    assert_eq!(day.granted, [(GrantPurpose::Controller, 500 * B)]);
    assert_eq!((day.grants, day.day % 86_400_000_000_000), (1, 0));
}
