//! Rounds, queues and call contexts.
//!
//! A round begins with one nanosecond more on the clock. Then resources are paid and deadlines checked, messages that
//! were on their way arrive, and calls to the management canister are executed. After that come the canisters: first
//! the heartbeat and the due global timer of each, then, in the order of their ids, each executes what was in its queue
//! when its turn came; calls and answers between canisters of one subnet arrive at once, and the turns go on until all
//! queues are empty or the round's instructions are used up. Messages to other subnets and to the management canister
//! arrive in the next round, and so do their answers. A message is executed in one piece, however long it is.

use std::sync::Arc;

use candid::Principal;

use crate::canister::{
    CallContext, Callback, Canister, Closure, Input, Origin, Request, Response, Status,
};
use crate::cycles::{CLEANUP_LIMIT, MAX_RESPONSE, UPDATE_LIMIT};
use crate::execution::{Call, Changes, Context, Entry, Executed, Message, Trap, execute};
use crate::replica::Replica;
use crate::trace::{Event, Kind, Outcome};
use crate::{IngressStatus, Reject, RejectCode};

/// Instructions of one round.
const ROUND: u64 = 7_000_000_000;
/// Instructions that a message counts for beside its own: a round ends, whatever canisters do.
const OVERHEAD: u64 = 2_000_000;
/// Resources are paid at most so often, in nanoseconds.
const PAY_INTERVAL: u64 = 10_000_000_000;
/// Longest payload between subnets, in bytes.
const MAX_BETWEEN_SUBNETS: usize = 2 * 1024 * 1024;
/// Events kept; twice as many before the older half is dropped.
const EVENTS: usize = 10_000;

impl Replica {
    pub(crate) fn execute_round(&mut self) {
        self.time += 1;
        self.round += 1;
        let tasks = self.keep_house();
        self.deliver();
        let mut spent = 0;
        for (id, task) in tasks {
            spent += OVERHEAD + self.run_task(id, task);
        }
        while spent < ROUND && !self.ready.is_empty() {
            for id in std::mem::take(&mut self.ready) {
                spent += self.take_turn(id, ROUND.saturating_sub(spent));
            }
        }
        self.finish_stops();
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
        if self
            .canisters
            .get(&id)
            .is_some_and(|canister| !canister.inputs.is_empty())
        {
            self.ready.insert(id);
        }
        spent
    }

