//! The routing of messages: to input queues, between subnets, and back to callers, with the
//! injected faults and the trace.

use candid::Principal;

use crate::{
    canister::{
        calls::{Input, Origin, Request, Response},
        input_queues::Source,
    },
    faults::{Direction, Effect, Site},
    network::Network,
    reject::{Reject, no_route, not_found},
    trace::{Event, Kind, Outcome},
};

/// Events kept; twice as many before the older half is dropped.
const EVENTS: usize = 10_000;
/// The subnet of the management canister for routing. No canister is on it, so that an answer
/// always takes a round.
pub(crate) const ELSEWHERE: Option<usize> = Some(usize::MAX);

impl Network {
    /// Whether calls to this principal are for the management canister. The ids of subnets name it,
    /// too.
    pub(crate) fn is_management(&self, callee: Principal) -> bool {
        callee == Principal::management_canister() || self.subnet_index(callee).is_some()
    }

    /// Puts a request into its callee's queue, or rejects it if there is no such canister.
    pub(crate) fn deliver_request(&mut self, request: Request) {
        if self.canisters.contains_key(&request.callee) {
            return self.enqueue(request.callee, Input::Request(request));
        }
        let reject = match self.subnet_of(request.callee) {
            Some(_) => not_found(request.callee),
            None => no_route(request.callee),
        };
        self.reject_request(request, reject, None);
    }

    /// Puts an answer into its caller's queue. A late answer refunds its cycles only. Without a
    /// caller these cycles are destroyed.
    pub(crate) fn deliver_response(&mut self, response: Response) {
        let Some(canister) = self.canister_mut(response.to) else {
            self.ledger.destroyed += response.refund;
            return;
        };
        if canister.set_answered(response.callback, true) {
            self.enqueue(response.to, Input::Response(response));
        } else {
            canister.balance += response.refund;
        }
    }

    /// Answers a call. `from` is the subnet of the callee; `None` means the caller's own.
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
                self.record_outcome(id, result);
                self.ledger.destroyed += refund;
            }
            Origin::Callback(callback) => {
                let response = Response {
                    to: caller,
                    callback,
                    refund,
                    result,
                    fault_checked: false,
                };
                let near = from.is_none_or(|from| {
                    self.canisters
                        .get(&caller)
                        .is_some_and(|c| c.subnet == from)
                });
                if near {
                    self.deliver_response(response);
                } else {
                    self.transit
                        .push_back((self.round + 1, Input::Response(response)));
                }
            }
            Origin::System => self.ledger.destroyed += refund,
        }
    }

    /// The effect of the injected fault that fires on a message, if any does.
    pub(crate) fn fire(
        &mut self,
        direction: Direction,
        caller: Principal,
        callee: Principal,
        method: &str,
    ) -> Option<Effect> {
        if !self.faults.has_any() {
            return None;
        }
        let method = method.to_owned();
        let site = Site {
            direction,
            caller,
            callee,
            method,
        };
        self.faults.fire(site, self.round, self.next_event)
    }

    /// The effect of the injected fault that fires on a request. Faults see each request once.
    pub(crate) fn fire_on_request(&mut self, request: &mut Request) -> Option<Effect> {
        if std::mem::replace(&mut request.fault_checked, true) {
            return None;
        }
        self.fire(
            Direction::Call,
            request.sender,
            request.callee,
            &request.method,
        )
    }

    /// Delivers a message again, so many rounds later.
    pub(crate) fn delay(&mut self, rounds: u64, input: Input) {
        self.transit
            .push_back((self.round.saturating_add(rounds.max(1)), input));
    }

    /// Rejects a request that never reached a method.
    pub(crate) fn reject_request(&mut self, request: Request, reject: Reject, from: Option<usize>) {
        let outcome = Outcome::Reject {
            code: reject.code,
            message: reject.text(),
        };
        self.record_event(Kind::Call, &request, outcome, 0);
        self.respond(
            request.origin,
            request.sender,
            Err(reject),
            request.cycles,
            from,
        );
    }

    /// Writes an event.
    pub(crate) fn record_event(
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

    /// Puts a message into a canister's queue. The canister exists.
    pub(crate) fn enqueue(&mut self, id: Principal, input: Input) {
        let Some(canister) = self.canisters.get(&id) else {
            return;
        };
        let sender = match &input {
            Input::Request(Request {
                origin: Origin::Ingress(_),
                ..
            }) => None,
            Input::Request(request) => Some(request.sender),
            Input::Response(response) => Some(
                canister
                    .callbacks
                    .get(&response.callback)
                    .map_or(response.to, |callback| callback.callee),
            ),
        };
        let far = |sender| {
            let sender = self.canisters.get(&sender);
            sender.is_some_and(|sender| sender.subnet != canister.subnet)
        };
        let source = match sender {
            None => Source::Ingress,
            Some(sender) if far(sender) => Source::RemoteSubnet(sender),
            Some(sender) => Source::LocalSubnet(sender),
        };
        if let Some(canister) = self.canister_mut(id) {
            canister.input_queues.push(source, input);
            self.ready.insert(id);
        }
    }

    /// Sends an answer of the management canister, which takes a round.
    pub(crate) fn answer_management(
        &mut self,
        request: &Request,
        result: Result<Vec<u8>, Reject>,
        refund: u128,
    ) {
        self.respond(request.origin, request.sender, result, refund, ELSEWHERE);
    }
}
