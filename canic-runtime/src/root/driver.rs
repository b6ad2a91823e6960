//! The driver: performs what the machine decides, one call after another, with the intent on record before each
//! call and the fact after it.
//!
//! One task drives an operation. Tasks are not on record: a trap or an upgrade ends them, and [`tick`] takes up what
//! they leave.

use crate::{
    api::OperationId,
    envelope,
    metrics::{self, StepOutcome},
    operation::{
        Admission, End, Operation, Purpose, Step,
        call::{Call, Outcome, Reply},
        machine, policy, recovery, search,
        transition::{Next, backoff},
    },
    platform::ic::{self, Level, SelfCall, TimerId},
    root::{chunk_store, delivery},
    stable::record::Cycles,
    state::{self, State},
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    fmt,
    time::Duration,
};

thread_local! {
    /// Operations that a task of this life of the code is driving.
    static DRIVEN: RefCell<BTreeSet<OperationId>> = const { RefCell::new(BTreeSet::new()) };
    /// What looks after the open operations.
    static WATCH: Cell<Option<TimerId>> = const { Cell::new(None) };
    /// When the next tick is due, in nanoseconds since the epoch.
    static DUE: Cell<Option<u64>> = const { Cell::new(None) };
    /// How often in a row the pool could not be refilled, and until when it is not tried again.
    static REFUSED: Cell<(u32, u64)> = const { Cell::new((0, 0)) };
}

/// How often open operations are looked after, and after how long a timer that did not run is thought to be lost.
const LOOK_AGAIN: u64 = 30_000_000_000;

/// After this long root looks again whether it can pay for a refill.
const POOR_AGAIN: u64 = 600_000_000_000;

/// After refills that may have lost a canister each: a day.
const LOST_AGAIN: u64 = 86_400_000_000_000;

/// So many may do so before: a creation that succeeds is what a lost canister is found by.
const MAX_LOST: u32 = 3;

/// The mark that a task drives an operation. It goes when the task does, also when a trap ends it: what cleanup
/// drops is dropped for good.
struct Driving(OperationId);

impl Driving {
    fn begin(id: OperationId) -> Option<Self> {
        DRIVEN
            .with_borrow_mut(|driven| driven.insert(id))
            .then(|| Self(id))
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        DRIVEN.with_borrow_mut(|driven| driven.remove(&self.0));
    }
}

/// Has an operation driven in a call of root to itself, and waits for it. Answers how it stands then.
pub(crate) async fn run(id: OperationId) -> Option<Operation> {
    // Should nobody come back from this call, this finds the operation.
    watch();
    if ic::call_self(Some(id)).await != Ok(()) {
        spawn(id);
    }
    state::with(|state| state.journal.get(id))
}

/// Drives an operation until it ends, has to wait, or is driven already.
pub(crate) async fn drive(id: OperationId) {
    if let Some(_driving) = Driving::begin(id) {
        watch();
        while let Some((call, attached)) = begin(id) {
            let creates = matches!(call, Call::Create { .. });
            let reply = perform(call).await;
            let goes_on = finish(id, reply, attached);
            if creates && goes_on {
                // The new id must not be lost to a trap in what follows: let this message end first.
                if ic::call_self(None).await == Err(SelfCall::NotSent) {
                    // It did not: then somebody else goes on, in another message.
                    wake_within(0);
                    break;
                }
                state::with(|state| state.search_below(id))
                    .into_iter()
                    .for_each(spawn);
            }
        }
    }
    // An ended operation may have made way for another, freed a place in the pool, or left it short.
    begin_waiting();
    wake_to_deliver();
    wake_if_short();
}

/// Begins operations that wait for their turn, as many as may run in the background at once.
pub(crate) fn begin_waiting() {
    while let Some(id) = state::with(State::begin_waiting) {
        spawn(id);
    }
}

/// Drives an operation in a task of its own, so that a trap in it ends no other.
pub(crate) fn spawn(id: OperationId) {
    // Should the task be lost, this finds it.
    watch();
    ic::after(Duration::ZERO, drive(id));
}

