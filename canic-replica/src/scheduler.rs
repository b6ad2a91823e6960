//! Rounds and queues.
//!
//! A round begins with the time that was set, or one nanosecond after the last one. Then resources are paid and
//! deadlines checked, HTTP outcalls that were answered are decided on, messages that were on their way arrive, and calls
//! to the management canister are executed. After that come the canisters: first the hook for short memory, the
//! heartbeat and the due global timer of each, then, in the order of their ids, each executes what was in its queue
//! when its turn came; calls and answers between canisters of one subnet arrive at once, and the turns go on until all
//! queues are empty or the round's instructions are used up. Messages to other subnets and to the management canister
//! arrive in the next round, and so do their answers. A message is executed in one piece, however long it is.

use std::collections::VecDeque;

use candid::Principal;

use crate::canister::{Input, LowMemory, Origin, Request, Response, Status};
use crate::faults::{Effect, Site, Way};
use crate::replica::Replica;
use crate::trace::{Event, Kind, Outcome};
use crate::{Reject, RejectCode};

/// Instructions of one round.
const ROUND: u64 = 7_000_000_000;
/// Instructions that a message counts for beside its own: a round ends, whatever canisters do.
const OVERHEAD: u64 = 2_000_000;
/// Resources are paid at most so often, in nanoseconds.
const PAY_INTERVAL: u64 = 10_000_000_000;
/// Events kept; twice as many before the older half is dropped.
const EVENTS: usize = 10_000;

impl Replica {
    pub(crate) fn execute_round(&mut self) {
        self.time = self.time.max(self.certified_time + 1);
        self.round += 1;
        self.count_blocks();
        let (short, tasks) = self.keep_house();
        self.deliver();
        let mut spent = 0;
        for id in short {
            spent += OVERHEAD + self.look_at_memory(id);
        }
        for (id, task) in tasks {
            spent += OVERHEAD + self.run_task(id, task);
        }
        while spent < ROUND && !self.ready.is_empty() {
            for id in std::mem::take(&mut self.ready) {
                spent += self.take_turn(id, ROUND.saturating_sub(spent));
            }
        }
        self.finish_stops();
        self.certify();
    }

    /// Executes what is in a canister's queue now, as far as the round allows. Answers the instructions spent.
    fn take_turn(&mut self, id: Principal, left: u64) -> u64 {
        let mut spent = 0;
        let count = self
            .canisters
            .get(&id)
            .map_or(0, |canister| canister.inputs.len());
        for _ in 0..count {
            if spent >= left {
                break;
            }
            spent += self.look_at_memory(id);
            match self
                .canister_mut(id)
                .and_then(|canister| canister.inputs.pop_front())
            {
                Some(Input::Request(request)) => spent += OVERHEAD + self.run_request(id, request),
                Some(Input::Response(response)) => {
                    spent += OVERHEAD + self.run_response(id, response)
                }
                None => break,
            }
        }
        spent += self.look_at_memory(id);
        if self
            .canisters
            .get(&id)
            .is_some_and(|canister| !canister.inputs.is_empty())
        {
            self.ready.insert(id);
        }
        spent
    }

    /// Notes whether a canister's memory is short, and if it has just become so, lets it know before anything else. Answers
    /// the instructions spent.
    fn look_at_memory(&mut self, id: Principal) -> u64 {
        let Some(canister) = self.canisters.get(&id) else {
            return 0;
        };
        let now = canister.low_memory();
        if now != canister.low_memory
            && let Some(canister) = self.canister_mut(id)
        {
            canister.low_memory = now;
        }
        match now {
            LowMemory::Ready => self.run_task(id, Task::LowMemory),
            LowMemory::Enough | LowMemory::Executed => 0,
        }
    }

