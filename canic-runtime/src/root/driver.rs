//! The driver: the loop that performs an operation's steps, one call after another.
//!
//! `steps` puts the intent of each call on record before it and the fact after it. One task drives
//! an operation. Tasks are not on record: a trap or an upgrade ends them, and the background work
//! takes up the operations that they leave.

use std::{cell::RefCell, collections::BTreeSet, fmt, time::Duration};

use crate::{
    api::OperationId,
    operation::{
        End, Hash, Moment, Operation, Purpose,
        call::{Call, Failure, Outcome, Reply},
        search,
    },
    platform::{
        calls::{self, SelfCall},
        ic::{self, Level},
        management,
    },
    root::{
        alarm::{self, Pace},
        chunk_store, delivery, metrics, pace, refill, refuel, rollout,
        steps::{self, Begin, Event, Finish},
    },
    state,
};

thread_local! {
    /// Operations that a task is driving.
    static DRIVEN: RefCell<BTreeSet<OperationId>> = const { RefCell::new(BTreeSet::new()) };
}

/// A drop guard that calls the watchdog, unless the task ends by itself. A trap drops it, too, and
/// for good: the platform lets the callback clean up. So a task that a caller waits for needs no
/// watchdog as long as nothing goes wrong.
struct Guard {
    has_ended: bool,
}

impl Guard {
    fn begin() -> Self {
        Self { has_ended: false }
    }

    fn end(mut self) {
        self.has_ended = true;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.has_ended {
            alarm::watch(Pace::Work);
        }
    }
}

/// A drop guard that marks an operation as driven.
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

/// Whether a task is driving an operation.
pub(crate) fn is_driven(id: OperationId) -> bool {
    DRIVEN.with_borrow(|driven| driven.contains(&id))
}

/// Runs an operation in a call of root to itself, and waits for it. Answers its record afterwards.
pub(crate) async fn run(id: OperationId) -> Option<Operation> {
    let guard = Guard::begin();
    if calls::call_self(Some(id)).await != Ok(()) {
        spawn(id);
    }
    guard.end();
    let op = state::with(|state| state.journal.get(id));
    if op.as_ref().is_some_and(search::is_due) {
        alarm::watch(Pace::Work);
    }
    op
}

/// Drives an operation until it ends or has to wait. Does nothing if another task drives it.
///
/// A root that is being stopped ends the present call only: else it would not be stopped before all
/// its operations have ended. The watchdog takes them up once root runs again.
pub(crate) async fn drive(id: OperationId) {
    let guard = Guard::begin();
    // The facts of one message: each await begins another.
    let mut moment = ic::moment();
    if let Some(_driving) = Driving::begin(id) {
        while !ic::is_stopping()
            && let Some((call, attached)) = begin(id, &moment)
        {
            let creates = matches!(call, Call::Create { .. });
            let reply = perform(call).await;
            moment = ic::moment();
            let goes_on = finish(id, reply, attached, &moment);
            if creates && goes_on {
                // A trap in the code below must not lose the new id, so this message ends first.
                if calls::call_self(None).await == Err(SelfCall::NotSent) {
                    // The message did not end. The background work goes on in another message.
                    alarm::wake_within(0);
                    break;
                }
                moment = ic::moment();
                let opened = state::with(|state| state.note_created(id));
                opened.into_iter().for_each(spawn);
            }
        }
        state::with(|state| state.journal.write_kept());
    }
    // The operation's end may let a queued one begin, queue announcements, leave the pool short, or
    // root low on cycles.
    begin_queued(&moment);
    begin_upgrades(moment.now);
    delivery::wake();
    refill::wake_if_short(moment.now);
    refuel::wake_if_low(&moment);
    if state::with(|state| pace::has_work(state, &moment)) {
        alarm::watch(Pace::Work);
    }
    guard.end();
}

/// Begins queued operations, as many as may run in the background at once.
pub(crate) fn begin_queued(moment: &Moment) {
    while let Some(id) = state::with(|state| state.dequeue(moment)) {
        spawn(id);
    }
}

/// Begins the operations that rollouts are due to begin.
pub(crate) fn begin_upgrades(now: u64) {
    let advanced = state::with(|state| rollout::advance(state, now));
    advanced.begun.into_iter().for_each(call_to_drive);
    if let Some(next) = advanced.next {
        // This look may be lost with its timer.
        alarm::watch(Pace::Work);
        alarm::wake_within(next.saturating_sub(now));
    }
}

/// Drives an operation in a call of root to itself, so that a trap in it ends no other. Unlike a
/// timer, the call is executed before the next round.
fn call_to_drive(id: OperationId) {
    alarm::watch(Pace::Work);
    if !calls::tell_self(id) {
        spawn(id);
    }
}

