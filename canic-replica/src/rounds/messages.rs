//! The processing of one message: checks, payment, execution, commit, and the end of its call
//! context.

use std::sync::Arc;

use candid::Principal;

use crate::{
    canister::{
        Canister, Status,
        calls::{CallContext, Callback, Input, Origin, Request, Response, WasmClosure},
        consumption::Purpose,
        message_memory::SUBNET_RESERVATIONS,
        tasks::{LowMemory, Task},
    },
    execution::{
        execute,
        executed::Executed,
        message::{Call, Context, Entry, Message, StateChanges},
        trap::Trap,
    },
    faults::{Direction, Effect},
    ingress::IngressStatus,
    management::call::{check_sender_version, target},
    memory::WASM_PAGE,
    network::Network,
    prices::{MAX_RESPONSE, Prices},
    reject::{Reject, RejectCode},
    subnets::is_system,
    trace::{Kind, Outcome},
};

/// The longest message between subnets, in bytes.
const MAX_BETWEEN_SUBNETS: usize = 2 * 1024 * 1024;

impl Network {
    // Requests.

    pub(crate) fn run_request(&mut self, id: Principal, mut request: Request) -> u64 {
        let fault = self.fire_on_request(&mut request);
        if let Some(Effect::Delay { rounds }) = fault {
            self.delay(rounds, Input::Request(request));
            return 0;
        }
        let Some(canister) = self.canisters.get(&id) else {
            return 0;
        };
        let kind = if matches!(request.origin, Origin::Ingress(_)) {
            Kind::Ingress
        } else {
            Kind::Update
        };
        let subnet = Some(canister.subnet);
        let admitted = match fault.as_ref().and_then(|fault| fault.reject_of_call(id)) {
            Some(reject) => Err(reject),
            None => self.admit_request(canister, &request),
        };
        if let Err(reject) = admitted {
            self.reject_request(request, reject, subnet);
            return 0;
        }
        let context = match method_context(canister, &request.method) {
            Ok(context) => context,
            Err(reject) => {
                self.charge_unexecuted(id);
                self.reject_request(request, reject, subnet);
                return 0;
            }
        };
        let export = match context {
            Context::Update => format!("canister_update {}", request.method),
            _ => format!("canister_query {}", request.method),
        };
        let limit = self.instruction_limit(canister, &request.method);
        let mut message = Message::new(
            context,
            Entry::Export(export),
            request.sender,
            self.time,
            limit,
        );
        message.payload.clone_from(&request.payload);
        message.method.clone_from(&request.method);
        message.caller_info.clone_from(&request.caller_info);
        message.deadline = request.deadline;
        message.responded = false;
        message.fault = fault;
        self.run_in_new_context(id, kind, request, message)
    }

    /// Checks that a canister takes a request and can pay for its execution.
    fn admit_request(&self, canister: &Canister, request: &Request) -> Result<(), Reject> {
        self.check_deadline(request)?;
        canister.accepts_calls()?;
        check_incoming_cycles(canister, request)?;
        let limit = self.instruction_limit(canister, &request.method);
        let price = (self.prices(canister)).execution(canister.address(), limit);
        let messages = canister.message_memory() + request.reservation();
        self.check_can_pay_with(canister, messages, price, &request.sender)
    }

    /// The instructions that a call of a method may take. A query method has the limit of queries
    /// even if it is called as an update.
    fn instruction_limit(&self, canister: &Canister, method: &String) -> u64 {
        let prices = self.prices(canister);
        let is_query = canister.code.as_ref().is_some_and(|code| {
            code.module.queries.contains(method) || code.module.composite_queries.contains(method)
        });
        match is_query {
            true => prices.query_limit,
            false => prices.update_limit,
        }
    }

    /// Charges for a message of which no instruction is executed.
    fn charge_unexecuted(&mut self, id: Principal) {
        let Some(canister) = self.canisters.get(&id) else {
            return;
        };
        let cost = self.prices(canister).unexecuted();
        if let Some(canister) = self.canister_mut(id) {
            let paid = cost.min(canister.balance);
            canister.pay(Purpose::Instructions, paid);
            self.ledger.fees.execution += paid;
        }
    }

