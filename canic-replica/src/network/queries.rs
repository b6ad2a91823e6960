//! Messages that leave nothing behind: queries, composite queries, and the inspection of ingress.

use std::collections::VecDeque;
use std::sync::Arc;

use candid::Principal;

use crate::canister::{Canister, Closure};
use crate::execution::{Call, Context, Entry, Executed, Message, Trap, execute};
use crate::management::{charged_afterwards, target};
use crate::prices::{INSPECT_LIMIT, QUERY_LIMIT};
use crate::reject::{invalid, not_found, uncertified};
use crate::replica::Replica;
use crate::rounds::messages::accepts_calls;
use crate::trace::{Kind, Outcome};
use crate::{CallerInfo, EffectivePrincipal, Ingress, Reject, RejectCode};

/// Bytes of a message from outside at most.
const MAX_INGRESS: usize = 2 * 1024 * 1024;

/// How deep composite queries may call each other.
const MAX_DEPTH: usize = 6;

impl Replica {
    pub(crate) fn answer_query(&mut self, query: Ingress) -> Result<Vec<u8>, Reject> {
        if self.is_management(query.canister) {
            self.route(&query, target(&query.payload).ok())?;
            return self.query_management(&query);
        }
        self.evaluate_noted(query).0.map_err(uncertified)
    }

    /// Runs a query method and writes the event; answers the instructions, too.
    pub(crate) fn evaluate_noted(&mut self, query: Ingress) -> (Result<Vec<u8>, Reject>, u64) {
        let mut instructions = 0;
        let result = self.evaluate(&query, &mut Vec::new(), &mut instructions);
        let outcome = match &result {
            Ok(_) => Outcome::Reply,
            Err(reject) if reject.error_code == "IC0502" || reject.error_code == "IC0503" => {
                Outcome::Trap {
                    message: reject.text(),
                }
            }
            Err(reject) => Outcome::Reject {
                code: reject.code,
                message: reject.text(),
            },
        };
        self.note(Kind::Query, &query.into(), outcome, instructions);
        (result, instructions)
    }

    /// Runs a query method; a composite one with all that it calls. `path` holds the canisters that wait for it.
    fn evaluate(
        &self,
        query: &Ingress,
        path: &mut Vec<Principal>,
        used: &mut u64,
    ) -> Result<Vec<u8>, Reject> {
        let id = query.canister;
        let canister = self.canisters.get(&id).ok_or_else(|| not_found(id))?;
        accepts_calls(canister)?;
        let code = canister
            .code
            .as_ref()
            .ok_or_else(|| Trap::NoModule.reject(id))?;
        let threshold = canister.freezing_limit(&self.prices(canister), canister.memory_bytes());
        if canister.balance < threshold {
            let why = format!(
                "Canister {id} is unable to process query calls because it's frozen. Please top up the canister with cycles \
                 and try again."
            );
            return Err(Reject::new(RejectCode::SysTransient, 207, why));
        }
        let (context, export) = if code.module.queries.contains(&query.method) {
            (Context::Query, "canister_query")
        } else if code.module.composite_queries.contains(&query.method) {
            (Context::CompositeQuery, "canister_composite_query")
        } else {
            return Err(Trap::NoMethod("query", query.method.clone()).reject(id));
        };
        if path.contains(&id) {
            return Err(Reject::new(
                RejectCode::CanisterError,
                517,
                "Loop in the call graph of a composite query",
            ));
        }
        if path.len() >= MAX_DEPTH {
            return Err(Reject::new(
                RejectCode::CanisterError,
                525,
                "Composite queries call each other too deeply",
            ));
        }
        let entry = Entry::Export(format!("{export} {}", query.method));
        let mut message = Message::new(
            context,
            entry,
            query.sender,
            self.certified_time,
            QUERY_LIMIT,
        );
        if path.is_empty() && code.module.reads_certificates {
            message.certificate = Some(Arc::new(self.data_certificate(canister)));
        }
        message.payload.clone_from(&query.payload);
        message.method.clone_from(&query.method);
        message.responded = false;
        path.push(id);
        let caller_info = query.caller_info.clone().map(Arc::new);
        let result = Composite::new(Arc::clone(canister), query.sender, caller_info)
            .run(self, message, path, used);
        path.pop();
        result
    }

