//! The steps of an operation: the intent before a call and the fact after it, as changes of root's
//! state.
//!
//! These are plain functions. Time, root's id, its balance and the creation fee come with a
//! [`Moment`]; log and metrics go to a `report` function; `driver` makes the calls.

use candid::Principal;

use crate::{
    api::OperationId,
    envelope,
    operation::{
        End, Moment, Operation, Purpose, Step, Teardown, Way,
        call::{Call, Mode, Outcome, Reply},
        grant, machine, recovery, search,
        teardown::Resources,
        transition::{Transition, backoff},
        upgrade,
    },
    root::metrics::StepOutcome,
    stable::record::Id,
    state::State,
};

/// An event of an operation, for log and metrics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Event {
    /// Root is about to issue the operation's first call.
    Began,
    /// Root takes the operation up: the reply to its last call is not on record.
    CutOff,
    /// The call of the operation's step came back after so many nanoseconds.
    Returned {
        outcome: StepOutcome,
        nanoseconds: u64,
    },
    /// The operation's purpose failed after a step, and its teardown begins.
    RollsBack { after: Step },
    /// The operation ended, so many nanoseconds after root accepted it.
    Ended { end: End, nanoseconds: u64 },
}

/// The function that takes each event of an operation.
pub(crate) type Report<'a> = &'a mut dyn FnMut(&Operation, Event);

/// The result of [`begin`].
#[derive(Debug)]
pub(crate) enum Begin {
    /// The call to make, and the cycles to send with it. Its intent is on record.
    Call { call: Call, attached: u128 },
    /// The operation waits, in nanoseconds. Its children are to be driven meanwhile.
    Wait {
        pause: u64,
        children: Vec<OperationId>,
    },
    /// The operation has ended, or is not due.
    Nothing,
}

/// The result of [`finish`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// The operation goes on at once.
    GoOn,
    /// The operation waits, in nanoseconds.
    Wait(u64),
    /// The operation has ended.
    Ended,
}

/// Begins the next step of an operation: puts its intent on record.
pub(crate) fn begin(
    state: &mut State,
    id: OperationId,
    moment: &Moment,
    report: Report<'_>,
) -> Begin {
    let Some(mut op) = state.journal.get(id) else {
        return Begin::Nothing;
    };
    if op.end.is_some() || op.retry.not_before > moment.now {
        return Begin::Nothing;
    }
    if op.in_flight {
        report(&op, Event::CutOff);
    }
    match recovery::resume(&mut op) {
        Transition::Call => next_step(state, op, moment, report),
        Transition::Later(pause) => wait(state, op, pause, Vec::new(), moment),
        Transition::Close(end) => {
            close(state, op, end, moment, report);
            Begin::Nothing
        }
    }
}

fn next_step(state: &mut State, mut op: Operation, moment: &Moment, report: Report<'_>) -> Begin {
    match op.step {
        Step::AddToPool => {
            close(state, op, End::Done, moment, report);
            Begin::Nothing
        }
        Step::RetireChildren => match state.retire_children(&op, moment.now) {
            Some(children) => wait(state, op, backoff(0), children, moment),
            None => {
                op.enter(Step::Inspect);
                issue(state, op, moment, report)
            }
        },
        Step::Search => {
            let is_known = |canister| state.is_known(canister, moment.root);
            match search::advance(&mut op, is_known) {
                None => {
                    let end = search::give_up(&mut op);
                    close(state, op, end, moment, report);
                    Begin::Nothing
                }
                // This may be the canister that is being created, not the lost one.
                Some(candidate) if state.may_be_creating(candidate) => {
                    wait(state, op, backoff(1), Vec::new(), moment)
                }
                Some(_) => issue(state, op, moment, report),
            }
        }
        Step::Fund => {
            if !state.charge_again(&mut op, moment) {
                let why = "the limits of this day leave less than it was to get".to_string();
                if !matches!(op.purpose, Purpose::Upgrade(..)) {
                    grant::give_up(&mut op, why);
                    close(state, op, End::Untouched, moment, report);
                    return Begin::Nothing;
                }
                upgrade::turn_back(&mut op, why);
            }
            issue(state, op, moment, report)
        }
        _ => issue(state, op, moment, report),
    }
}

