//! Answers, cycles, and the call under construction.

use crate::{
    canister::{calls::WasmClosure, message_memory},
    execution::{
        message::{Call, Context},
        system_api::{
            guest::{Guest, heap_bytes, load, principal},
            host::Host,
        },
        trap::Trap,
    },
};

/// Most open calls from one canister to another.
const QUEUE: u32 = 500;
/// Longest method name and payload of a call within a subnet, in bytes.
const MAX_CALL: usize = 10 * 1024 * 1024;
/// Longest answer in bytes, and the longest one of a query method that users call.
const MAX_ANSWER: usize = 2 * 1024 * 1024;
const MAX_QUERY_ANSWER: usize = 3 * 1024 * 1024;
/// Longest method name, in bytes.
const MAX_METHOD: u64 = 20_000;
/// A best-effort call waits at most so many seconds.
const MAX_WAIT: u32 = 300;

const SECOND: u64 = 1_000_000_000;

// Answers.

/// Checks that the call has no answer yet.
fn check_unanswered(host: &Host, already: &str) -> Result<(), Trap> {
    if host.message.responded || host.changes.answer.is_some() {
        return Err(Trap::Contract(already.into()));
    }
    Ok(())
}

/// Checks that an answer may have `bytes` bytes.
fn check_payload_size(host: &Host, name: &str, bytes: usize) -> Result<(), Trap> {
    let most = match host.message.context {
        Context::Query | Context::CompositeQuery => MAX_QUERY_ANSWER,
        _ => MAX_ANSWER,
    };
    if bytes > most {
        return Err(Trap::Contract(format!(
            "ic0.{name}: application payload size ({bytes}) cannot be larger than {most}."
        )));
    }
    Ok(())
}

pub(super) fn reply_data_append(guest: &mut Guest<'_>, src: u64, size: u64) -> Result<(), Trap> {
    let host = guest.data();
    let already = "ic0.msg_reply_data_append: the call is already replied.";
    check_unanswered(host, already)?;
    let length = host.answer.len().saturating_add(size as usize);
    check_payload_size(host, "msg_reply_data_append", length)?;
    let (bytes, host) = load(guest, "msg.reply", src, size)?;
    host.answer.extend_from_slice(bytes);
    Ok(())
}

pub(super) fn reply(host: &mut Host) -> Result<(), Trap> {
    check_unanswered(host, "ic0.msg_reply: the call is already replied")?;
    host.changes.answer = Some(Ok(std::mem::take(&mut host.answer)));
    Ok(())
}

pub(super) fn reject(guest: &mut Guest<'_>, src: u64, size: u64) -> Result<(), Trap> {
    let host = guest.data();
    check_unanswered(host, "ic0.msg_reject: the call is already replied")?;
    check_payload_size(host, "msg_reject", size as usize)?;
    let (bytes, host) = load(guest, "ic0.msg_reject", src, size)?;
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Trap::Contract("ic0.msg_reject: invalid UTF-8 string provided".into()))?;
    host.changes.answer = Some(Err(text.to_owned()));
    Ok(())
}

// Cycles.

/// Takes cycles from the call that is being executed; answers how many.
pub(super) fn accept(host: &mut Host, most: u128) -> u128 {
    let accepted = most.min(host.changes.available);
    host.changes.available -= accepted;
    host.changes.balance += accepted;
    accepted
}

/// Burns cycles above the freezing threshold; answers how many.
pub(super) fn burn(guest: &mut Guest<'_>, most: u128) -> u128 {
    let heap = heap_bytes(guest);
    let host = guest.data_mut();
    let burnt = most.min(host.liquid(heap));
    host.changes.balance -= burnt;
    host.changes.burnt += burnt;
    burnt
}

/// Attaches cycles to the call under construction.
pub(super) fn attach(guest: &mut Guest<'_>, name: &str, amount: u128) -> Result<(), Trap> {
    let heap = heap_bytes(guest);
    attach_cycles(guest.data_mut(), heap, name, amount)
}

/// [`attach`], for code whose heap has `heap` bytes.
fn attach_cycles(host: &mut Host, heap: usize, name: &str, amount: u128) -> Result<(), Trap> {
    let liquid = host.liquid(heap);
    let canister = host.canister.id;
    let call = under_construction(host, &format!("ic0_{name}"))?;
    if amount > liquid {
        return Err(Trap::Cycles(format!(
            "Canister {canister} is out of cycles"
        )));
    }
    call.cycles += amount;
    host.changes.balance -= amount;
    Ok(())
}

// Calls.

/// The call under construction. `name` is the system call that needs it.
fn under_construction<'a>(host: &'a mut Host, name: &str) -> Result<&'a mut Call, Trap> {
    host.call
        .as_mut()
        .ok_or_else(|| Trap::Contract(format!("{name} called when no call is under construction.")))
}