/// Puts the next call's intent on record and answers the call with the cycles that go with it.
fn begin(id: OperationId) -> Option<(Call, u128)> {
    let now = ic::now();
    state::with(|state| {
        let mut op = state.journal.get(id)?;
        if op.end.is_some() || op.not_before > now {
            return None;
        }
        if op.in_flight {
            let step = op.step;
            log(
                Level::Warn,
                &op,
                format_args!("was cut off at {step:?} and is taken up"),
            );
        }
        match recovery::resume(&mut op) {
            Next::Call => {}
            Next::Later(wait) => {
                later(&mut op, wait, now);
                state.journal.put(op);
                return None;
            }
            Next::Close(end) => {
                if op.step == Step::Create {
                    state.missing(&op);
                }
                close(state, op, end, now);
                return None;
            }
        }
        if op.step == Step::AddToPool {
            close(state, op, End::Done, now);
            return None;
        }
        if op.step == Step::RetireChildren {
            match state.retire_children(&op, now) {
                None => op.go(Step::Inspect),
                Some(children) => {
                    children.into_iter().for_each(spawn);
                    later(&mut op, backoff(0), now);
                    state.journal.put(op);
                    return None;
                }
            }
        }
        if op.step == Step::Search {
            if state.creating() {
                // What is being created now looks like what is lost.
                later(&mut op, backoff(1), now);
                state.journal.put(op);
                return None;
            }
            let Some(canister) = search::next(&mut op, |canister| state.knows(canister)) else {
                let end = search::given_up(&mut op);
                close(state, op, end, now);
                return None;
            };
            state.record_intent(&mut op, 0, now);
            return Some((Call::Info { canister }, 0));
        }
        let Some(call) = call_of(&op, state) else {
            op.failure = Some(format!("its record lacks what {:?} needs", op.step));
            close(state, op, End::Quarantined, now);
            return None;
        };
        if op.calls == 0 {
            log(Level::Info, &op, format_args!("begins"));
        }
        let attached = attached(&call);
        state.record_intent(&mut op, attached, now);
        Some((call, attached))
    })
}

/// Makes the call, after what must precede an install.
async fn perform(call: Call) -> Reply {
    if let Call::Install { chunks, .. } = &call
        && let Err(failure) = chunk_store::ensure(chunks).await
    {
        return Reply::Failed(failure);
    }
    ic::perform(call).await
}

/// Puts what came back on record. Answers whether the operation goes on.
fn finish(id: OperationId, mut reply: Reply, attached: u128) -> bool {
    let now = ic::now();
    state::with(|state| {
        let Some(mut op) = state.journal.get(id) else {
            return false;
        };
        op.in_flight = false;
        metrics::step(op.step, outcome(&reply), now.saturating_sub(op.updated));
        op.updated = now;
        let (was, went_forward) = (op.step, op.clearing.is_none());
        match &reply {
            Reply::Failed(failure) if failure.outcome == Outcome::NotApplied => {
                state.refund(&mut op, attached)
            }
            Reply::Failed(_) if was == Step::Fund => op.unknown = Cycles(attached),
            Reply::Failed(_) if was == Step::Create => state.missing(&op),
            _ if attached > 0 => {
                let fee = if was == Step::Create {
                    ic::creation_fee()
                } else {
                    0
                };
                op.held.0 += attached.saturating_sub(fee);
                state.spent(&op, attached, fee);
            }
            _ => {}
        }
        if let Reply::Status(status) = &reply {
            state.deposited(&mut op, status.cycles);
            if std::mem::take(&mut op.drained) {
                state.drained(op.held.0.saturating_sub(status.cycles));
            }
        }
        if let (Reply::Info { created_by_root }, Some(candidate)) = (&mut reply, op.candidate) {
            // One that is on record by the time of this answer is lost no longer.
            *created_by_root &= !state.knows(candidate.0);
            if *created_by_root {
                state.found(&op, ic::creation_fee());
            }
        }
        let room = state.pool_has_room(&op);
        let next = machine::advance(&mut op, reply, room);
        if went_forward && op.clearing.is_some() {
            let reason = op.failure.as_deref().unwrap_or("no reason on record");
            log(
                Level::Warn,
                &op,
                format_args!("rolls back after {was:?}: {reason:.200}"),
            );
        }
        match next {
            Next::Call => {
                state.journal.put(op);
                true
            }
            Next::Later(wait) => {
                later(&mut op, wait, now);
                state.journal.put(op);
                false
            }
            Next::Close(end) => {
                close(state, op, end, now);
                false
            }
        }
    })
}

