//! The evaluation of queries and composite queries, whose changes of state are dropped.

use std::{collections::VecDeque, sync::Arc};

use candid::Principal;

use crate::{
    canister::{
        Canister,
        calls::{Request, WasmClosure},
    },
    execution::{
        execute,
        executed::Executed,
        message::{Call, Context, Entry, Message},
        trap::Trap,
    },
    ingress::{CallerInfo, Ingress},
    network::Network,
    prices::{QUERY_CALL, QUERY_LIMIT},
    reject::{Reject, RejectCode, not_found},
    trace::{Kind, Outcome},
};

/// How many queries may wait for each other's answers.
const MAX_DEPTH: usize = 6;

/// Answers a query call to the management canister with the reply and its instructions.
/// [`Request::subnet`] is the subnet that answers.
pub(crate) type ManagementQuery = fn(&Network, &Request) -> Result<(Vec<u8>, u64), Reject>;

/// The answer to a query.
type Answer = Result<Vec<u8>, Reject>;

impl Network {
    /// Evaluates a query method and writes the event. Answers the result and the instructions.
    pub(crate) fn evaluate_and_record(
        &mut self,
        query: Ingress,
        manage: ManagementQuery,
    ) -> (Answer, u64) {
        let mut evaluation = Evaluation {
            network: self,
            manage,
            root: query.canister,
            instructions: 0,
            overhead: 0,
        };
        let result = evaluation
            .evaluate(&query, 0)
            .unwrap_or_else(|LimitExceeded(reject)| Err(reject));
        let instructions = evaluation.instructions;
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
        self.record_event(Kind::Query, &query.into(), outcome, instructions);
        (result, instructions)
    }

    /// The canister and the first message of a query, or the reject of the query.
    fn query_message(&self, query: &Ingress) -> Result<(&Arc<Canister>, Message), Reject> {
        let id = query.canister;
        let canister = self.canisters.get(&id).ok_or_else(|| not_found(id))?;
        canister.accepts_calls()?;
        let code = canister
            .code
            .as_ref()
            .ok_or_else(|| Trap::NoModule.reject(id))?;
        let threshold = canister.freezing_limit(&self.prices(canister));
        if canister.balance < threshold {
            let why = format!(
                "Canister {id} is unable to process query calls because it's frozen. Please top up \
                 the canister with cycles and try again."
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
        let entry = Entry::Export(format!("{export} {}", query.method));
        let mut message = Message::new(
            context,
            entry,
            query.sender,
            self.certified_time,
            QUERY_LIMIT,
        );
        message.payload.clone_from(&query.payload);
        message.method.clone_from(&query.method);
        message.responded = false;
        Ok((canister, message))
    }
}

/// A limit of the call graph is exceeded: the user's query gets this reject, whatever the canisters
/// between would make of it.
struct LimitExceeded(Reject);

/// The evaluation of a user's query with all its calls.
struct Evaluation<'a> {
    network: &'a Network,
    manage: ManagementQuery,
    /// The canister that the user queries.
    root: Principal,
    /// Instructions of all messages so far.
    instructions: u64,
    /// Instructions that the calls cost in addition.
    overhead: u64,
}

impl Evaluation<'_> {
    /// Evaluates a query method, and all its calls one after the other. So many queries wait for
    /// its answer as `depth` says.
    fn evaluate(&mut self, query: &Ingress, depth: usize) -> Result<Answer, LimitExceeded> {
        let (canister, mut message) = match self.network.query_message(query) {
            Ok(found) => found,
            Err(reject) => return Ok(Err(reject)),
        };
        let reads_certificates =
            (canister.code.as_ref()).is_some_and(|code| code.module.reads_certificates);
        // The management canister calls the transform functions of outcalls.
        let is_transform = query.sender == Principal::management_canister();
        if canister.id == self.root && reads_certificates && !is_transform {
            message.certificate = Some(Arc::new(self.network.data_certificate(canister)));
        }
        let mut query = RunningQuery::new(Arc::clone(canister), query);
        let first = query.step(self, message);
        if depth > 0 {
            self.overhead += QUERY_CALL;
        }
        if let Err(trap) = first {
            return Ok(Err(trap.reject(query.canister.id)));
        }
        loop {
            if let Some(answer) = query.answer.take() {
                return Ok(answer);
            }
            self.check_limits(depth)?;
            let Some(call) = query.calls.pop_front() else {
                return Ok(Err(no_answer(query.canister.id)));
            };
            let result = self.answer_call(&query.canister, &call, depth + 1)?;
            self.check_limits(depth)?;
            let called_back = query.call_back(self, &call, result);
            match called_back {
                Err(trap) if query.calls.is_empty() => {
                    return Ok(Err(trap.reject(query.canister.id)));
                }
                _ => {}
            }
        }
    }