    /// Checks that a request has not expired.
    pub(crate) fn check_deadline(&self, request: &Request) -> Result<(), Reject> {
        let expired = |at| at < self.time;
        match request.origin {
            Origin::Ingress(id)
                if self
                    .submissions
                    .get(&id)
                    .is_some_and(|s| expired(s.expires)) =>
            {
                let why = format!(
                    "Ingress message 0x{} timed out waiting to start executing.",
                    hex::encode(id)
                );
                Err(Reject::new(RejectCode::SysTransient, 202, why))
            }
            _ if request.deadline > 0 && expired(request.deadline) => Err(Reject::expired()),
            _ => Ok(()),
        }
    }

    pub(crate) fn run_task(&mut self, id: Principal, task: Task) -> u64 {
        let (export, context, kind) = match task {
            Task::Heartbeat => ("canister_heartbeat", Context::Heartbeat, Kind::Heartbeat),
            Task::Timer => ("canister_global_timer", Context::GlobalTimer, Kind::Timer),
            Task::LowMemory => (
                "canister_on_low_wasm_memory",
                Context::LowMemory,
                Kind::LowMemory,
            ),
        };
        let Some(canister) = self.canisters.get(&id) else {
            return 0;
        };
        // Since the task was chosen the canister may have been stopped, or its code replaced.
        let is_due = match task {
            Task::Heartbeat => true,
            Task::Timer => canister.timer.is_some_and(|at| at <= self.time),
            Task::LowMemory => canister.low_memory() == LowMemory::Ready,
        };
        if !is_due || !matches!(canister.status, Status::Running) {
            return 0;
        }
        let exported = canister
            .code
            .as_ref()
            .is_some_and(|code| code.module.has_export(export));
        let prices = self.prices(canister);
        let price = prices.execution(canister.address(), prices.update_limit);
        if exported && self.check_can_pay(canister, price, &id).is_err() {
            // Timers and hooks stay due until they can be paid for.
            return 0;
        }
        let system = Principal::management_canister();
        let fault = match exported {
            true => self.fire(Direction::Call, system, id, export),
            false => None,
        };
        if !matches!(fault, None | Some(Effect::Trap { .. })) {
            return 0;
        }
        match (task, self.canister_mut(id)) {
            (Task::Timer, Some(canister)) => canister.timer = None,
            (Task::LowMemory, Some(canister)) => canister.low_memory = LowMemory::Executed,
            _ => {}
        }
        if !exported {
            return 0;
        }
        let request = Request::of_system(system, id, export.into(), 0);
        let mut message = Message::new(
            context,
            Entry::Export(export.into()),
            system,
            self.time,
            prices.update_limit,
        );
        message.fault = fault;
        self.run_in_new_context(id, kind, request, message)
    }

    /// The guaranteed answers that the subnet of a canister can still reserve. As on the platform,
    /// system subnets have no limit.
    fn free_reservations(&self, id: Principal) -> u64 {
        match self.canisters.get(&id) {
            Some(canister) if !is_system(self.infos[canister.subnet].kind) => {
                let reserved = self.canisters.reservations(canister.subnet);
                SUBNET_RESERVATIONS.saturating_sub(reserved)
            }
            _ => u64::MAX,
        }
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
        let subnet_context = Arc::clone(&self.subnets[canister.subnet].context);
        let (limit, address) = (message.limit, canister.address());
        let in_advance = subnet_context.prices.execution(address, limit);
        let Some(canister) = self.canister_mut(id) else {
            return 0;
        };
        canister.balance -= in_advance.min(canister.balance);
        let number = canister.open_context(CallContext {
            origin: request.origin,
            sender: request.sender,
            caller_info: request.caller_info.clone(),
            deadline: request.deadline,
            available: request.cycles,
            responded: request.origin == Origin::System,
            deleted: false,
            outstanding: 0,
            instructions: 0,
        });
        if let Origin::Ingress(id) = request.origin {
            self.ingress.insert(id, IngressStatus::Processing);
        }
        message.available = request.cycles;
        message.reservations = self.free_reservations(id);
        let executed = match self.canisters.get(&id) {
            Some(canister) => execute(canister, &subnet_context, message),
            None => return 0,
        };
        let cost = (subnet_context.prices).executed(address, limit, executed.instructions);
        self.ledger.fees.execution += cost;
        if let Some(canister) = self.canister_mut(id) {
            canister.consumption.add(Purpose::Instructions, cost);
            let subnet = canister.subnet;
            self.subnets[subnet]
                .counters
                .add_message(executed.instructions);
        }
        let instructions = executed.instructions;
        let outcome = outcome(&executed, id);
        let trap = self.commit(id, number, executed, in_advance - cost);
        self.canisters.count_reservations(id);
        if let Some(canister) = self.canister_mut(id) {
            canister.version += 1;
        }
        self.record_event(kind, &request, outcome, instructions);
        self.close_call_context(id, number, trap);
        instructions
    }