fn close(state: &mut State, op: Operation, end: End, now: u64) {
    metrics::operation(op.kind(), end, now.saturating_sub(op.accepted));
    log_end(&op, end);
    if op.purpose == Purpose::Refill {
        refilled(end);
    }
    state.close(op, end, now);
}

fn later(op: &mut Operation, wait: u64, now: u64) {
    op.not_before = now + wait;
    wake_within(wait);
}

/// The call that an operation's step makes.
fn call_of(op: &Operation, state: &State) -> Option<Call> {
    if op.step == Step::Create {
        return Some(match op.plan() {
            Some(plan) => Call::Create {
                controllers: plan.controllers.iter().map(|id| id.0).collect(),
                cycles: plan.cycles.0 + ic::creation_fee(),
            },
            None => Call::Create {
                controllers: vec![ic::this()],
                cycles: state.config.pool.as_ref().map_or(0, |pool| pool.cycles)
                    + ic::creation_fee(),
            },
        });
    }
    let canister = op.canister()?;
    Some(match op.step {
        Step::Create | Step::AddToPool | Step::Search | Step::RetireChildren => return None,
        Step::Configure => Call::Configure {
            canister,
            controllers: op.controllers()?.iter().map(|id| id.0).collect(),
        },
        Step::Fund => Call::Deposit {
            canister,
            cycles: op.shortfall.0,
        },
        Step::Install => {
            let module = op.plan()?.module;
            let place = op.place()?;
            let argument = state.journal.argument(op.id);
            Call::Install {
                canister,
                module,
                chunks: state.modules.get(module)?.chunks().collect(),
                argument: envelope::seal(&place.identity(ic::this()), &argument),
            }
        }
        Step::Verify | Step::Inspect => Call::Status { canister },
        Step::Sync => {
            let identity = op.place()?.identity(ic::this());
            Call::Sync { canister, identity }
        }
        Step::Uninstall => Call::Uninstall { canister },
        Step::Start => Call::Start { canister },
        Step::Reset => Call::Reset { canister },
        Step::DropSnapshots => Call::DropSnapshots { canister },
        Step::LoadDrain => Call::LoadDrain { canister },
        Step::Drain => Call::Drain { canister },
        Step::Stop => Call::Stop { canister },
        Step::Delete => Call::Delete { canister },
    })
}

fn attached(call: &Call) -> u128 {
    match call {
        Call::Create { cycles, .. } | Call::Deposit { cycles, .. } => *cycles,
        _ => 0,
    }
}

// The background

/// A life of root's code begins: what an earlier one left is taken up.
pub(crate) fn start() {
    watch();
    wake_within(0);
}

/// Makes sure that [`tick`] runs within this many nanoseconds.
fn wake_within(nanoseconds: u64) {
    let now = ic::now();
    let due = now + nanoseconds;
    // One that is long overdue was lost to a trap.
    if DUE
        .get()
        .is_some_and(|other| other <= due && other + LOOK_AGAIN > now)
    {
        return;
    }
    DUE.set(Some(due));
    ic::after(Duration::from_nanos(nanoseconds), async move {
        // A tick that was put forward leaves this timer behind; it finds nothing due.
        if DUE.get() == Some(due) {
            DUE.set(None);
            tick();
        }
    });
}

/// Has [`tick`] run again and again as long as operations are open. A timer that runs once can be lost, with the message
/// that it sends.
fn watch() {
    if WATCH.get().is_none() {
        let timer = ic::every(Duration::from_nanos(LOOK_AGAIN), || {
            DUE.set(None);
            tick();
        });
        WATCH.set(Some(timer));
    }
}

/// Wakes the background if the pool is short: at once, unless refilling it failed lately.
fn wake_if_short() {
    if state::with(|state| state.refill()) > 0 {
        let (_, until) = REFUSED.get();
        wake_within(until.saturating_sub(ic::now()));
    }
}