fn wait(
    state: &mut State,
    mut op: Operation,
    pause: u64,
    children: Vec<OperationId>,
    moment: &Moment,
) -> Begin {
    op.retry.not_before = moment.now + pause;
    state.journal.put(op);
    Begin::Wait { pause, children }
}

/// Puts the intent of the step's call on record, and answers the call.
fn issue(state: &mut State, mut op: Operation, moment: &Moment, report: Report<'_>) -> Begin {
    let Some(call) = call_of(&op, state, moment) else {
        let reason = format!("its record lacks an argument of {:?}", op.step);
        if matches!(op.purpose, Purpose::Upgrade(..)) && upgrade::may_give_up(&op) {
            // A member is never left stopped: root looks, and starts it.
            upgrade::give_up(&mut op, &reason);
            op.step = Step::Verify;
            return issue(state, op, moment, report);
        }
        op.failure = Some(reason);
        close(state, op, End::Quarantined, moment, report);
        return Begin::Nothing;
    };
    if op.retry.calls == 0 && op.step != Step::Search {
        report(&op, Event::Began);
    }
    let attached = call.attached();
    state.record_intent(op, attached, moment);
    Begin::Call { call, attached }
}

/// Finishes a step of an operation: puts the fact on record that its call came back.
pub(crate) fn finish(
    state: &mut State,
    id: OperationId,
    mut reply: Reply,
    attached: u128,
    moment: &Moment,
    report: Report<'_>,
) -> Finish {
    let Some(mut op) = state.journal.get(id) else {
        return Finish::Ended;
    };
    let now = moment.now;
    op.in_flight = false;
    let returned = Event::Returned {
        outcome: outcome(&reply),
        nanoseconds: now.saturating_sub(op.updated),
    };
    report(&op, returned);
    op.updated = now;
    if let (Reply::Info { created_by_root }, Some(candidate)) = (&mut reply, op.search.candidate) {
        // A candidate that came on record during the call is not the lost canister.
        *created_by_root &= !state.is_known(candidate.0, moment.root);
    }
    state.settle(&mut op, &reply, attached, moment.creation_fee);
    let (after, went_forward) = (op.step, op.teardown.is_none());
    let is_refusal = matches!(&reply, Reply::Failed(failure) if failure.refuses_canister);
    let resources = Resources {
        pool_has_capacity: state.pool_has_capacity(&op),
        available: match op.purpose {
            // Only a look decides whether the member is to get cycles.
            Purpose::Upgrade(..) if op.step != Step::Verify => 0,
            Purpose::Upgrade(..) => state.room_of_upgrade(&op, moment),
            _ => state.available(moment.balance),
        },
        creation_fee: moment.creation_fee,
    };
    let transition = machine::advance(&mut op, reply, &resources);
    state.charge_upgrade(&mut op, now);
    if went_forward && op.teardown.is_some() {
        if is_refusal {
            state.pool.blame(&mut op, now);
        }
        report(&op, Event::RollsBack { after });
    }
    match transition {
        // The same message begins the next step.
        Transition::Call => {
            state.journal.keep(op);
            Finish::GoOn
        }
        Transition::Later(pause) => {
            op.retry.not_before = now + pause;
            state.journal.put(op);
            Finish::Wait(pause)
        }
        Transition::Close(end) => {
            close(state, op, end, moment, report);
            Finish::Ended
        }
    }
}

fn close(state: &mut State, op: Operation, end: End, moment: &Moment, report: Report<'_>) {
    let nanoseconds = moment.now.saturating_sub(op.accepted);
    report(&op, Event::Ended { end, nanoseconds });
    state.close(op, end, moment.now);
}