    /// Charges for resources, expires best-effort calls and stop requests, and finds the canisters whose memory
    /// became short or not, and the system tasks that are due.
    fn keep_house(&mut self) -> (Vec<Principal>, Vec<(Principal, Task)>) {
        let now = self.time;
        let mut tasks = Vec::new();
        let mut to_pay = Vec::new();
        let mut expired = Vec::new();
        let mut both = Vec::new();
        let mut short = Vec::new();
        for (id, canister) in &self.canisters {
            if now.saturating_sub(canister.paid_until) >= PAY_INTERVAL {
                to_pay.push(*id);
            }
            if canister
                .callbacks
                .values()
                .any(|callback| callback.deadline > 0 && callback.deadline < now)
            {
                expired.push(*id);
            }
            if canister.low_memory() != canister.low_memory
                || canister.low_memory == LowMemory::Ready
            {
                short.push(*id);
            }
            if let (Some(code), Status::Running) = (&canister.code, &canister.status) {
                let timer = canister.timer.is_some_and(|at| at <= now);
                let heartbeat = code.module.heartbeat;
                let mut own = Vec::new();
                own.extend(timer.then_some((*id, Task::Timer)));
                own.extend(heartbeat.then_some((*id, Task::Heartbeat)));
                if own.len() == 2 {
                    both.push(*id);
                    if canister.heartbeat_first {
                        own.reverse();
                    }
                }
                tasks.extend(own);
            }
        }
        for id in both {
            if let Some(canister) = self.canister_mut(id) {
                canister.heartbeat_first = !canister.heartbeat_first;
            }
        }
        for id in to_pay {
            self.pay_resources(id);
        }
        for id in expired {
            self.expire_calls(id);
        }
        self.expire_stops();
        self.settle_outcalls();
        (short, tasks)
    }

    pub(crate) fn pay_resources(&mut self, id: Principal) {
        let now = self.time;
        let Some(canister) = self.canisters.get(&id) else {
            return;
        };
        let cost = canister.idle_burn(&self.prices(canister), now - canister.paid_until);
        let Some(canister) = self.canister_mut(id) else {
            return;
        };
        let paid = cost.min(canister.balance);
        canister.balance -= paid;
        canister.paid_until = now;
        self.ledger.fees.resources += paid;
        if paid < cost {
            // As on the network: who cannot pay loses code, memory, snapshots, what was allocated, and the changes on record
            // (not their number). It keeps its id.
            self.uninstall(id);
            if let Some(canister) = self.canister_mut(id) {
                canister.settings.compute_allocation = 0;
                canister.settings.memory_allocation = 0;
                canister.snapshots.clear();
                canister.history.clear();
                canister.version += 1;
            }
        }
    }

    /// Best-effort calls that waited too long are answered by the system; what comes later is too late.
    fn expire_calls(&mut self, id: Principal) {
        let now = self.time;
        let Some(canister) = self.canister_mut(id) else {
            return;
        };
        let mut late = Vec::new();
        for (number, callback) in &mut canister.callbacks {
            if callback.deadline > 0 && callback.deadline < now {
                callback.deadline = 0;
                late.push(*number);
            }
        }
        for callback in late {
            let result = Err(Reject::new(
                RejectCode::SysUnknown,
                601,
                "Call deadline has expired.",
            ));
            self.enqueue(
                id,
                Input::Response(Response {
                    to: id,
                    callback,
                    refund: 0,
                    result,
                    spared: true,
                }),
            );
        }
    }

    /// Takes in what was on its way.
    fn deliver(&mut self) {
        let on_their_way = std::mem::take(&mut self.transit).into_iter();
        let (arrived, rest): (VecDeque<_>, _) =
            on_their_way.partition(|(round, _)| *round <= self.round);
        self.transit = rest;
        for (_, input) in arrived {
            match input {
                Input::Request(request) if self.is_management(request.callee) => {
                    self.manage(request)
                }
                Input::Request(request) => self.hand_over(request),
                Input::Response(response) => self.hand_back(response),
            }
        }
    }

    /// Whether calls to this principal are for the management canister, which also answers to the subnets' names.
    pub(crate) fn is_management(&self, callee: Principal) -> bool {
        callee == Principal::management_canister() || self.subnet_index(callee).is_some()
    }