    /// The answer to a call that a query makes. A canister of another subnet does not exist for it.
    fn answer_call(
        &mut self,
        caller: &Canister,
        call: &Call,
        depth: usize,
    ) -> Result<Answer, LimitExceeded> {
        let network = self.network;
        let query = Ingress {
            sender: caller.id,
            canister: call.callee,
            method: call.method.clone(),
            payload: call.payload.clone(),
            effective: None,
            caller_info: None,
        };
        let own_subnet = network.subnets[caller.subnet].context.id;
        if [Principal::management_canister(), own_subnet].contains(&call.callee) {
            return Ok(self.answer_management_call(query, caller.subnet));
        }
        match network.canisters.get(&call.callee) {
            Some(callee) if callee.subnet == caller.subnet => self.evaluate(&query, depth),
            _ => Ok(Err(not_found(call.callee))),
        }
    }

    /// The answer to a call to the management canister. Such a call adds nothing to the depth.
    fn answer_management_call(&mut self, query: Ingress, subnet: usize) -> Answer {
        let request = Request {
            subnet: Some(subnet),
            ..Request::from(query)
        };
        let result = (self.manage)(self.network, &request);
        // As on the platform, a call to a missing method costs nothing.
        if !matches!(&result, Err(reject) if reject.error_code == "IC0536") {
            self.overhead += QUERY_CALL;
        }
        let (reply, instructions) = result?;
        self.instructions += instructions;
        Ok(reply)
    }

    /// Checks the limits of the call graph before a query that waits for answers goes on.
    fn check_limits(&self, depth: usize) -> Result<(), LimitExceeded> {
        let (code, why) = if depth >= MAX_DEPTH {
            (
                525,
                "Composite query calls exceeded the maximum call depth.",
            )
        } else if self.instructions_left() == 0 {
            (526, "Composite query calls exceeded the instruction limit.")
        } else {
            return Ok(());
        };
        Err(LimitExceeded(Reject::new(
            RejectCode::CanisterError,
            code,
            why,
        )))
    }

    fn instructions_left(&self) -> u64 {
        let limit = self
            .network
            .canisters
            .get(&self.root)
            .map_or(QUERY_LIMIT, |root| self.network.prices(root).query_limit);
        limit.saturating_sub(self.instructions + self.overhead)
    }
}

/// A query method under evaluation, on a copy of its canister that is dropped afterwards.
struct RunningQuery {
    canister: Arc<Canister>,
    sender: Principal,
    caller_info: Option<Arc<CallerInfo>>,
    calls: VecDeque<Call>,
    answer: Option<Answer>,
    /// Instructions of its messages so far, without those of its callees.
    instructions: u64,
}

impl RunningQuery {
    fn new(canister: Arc<Canister>, query: &Ingress) -> Self {
        Self {
            canister,
            sender: query.sender,
            caller_info: query.caller_info.clone().map(Arc::new),
            calls: VecDeque::new(),
            answer: None,
            instructions: 0,
        }
    }

    /// Runs one message on the copy.
    fn step(&mut self, evaluation: &mut Evaluation<'_>, mut message: Message) -> Result<(), Trap> {
        message.limit = evaluation.instructions_left().max(1);
        message.responded = self.answer.is_some();
        message.caller_info.clone_from(&self.caller_info);
        message.earlier = self.instructions;
        let subnet_context = &evaluation.network.subnets[self.canister.subnet].context;
        let Executed {
            outcome,
            instructions,
            ..
        } = execute(&self.canister, subnet_context, message);
        evaluation.instructions += instructions;
        self.instructions += instructions;
        let mut changes = outcome?.apply_to(Arc::make_mut(&mut self.canister));
        self.calls.extend(changes.calls.drain(..));
        if let Some(answer) = changes.answer {
            let reject = |message| Reject::new(RejectCode::CanisterReject, 406, message);
            self.answer = Some(answer.map_err(reject));
        }
        Ok(())
    }

    fn call_back(
        &mut self,
        evaluation: &mut Evaluation<'_>,
        call: &Call,
        result: Answer,
    ) -> Result<(), Trap> {
        let now = evaluation.network.certified_time;
        let message = |context, closure: WasmClosure| {
            Message::new(
                context,
                Entry::Closure(closure),
                self.sender,
                now,
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
        let outcome = self.step(evaluation, callback);
        match (outcome, cleanup) {
            (Err(trap), Some(cleanup)) => Err(match self.step(evaluation, cleanup) {
                Ok(()) => trap,
                Err(failed) => Trap::Cleanup(trap.into(), failed.into()),
            }),
            (outcome, _) => outcome,
        }
    }
}

/// The reject of a query that ends without an answer.
fn no_answer(id: Principal) -> Reject {
    let why = format!("Canister {id} did not produce a response");
    Reject::new(RejectCode::CanisterError, 506, why)
}
