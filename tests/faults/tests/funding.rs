//! What the watch over members' cycles costs root, and whether it keeps a fleet alive for a year.

use std::collections::BTreeMap;

use candid::{Encode, Principal};
use canic::api::{BatchError, Denied, FundingInfo, OperationId, ProvisionError, ProvisionRequest};
use canic_fault_tests::{
    Violation, World,
    matrix::{self, Prepared},
    measure, scenario,
    world::{DAY, SECOND, T, TIMER, controller},
};
use canic_fleet_tests::{artifacts, user};
use canic_replica::{Effect, Fault, Kind, RejectCode};
use fastrand::Rng;
use ic_management_canister_types::CanisterSettings;

/// Cycles that the looks at one member may cost root in a week.
const MOST_A_WEEK: u128 = 12_000_000;

/// The most that many members on record may add to the instructions of a look, as a ratio.
const GROWTH: f64 = 1.1;

fn balance(world: &World) -> u128 {
    world.replica.cycles(world.root).expect("root exists")
}

/// Lets time pass in steps of hours, and all that is due then run.
fn live(world: &mut World, seconds: u64, hours: u64) {
    for _ in 0..seconds / (hours * 3_600) {
        world.pass(hours * 3_600 * SECOND);
        world.rounds_until_quiet();
    }
}

/// Root's looks at members since an event of the trace.
fn looks_since(world: &World, from: u64) -> usize {
    let looks = world.replica.trace().iter().filter(|event| {
        event.seq >= from
            && event.kind == Kind::Management
            && event.caller == world.root
            && event.method == "canister_status"
    });
    looks.count()
}

/// Cycles that root pays in a week for its looks, and their number. A root that is stopped pays for
/// its memory only.
fn week_of_looks(world: &World) -> (u128, usize) {
    let mut watching = world.clone();
    let from = watching.events();
    let before = balance(&watching);
    live(&mut watching, 7 * DAY, 4);
    let spent = before - balance(&watching);
    let looks = looks_since(&watching, from);
    let mut stopped = world.clone();
    stopped.stop_root().expect("it stops");
    let before = balance(&stopped);
    live(&mut stopped, 7 * DAY, 4);
    (spent - (before - balance(&stopped)), looks)
}

#[test]
fn the_watch_costs_root_little_a_member_and_week() {
    for members in [10, 100, 300] {
        let mut world = measure::managed();
        measure::grow(&mut world, 0, members);
        // The first looks, and those that the weeks begin with.
        live(&mut world, 9 * DAY, 4);
        let (spent, looks) = week_of_looks(&world);
        let each = spent / members as u128;
        println!("{members} members: {looks} looks in a week, {each} cycles a member");
        assert!(looks >= members, "{looks}");
        assert!(each <= MOST_A_WEEK, "{each} cycles a member");
    }
}

/// The median of the instructions that root takes for the answer to a look at a real canister.
fn instructions_of_a_look(world: &mut World) -> u64 {
    let from = world.events();
    world.pass(7 * 3_600 * SECOND);
    let mut counts: Vec<u64> = Vec::new();
    for _ in 0..60 {
        world.replica.tick();
        counts = world
            .replica
            .trace()
            .iter()
            .filter(|event| {
                event.seq >= from
                    && event.kind == Kind::Reply
                    && event.canister == world.root
                    && event.method == "canister_status"
            })
            .map(|event| event.instructions)
            .collect();
    }
    counts.sort_unstable();
    assert!(counts.len() > 20, "{} looks", counts.len());
    counts[counts.len() / 2]
}

#[test]
fn a_look_costs_the_same_however_many_members_are_on_record() {
    let mut few = measure::managed();
    measure::grow(&mut few, 0, 100);
    let mut many = few.clone();
    measure::grow(&mut many, 100, 100_000);
    let [few, many] = [&mut few, &mut many].map(instructions_of_a_look);
    let growth = many as f64 / few as f64;
    println!("a look: {few} instructions with 100 members, {growth:.3} times that with 100,000");
    assert!(growth <= GROWTH, "{few} became {many}");
}

// Failures

/// One in `EVERY` single failures of the scenarios of grants is tried here, beside those of the
/// whole matrix.
const EVERY: usize = 31;