    /// Puts a request into its callee's queue, or rejects it if there is no such canister.
    pub(crate) fn hand_over(&mut self, request: Request) {
        if self.canisters.contains_key(&request.callee) {
            return self.enqueue(request.callee, Input::Request(request));
        }
        let why = match self.subnet_of(request.callee) {
            Some(_) => format!("Canister {} not found", request.callee),
            None => format!("No route to canister {}", request.callee),
        };
        let reject = Reject::new(RejectCode::DestinationInvalid, 301, why);
        self.turn_away(request, reject, None);
    }

    /// Puts an answer into its caller's queue. If there is no such caller any more, the refund is lost with it.
    fn hand_back(&mut self, response: Response) {
        if self.canisters.contains_key(&response.to) {
            self.enqueue(response.to, Input::Response(response));
        } else {
            self.ledger.destroyed += response.refund;
        }
    }

    /// Answers a call. `from` is the subnet the answer comes from; `None` means the caller's own.
    pub(crate) fn respond(
        &mut self,
        origin: Origin,
        caller: Principal,
        result: Result<Vec<u8>, Reject>,
        refund: u128,
        from: Option<usize>,
    ) {
        match origin {
            Origin::Ingress(id) => {
                self.answer_ingress(id, result);
                self.ledger.destroyed += refund;
            }
            Origin::Callback(callback) => {
                let response = Response {
                    to: caller,
                    callback,
                    refund,
                    result,
                    spared: false,
                };
                let near = from.is_none_or(|from| {
                    self.canisters
                        .get(&caller)
                        .is_some_and(|c| c.subnet == from)
                });
                if near {
                    self.hand_back(response);
                } else {
                    self.transit
                        .push_back((self.round + 1, Input::Response(response)));
                }
            }
            Origin::System => self.ledger.destroyed += refund,
        }
    }

    /// What an injected fault does to a message that is about to be executed. If it delays it, the message is already
    /// on its way again.
    pub(crate) fn strike(
        &mut self,
        way: Way,
        caller: Principal,
        callee: Principal,
        method: &str,
    ) -> Option<Effect> {
        if !self.faults.any() {
            return None;
        }
        let method = method.to_owned();
        let site = Site {
            way,
            caller,
            callee,
            method,
        };
        self.faults.strike(site, self.round, self.next_event)
    }

    /// The same for a request, which must not be struck twice.
    pub(crate) fn strike_request(&mut self, request: &mut Request) -> Option<Effect> {
        if std::mem::replace(&mut request.spared, true) {
            return None;
        }
        self.strike(Way::Call, request.sender, request.callee, &request.method)
    }

    /// Lets a message arrive again, so many rounds later.
    pub(crate) fn delay(&mut self, rounds: u64, input: Input) {
        self.transit
            .push_back((self.round.saturating_add(rounds.max(1)), input));
    }

    /// Rejects a request that never reached a method.
    pub(crate) fn turn_away(&mut self, request: Request, reject: Reject, from: Option<usize>) {
        let outcome = Outcome::Reject {
            code: reject.code,
            message: reject.text(),
        };
        self.note(Kind::Call, &request, outcome, 0);
        self.respond(
            request.origin,
            request.sender,
            Err(reject),
            request.cycles,
            from,
        );
    }

    /// Writes an event.
    pub(crate) fn note(
        &mut self,
        kind: Kind,
        request: &Request,
        outcome: Outcome,
        instructions: u64,
    ) {
        if self.events.len() >= 2 * EVENTS {
            self.events.drain(..EVENTS);
        }
        self.events.push(Event {
            seq: self.next_event,
            round: self.round,
            time: self.time,
            kind,
            caller: request.sender,
            canister: request.callee,
            method: request.method.clone(),
            outcome,
            cycles: request.cycles,
            instructions,
        });
        self.next_event += 1;
    }
}

/// What the system makes a canister do on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Heartbeat,
    Timer,
    LowMemory,
}