    /// Whether an update call from outside may come in, on which subnet it runs; and charges the canister that pays for
    /// its reception.
    pub(crate) fn admit(&mut self, ingress: &Ingress) -> Result<usize, Reject> {
        let size = ingress.method.len() + ingress.payload.len();
        if size > MAX_INGRESS {
            let why = format!(
                "Request is too large. Message byte size {size} is larger than the max allowed {MAX_INGRESS}."
            );
            return Err(uncertified(invalid(why)));
        }
        let management = self.is_management(ingress.canister);
        let target = if management {
            self.management_target(ingress).map_err(uncertified)?
        } else {
            Some(ingress.canister)
        };
        let subnet = self.route(ingress, target)?;
        let payer = target
            .filter(|_| !management || !charged_afterwards(&ingress.method, ingress.payload.len()));
        let mut cost = 0;
        if let Some(payer) = payer {
            let found = self.canisters.get(&payer);
            let payer = found.ok_or_else(|| uncertified(not_found(payer)))?;
            cost = self.prices(payer).reception(size);
            self.can_pay(payer, cost, &ingress.sender)
                .map_err(uncertified)?;
        }
        if management {
            self.admit_management(ingress, target)
                .map_err(uncertified)?;
        } else {
            self.inspect(ingress)?;
        }
        if let Some(payer) = payer.and_then(|payer| self.canister_mut(payer)) {
            payer.balance -= cost;
            self.ledger.fees.ingress += cost;
        }
        Ok(subnet)
    }

    /// The subnet that a message from outside goes to. Errors: there is none, or the canister it is about isn't there.
    pub(crate) fn route(
        &self,
        ingress: &Ingress,
        target: Option<Principal>,
    ) -> Result<usize, Reject> {
        let target = target.and_then(|target| self.canisters.get(&target));
        if !self.is_management(ingress.canister) {
            return target
                .map(|canister| canister.subnet)
                .ok_or_else(|| uncertified(not_found(ingress.canister)));
        }
        let effective =
            ingress
                .effective
                .unwrap_or_else(|| match self.subnet_index(ingress.canister) {
                    Some(_) => EffectivePrincipal::Subnet(ingress.canister),
                    None => EffectivePrincipal::Canister(
                        target.map_or(self.default_effective_canister(), |target| target.id),
                    ),
                });
        let (found, name) = match effective {
            EffectivePrincipal::Canister(canister) => (self.subnet_index_of(canister), canister),
            EffectivePrincipal::Subnet(subnet) => (self.subnet_index(subnet), subnet),
        };
        let subnet = found.ok_or_else(|| {
            let why = format!("No subnet of this instance goes by the effective principal {name}");
            uncertified(Reject::new(RejectCode::DestinationInvalid, 404, why))
        })?;
        match target {
            // As on the platform: the subnet that got the message does not know the canister.
            Some(canister) if canister.subnet != subnet => Err(uncertified(not_found(canister.id))),
            _ => Ok(subnet),
        }
    }

    /// Asks the canister itself whether it takes a message from outside.
    fn inspect(&self, ingress: &Ingress) -> Result<(), Reject> {
        const INSPECT: &str = "canister_inspect_message";
        let id = ingress.canister;
        let canister = self
            .canisters
            .get(&id)
            .ok_or_else(|| uncertified(not_found(id)))?;
        accepts_calls(canister).map_err(uncertified)?;
        let code = canister
            .code
            .as_ref()
            .ok_or_else(|| uncertified(Trap::NoModule.reject(id)))?;
        if !code.module.exports(INSPECT) {
            return Ok(());
        }
        let entry = Entry::Export(INSPECT.into());
        let mut message = Message::new(
            Context::Inspect,
            entry,
            ingress.sender,
            self.certified_time,
            INSPECT_LIMIT,
        );
        message.payload.clone_from(&ingress.payload);
        message.caller_info = ingress.caller_info.clone().map(Arc::new);
        message.method.clone_from(&ingress.method);
        match execute(canister, &self.subnets[canister.subnet].place, message).outcome {
            Ok(changes) if changes.accepted => Ok(()),
            Ok(_) => Err(uncertified(Reject::new(
                RejectCode::CanisterReject,
                406,
                format!("Canister {id} rejected the message"),
            ))),
            Err(trap) => Err(uncertified(trap.reject(id))),
        }
    }
}