/// The call of an operation's step. `None`: the record lacks an argument of it.
fn call_of(op: &Operation, state: &State, moment: &Moment) -> Option<Call> {
    if op.step == Step::Create {
        let (controllers, cycles) = match op.plan() {
            Some(plan) => (principals(&plan.controllers), plan.cycles.0),
            None => {
                let pool = state.config.pool.as_ref();
                (vec![moment.root], pool.map_or(0, |pool| pool.cycles))
            }
        };
        return Some(Call::Create {
            controllers,
            cycles: cycles + moment.creation_fee,
        });
    }
    if let Purpose::Refuel(refuel) = &op.purpose {
        return Some(Call::Ledger(refuel.call(op.step, moment.root)?));
    }
    if op.step == Step::Search {
        let canister = op.search.candidate?.0;
        return Some(Call::Info { canister });
    }
    let canister = op.canister()?;
    Some(match op.step {
        Step::Create | Step::AddToPool | Step::Search | Step::RetireChildren => return None,
        Step::Configure => Call::Configure {
            canister,
            controllers: principals(op.controllers()?),
        },
        Step::Fund => Call::Deposit {
            canister,
            cycles: op.money.shortfall.0,
        },
        Step::Install => {
            let module = op.plan()?.module;
            let position = op.position()?;
            let argument = state.journal.argument(op.id);
            Call::Install {
                canister,
                mode: Mode::Install,
                module,
                chunks: state.modules.get(module)?.chunks().collect(),
                argument: envelope::seal(&position.identity(moment.root), &argument),
            }
        }
        Step::Locate => Call::Locate { canister },
        Step::Verify if matches!(op.purpose, Purpose::Upgrade(..)) => Call::Look { canister },
        Step::Verify | Step::Inspect => Call::Status { canister },
        Step::Sync => {
            let identity = op.position()?.identity(moment.root);
            Call::Sync { canister, identity }
        }
        Step::Uninstall => Call::Uninstall { canister },
        Step::Start => Call::Start { canister },
        Step::Reset if op.goal().is_some_and(Teardown::is_deletion) => Call::Unfreeze { canister },
        Step::Reset => Call::Reset { canister },
        Step::DropSnapshots => Call::DropSnapshots { canister },
        Step::LoadDrain => Call::LoadDrain { canister },
        Step::Drain => Call::Drain { canister },
        Step::Stop => Call::Stop { canister },
        Step::Delete => Call::Delete { canister },
        _ => return call_of_upgrade(op, canister, state, moment),
    })
}

/// The call of a step that only upgrades have.
fn call_of_upgrade(
    op: &Operation,
    canister: Principal,
    state: &State,
    moment: &Moment,
) -> Option<Call> {
    let (Purpose::Upgrade(position, plan), Some(progress)) = (&op.purpose, &op.upgrade) else {
        return None;
    };
    let snapshot = || progress.snapshot.clone();
    Some(match op.step {
        Step::TakeSnapshot => Call::TakeSnapshot { canister },
        Step::FindSnapshot => Call::ListSnapshots { canister },
        Step::Restore => Call::LoadSnapshot {
            canister,
            snapshot: snapshot()?,
        },
        Step::DropSnapshot => Call::DeleteSnapshot {
            canister,
            snapshot: snapshot()?,
        },
        Step::Health => Call::Health { canister },
        Step::Accept => Call::Accept { canister },
        Step::Upgrade => {
            let forward = progress.way == Way::Forward;
            let mode = if progress.forced && !forward {
                Mode::ForcedUpgrade
            } else {
                Mode::Upgrade
            };
            let module = if forward { plan.to } else { plan.from }.module;
            Call::Install {
                canister,
                mode,
                module,
                chunks: state.modules.get(module)?.chunks().collect(),
                argument: envelope::seal_upgrade(&position.identity(moment.root), forward),
            }
        }
        _ => return None,
    })
}

fn principals(ids: &[Id]) -> Vec<Principal> {
    ids.iter().map(|id| id.0).collect()
}