#[test]
fn grants_and_the_watch_survive_failures_of_their_calls() {
    let all = scenario::all();
    let of_grants = all.filter(|it| it.name.starts_with("grant_") || it.name.starts_with("watch_"));
    let of_grants: Vec<_> = of_grants.collect();
    let prepared = matrix::in_parallel(&of_grants, |scenario| Prepared::new(scenario));
    let prepared: Vec<Prepared> = prepared
        .into_iter()
        .map(|one| one.unwrap_or_else(|violation| panic!("{violation}")))
        .collect();
    let singles: Vec<_> = prepared.iter().flat_map(Prepared::singles).collect();
    let cases: Vec<_> = singles.iter().step_by(EVERY).cloned().collect();
    println!("{} of {} single failures", cases.len(), singles.len());
    let (fired, violations) = matrix::run_all(&prepared, &cases);
    let lines: Vec<String> = violations.iter().map(Violation::to_string).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
    assert_eq!(fired, cases.len(), "every fault fires");
}

#[test]
fn the_watch_survives_lost_timers() {
    let (mut world, lives) = fleet(2);
    live(&mut world, 2 * DAY, 4);
    let lost = Fault::on_call(Effect::reject(RejectCode::SysTransient))
        .caller(world.root)
        .callee(world.root)
        .method(TIMER)
        .times(3);
    world.replica.inject(lost);
    let from = world.events();
    live(&mut world, 8 * DAY, 4);
    assert_eq!(
        world.replica.fired_faults().len(),
        3,
        "three timers are lost"
    );
    let looks = looks_since(&world, from);
    assert!(
        looks >= lives.len(),
        "{looks} looks at {} members",
        lives.len()
    );
}

// A fleet that lives

/// A member, and what the test knows of it.
struct Life {
    canister: Principal,
    /// Bytes that it reserves, and pays for.
    bytes: u64,
}

const GIB: u64 = 1 << 30;

/// Days of burn that each member's freezing threshold keeps.
const THRESHOLD: u64 = 2;

/// Cycles that a canister burns in a day at rest.
fn idle_burn(bytes: u64) -> u128 {
    const BASE: u128 = 10_000;
    const PER_GIB: u128 = 317_500;
    let storage = u128::from(bytes) * PER_GIB / (1 << 30);
    (BASE + storage) * u128::from(DAY)
}

fn reserve_memory(world: &mut World, life: &mut Life, bytes: u64) {
    life.bytes = bytes;
    let settings = CanisterSettings {
        memory_allocation: Some(bytes.into()),
        freezing_threshold: Some((THRESHOLD * DAY).into()),
        ..Default::default()
    };
    let set = world.set(world.root, life.canister, settings);
    set.expect("the subnet has memory");
}

/// A fleet with so many members of each of three roles.
fn fleet(each: usize) -> (World, Vec<Life>) {
    let mut world = World::start("fixture-funded-root", 100_000 * T);
    let mut lives = Vec::new();
    for role in ["burner", "keeper", "sailor"] {
        world.approve_module(role, &artifacts::burner(role));
        let requests: Vec<ProvisionRequest> = (0..each)
            .map(|number| ProvisionRequest {
                role: role.to_string(),
                key: Some(format!("{role} {number}")),
                parent: None,
                arg: Encode!().expect("no argument"),
            })
            .collect();
        let accepted: Result<Vec<Result<OperationId, ProvisionError>>, BatchError> =
            world.ask(controller(), "canic_provision_batch", (requests,));
        assert!(accepted.expect("a batch").iter().all(Result::is_ok));
        world.rest().expect("the fleet becomes idle");
    }
    for member in world.members() {
        let canister = member.canister;
        lives.push(Life { canister, bytes: 0 });
    }
    assert_eq!(lives.len(), 3 * each);
    (world, lives)
}

/// Cycles that members hold together.
fn held(world: &World, lives: &[Life]) -> u128 {
    let balances = lives.iter().map(|life| world.replica.cycles(life.canister));
    balances.flatten().sum()
}

/// Days for which a forecast is compared with what then happens.
const PERIOD: u64 = 30;

/// What `canic_funding` says of a day, and the sums of the fleet when it said so.
struct Forecast {
    /// Cycles that the members burn.
    burn: u128,
    /// Cycles that leave root.
    spent: u128,
    burned_before: u128,
    balance_before: u128,
}

impl Forecast {
    fn now(world: &mut World, burned: u128) -> Self {
        let info: Result<FundingInfo, Denied> = world.query("canic_funding", ());
        let info = info.expect("root's controller may ask");
        Self {
            burn: info.roles.iter().map(|role| role.burned_per_day).sum(),
            spent: info.root.spent_per_day.expect("root knows its rate"),
            burned_before: burned,
            balance_before: balance(world),
        }
    }