/// Begins a call. A call that was begun and not performed is dropped.
pub(super) fn new(
    guest: &mut Guest<'_>,
    callee: (u64, u64),
    name: (u64, u64),
    on_reply: WasmClosure,
    on_reject: WasmClosure,
) -> Result<(), Trap> {
    guest.data_mut().drop_call();
    if name.1 > MAX_METHOD {
        return Err(Trap::Contract(format!(
            "Size of method_name {} exceeds the allowed limit of {MAX_METHOD}.",
            name.1
        )));
    }
    let (bytes, _) = load(guest, "ic0.call_new method_name", name.0, name.1)?;
    let method = String::from_utf8_lossy(bytes).into_owned();
    let (bytes, host) = load(guest, "ic0.call_new callee_src", callee.0, callee.1)?;
    host.call = Some(Call {
        callee: principal(bytes)?,
        method,
        payload: Vec::new(),
        cycles: 0,
        deadline: 0,
        on_reply,
        on_reject,
        on_cleanup: None,
        prepaid: 0,
    });
    Ok(())
}

pub(super) fn on_cleanup(host: &mut Host, cleanup: WasmClosure) -> Result<(), Trap> {
    let call = under_construction(host, "ic0.call_on_cleanup")?;
    if call.on_cleanup.replace(cleanup).is_some() {
        return Err(Trap::Contract(
            "ic0.call_on_cleanup can be called at most once between `ic0.call_new` and \
             `ic0.call_perform`"
                .into(),
        ));
    }
    Ok(())
}

pub(super) fn data_append(guest: &mut Guest<'_>, src: u64, size: u64) -> Result<(), Trap> {
    const NAME: &str = "ic0.call_data_append";
    let call = under_construction(guest.data_mut(), NAME)?;
    let length = (call.method.len() + call.payload.len()).saturating_add(size as usize);
    if length > MAX_CALL {
        return Err(Trap::Contract(format!(
            "Request to {}:{} has a payload size of {length}, which exceeds the allowed limit of \
             {MAX_CALL}.",
            call.callee, call.method
        )));
    }
    let (bytes, host) = load(guest, NAME, src, size)?;
    under_construction(host, NAME)?
        .payload
        .extend_from_slice(bytes);
    Ok(())
}

pub(super) fn with_best_effort_response(host: &mut Host, seconds: u32) -> Result<(), Trap> {
    let now = host.message.now;
    let call = under_construction(host, "ic0.call_with_best_effort_response")?;
    if call.deadline != 0 {
        return Err(Trap::Contract(
            "ic0_call_with_best_effort_response failed because a timeout is already set.".into(),
        ));
    }
    // Deadlines are whole seconds.
    call.deadline = (now / SECOND + u64::from(seconds.min(MAX_WAIT))) * SECOND;
    Ok(())
}

/// Sends the call under construction. Answers 0, or the reject code for which it cannot be sent.
pub(super) fn perform(guest: &mut Guest<'_>) -> Result<u32, Trap> {
    let heap = heap_bytes(guest);
    send(guest.data_mut(), heap)
}

/// Makes a call of native code. Answers whether it can be sent.
pub(crate) fn perform_native(host: &mut Host, call: Call) -> Result<bool, Trap> {
    let cycles = call.cycles;
    host.call = Some(Call { cycles: 0, ..call });
    attach_cycles(host, 0, "call_cycles_add128", cycles)?;
    Ok(send(host, 0)? == 0)
}

/// [`perform`], for code whose heap has `heap` bytes.
fn send(host: &mut Host, heap: usize) -> Result<u32, Trap> {
    const SYS_TRANSIENT: u32 = 2;
    let call = under_construction(host, "ic0.call_perform")?;
    let callee = call.callee;
    let deadline = call.deadline;
    let size = (call.method.len() + call.payload.len()) as u64;
    let pending = host
        .changes
        .calls
        .iter()
        .filter(|other| other.callee == callee)
        .count() as u32;
    let open = host.canister.open_calls.get(&callee).unwrap_or(&0);
    if open + pending >= QUEUE {
        host.drop_call();
        return Ok(SYS_TRANSIENT);
    }
    if host.message.context.is_replicated() {
        let prices = host.subnet.prices;
        let transmission = prices.call(size);
        let prepaid = prices.answer_in_advance(host.canister.address());
        let memory = message_memory::of_request(deadline, size);
        let is_guaranteed = deadline == 0;
        let is_full = is_guaranteed && host.reserved >= host.message.reservations;
        if is_full || host.liquid_with(heap, memory) < transmission + prepaid {
            host.drop_call();
            return Ok(SYS_TRANSIENT);
        }
        host.changes.balance -= transmission + prepaid;
        host.changes.transmission += transmission;
        host.sent += memory;
        host.reserved += u64::from(is_guaranteed);
        under_construction(host, "ic0.call_perform")?.prepaid = prepaid;
    }
    host.changes.calls.extend(host.call.take());
    Ok(0)
}