    // Answers.

    pub(crate) fn run_response(&mut self, id: Principal, mut response: Response) -> u64 {
        let now = self.time;
        let fault = self.fire_on_response(&mut response);
        match fault {
            Some(Effect::Delay { rounds }) => {
                self.delay_response(id, rounds, response);
                return 0;
            }
            Some(Effect::Reject { .. }) => {
                let lost = fault.as_ref().and_then(|fault| fault.reject_of_call(id));
                response.result = lost.map_or(response.result, Err);
            }
            _ => {}
        }
        let Some(canister) = self.canister_mut(id) else {
            return 0;
        };
        let Some(callback) = canister.close_call(response.callback) else {
            // The call had expired: the answer is dropped, and its cycles are refunded.
            canister.balance += response.refund;
            return 0;
        };
        canister.balance += response.refund;
        let subnet = canister.subnet;
        let prices = self.subnets[subnet].context.prices;
        let left = self.charge_transmission(subnet, &callback, &response);
        let Some(canister) = self.canister_mut(id) else {
            return 0;
        };
        let address = canister.address();
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
        if context.deleted || canister.code.is_none() || closure.is_absent() {
            canister.balance += left;
            self.charge_unexecuted(id);
            self.close_call_context(id, callback.context, None);
            return 0;
        }
        // The code may have become 64-bit since the call was made, which then prepaid too little.
        let required = prices.answer_in_advance(address);
        let missing = required.saturating_sub(callback.prepaid);
        if missing > canister.balance {
            canister.balance += left;
            self.charge_unexecuted(id);
            let reject = out_of_cycles(id, missing);
            self.close_call_context(id, callback.context, Some(reject));
            return 0;
        }
        canister.balance -= missing;
        let left = left + missing;
        let mut message = callback_message(context, closure, &response, now, &prices);
        message.fault = fault;
        let (callee, method) = (callback.callee, callback.method.clone());
        let request = Request::of_system(callee, id, method, response.refund);
        self.run_callback(id, &callback, message, &request, left)
    }

    /// Lets a response arrive again, so many rounds later; until then its call has no answer.
    fn delay_response(&mut self, id: Principal, rounds: u64, response: Response) {
        if let Some(canister) = self.canister_mut(id) {
            canister.set_answered(response.callback, false);
        }
        self.delay(rounds, Input::Response(response));
    }

    /// Charges for the transmission of a response. Answers the rest of what the call prepaid.
    fn charge_transmission(
        &mut self,
        subnet: usize,
        callback: &Callback,
        response: &Response,
    ) -> u128 {
        let prices = &self.subnets[subnet].context.prices;
        let transmission = prices
            .response(response.payload_bytes().min(MAX_RESPONSE))
            .min(callback.prepaid);
        self.ledger.fees.transmission += transmission;
        if let Some(canister) = self.canister_mut(response.to) {
            (canister.consumption).add(Purpose::Transmission, transmission);
        }
        callback.prepaid - transmission
    }

    /// The effect of the injected fault that fires on an answer. Faults see each answer once.
    fn fire_on_response(&mut self, response: &mut Response) -> Option<Effect> {
        if std::mem::replace(&mut response.fault_checked, true) || !self.faults.has_any() {
            return None;
        }
        let caller = self.canisters.get(&response.to)?;
        let callback = caller.callbacks.get(&response.callback)?;
        let (callee, method) = (callback.callee, callback.method.clone());
        self.fire(Direction::Answer, response.to, callee, &method)
    }