/// One query method under evaluation, on a copy of its canister that is thrown away.
struct Composite {
    canister: Arc<Canister>,
    sender: Principal,
    caller_info: Option<Arc<CallerInfo>>,
    calls: VecDeque<Call>,
    answer: Option<Result<Vec<u8>, Reject>>,
    /// Instructions of its own messages so far, those of its callees left out.
    instructions: u64,
}

impl Composite {
    fn new(
        canister: Arc<Canister>,
        sender: Principal,
        caller_info: Option<Arc<CallerInfo>>,
    ) -> Self {
        Self {
            canister,
            sender,
            caller_info,
            calls: VecDeque::new(),
            answer: None,
            instructions: 0,
        }
    }

    fn run(
        mut self,
        replica: &Replica,
        message: Message,
        path: &mut Vec<Principal>,
        used: &mut u64,
    ) -> Result<Vec<u8>, Reject> {
        let mut trap = self.step(replica, message, used).err();
        while let Some(call) = self.calls.pop_front() {
            let query = Ingress {
                sender: self.canister.id,
                canister: call.callee,
                method: call.method.clone(),
                payload: call.payload.clone(),
                effective: None,
                caller_info: None,
            };
            let near = replica
                .canisters
                .get(&call.callee)
                .is_none_or(|callee| callee.subnet == self.canister.subnet);
            let result = if near {
                replica.evaluate(&query, path, used)
            } else {
                let why = "A composite query cannot call a canister of another subnet";
                Err(Reject::new(RejectCode::CanisterError, 529, why))
            };
            trap = self.call_back(replica, &call, result, used).err();
        }
        match (self.answer, trap) {
            (Some(answer), _) => answer,
            (None, Some(trap)) => Err(trap.reject(self.canister.id)),
            (None, None) => {
                let why = format!("Canister {} did not reply to the call", self.canister.id);
                Err(Reject::new(RejectCode::CanisterError, 506, why))
            }
        }
    }

    /// Runs one message on the copy.
    fn step(
        &mut self,
        replica: &Replica,
        mut message: Message,
        used: &mut u64,
    ) -> Result<(), Trap> {
        message.limit = QUERY_LIMIT.saturating_sub(*used).max(1);
        message.responded = self.answer.is_some();
        message.caller_info.clone_from(&self.caller_info);
        message.earlier = self.instructions;
        let place = &replica.subnets[self.canister.subnet].place;
        let Executed {
            outcome,
            instructions,
            ..
        } = execute(&self.canister, place, message);
        *used += instructions;
        self.instructions += instructions;
        let mut changes = Arc::make_mut(&mut self.canister).apply(outcome?);
        self.calls.extend(changes.calls.drain(..));
        if let Some(answer) = changes.answer {
            let reject = |message| Reject::new(RejectCode::CanisterReject, 406, message);
            self.answer = Some(answer.map_err(reject));
        }
        Ok(())
    }

    fn call_back(
        &mut self,
        replica: &Replica,
        call: &Call,
        result: Result<Vec<u8>, Reject>,
        used: &mut u64,
    ) -> Result<(), Trap> {
        let message = |context, closure: Closure| {
            Message::new(
                context,
                Entry::Closure(closure),
                self.sender,
                replica.certified_time,
                QUERY_LIMIT,
            )
        };
        let mut cleanup = call
            .on_cleanup
            .map(|closure| message(Context::CompositeCleanup, closure));
        let callback = match result {
            Ok(reply) => Message {
                payload: reply,
                ..message(Context::CompositeReply, call.on_reply)
            },
            Err(reject) => {
                let reject = Some((reject.code, reject.text()));
                if let Some(cleanup) = &mut cleanup {
                    cleanup.reject.clone_from(&reject);
                }
                Message {
                    reject,
                    ..message(Context::CompositeReject, call.on_reject)
                }
            }
        };
        let outcome = self.step(replica, callback, used);
        match (outcome, cleanup) {
            (Err(trap), Some(cleanup)) => Err(match self.step(replica, cleanup, used) {
                Ok(()) => trap,
                Err(failed) => Trap::Cleanup(trap.into(), failed.into()),
            }),
            (outcome, _) => outcome,
        }
    }
}