/// Drives an operation in a task of its own, so that a trap in it ends no other.
pub(crate) fn spawn(id: OperationId) {
    // If the task is lost, the watchdog finds the operation.
    alarm::watch(Pace::Work);
    ic::set_timer(Duration::ZERO, drive(id));
}

/// Begins the next step, and answers its call with the cycles that go with it.
fn begin(id: OperationId, moment: &Moment) -> Option<(Call, u128)> {
    match state::with(|state| steps::begin(state, id, moment, &mut report)) {
        Begin::Call { call, attached } => Some((call, attached)),
        Begin::Wait { pause, children } => {
            children.into_iter().for_each(spawn);
            alarm::wake_within(pause);
            None
        }
        Begin::Nothing => None,
    }
}

/// Makes the call. The platform may refuse a module because root's chunk store was cleared: then
/// root makes the call again, and if the store is cleared meanwhile once more, after a pause.
async fn perform(call: Call) -> Reply {
    let Call::Install { chunks, .. } = &call else {
        return management::perform(call).await;
    };
    let chunks = chunks.clone();
    let (reply, is_lost) = install(call.clone(), &chunks).await;
    if !is_lost {
        return reply;
    }
    match install(call, &chunks).await {
        (Reply::Failed(failure), true) => Reply::Failed(Failure {
            transient: true,
            ..failure
        }),
        (reply, _) => reply,
    }
}

/// Makes the call of an install, after the uploads that must precede it. Answers the reply, and
/// whether it is a refusal because root's chunk store lost the module.
async fn install(call: Call, chunks: &[Hash]) -> (Reply, bool) {
    if let Err(failure) = chunk_store::upload_missing(chunks).await {
        return (Reply::Failed(failure.of_other()), false);
    }
    let losses = || state::with(|state| state.modules.losses());
    let before = losses();
    let reply = management::perform(call).await;
    let is_refused =
        matches!(&reply, Reply::Failed(failure) if failure.outcome == Outcome::NotApplied);
    if is_refused {
        chunk_store::check().await;
    }
    (reply, is_refused && losses() > before)
}

/// Finishes the step. Answers whether the operation goes on now.
fn finish(id: OperationId, reply: Reply, attached: u128, moment: &Moment) -> bool {
    match state::with(|state| steps::finish(state, id, reply, attached, moment, &mut report)) {
        Finish::GoOn => true,
        Finish::Wait(pause) => {
            alarm::wake_within(pause);
            false
        }
        Finish::Ended => false,
    }
}

// Log and metrics

fn report(op: &Operation, event: Event) {
    let reason = op.failure.as_deref().unwrap_or("no reason on record");
    match event {
        Event::Began => log(Level::Info, op, format_args!("begins")),
        Event::CutOff => log(
            Level::Warn,
            op,
            format_args!("was cut off at {:?} and is taken up", op.step),
        ),
        Event::Returned {
            outcome,
            nanoseconds,
        } => metrics::observe_step(op.step, outcome, nanoseconds),
        Event::RollsBack { after } => log(
            Level::Warn,
            op,
            format_args!("rolls back after {after:?}: {reason:.200}"),
        ),
        Event::Ended { end, nanoseconds } => {
            metrics::observe_operation(op.kind(), end, nanoseconds);
            if let (Purpose::Upgrade(_, plan), Some(state)) = (&op.purpose, &op.upgrade)
                && state.stopped > 0
            {
                metrics::observe_stop(plan.job, end, state.stopped);
            }
            log_end(op, end, reason);
            if op.purpose == Purpose::Refill {
                refill::record(end, ic::now());
            }
            if let Purpose::Refuel(refuel) = &op.purpose {
                refuel::record(refuel.source, end, ic::now());
            }
        }
    }
}

fn log(level: Level, op: &Operation, text: fmt::Arguments<'_>) {
    ic::log(
        level,
        format_args!("operation {} ({:?}) {text}", op.id, op.kind()),
    );
}

fn log_end(op: &Operation, end: End, reason: &str) {
    match end {
        End::Done => log(Level::Info, op, format_args!("is done")),
        End::Quarantined => log(
            Level::Error,
            op,
            format_args!("is in quarantine after {:?}: {reason:.200}", op.step),
        ),
        End::Abandoned => log(
            Level::Error,
            op,
            format_args!("is given up after {:?}: {reason:.200}", op.step),
        ),
        End::Nothing | End::Recycled | End::Deleted | End::Untouched | End::Reverted => log(
            Level::Warn,
            op,
            format_args!("failed and ended as {end:?}: {reason:.200}"),
        ),
    }
}