/// Makes sure that what is announced is delivered.
pub(crate) fn wake_to_deliver() {
    if let Some(at) = delivery::next() {
        watch();
        wake_within(at.saturating_sub(ic::now()));
    }
}

/// Remembers how a refill ended. Several that may have lost a canister are not followed by another one soon.
fn refilled(end: End) {
    let (times, _) = REFUSED.get();
    let pause = match end {
        End::Done => return REFUSED.set((0, 0)),
        End::Quarantined if times + 1 >= MAX_LOST => LOST_AGAIN,
        _ => backoff(times + 1),
    };
    REFUSED.set((times + 1, ic::now() + pause));
}

/// Takes up what nobody drives, and refills the pool. Sleeps for good when there is nothing to do.
fn tick() {
    let now = ic::now();
    begin_waiting();
    let is_driven = |id: OperationId| DRIVEN.with_borrow(|driven| driven.contains(&id));
    let (idle, due, next) = state::with(|state| {
        let journal = &state.journal;
        let begun = || {
            let open = journal.open_operations();
            open.filter(|op| op.admission != Admission::Queued)
        };
        let due: Vec<OperationId> = begun()
            .filter(|op| op.not_before <= now && !is_driven(op.id))
            .map(|op| op.id)
            .collect();
        let later = begun().map(|op| op.not_before).filter(|at| *at > now);
        let idle = state.journal.open_count() == 0 && state.outbox.waiting() == 0;
        (idle, due, later.min())
    });
    if idle {
        WATCH.take().into_iter().for_each(ic::cancel);
    } else {
        watch();
    }
    due.into_iter().for_each(spawn);
    if let Some(next) = next {
        wake_within(next - now);
    }
    if REFUSED.get().1 <= now {
        refill(now).into_iter().for_each(spawn);
    }
    delivery::begin();
    wake_to_deliver();
    if idle && state::with(|state| state.refill()) > 0 {
        // It failed lately, or root can't pay for it now: perhaps later.
        let pause = REFUSED.get().1.saturating_sub(now);
        wake_within(if pause > 0 { pause } else { POOR_AGAIN });
    }
}

/// Accepts as many refills as the pool lacks and root can pay for.
fn refill(now: u64) -> Vec<OperationId> {
    state::with(|state| {
        let Some(pool) = &state.config.pool else {
            return Vec::new();
        };
        let price = pool.cycles + ic::creation_fee();
        let mut accepted = Vec::new();
        for _ in 0..state.refill() {
            if state.refills_in_flight() >= policy::MAX_BACKGROUND
                || state.running() >= policy::MAX_RUNNING
                || state.available() < price + policy::FEES
            {
                break;
            }
            let id = state.next_operation();
            let mut op = Operation::new(id, Purpose::Refill, Step::Create, now);
            op.reserved = Cycles(price);
            state.journal.put(op);
            accepted.push(id);
        }
        accepted
    })
}

// What is told about it

fn outcome(reply: &Reply) -> StepOutcome {
    match reply {
        Reply::Failed(failure) => match failure.outcome {
            Outcome::NotApplied => StepOutcome::NotApplied,
            Outcome::Unknown => StepOutcome::Unknown,
        },
        Reply::Done | Reply::Created(_) | Reply::Status(_) | Reply::Info { .. } => {
            StepOutcome::Applied
        }
    }
}

fn log(level: Level, op: &Operation, what: fmt::Arguments<'_>) {
    ic::log(
        level,
        format_args!("operation {} ({:?}) {what}", op.id, op.kind()),
    );
}

fn log_end(op: &Operation, end: End) {
    let reason = op.failure.as_deref().unwrap_or("no reason on record");
    match end {
        End::Done => log(Level::Info, op, format_args!("is done")),
        End::Quarantined => {
            let step = op.step;
            log(
                Level::Error,
                op,
                format_args!("is in quarantine after {step:?}: {reason:.200}"),
            );
        }
        End::Nothing | End::Recycled | End::Deleted | End::Untouched => log(
            Level::Warn,
            op,
            format_args!("failed and ended as {end:?}: {reason:.200}"),
        ),
    }
}