    /// By how much the forecasts of burn and of spending were wrong after a period, as a share.
    fn errors(&self, world: &World, burned: u128) -> [f64; 2] {
        let off = |forecast: u128, happened: u128| {
            let forecast = forecast * u128::from(PERIOD);
            forecast.abs_diff(happened) as f64 / happened as f64
        };
        [
            off(self.burn, burned - self.burned_before),
            off(self.spent, self.balance_before - balance(world)),
        ]
    }
}

/// Lets a fleet of so many members of each role burn at random for so many days. No member is ever
/// frozen, no day has more than its budget, what root granted is what was burned, and forecasts of
/// what is burned are at most so wrong, as a share. Grants come in lumps, so that root's spending
/// of a month says less of the next one.
fn soak(each: usize, days: u64, seed: u64, most_wrong: f64) {
    let mut rng = Rng::with_seed(seed);
    let (mut world, mut lives) = fleet(each);
    let granted_before: u128 = world.deposits.values().sum();
    let (before, held_before) = (world.replica.accounts(), held(&world, &lives));
    let (mut idle, mut burned) = (0, 0);
    let mut forecast: Option<Forecast> = None;
    for day in 0..days {
        if day >= 2 * PERIOD && day % PERIOD == 0 {
            let so_far = idle + burned;
            if let Some([burn, spending]) = forecast.map(|it| it.errors(&world, so_far)) {
                println!("day {day}: forecasts off: burn {burn:.3}, spending {spending:.3}");
                assert!(burn <= most_wrong, "the forecast was {burn} off");
            }
            forecast = Some(Forecast::now(&mut world, so_far));
        }
        for life in &mut lives {
            if day == 0 {
                reserve_memory(&mut world, life, rng.u64(GIB / 64..GIB));
            } else if rng.u32(..20) == 0 {
                // It grows or shrinks by a quarter.
                let bytes = life.bytes / 100 * rng.u64(80..126);
                reserve_memory(&mut world, life, bytes.clamp(GIB / 64, GIB));
            } else if rng.u32(..10) == 0 {
                let cycles = idle_burn(life.bytes) / 100 * u128::from(rng.u32(1..200));
                let argument = Encode!(&cycles).expect("an argument");
                let answer = world.call(user(1), life.canister, "burn", argument);
                answer.expect("it is not frozen");
                burned += cycles;
            }
        }
        for _ in 0..4 {
            world.pass(DAY / 4 * SECOND);
            world.rounds_until_quiet();
        }
        for life in &lives {
            let burn = idle_burn(life.bytes);
            idle += burn;
            let balance = world.replica.cycles(life.canister).expect("it lives");
            let canister = life.canister;
            let frozen = u128::from(THRESHOLD) * burn;
            assert!(
                balance > frozen,
                "day {day}: {canister} has {balance} cycles, and {frozen} are frozen"
            );
        }
    }
    let granted = world.deposits.values().sum::<u128>() - granted_before;
    let held_after = held(&world, &lives);
    let needed = idle + burned + held_after - held_before;
    let off = granted.abs_diff(needed) as f64 / needed as f64;
    println!(
        "{} members, {days} days: granted {granted}, burned {}, held {held_before}, then \
         {held_after}: {:.3} % off",
        lives.len(),
        idle + burned,
        off * 100.0
    );
    assert!(off <= 0.01, "{granted} were granted, {needed} needed");
    let accounts = world.replica.accounts();
    assert!(accounts.balanced(), "{accounts:?}");
    let charged = accounts.fees.resources - before.fees.resources + accounts.burnt - before.burnt;
    let off = charged.abs_diff(idle + burned) as f64 / charged as f64;
    assert!(
        off <= 0.01,
        "the platform charged {charged}, {} were expected",
        idle + burned
    );
    let days: BTreeMap<u64, u128> = world.deposits.clone();
    for (day, cycles) in days {
        assert!(cycles <= 12 * T, "{cycles} cycles on day {day}");
    }
}

#[test]
fn a_small_fleet_lives_for_some_months() {
    soak(8, 100, 3, 0.2);
}

/// It takes some minutes: `cargo test -p canic-fault-tests --test funding -- --ignored`.
#[test]
#[ignore = "it takes some minutes"]
fn three_hundred_members_live_for_a_year() {
    soak(100, 365, 5, 0.05);
}