    /// Runs a callback and, if it traps, the cleanup. `left` is the prepaid amount for that.
    fn run_callback(
        &mut self,
        id: Principal,
        callback: &Callback,
        mut message: Message,
        request: &Request,
        left: u128,
    ) -> u64 {
        message.reservations = self.free_reservations(id);
        let Some(canister) = self.canisters.get(&id) else {
            return 0;
        };
        let subnet_context = Arc::clone(&self.subnets[canister.subnet].context);
        let address = canister.address();
        let cleanup = callback.on_cleanup.map(|closure| {
            let mut cleanup = message.clone();
            cleanup.context = Context::Cleanup;
            cleanup.entry = Entry::Closure(closure);
            cleanup.payload = Vec::new();
            cleanup.fault = None;
            cleanup.limit = subnet_context.prices.cleanup_limit();
            cleanup
        });
        let kind = if message.context == Context::Reply {
            Kind::Reply
        } else {
            Kind::Reject
        };
        let executed = execute(canister, &subnet_context, message);
        let mut instructions = executed.instructions;
        self.record_event(kind, request, outcome(&executed, id), executed.instructions);
        let trapped = executed.outcome.as_ref().err().cloned();
        let mut trap = self.commit(id, callback.context, executed, 0);
        self.canisters.count_reservations(id);
        if let (Some(trapped), Some(mut cleanup)) = (trapped, cleanup)
            && let Some(canister) = self.canisters.get(&id)
        {
            cleanup.earlier += instructions;
            let executed = execute(canister, &subnet_context, cleanup);
            instructions += executed.instructions;
            self.record_event(
                Kind::Cleanup,
                request,
                outcome(&executed, id),
                executed.instructions,
            );
            if let Err(failed) = &executed.outcome {
                let both = Trap::Cleanup(trapped.into(), failed.clone().into());
                trap = Some(both.reject(id));
            }
            self.commit(id, callback.context, executed, 0);
        }
        let cost = (subnet_context.prices)
            .executed(address, subnet_context.prices.update_limit, instructions)
            .min(left);
        self.ledger.fees.execution += cost;
        if let Some(canister) = self.canister_mut(id) {
            canister.balance += left - cost;
            canister.consumption.add(Purpose::Instructions, cost);
            canister.version += 1;
            let subnet = canister.subnet;
            self.subnets[subnet].counters.add_message(instructions);
        }
        self.close_call_context(id, callback.context, trap);
        instructions
    }

    // After a message.