    /// Charges for resources, expires best-effort calls and stop requests, and finds the system tasks that are due.
    fn keep_house(&mut self) -> Vec<(Principal, Task)> {
        let now = self.time;
        let mut tasks = Vec::new();
        let mut to_pay = Vec::new();
        let mut expired = Vec::new();
        let mut both = Vec::new();
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
        tasks
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
            // As on the network: who cannot pay loses code and memory, and keeps its id.
            self.uninstall(id);
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
                }),
            );
        }
    }

    /// Takes in what was on its way.
    fn deliver(&mut self) {
        let due = self
            .transit
            .iter()
            .filter(|(round, _)| *round <= self.round)
            .count();
        let arrived: Vec<_> = self.transit.drain(..due).collect();
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
    fn hand_over(&mut self, request: Request) {
        if self.canisters.contains_key(&request.callee) {
            return self.enqueue(request.callee, Input::Request(request));
        }
        let why = match self.subnet_of(request.callee) {
            Some(_) => format!("Canister {} not found", request.callee),
            None => format!("No route to canister {}", request.callee),
        };
        let reject = Reject::new(RejectCode::DestinationInvalid, 301, why);
        self.note(
            Kind::Call,
            &request,
            Outcome::Reject {
                code: reject.code,
                message: reject.text(),
            },
            0,
        );
        self.respond(
            request.origin,
            request.sender,
            Err(reject),
            request.cycles,
            None,
        );
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
                self.ingress.insert(id, IngressStatus::Done(result));
                self.ledger.destroyed += refund;
            }
            Origin::Callback(callback) => {
                let response = Response {
                    to: caller,
                    callback,
                    refund,
                    result,
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

    // Requests.

    fn run_request(&mut self, id: Principal, request: Request) -> u64 {
        let Some(canister) = self.canisters.get(&id) else {
            return 0;
        };
        let kind = if matches!(request.origin, Origin::Ingress(_)) {
            Kind::Ingress
        } else {
            Kind::Update
        };
        let subnet = Some(canister.subnet);
        let context = match self.admit_request(canister, &request) {
            Ok(context) => context,
            Err(reject) => {
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
                    subnet,
                );
                return 0;
            }
        };
        let export = match context {
            Context::Update => format!("canister_update {}", request.method),
            _ => format!("canister_query {}", request.method),
        };
        let mut message = Message::new(
            context,
            Entry::Export(export),
            request.sender,
            self.time,
            UPDATE_LIMIT,
        );
        message.payload.clone_from(&request.payload);
        message.method.clone_from(&request.method);
        message.deadline = request.deadline;
        message.responded = false;
        self.run_in_new_context(id, kind, request, message)
    }

    /// Decides in which context a request runs, or why it doesn't.
    fn admit_request(&self, canister: &Canister, request: &Request) -> Result<Context, Reject> {
        let id = canister.id;
        if request.deadline > 0 && request.deadline < self.time {
            return Err(Reject::new(
                RejectCode::SysUnknown,
                601,
                "Call deadline has expired.",
            ));
        }
        accepts_calls(canister)?;
        let code = canister
            .code
            .as_ref()
            .ok_or_else(|| Trap::NoModule.reject(id))?;
        let context = if code.module.updates.contains(&request.method) {
            Context::Update
        } else if code.module.queries.contains(&request.method) {
            Context::ReplicatedQuery
        } else if code.module.composite_queries.contains(&request.method) {
            let why = "Composite query cannot be called in replicated mode";
            return Err(Reject::new(RejectCode::CanisterError, 527, why));
        } else {
            return Err(Trap::NoMethod("update", request.method.clone()).reject(id));
        };
        self.can_pay(canister, self.prices(canister).execution(UPDATE_LIMIT))?;
        Ok(context)
    }

    /// Whether a canister can spend so many cycles without freezing.
    pub(crate) fn can_pay(&self, canister: &Canister, cost: u128) -> Result<(), Reject> {
        let needed =
            cost + canister.freezing_limit(&self.prices(canister), canister.memory_bytes());
        if cost == 0 || canister.balance >= needed {
            return Ok(());
        }
        let why = format!(
            "Canister {} is out of cycles: please top up the canister with at least {} additional cycles",
            canister.id,
            needed - canister.balance
        );
        Err(Reject::new(RejectCode::SysTransient, 207, why))
    }

    fn run_task(&mut self, id: Principal, task: Task) -> u64 {
        let (export, kind) = match task {
            Task::Heartbeat => ("canister_heartbeat", Kind::Heartbeat),
            Task::Timer => ("canister_global_timer", Kind::Timer),
        };
        let Some(canister) = self.canister_mut(id) else {
            return 0;
        };
        if task == Task::Timer {
            canister.timer = None;
        }
        let Some(canister) = self.canisters.get(&id) else {
            return 0;
        };
        let exported = canister
            .code
            .as_ref()
            .is_some_and(|code| code.module.exports(export));
        if !exported
            || self
                .can_pay(canister, self.prices(canister).execution(UPDATE_LIMIT))
                .is_err()
        {
            return 0;
        }
        let system = Principal::management_canister();
        let request = Request {
            origin: Origin::System,
            sender: system,
            callee: id,
            method: export.into(),
            payload: Vec::new(),
            cycles: 0,
            deadline: 0,
            subnet: None,
        };
        let message = Message::new(
            Context::Task,
            Entry::Export(export.into()),
            system,
            self.time,
            UPDATE_LIMIT,
        );
        self.run_in_new_context(id, kind, request, message)
    }

    fn run_in_new_context(
        &mut self,
        id: Principal,
        kind: Kind,
        request: Request,
        mut message: Message,
    ) -> u64 {
        let Some(canister) = self.canisters.get(&id) else {
            return 0;
        };
        let place = Arc::clone(&self.subnets[canister.subnet].place);
        let in_advance = place.prices.execution(message.limit);
        let Some(canister) = self.canister_mut(id) else {
            return 0;
        };
        canister.balance -= in_advance.min(canister.balance);
        let number = canister.next_number();
        canister.contexts.insert(
            number,
            CallContext {
                origin: request.origin,
                sender: request.sender,
                method: request.method.clone(),
                deadline: request.deadline,
                available: request.cycles,
                responded: request.origin == Origin::System,
                deleted: false,
                outstanding: 0,
                instructions: 0,
            },
        );
        if let Origin::Ingress(id) = request.origin {
            self.ingress.insert(id, IngressStatus::Processing);
        }
        message.available = request.cycles;
        let executed = match self.canisters.get(&id) {
            Some(canister) => execute(canister, &place, message),
            None => return 0,
        };
        let cost = place.prices.execution(executed.instructions);
        self.ledger.fees.execution += cost;
        if let Some(canister) = self.canister_mut(id) {
            canister.version += 1;
        }
        let instructions = executed.instructions;
        let outcome = outcome(&executed, id);
        let trap = self.commit(id, number, executed, in_advance - cost);
        self.note(kind, &request, outcome, instructions);
        self.conclude(id, number, trap);
        instructions
    }

    // Answers.

    fn run_response(&mut self, id: Principal, response: Response) -> u64 {
        let now = self.time;
        let Some(canister) = self.canister_mut(id) else {
            return 0;
        };
        let Some(callback) = canister.close_call(response.callback) else {
            // The call had expired: what comes back is lost.
            self.ledger.destroyed += response.refund;
            return 0;
        };
        canister.balance += response.refund;
        let subnet = canister.subnet;
        let place = Arc::clone(&self.subnets[subnet].place);
        let bytes = match &response.result {
            Ok(reply) => reply.len(),
            Err(reject) => reject.message.len(),
        };
        let transmission = place
            .prices
            .response((bytes as u64).min(MAX_RESPONSE))
            .min(callback.set_aside);
        self.ledger.fees.transmission += transmission;
        let left = callback.set_aside - transmission;

        let Some(canister) = self.canister_mut(id) else {
            return 0;
        };
        let Some(context) = canister.contexts.get_mut(&callback.context) else {
            canister.balance += left;
            return 0;
        };
        context.outstanding -= 1;
        let closure = if response.result.is_ok() {
            callback.on_reply
        } else {
            callback.on_reject
        };
        if context.deleted || canister.code.is_none() || closure == NOTHING {
            canister.balance += left;
            self.conclude(id, callback.context, None);
            return 0;
        }
        let message = callback_message(context, closure, &response, now);
        let request = Request {
            origin: Origin::System,
            sender: callback.callee,
            callee: id,
            method: context.method.clone(),
            payload: Vec::new(),
            cycles: response.refund,
            deadline: 0,
            subnet: None,
        };
        self.run_callback(id, &callback, message, &request, left)
    }

    /// Runs a callback and, if it traps, the cleanup. `left` is what the call set aside for that.
    fn run_callback(
        &mut self,
        id: Principal,
        callback: &Callback,
        message: Message,
        request: &Request,
        left: u128,
    ) -> u64 {
        let Some(canister) = self.canisters.get(&id) else {
            return 0;
        };
        let place = Arc::clone(&self.subnets[canister.subnet].place);
        let cleanup = callback.on_cleanup.map(|closure| {
            let mut cleanup = message.clone();
            cleanup.context = Context::Cleanup;
            cleanup.entry = Entry::Closure(closure);
            cleanup.payload = Vec::new();
            cleanup.limit = CLEANUP_LIMIT;
            cleanup
        });
        let kind = if message.context == Context::Reply {
            Kind::Reply
        } else {
            Kind::Reject
        };
        let executed = execute(canister, &place, message);
        let mut instructions = executed.instructions;
        self.note(kind, request, outcome(&executed, id), executed.instructions);
        let trapped = executed.outcome.is_err();
        let trap = self.commit(id, callback.context, executed, 0);
        if let (true, Some(mut cleanup)) = (trapped, cleanup)
            && let Some(canister) = self.canisters.get(&id)
        {
            cleanup.earlier += instructions;
            let executed = execute(canister, &place, cleanup);
            instructions += executed.instructions;
            self.note(
                Kind::Cleanup,
                request,
                outcome(&executed, id),
                executed.instructions,
            );
            self.commit(id, callback.context, executed, 0);
        }
        let cost = place.prices.execution(instructions).min(left);
        self.ledger.fees.execution += cost;
        if let Some(canister) = self.canister_mut(id) {
            canister.balance += left - cost;
            canister.version += 1;
        }
        self.conclude(id, callback.context, trap);
        instructions
    }

    // What comes after a message.

    /// Takes over what a message did, and gives back `unspent` cycles of what it paid in advance. Answers the reject that
    /// a trap means for its caller.
    fn commit(
        &mut self,
        id: Principal,
        number: u64,
        executed: Executed,
        unspent: u128,
    ) -> Option<Reject> {
        let now = self.time;
        let canister = self.canister_mut(id)?;
        for line in executed.prints {
            canister.log(now, line);
        }
        if let Some(context) = canister.contexts.get_mut(&number) {
            context.instructions += executed.instructions;
        }
        let changes = match executed.outcome {
            Ok(changes) => changes,
            Err(trap) => {
                canister.balance += unspent;
                return Some(trap.reject(id));
            }
        };
        let Changes {
            calls,
            answer,
            burnt,
            transmission,
            available,
            ..
        } = canister.apply(changes);
        canister.balance += unspent;
        let mut answered = None;
        if let Some(context) = canister.contexts.get_mut(&number) {
            context.available = available;
            if let Some(answer) = answer {
                context.responded = true;
                let refund = std::mem::take(&mut context.available);
                answered = Some((context.origin, context.sender, answer, refund));
            }
        }
        let subnet = canister.subnet;
        self.ledger.burnt += burnt;
        self.ledger.fees.transmission += transmission;
        if let Some((origin, sender, answer, refund)) = answered {
            let result =
                answer.map_err(|message| Reject::new(RejectCode::CanisterReject, 406, message));
            self.respond(origin, sender, result, refund, Some(subnet));
        }
        for call in calls {
            self.send(id, number, call);
        }
        None
    }

    fn send(&mut self, id: Principal, context: u64, call: Call) {
        let Some(canister) = self.canister_mut(id) else {
            return;
        };
        if let Some(context) = canister.contexts.get_mut(&context) {
            context.outstanding += 1;
        }
        let number = canister.open_call(Callback {
            context,
            callee: call.callee,
            on_reply: call.on_reply,
            on_reject: call.on_reject,
            on_cleanup: call.on_cleanup,
            set_aside: call.set_aside,
            deadline: call.deadline,
        });
        let subnet = canister.subnet;
        let request = Request {
            origin: Origin::Callback(number),
            sender: id,
            callee: call.callee,
            method: call.method,
            payload: call.payload,
            cycles: call.cycles,
            deadline: call.deadline,
            subnet: self.subnet_index(call.callee).or(Some(subnet)),
        };
        let near = self
            .canisters
            .get(&request.callee)
            .is_some_and(|callee| callee.subnet == subnet);
        if near || (self.subnet_of(request.callee).is_none() && !self.is_management(request.callee))
        {
            return self.hand_over(request);
        }
        if request.payload.len() > MAX_BETWEEN_SUBNETS && request.subnet != Some(subnet) {
            let why = format!(
                "Canister {id} violated contract: attempted to send a message of {} bytes to another subnet, the limit is \
                 {MAX_BETWEEN_SUBNETS}",
                request.payload.len()
            );
            let reject = Reject::new(RejectCode::CanisterError, 504, why);
            return self.respond(request.origin, id, Err(reject), request.cycles, None);
        }
        self.transit
            .push_back((self.round + 1, Input::Request(request)));
    }

    /// Closes a call context that nothing can answer any more.
    fn conclude(&mut self, id: Principal, number: u64, trap: Option<Reject>) {
        let Some(canister) = self.canister_mut(id) else {
            return;
        };
        let Some(context) = canister.contexts.get(&number) else {
            return;
        };
        if context.outstanding > 0 {
            return;
        }
        let subnet = canister.subnet;
        let Some(context) = canister.contexts.remove(&number) else {
            return;
        };
        if context.responded {
            // Only what a system task or a removed program left over; an answer has refunded all.
            self.ledger.destroyed += context.available;
            return;
        }
        let reject = trap.unwrap_or_else(|| {
            let why = format!("Canister {id} did not reply to the call");
            Reject::new(RejectCode::CanisterError, 506, why)
        });
        self.respond(
            context.origin,
            context.sender,
            Err(reject),
            context.available,
            Some(subnet),
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
enum Task {
    Heartbeat,
    Timer,
}

/// Canisters that send one-way messages name no function: nothing is to be called.
const NOTHING: Closure = Closure {
    function: u32::MAX,
    environment: u32::MAX,
};

impl Canister {
    /// Takes over the state that a message left; what concerns others stays in the answer.
    pub(crate) fn apply(&mut self, mut changes: Changes) -> Changes {
        if let Some(code) = changes.code.take() {
            self.code = Some(code);
            self.stable = std::mem::take(&mut changes.stable);
        }
        if let Some(data) = changes.certified_data.take() {
            self.certified_data = data;
        }
        self.timer = changes.timer;
        self.balance = changes.balance;
        changes
    }
}

/// Whether a canister takes new calls.
pub(crate) fn accepts_calls(canister: &Canister) -> Result<(), Reject> {
    let id = canister.id;
    match canister.status {
        Status::Running => Ok(()),
        Status::Stopping(_) => Err(Reject::new(
            RejectCode::CanisterError,
            509,
            format!("Canister {id} is stopping"),
        )),
        Status::Stopped => Err(Reject::new(
            RejectCode::CanisterError,
            508,
            format!("Canister {id} is stopped"),
        )),
    }
}

fn callback_message(
    context: &CallContext,
    closure: Closure,
    response: &Response,
    now: u64,
) -> Message {
    let kind = if response.result.is_ok() {
        Context::Reply
    } else {
        Context::Reject
    };
    let limit = UPDATE_LIMIT - CLEANUP_LIMIT;
    let mut message = Message::new(kind, Entry::Closure(closure), context.sender, now, limit);
    match &response.result {
        Ok(reply) => message.payload.clone_from(reply),
        Err(reject) => message.reject = Some((reject.code, reject.text())),
    }
    message.deadline = context.deadline;
    message.available = context.available;
    message.refunded = response.refund;
    message.responded = context.responded;
    message.earlier = context.instructions;
    message
}

fn outcome(executed: &Executed, id: Principal) -> Outcome {
    match &executed.outcome {
        Err(trap) => Outcome::Trap {
            message: trap.reject(id).text(),
        },
        Ok(Changes {
            answer: Some(Ok(_)),
            ..
        }) => Outcome::Reply,
        Ok(Changes {
            answer: Some(Err(message)),
            ..
        }) => Outcome::Reject {
            code: RejectCode::CanisterReject,
            message: message.clone(),
        },
        Ok(Changes { answer: None, .. }) => Outcome::Ok,
    }
}
