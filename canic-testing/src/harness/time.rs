//! Rounds and time.

use canic::api::{OperationInfo, OperationsFilter, RolloutInfo};
use canic_replica::{Event, Kind, Outcome};

use super::{DAY, Harness, SECOND, Writer};
use crate::network::Network;

/// The method that the timers of ic-cdk call on their own canister.
pub const TIMER: &str = "<ic-cdk internal> timer_executor";

/// Rounds within which a fleet must become quiet. An operation pauses for a minute at most, and
/// time jumps when nothing runs.
pub const MAX_ROUNDS: u32 = 2_000;

/// Rounds without execution after which a fleet is quiet: longer than any pause of an open
/// operation or of a refill of the pool.
const QUIET_ROUNDS: u32 = 9;

/// Rounds without execution after which nothing will ever run: longer than any message is delayed.
const STUCK_ROUNDS: u32 = 100;

impl<N: Network, W: Writer<N>> Harness<N, W> {
    /// Executes `count` rounds.
    pub fn rounds(&mut self, count: u32) {
        for _ in 0..count {
            self.step();
        }
    }

    /// Executes rounds until two in a row execute nothing. Time stands still.
    pub fn rounds_until_quiet(&mut self) {
        let mut quiet = 0;
        while quiet < 2 {
            let before = self.events();
            self.tick();
            quiet = if self.events() == before {
                quiet + 1
            } else {
                0
            };
        }
    }

    /// Executes a round. When nothing runs, time moves on: the longer nothing runs, the faster. A
    /// server does not tell whether something ran, and there time always moves on.
    pub fn step(&mut self) {
        let before = self.events();
        self.round();
        let ran = self.replica.replica().is_some_and(|replica| {
            let new = replica.trace().iter().rev();
            let mut new = new.take_while(|event| event.seq >= before);
            new.any(|event| !is_vain_delivery::<N, W>(event))
        });
        if ran {
            self.idle = 0;
        } else {
            self.idle += 1;
            self.pass(SECOND << self.idle.min(6));
        }
        self.perform_due();
    }

    /// Executes a round, and adds what root did to `done`. Time stands still.
    pub fn tick(&mut self) {
        self.round();
        self.perform_due();
    }

    fn round(&mut self) {
        self.writer.write(&mut self.replica, self.idle);
        self.replica.round();
        let (root, counted) = (self.root, self.counted);
        self.counted = self.events();
        let Some(replica) = self.replica.replica() else {
            return;
        };
        let new = replica.trace().iter().rev();
        for event in new.take_while(|event| event.seq >= counted) {
            if event.kind == Kind::Management
                && event.caller == root
                && event.outcome == Outcome::Reply
            {
                match event.method.as_str() {
                    "create_canister" => self.done.sent += event.cycles,
                    "deposit_cycles" => {
                        self.done.sent += event.cycles;
                        let day = event.time / SECOND / DAY;
                        *self.deposits.entry(day).or_default() += event.cycles;
                    }
                    "delete_canister" => self.done.deleted += 1,
                    _ => {}
                }
            }
        }
    }

    /// Lets nanoseconds pass.
    ///
    /// # Panics
    /// Beyond the year 2262.
    pub fn pass(&mut self, nanoseconds: u64) {
        let then = self.replica.time() + nanoseconds;
        self.replica.set_time(then);
    }

    /// Lets time pass until nothing has run for minutes. It calls no method of root, so that it
    /// works with any root.
    ///
    /// # Errors
    /// When the fleet never becomes idle.
    pub fn rest(&mut self) -> Result<(), String> {
        self.forget_idle_rounds();
        for _ in 0..MAX_ROUNDS {
            self.step();
            if self.idle >= QUIET_ROUNDS {
                return Ok(());
            }
        }
        Err("the fleet never becomes idle".to_string())
    }

    /// The number of the next event of the trace; 0 on a server.
    #[must_use]
    pub fn events(&self) -> u64 {
        let events = self.replica.replica().map(canic_replica::Replica::trace);
        events
            .and_then(|events| events.last())
            .map_or(0, |event| event.seq + 1)
    }

    /// Lets time pass until nothing runs any more, no operation is open, and no rollout goes on.
    ///
    /// # Errors
    /// What is still open after the most rounds that a fleet may need.
    pub fn settle(&mut self) -> Result<(), String> {
        self.forget_idle_rounds();
        for _ in 0..MAX_ROUNDS {
            self.step();
            if self.is_settled() {
                return Ok(());
            }
            if self.is_stuck() {
                break;
            }
        }
        Err(self.unsettled())
    }

    /// Rounds without execution before this call don't count any more: there may be new messages.
    pub fn forget_idle_rounds(&mut self) {
        self.idle = 0;
    }

    /// Whether nothing ran in the last round.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.idle > 0
    }

    /// Whether nothing has run for minutes, no operation is open, and no rollout goes on.
    pub fn is_settled(&mut self) -> bool {
        self.idle >= QUIET_ROUNDS
            && self.operations(OperationsFilter::Open).is_empty()
            && self.open_rollouts().iter().all(|one| one.paused.is_some())
    }

    /// Whether nothing has run for so long that nothing will ever run.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.idle >= STUCK_ROUNDS
    }

    /// A sentence about what is still open.
    pub fn unsettled(&mut self) -> String {
        let open: Vec<OperationInfo> = self.operations(OperationsFilter::Open);
        let rollouts: Vec<RolloutInfo> = self.open_rollouts();
        let trace = self.replica.replica().map(canic_replica::Replica::trace);
        let last: Vec<&Event> = trace.unwrap_or_default().iter().rev().take(6).collect();
        format!("the fleet does not become quiet: {open:?}; {rollouts:?}; last: {last:?}")
    }
}

/// Whether an event belongs to a delivery to an unresponsive member, or to the writer. Root retries
/// such deliveries again and again, and the fleet is quiet all the same.
fn is_vain_delivery<N, W: Writer<N>>(event: &Event) -> bool {
    let is_delivery = ["canic_announce", "canic_sync"].contains(&event.method.as_str());
    let failed = event.kind == Kind::Reject || event.outcome != Outcome::Reply;
    event.kind == Kind::Timer
        || event.method == TIMER
        || W::is_own(event)
        || (is_delivery && failed)
}