    /// Commits the effects of a message, and refunds the `unspent` cycles of its prepayment.
    /// Answers the caller's reject if the message trapped.
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
        let StateChanges {
            calls,
            answer,
            burnt,
            minted,
            transmission,
            available,
            ..
        } = changes.apply_to(canister);
        canister.balance += unspent;
        canister.consumption.add(Purpose::Burned, burnt);
        (canister.consumption).add(Purpose::Transmission, transmission);
        let mut answered = None;
        if let Some(context) = canister.contexts.get_mut(&number) {
            context.available = available;
        }
        if let Some(answer) = answer
            && let Some(context) = canister.set_responded(number)
        {
            let refund = std::mem::take(&mut context.available);
            answered = Some((context.origin, context.sender, answer, refund));
        }
        let subnet = canister.subnet;
        self.ledger.burnt += burnt;
        self.ledger.minted += minted;
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
            method: call.method.clone(),
            on_reply: call.on_reply,
            on_reject: call.on_reject,
            on_cleanup: call.on_cleanup,
            prepaid: call.prepaid,
            deadline: call.deadline,
            answered: false,
        });
        let (subnet, version) = (canister.subnet, canister.version);
        let request = Request {
            origin: Origin::Callback(number),
            sender: id,
            callee: call.callee,
            method: call.method,
            payload: call.payload,
            caller_info: None,
            cycles: call.cycles,
            deadline: call.deadline,
            subnet: None,
            fault_checked: false,
        };
        let request = Request {
            subnet: self.management_subnet(&request).or(Some(subnet)),
            ..request
        };
        let near = self
            .canisters
            .get(&request.callee)
            .is_some_and(|callee| callee.subnet == subnet);
        if near || (self.subnet_of(request.callee).is_none() && !self.is_management(request.callee))
        {
            return self.deliver_request(request);
        }
        if self.is_management(request.callee)
            && let Err(reject) = check_sender_version(&request, version)
        {
            return self.respond(request.origin, id, Err(reject), request.cycles, None);
        }
        let size = request.method.len() + request.payload.len();
        if size > MAX_BETWEEN_SUBNETS && self.goes_far(&request, subnet) {
            let why = format!(
                "Canister {id} violated contract: attempted to send a message of size {size} \
                 exceeding the limit {MAX_BETWEEN_SUBNETS}"
            );
            let reject = Reject::bare(RejectCode::CanisterError, why);
            return self.respond(request.origin, id, Err(reject), request.cycles, None);
        }
        self.transit
            .push_back((self.round + 1, Input::Request(request)));
    }

    /// Whether a request leaves the subnet of its sender.
    fn goes_far(&self, request: &Request, own: usize) -> bool {
        let named = || self.management_subnet(request);
        // A subnet's management canister is responsible for the canisters of that subnet.
        let of_target = || self.subnet_index_of(target(&request.payload).ok()?);
        let receiver = self.subnet_index_of(request.callee);
        let receiver = receiver.or_else(named).or_else(of_target);
        receiver.is_some_and(|receiver| receiver != own)
    }

    /// Closes a call context without outstanding calls. A context without an answer is rejected.
    fn close_call_context(&mut self, id: Principal, number: u64, trap: Option<Reject>) {
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
        let Some(context) = canister.close_context(number) else {
            return;
        };
        if context.responded {
            // An answer has refunded all cycles; these are left over by a system task or by
            // uninstalled code.
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
}

/// The context in which a canister runs a method, or the reject of a call to it.
fn method_context(canister: &Canister, method: &String) -> Result<Context, Reject> {
    let id = canister.id;
    let code = canister
        .code
        .as_ref()
        .ok_or_else(|| Trap::NoModule.reject(id))?;
    if code.module.updates.contains(method) {
        let limit = canister.settings.wasm_memory_limit;
        let bytes = code.heap.size * WASM_PAGE;
        if limit > 0 && bytes > limit {
            return Err(Trap::MemoryLimit(limit, bytes).reject(id));
        }
        Ok(Context::Update)
    } else if code.module.queries.contains(method) {
        Ok(Context::ReplicatedQuery)
    } else if code.module.composite_queries.contains(method) {
        let why = "Composite query cannot be called in replicated mode";
        Err(Reject::new(RejectCode::CanisterError, 527, why))
    } else {
        Err(Trap::NoMethod("update", method.clone()).reject(id))
    }
}

/// The reject of a call whose callback cannot be paid: the prepayment and the balance fall short.
fn out_of_cycles(id: Principal, missing: u128) -> Reject {
    let why = format!(
        "Canister {id} is out of cycles: its callback needs {missing} cycles more than the call \
         prepaid."
    );
    Reject::new(RejectCode::SysTransient, 207, why)
}

/// Checks that a call has the least cycles that its callee demands from other canisters.
fn check_incoming_cycles(callee: &Canister, request: &Request) -> Result<(), Reject> {
    let least = callee.settings.minimum_incoming_call_cycles;
    if !matches!(request.origin, Origin::Callback(_))
        || request.sender == callee.id
        || request.cycles >= least
    {
        return Ok(());
    }
    let why = format!(
        "Canister {} requires at least {least} transferred cycles per call of another canister, \
         but {} brought {}.",
        callee.id, request.sender, request.cycles
    );
    Err(Reject::new(RejectCode::CanisterError, 520, why))
}

fn callback_message(
    context: &CallContext,
    closure: WasmClosure,
    response: &Response,
    now: u64,
    prices: &Prices,
) -> Message {
    let kind = if response.result.is_ok() {
        Context::Reply
    } else {
        Context::Reject
    };
    let limit = prices.update_limit - prices.cleanup_limit();
    let mut message = Message::new(kind, Entry::Closure(closure), context.sender, now, limit);
    match &response.result {
        Ok(reply) => message.payload.clone_from(reply),
        Err(reject) => message.reject = Some((reject.code, reject.text())),
    }
    message.caller_info.clone_from(&context.caller_info);
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
        Ok(StateChanges {
            answer: Some(Ok(_)),
            ..
        }) => Outcome::Reply,
        Ok(StateChanges {
            answer: Some(Err(message)),
            ..
        }) => Outcome::Reject {
            code: RejectCode::CanisterReject,
            message: message.clone(),
        },
        Ok(StateChanges { answer: None, .. }) => Outcome::Ok,
    }
}
