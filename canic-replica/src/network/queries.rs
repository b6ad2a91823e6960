//! The evaluation of queries and composite queries, whose changes of state are dropped.

use std::{collections::VecDeque, sync::Arc};

use candid::Principal;

use crate::{
    canister::{Canister, calls::WasmClosure},
    execution::{
        Executed, execute,
        message::{Call, Context, Entry, Message},
        trap::Trap,
    },
    ingress::{CallerInfo, Ingress},
    network::Network,
    prices::QUERY_LIMIT,
    reject::{Reject, RejectCode, not_found},
    trace::{Kind, Outcome},
};

/// The limit of the depth of calls between composite queries.
const MAX_DEPTH: usize = 6;

impl Network {
    /// Evaluates a query method and writes the event. Answers the result and the instructions.
    pub(crate) fn evaluate_and_record(&mut self, query: Ingress) -> (Result<Vec<u8>, Reject>, u64) {
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
        self.record_event(Kind::Query, &query.into(), outcome, instructions);
        (result, instructions)
    }

    /// Evaluates a query method, with all calls of a composite query. `path` holds the canisters
    /// that wait for it.
    fn evaluate(
        &self,
        query: &Ingress,
        path: &mut Vec<Principal>,
        used: &mut u64,
    ) -> Result<Vec<u8>, Reject> {
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
        // The management canister calls the transform functions of outcalls.
        let is_transform = query.sender == Principal::management_canister();
        if path.is_empty() && !is_transform && code.module.reads_certificates {
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
}

/// A query method under evaluation, on a copy of its canister that is dropped afterwards.
struct Composite {
    canister: Arc<Canister>,
    sender: Principal,
    caller_info: Option<Arc<CallerInfo>>,
    calls: VecDeque<Call>,
    answer: Option<Result<Vec<u8>, Reject>>,
    /// Instructions of its messages so far, without those of its callees.
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
        network: &Network,
        message: Message,
        path: &mut Vec<Principal>,
        used: &mut u64,
    ) -> Result<Vec<u8>, Reject> {
        let mut trap = self.step(network, message, used).err();
        while let Some(call) = self.calls.pop_front() {
            let query = Ingress {
                sender: self.canister.id,
                canister: call.callee,
                method: call.method.clone(),
                payload: call.payload.clone(),
                effective: None,
                caller_info: None,
            };
            let near = network
                .canisters
                .get(&call.callee)
                .is_none_or(|callee| callee.subnet == self.canister.subnet);
            let result = if near {
                network.evaluate(&query, path, used)
            } else {
                let why = "A composite query cannot call a canister of another subnet";
                Err(Reject::new(RejectCode::CanisterError, 529, why))
            };
            trap = self.call_back(network, &call, result, used).err();
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
        network: &Network,
        mut message: Message,
        used: &mut u64,
    ) -> Result<(), Trap> {
        let limit = network.prices(&self.canister).query_limit;
        message.limit = limit.saturating_sub(*used).max(1);
        message.responded = self.answer.is_some();
        message.caller_info.clone_from(&self.caller_info);
        message.earlier = self.instructions;
        let subnet_context = &network.subnets[self.canister.subnet].context;
        let Executed {
            outcome,
            instructions,
            ..
        } = execute(&self.canister, subnet_context, message);
        *used += instructions;
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
        network: &Network,
        call: &Call,
        result: Result<Vec<u8>, Reject>,
        used: &mut u64,
    ) -> Result<(), Trap> {
        let message = |context, closure: WasmClosure| {
            Message::new(
                context,
                Entry::Closure(closure),
                self.sender,
                network.certified_time,
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
        let outcome = self.step(network, callback, used);
        match (outcome, cleanup) {
            (Err(trap), Some(cleanup)) => Err(match self.step(network, cleanup, used) {
                Ok(()) => trap,
                Err(failed) => Trap::Cleanup(trap.into(), failed.into()),
            }),
            (outcome, _) => outcome,
        }
    }
}
