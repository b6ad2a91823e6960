//! The execution of messages by native code: see [`crate::system`].

use std::sync::Arc;

use crate::{
    canister::{Canister, calls::WasmClosure},
    execution::{
        executed::Executed,
        message::{Call, Context, Entry, Message, StateChanges, SubnetContext},
        system_api::{calls::perform_native, host::Host},
        trap::Trap,
    },
    faults::Effect,
    reject::RejectCode,
    system::{
        message::{Effects, Env, Input, OutgoingCall},
        native::Native,
    },
};

/// The instructions of each message: about what the network's ledgers take for a transfer.
const INSTRUCTIONS: u64 = 100_000;
/// The function in the closures of native code. The environment is the job.
const FUNCTION: u32 = 0;

/// Runs a message. The answer holds the new state; the canister itself does not change.
pub(super) fn execute(
    canister: &Arc<Canister>,
    subnet_context: &Arc<SubnetContext>,
    message: Message,
    native: &Arc<Native>,
) -> Executed {
    let instructions = INSTRUCTIONS.min(message.limit);
    let fault = message.fault.clone();
    let mut host = Host::new(Arc::clone(canister), Arc::clone(subnet_context), message);
    let outcome = match fault {
        Some(Effect::Trap { after: Some(after) }) if after <= INSTRUCTIONS => {
            Err(Trap::Wasm(format!("injected fault at instruction {after}")))
        }
        fault => run(&mut host, native).and_then(|state| match fault {
            Some(Effect::Trap { after: None }) => Err(Trap::Wasm(
                "injected fault after the last instruction".into(),
            )),
            _ => Ok(state),
        }),
    };
    let outcome = outcome.map(|state| changes(&mut host, canister, state));
    let line = outcome.as_ref().err().and_then(Trap::log_line);
    Executed {
        outcome,
        instructions,
        prints: line.map(String::into_bytes).into_iter().collect(),
    }
}

/// The new state of the canister, if the context keeps it, and the other changes.
fn changes(host: &mut Host, canister: &Canister, state: Arc<Native>) -> StateChanges {
    let unchanged = StateChanges::none(canister, 0);
    let mut changes = std::mem::replace(&mut host.changes, unchanged);
    if host.message.context.is_persistent() {
        changes.certified_data = Some(state.certified_data());
        changes.code = canister.code.clone().map(|mut code| {
            code.native = Some(state);
            code
        });
    }
    changes
}

/// Runs the code, and again for each call that can't be sent.
fn run(host: &mut Host, native: &Arc<Native>) -> Result<Arc<Native>, Trap> {
    let mut state = Arc::clone(native);
    let mut effects = {
        let message = host.message.clone();
        let reject = message.reject.as_ref();
        let input = match (&message.entry, message.context) {
            (Entry::Export(_), _) => Input::Call {
                method: &message.method,
                argument: &message.payload,
            },
            (Entry::Closure(closure), Context::Cleanup) => Input::Cleanup {
                job: closure.environment,
            },
            (Entry::Closure(closure), _) => Input::Answer {
                job: closure.environment,
                result: match reject {
                    Some((code, text)) => Err((*code, text)),
                    None => Ok(&message.payload),
                },
            },
            (Entry::Start, _) => return Ok(state),
        };
        step(host, &mut state, &input)?
    };
    while let Some(call) = apply(host, effects)? {
        let job = call.job;
        if perform_native(host, to_call(call))? {
            break;
        }
        let result = Err((RejectCode::SysTransient, "The call could not be performed"));
        effects = step(host, &mut state, &Input::Answer { job, result })?;
    }
    Ok(state)
}

fn step(host: &Host, state: &mut Arc<Native>, input: &Input<'_>) -> Result<Effects, Trap> {
    let message = &host.message;
    let certificate = message.certificate.as_ref();
    let env = Env {
        id: host.canister().id,
        version: host.canister().version,
        now: message.now,
        caller: message.caller,
        balance: host.changes.balance,
        available: host.changes.available,
        is_replicated: message.context.is_replicated(),
        certificate: certificate.map(|certificate| certificate.bytes()),
    };
    let done = match (input, message.context) {
        // Queries need no copy of the state.
        (Input::Call { method, argument }, Context::Query | Context::ReplicatedQuery) => {
            state.query(&env, method, argument)
        }
        _ => Arc::make_mut(state).run(&env, input),
    };
    done.map_err(Trap::Called)
}

/// Applies the effects of a message, all but the call, which it answers.
fn apply(host: &mut Host, effects: Effects) -> Result<Option<OutgoingCall>, Trap> {
    let changes = &mut host.changes;
    let accepted = effects.accepted.min(changes.available);
    changes.available -= accepted;
    changes.minted += effects.minted;
    changes.balance = changes
        .balance
        .checked_add(accepted)
        .and_then(|balance| balance.checked_add(effects.minted))
        .ok_or_else(|| Trap::Cycles("there cannot be so many cycles".into()))?;
    if let Some(reply) = effects.reply {
        if host.message.responded || changes.answer.is_some() {
            return Err(Trap::Contract("the call is already replied".into()));
        }
        changes.answer = Some(Ok(reply));
    }
    Ok(effects.call)
}

fn to_call(call: OutgoingCall) -> Call {
    let closure = WasmClosure {
        function: FUNCTION,
        environment: call.job,
    };
    Call {
        callee: call.callee,
        method: call.method.into(),
        payload: call.argument,
        cycles: call.cycles,
        deadline: 0,
        on_reply: closure,
        on_reject: closure,
        on_cleanup: Some(closure),
        prepaid: 0,
    }
}