fn outcome(reply: &Reply) -> StepOutcome {
    match reply {
        Reply::Failed(failure) => match failure.outcome {
            Outcome::NotApplied => StepOutcome::NotApplied,
            Outcome::Unknown => StepOutcome::Unknown,
        },
        _ => StepOutcome::Applied,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        config::{Controller, DEFAULT_RESERVE, PoolConfig, ROOT_PARENT, RoleConfig, RootConfig},
        operation::{
            Plan, Position, TeardownState,
            call::{Failure, Status},
        },
        stable::{memory, record::Cycles},
        state::registry::MemberStatus,
    };

    pub(crate) const ROOT: Principal = Principal::from_slice(&[1, 1]);
    pub(crate) const HUB: Principal = Principal::from_slice(&[2, 1]);
    pub(crate) const WORKER: Principal = Principal::from_slice(&[3, 1]);
    pub(crate) const T: u128 = 1_000_000_000_000;
    pub(crate) const FEE: u128 = T / 2;
    const MODULE: &[u8] = b"\0asm a module";

    pub(crate) static BARE: RootConfig = RootConfig {
        pool: None,
        reserve: DEFAULT_RESERVE,
        budget: None,
        refuel: None,
        roles: &[],
    };

    /// Hubs below root, workers below root and hubs, each controlled by its parent, too.
    pub(crate) static FLEET: RootConfig = RootConfig {
        pool: Some(PoolConfig {
            min: 0,
            max: 2,
            cycles: T,
        }),
        reserve: DEFAULT_RESERVE,
        budget: None,
        refuel: None,
        roles: &ROLES,
    };

    static ROLES: [RoleConfig; 2] = [
        RoleConfig {
            max: Some(3),
            ..RoleConfig::open("hub")
        },
        RoleConfig {
            parents: &[ROOT_PARENT, "hub"],
            max_per_parent: Some(2),
            controllers: &[Controller::Parent],
            ..RoleConfig::open("worker")
        },
    ];

    pub(crate) fn state_of(config: &'static RootConfig) -> State {
        memory::forget();
        State::open(config)
    }

    /// A state in which both roles have a module.
    pub(crate) fn fleet() -> State {
        let mut state = state_of(&FLEET);
        let hash = state.modules.embed(MODULE);
        for role in ["hub", "worker"] {
            state.approve(role, hash, 0);
        }
        state
    }

    pub(crate) fn moment() -> Moment {
        Moment {
            now: 1_000,
            root: ROOT,
            balance: 100 * T,
            creation_fee: FEE,
        }
    }

    pub(crate) fn add_member(
        state: &mut State,
        canister: Principal,
        role: &str,
        parent: Principal,
        key: Option<&str>,
    ) {
        let position = Position {
            role: role.to_string(),
            parent: Id(parent),
            key: key.map(str::to_string),
        };
        let status = MemberStatus::Active;
        state.registry.take_position(&position, 900);
        state
            .registry
            .register(canister, &position, status, [0; 32], 900, 0);
    }

    fn begin_step(state: &mut State, id: u64, events: &mut Vec<Event>) -> Begin {
        begin(state, id, &moment(), &mut |_, event| events.push(event))
    }

    fn finish_step(state: &mut State, id: u64, reply: Reply, attached: u128) -> Finish {
        finish(state, id, reply, attached, &moment(), &mut |_, _| {})
    }

    fn put(state: &mut State, purpose: Purpose, step: Step) -> u64 {
        let id = state.take_operation_id();
        let mut op = Operation::new(id, purpose, step, 0);
        if step != Step::Create {
            op.canister = Some(Id(WORKER));
        }
        state.journal.put(op);
        id
    }

    fn provision(state: &mut State) -> u64 {
        let module = state.registry.role("worker").and_then(|role| role.module());
        let plan = Plan {
            module: module.expect("the fleet has modules"),
            ..Plan::sample(&[ROOT], 2 * T, Teardown::Recycle)
        };
        let position = Position::sample(ROOT);
        let id = put(
            state,
            Purpose::Provision(position.clone(), plan),
            Step::Create,
        );
        state.registry.take_position(&position, id);
        let mut op = state.journal.get(id).unwrap();
        op.money.reserved = Cycles(2 * T + FEE);
        state.journal.put(op);
        id
    }

    #[test]
    fn the_intent_of_a_creation_is_on_record_before_its_call() {
        let mut state = fleet();
        let id = provision(&mut state);
        let mut events = Vec::new();
        let begun = begin_step(&mut state, id, &mut events);
        let Begin::Call { call, attached } = begun else {
            panic!("{begun:?}");
        };
        assert!(matches!(call, Call::Create { controllers, .. } if controllers == [ROOT]));
        assert_eq!(attached, 2 * T + FEE);
        assert_eq!(events, [Event::Began]);
        let op = state.journal.get(id).unwrap();
        assert!(op.in_flight && !op.padding.is_empty());
        assert_eq!((op.money.reserved.0, op.money.paid.0), (0, attached));
        // The record is in stable memory.
        let again = State::open(&FLEET);
        assert_eq!(again.journal.get(id), Some(op));
    }

    #[test]
    fn a_provision_goes_from_its_creation_to_an_active_member() {
        let mut state = fleet();
        let id = provision(&mut state);
        begin_step(&mut state, id, &mut Vec::new());
        let attached = 2 * T + FEE;
        let finished = finish_step(&mut state, id, Reply::Created(WORKER), attached);
        assert_eq!(finished, Finish::GoOn);
        assert_eq!(state.head.ledger.creation_fees.0, FEE);
        let Begin::Call { call, .. } = begin_step(&mut state, id, &mut Vec::new()) else {
            panic!("it installs");
        };
        assert!(matches!(call, Call::Install { canister, .. } if canister == WORKER));
        let status = |state: &State| state.registry.member(WORKER).map(|member| member.status);
        assert_eq!(status(&state), Some(MemberStatus::Installing));
        assert_eq!(finish_step(&mut state, id, Reply::Done, 0), Finish::Ended);
        assert_eq!(status(&state), Some(MemberStatus::Active));
        let op = state.journal.get(id).unwrap();
        assert_eq!(op.end, Some(End::Done));
    }

    #[test]
    fn a_refused_install_reports_that_it_rolls_back() {
        let mut state = fleet();
        let id = provision(&mut state);
        let mut op = state.journal.get(id).unwrap();
        op.canister = Some(Id(WORKER));
        op.step = Step::Install;
        state.journal.put(op);
        begin_step(&mut state, id, &mut Vec::new());
        let mut events = Vec::new();
        let refused = Reply::Failed(Failure::of_management(5, "no"));
        let finished = finish(&mut state, id, refused, 0, &moment(), &mut |_, event| {
            events.push(event);
        });
        assert_eq!(finished, Finish::GoOn);
        let [Event::Returned { outcome, .. }, rolls_back] = events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(outcome, StepOutcome::NotApplied);
        let after = Step::Install;
        assert_eq!(rolls_back, Event::RollsBack { after });
    }

    #[test]
    fn a_step_is_not_begun_before_its_time_or_after_the_end() {
        let mut state = fleet();
        let id = provision(&mut state);
        let mut op = state.journal.get(id).unwrap();
        op.retry.not_before = moment().now + 1;
        state.journal.put(op.clone());
        let nothing = |state: &mut State| begin_step(state, id, &mut Vec::new());
        assert!(matches!(nothing(&mut state), Begin::Nothing));
        op.retry.not_before = 0;
        op.end = Some(End::Quarantined);
        state.journal.put(op);
        assert!(matches!(nothing(&mut state), Begin::Nothing));
        assert!(matches!(
            begin_step(&mut state, 99, &mut Vec::new()),
            Begin::Nothing
        ));
        let unknown = finish_step(&mut state, 99, Reply::Done, 0);
        assert_eq!(unknown, Finish::Ended);
    }

    #[test]
    fn a_creation_that_was_cut_off_is_lost_and_its_cycles_are_unknown() {
        let mut state = fleet();
        let id = provision(&mut state);
        begin_step(&mut state, id, &mut Vec::new());
        let mut events = Vec::new();
        let taken_up = begin_step(&mut state, id, &mut events);
        assert!(matches!(taken_up, Begin::Nothing));
        assert!(matches!(
            events[..],
            [
                Event::CutOff,
                Event::Ended {
                    end: End::Quarantined,
                    ..
                }
            ]
        ));
        assert_eq!(state.head.ledger.unknown.0, 2 * T + FEE);
    }

    #[test]
    fn a_creation_that_succeeds_lets_root_search_for_the_lost_canister() {
        let mut state = fleet();
        let numbered =
            |number: u64| Principal::from_slice(&[&number.to_be_bytes()[..], &[1, 1]].concat());
        let lost = put(&mut state, Purpose::Refill, Step::Create);
        begin_step(&mut state, lost, &mut Vec::new());
        begin_step(&mut state, lost, &mut Vec::new());
        let other = put(&mut state, Purpose::Refill, Step::Create);
        begin_step(&mut state, other, &mut Vec::new());
        finish_step(&mut state, other, Reply::Created(numbered(9)), T + FEE);
        assert_eq!(state.note_created(other), [lost]);
        let Begin::Call { call, .. } = begin_step(&mut state, lost, &mut Vec::new()) else {
            panic!("it searches");
        };
        assert!(matches!(call, Call::Info { canister } if canister == numbered(8)));
        let found = Reply::Info {
            created_by_root: true,
        };
        assert_eq!(finish_step(&mut state, lost, found, 0), Finish::GoOn);
        assert_eq!(state.head.ledger.unknown.0, 0);
        let holder = state.journal.holder(numbered(8)).map(|op| op.id);
        assert_eq!(holder, Some(lost));
    }

    #[test]
    fn a_candidate_that_came_on_record_meanwhile_is_not_the_lost_canister() {
        let mut state = fleet();
        let id = put(&mut state, Purpose::ImportToPool, Step::Search);
        let mut op = state.journal.get(id).unwrap();
        op.canister = None;
        op.search.candidate = Some(Id(WORKER));
        state.journal.put(op);
        add_member(&mut state, WORKER, "worker", ROOT, None);
        let found = Reply::Info {
            created_by_root: true,
        };
        finish_step(&mut state, id, found, 0);
        let op = state.journal.get(id).unwrap();
        assert_eq!((op.canister(), op.step), (None, Step::Search));
    }

    #[test]
    fn a_member_waits_for_its_children_to_retire() {
        let mut state = fleet();
        add_member(&mut state, HUB, "hub", ROOT, None);
        add_member(&mut state, WORKER, "worker", HUB, None);
        let member = state.registry.member(HUB).unwrap();
        let id = state.retire(HUB, member, Teardown::Delete, true, 0);
        let Begin::Wait { children, .. } = begin_step(&mut state, id, &mut Vec::new()) else {
            panic!("it waits");
        };
        let child = state.journal.get(children[0]).unwrap();
        assert_eq!(child.canister(), Some(WORKER));
        assert_eq!(child.goal(), Some(Teardown::Delete));
        state.close(child, End::Done, 0);
        let mut op = state.journal.get(id).unwrap();
        op.retry.not_before = 0;
        state.journal.put(op);
        let Begin::Call { call, .. } = begin_step(&mut state, id, &mut Vec::new()) else {
            panic!("it goes on");
        };
        assert!(matches!(call, Call::Status { canister } if canister == HUB));
    }

    #[test]
    fn a_fresh_canister_of_the_pool_is_ready_afterwards() {
        let mut state = fleet();
        let id = put(&mut state, Purpose::Refill, Step::Create);
        begin_step(&mut state, id, &mut Vec::new());
        finish_step(&mut state, id, Reply::Created(WORKER), T + FEE);
        let mut events = Vec::new();
        assert!(matches!(
            begin_step(&mut state, id, &mut events),
            Begin::Nothing
        ));
        assert!(matches!(events[..], [Event::Ended { end: End::Done, .. }]));
        let ready = state.pool.first_ready().map(|entry| entry.cycles.0);
        assert_eq!(ready, Some(T));
    }

    #[test]
    fn a_record_that_lacks_an_argument_is_quarantined() {
        let mut state = fleet();
        let id = put(&mut state, Purpose::ImportToPool, Step::Install);
        let mut events = Vec::new();
        assert!(matches!(
            begin_step(&mut state, id, &mut events),
            Begin::Nothing
        ));
        let op = state.journal.get(id).unwrap();
        assert_eq!(op.end, Some(End::Quarantined));
        assert!(op.failure.unwrap().contains("Install"));
    }

    #[test]
    fn a_transient_failure_waits_and_is_on_record() {
        let mut state = fleet();
        let id = put(&mut state, Purpose::ImportToPool, Step::Inspect);
        let mut op = state.journal.get(id).unwrap();
        op.teardown = Some(TeardownState::new(Teardown::Recycle));
        state.journal.put(op);
        let busy = Reply::Failed(Failure::of_management(2, "later"));
        let Finish::Wait(pause) = finish_step(&mut state, id, busy, 0) else {
            panic!("it waits");
        };
        let op = state.journal.get(id).unwrap();
        assert_eq!(op.retry.not_before, moment().now + pause);
        // The teardown goes on with the next status.
        let empty = Reply::Status(Status::sample(ROOT, T));
        let mut op = op;
        op.teardown_mut().reset = true;
        op.teardown_mut().emptied = true;
        state.journal.put(op);
        assert_eq!(finish_step(&mut state, id, empty, 0), Finish::Ended);
        assert!(state.pool.contains(WORKER));
    }
}
