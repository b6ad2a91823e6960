//! The functions that a canister imports from `ic0`.
//!
//! Each is allowed in the contexts that the interface specification lists for it, and traps elsewhere. What a function
//! changes goes into [`Changes`], which the scheduler takes over if the message ends well and forgets if it traps.

use std::collections::VecDeque;
use std::sync::Arc;

use candid::Principal;
use wasmtime::{Caller, Engine, Linker, Memory, ResourceLimiter, Store};

use crate::SubnetKind;
use crate::canister::{Canister, Closure, Settings, Status};
use crate::cycles::Prices;
use crate::execution::{Call, Changes, Context, Entry, Message, Place, Trap, forbidden};
use crate::memory::{PAGE, WASM_PAGE};
use crate::wasm::{ENGINE, MAX_TABLE};

/// Most open calls from one canister to another.
const QUEUE: u32 = 500;
/// Longest payload of a call within a subnet, in bytes.
const MAX_CALL: usize = 10 * 1024 * 1024;
/// Longest answer, in bytes.
const MAX_ANSWER: usize = 2 * 1024 * 1024;
/// Longest method name, in bytes.
const MAX_METHOD: u32 = 20_000;
/// A best-effort call waits at most so many seconds.
const MAX_WAIT: u32 = 300;

/// Bytes of a printed line that are kept, what the log adds to each line, and the bytes that the largest log holds.
const MAX_LINE: usize = 32 * 1024;
const LINE_OVERHEAD: usize = 16;
const MAX_PRINTED: usize = 2 << 20;

/// What the system API works on while a message runs.
pub(crate) struct Host {
    pub(crate) message: Message,
    pub(crate) changes: Changes,
    pub(crate) prints: VecDeque<Vec<u8>>,
    /// Bytes of them, with what the log adds to each.
    printed: usize,
    pub(crate) memory: Option<Memory>,
    /// The canister's state is in place: from now on it is the guest that grows memory.
    pub(crate) restored: bool,
    /// The canister as it was before.
    canister: Arc<Canister>,
    place: Arc<Place>,
    /// The call between `call_new` and `call_perform`.
    call: Option<Call>,
    answer: Vec<u8>,
}

impl Host {
    pub(crate) fn new(canister: Arc<Canister>, place: Arc<Place>, message: Message) -> Self {
        Self {
            changes: Changes::none(&canister, message.available),
            message,
            prints: VecDeque::new(),
            printed: 0,
            memory: None,
            restored: false,
            canister,
            place,
            call: None,
            answer: Vec::new(),
        }
    }

    /// A host for an instance that will not run.
    pub(crate) fn idle() -> Self {
        let nobody = Principal::anonymous();
        let place = Place {
            subnet: nobody,
            nodes: 0,
            prices: Prices::of(SubnetKind::System),
            root_key: Vec::new(),
        };
        let message = Message::new(Context::Start, Entry::Start, nobody, 0, 0);
        Self::new(
            Arc::new(Canister::new(nobody, 0, Settings::default(), 0, 0)),
            Arc::new(place),
            message,
        )
    }

    /// Cycles that may leave the canister without freezing it. `heap` in bytes.
    fn liquid(&self, heap: usize) -> u128 {
        let bytes = self
            .canister
            .bytes_beside(heap as u64 + self.changes.stable.bytes());
        self.changes
            .balance
            .saturating_sub(self.canister.freezing_limit(&self.place.prices, bytes))
    }

    /// Whether the balance covers the freezing threshold once the canister takes `more` bytes. `heap` in bytes.
    fn can_grow(&self, heap: usize, more: u64) -> Result<(), Trap> {
        if !self.message.context.replicated() {
            return Ok(());
        }
        let working = (heap as u64)
            .saturating_add(self.changes.stable.bytes())
            .saturating_add(more);
        let limit = self
            .canister
            .freezing_limit(&self.place.prices, self.canister.bytes_beside(working));
        match limit.checked_sub(self.changes.balance) {
            None | Some(0) => Ok(()),
            Some(missing) => Err(Trap::Growth(more, missing)),
        }
    }

    /// Keeps a line for the log; the oldest give way to no more than the largest log can hold.
    fn print(&mut self, line: Vec<u8>) {
        self.printed += line.len() + LINE_OVERHEAD;
        self.prints.push_back(line);
        while self.printed > MAX_PRINTED
            && let Some(oldest) = self.prints.pop_front()
        {
            self.printed -= oldest.len() + LINE_OVERHEAD;
        }
    }

    /// Cycles attached to a call that was not performed come back.
    pub(crate) fn forget_call(&mut self) {
        if let Some(call) = self.call.take() {
            self.changes.balance += call.cycles;
        }
    }

    fn call(&mut self, name: &str) -> Result<&mut Call, Trap> {
        self.call.as_mut().ok_or_else(|| {
            Trap::Contract(format!(
                "\"ic0_{name}\" called when no call is under construction"
            ))
        })
    }
}

impl ResourceLimiter for Host {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let limit = self.canister.settings.wasm_memory_limit;
        let context = self.message.context;
        if self.restored && context.replicated() && context != Context::PreUpgrade {
            // Callbacks, tasks and queries may pass the limit: a canister must be able to finish what it began.
            let limited = matches!(context, Context::Start | Context::Init | Context::Update);
            if limited && limit > 0 && desired as u64 > limit {
                return Err(Trap::MemoryLimit(limit).into());
            }
            self.can_grow(current, (desired - current) as u64)?;
        }
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= maximum.unwrap_or(MAX_TABLE).min(MAX_TABLE))
    }
}

/// A store for one message.
pub(crate) fn store(host: Host) -> Store<Host> {
    let mut store = Store::new(&ENGINE, host);
    store.limiter(|host| host);
    store
}

/// Whether there is such a function.
pub(crate) fn knows(linker: &Linker<Host>, name: &str) -> bool {
    let mut store = store(Host::idle());
    linker.get(&mut store, "ic0", name).is_ok()
}

// The contexts, as sets.
const fn set(context: Context) -> u32 {
    1 << context as u8
}
const S: u32 = set(Context::Start);
const I: u32 = set(Context::Init);
const G: u32 = set(Context::PreUpgrade);
const U: u32 = set(Context::Update);
const RQ: u32 = set(Context::ReplicatedQuery);
const NRQ: u32 = set(Context::Query);
const CQ: u32 = set(Context::CompositeQuery);
const RY: u32 = set(Context::Reply);
const RT: u32 = set(Context::Reject);
const CRY: u32 = set(Context::CompositeReply);
const CRT: u32 = set(Context::CompositeReject);
const C: u32 = set(Context::Cleanup);
const CC: u32 = set(Context::CompositeCleanup);
const F: u32 = set(Context::Inspect);
const T: u32 = set(Context::Task);
const EVERYWHERE: u32 = u32::MAX;
const NOT_START: u32 = !S;
const ARGUMENT: u32 = I | U | RQ | NRQ | CQ | RY | CRY | F;
const ANSWER: u32 = U | RQ | NRQ | CQ | RY | RT | CRY | CRT;
const CALL: u32 = U | CQ | RY | RT | CRY | CRT | T;

type Guest<'a> = Caller<'a, Host>;

/// Takes fuel for work of the host.
fn charge(guest: &mut Guest<'_>, cost: u64) -> wasmtime::Result<()> {
    let fuel = guest.get_fuel()?;
    if fuel < cost {
        guest.set_fuel(0)?;
        return Err(Trap::Instructions(0).into());
    }
    guest.set_fuel(fuel - cost)
}

/// What every system call begins with.
fn enter(guest: &mut Guest<'_>, name: &str, allowed: u32, cost: u64) -> wasmtime::Result<()> {
    let context = guest.data().message.context;
    if allowed & set(context) == 0 {
        return Err(forbidden(name, context).into());
    }
    charge(guest, cost)
}

fn out_of_heap() -> wasmtime::Error {
    Trap::Wasm("heap out of bounds".into()).into()
}

/// The range of `size` bytes at `start`, if it lies within `length`.
fn within(start: u64, size: u64, length: usize) -> Option<std::ops::Range<usize>> {
    let end = start.checked_add(size)?;
    (end <= length as u64).then_some(start as usize..end as usize)
}

/// The guest's bytes at `src`, and the host beside them.
fn load<'a>(
    guest: &'a mut Guest<'_>,
    src: u64,
    size: u64,
) -> wasmtime::Result<(&'a [u8], &'a mut Host)> {
    charge(guest, size)?;
    let memory = guest.data().memory.ok_or_else(out_of_heap)?;
    let (bytes, host) = memory.data_and_store_mut(guest);
    let range = within(src, size, bytes.len()).ok_or_else(out_of_heap)?;
    Ok((&bytes[range], host))
}

/// Copies a part of what the host has to the guest.
fn copy(
    guest: &mut Guest<'_>,
    name: &str,
    (dst, offset, size): (u32, u32, u32),
    what: impl FnOnce(&Host) -> Result<&[u8], Trap>,
) -> wasmtime::Result<()> {
    charge(guest, size.into())?;
    let memory = guest.data().memory.ok_or_else(out_of_heap)?;
    let (bytes, host) = memory.data_and_store_mut(guest);
    let source = what(host)?;
    let from = within(offset.into(), size.into(), source.len()).ok_or_else(|| {
        let length = source.len();
        Trap::Contract(format!(
            "ic0.{name}: offset {offset} + size {size} exceeds the {length} bytes there are"
        ))
    })?;
    let to = within(dst.into(), size.into(), bytes.len()).ok_or_else(out_of_heap)?;
    bytes[to].copy_from_slice(&source[from]);
    Ok(())
}

/// Writes 16 bytes, little-endian.
fn store_u128(guest: &mut Guest<'_>, dst: u32, value: u128) -> wasmtime::Result<()> {
    let memory = guest.data().memory.ok_or_else(out_of_heap)?;
    let bytes = memory.data_mut(guest);
    let to = within(dst.into(), 16, bytes.len()).ok_or_else(out_of_heap)?;
    bytes[to].copy_from_slice(&value.to_le_bytes());
    Ok(())
}

fn principal(bytes: &[u8]) -> Result<Principal, Trap> {
    Principal::try_from(bytes).map_err(|error| Trap::Contract(format!("not a principal: {error}")))
}

fn text(bytes: &[u8]) -> Result<&str, Trap> {
    std::str::from_utf8(bytes).map_err(|_| Trap::Contract("a name is not UTF-8".into()))
}

fn join(high: u64, low: u64) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

fn narrow(value: u128) -> Result<u64, Trap> {
    value.try_into().map_err(|_| {
        Trap::Contract(format!(
            "{value} cycles do not fit into 64 bits; use the 128-bit call"
        ))
    })
}

fn heap_bytes(guest: &Guest<'_>) -> usize {
    guest
        .data()
        .memory
        .map_or(0, |memory| memory.data_size(guest))
}

fn accept(host: &mut Host, most: u128) -> u128 {
    let accepted = most.min(host.changes.available);
    host.changes.available -= accepted;
    host.changes.balance += accepted;
    accepted
}

fn attach(guest: &mut Guest<'_>, name: &str, amount: u128) -> wasmtime::Result<()> {
    let heap = heap_bytes(guest);
    let host = guest.data_mut();
    let liquid = host.liquid(heap);
    let balance = host.changes.balance;
    host.call(name)?;
    if amount > liquid {
        let threshold = balance - liquid;
        return Err(Trap::Cycles(format!(
            "Canister {} is out of cycles: requested {amount} cycles but the available balance is {balance} cycles and \
             the freezing threshold {threshold} cycles.",
            host.canister.id
        ))
        .into());
    }
    host.changes.balance -= amount;
    host.call(name)?.cycles += amount;
    Ok(())
}

/// Sends the call under construction. 0, or the reject code for which it cannot be sent.
fn perform(guest: &mut Guest<'_>) -> wasmtime::Result<u32> {
    const SYS_TRANSIENT: u32 = 2;
    let heap = heap_bytes(guest);
    let host = guest.data_mut();
    let call = host.call("call_perform")?.clone();
    let pending = host
        .changes
        .calls
        .iter()
        .filter(|other| other.callee == call.callee)
        .count() as u32;
    if host.canister.open_calls.get(&call.callee).unwrap_or(&0) + pending >= QUEUE {
        host.forget_call();
        return Ok(SYS_TRANSIENT);
    }
    if host.message.context.replicated() {
        let prices = host.place.prices;
        let transmission = prices.call((call.method.len() + call.payload.len()) as u64);
        let set_aside = prices.answer_in_advance();
        if host.liquid(heap) < transmission + set_aside {
            host.forget_call();
            return Ok(SYS_TRANSIENT);
        }
        host.changes.balance -= transmission + set_aside;
        host.changes.transmission += transmission;
        host.call("call_perform")?.set_aside = set_aside;
    }
    host.changes.calls.extend(host.call.take());
    Ok(0)
}

fn answer(host: &mut Host, name: &str) -> Result<(), Trap> {
    if host.message.responded || host.changes.answer.is_some() {
        return Err(Trap::Contract(format!(
            "\"ic0_{name}\": the call is already replied to"
        )));
    }
    Ok(())
}

fn stable_read(guest: &mut Guest<'_>, dst: u64, offset: u64, size: u64) -> wasmtime::Result<()> {
    charge(guest, size)?;
    let memory = guest.data().memory.ok_or_else(out_of_heap)?;
    let (bytes, host) = memory.data_and_store_mut(guest);
    stable_bounds(host, offset, size)?;
    let to = within(dst, size, bytes.len()).ok_or_else(out_of_heap)?;
    host.changes.stable.read(offset, &mut bytes[to]);
    Ok(())
}

fn stable_write(guest: &mut Guest<'_>, offset: u64, src: u64, size: u64) -> wasmtime::Result<()> {
    const DIRTY_PAGE: u64 = 1_000;
    stable_bounds(guest.data(), offset, size)?;
    // Checked before anything is copied or charged per page.
    load(guest, src, size)?;
    if size > 0 {
        let dirty = &mut guest.data_mut().changes.dirty;
        let before = dirty.len();
        dirty.extend(offset / PAGE as u64..=(offset + size - 1) / PAGE as u64);
        let fresh = (dirty.len() - before) as u64;
        charge(guest, fresh * DIRTY_PAGE)?;
    }
    let memory = guest.data().memory.ok_or_else(out_of_heap)?;
    let (bytes, host) = memory.data_and_store_mut(guest);
    let from = within(src, size, bytes.len()).ok_or_else(out_of_heap)?;
    host.changes.stable.write(offset, &bytes[from]);
    Ok(())
}

/// Grows stable memory; answers its old size, or `None` if it cannot be as large.
fn stable_grow(guest: &mut Guest<'_>, pages: u64) -> wasmtime::Result<Option<u64>> {
    let heap = heap_bytes(guest);
    let host = guest.data_mut();
    let Some(size) = host.changes.stable.grow(pages) else {
        return Ok(None);
    };
    if pages > 0 {
        host.can_grow(heap, 0).map_err(|trap| match trap {
            Trap::Growth(_, missing) => Trap::Growth(pages * WASM_PAGE, missing),
            other => other,
        })?;
    }
    Ok(Some(size))
}

fn stable_bounds(host: &Host, offset: u64, size: u64) -> Result<(), Trap> {
    match offset.checked_add(size) {
        Some(end) if end <= host.changes.stable.bytes() => Ok(()),
        _ => Err(Trap::Wasm("stable memory out of bounds".into())),
    }
}

/// The 32-bit calls see no more than 4 GiB.
fn stable_size_32(host: &Host) -> Result<u32, Trap> {
    const MAX: u64 = (1 << 32) / WASM_PAGE;
    let size = host.changes.stable.size;
    if size > MAX {
        return Err(Trap::Wasm(
            "stable memory is too large for the 32-bit system calls".into(),
        ));
    }
    Ok(size as u32)
}

fn variable<'a>(host: &'a Host, name: &[u8]) -> Result<&'a String, Trap> {
    let name = text(name)?;
    let found = host.canister.settings.environment_variables.get(name);
    found.ok_or_else(|| Trap::Contract(format!("there is no environment variable '{name}'")))
}

fn variable_name(host: &Host, index: u32) -> Result<&String, Trap> {
    let found = host
        .canister
        .settings
        .environment_variables
        .keys()
        .nth(index as usize);
    found.ok_or_else(|| Trap::Contract(format!("there is no environment variable number {index}")))
}

fn call_new(
    guest: &mut Guest<'_>,
    callee: (u32, u32),
    name: (u32, u32),
    on_reply: Closure,
    on_reject: Closure,
) -> wasmtime::Result<()> {
    guest.data_mut().forget_call();
    if name.1 > MAX_METHOD {
        return Err(Trap::Contract(format!(
            "a method name of {} bytes is longer than {MAX_METHOD}",
            name.1
        ))
        .into());
    }
    let callee = principal(load(guest, callee.0.into(), callee.1.into())?.0)?;
    let method = text(load(guest, name.0.into(), name.1.into())?.0)?.to_owned();
    guest.data_mut().call = Some(Call {
        callee,
        method,
        payload: Vec::new(),
        cycles: 0,
        deadline: 0,
        on_reply,
        on_reject,
        on_cleanup: None,
        set_aside: 0,
    });
    Ok(())
}

/// All of `ic0`.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    macro_rules! ic0 {
        ($($name:ident [$allowed:expr, $cost:expr] ($guest:ident $(, $arg:ident: $ty:ty)*) -> $ret:ty $body:block)*) => {
            $(linker.func_wrap("ic0", stringify!($name), |mut caller: Guest<'_> $(, $arg: $ty)*| -> wasmtime::Result<$ret> {
                let $guest = &mut caller;
                enter($guest, stringify!($name), $allowed, $cost)?;
                $body
            })?;)*
        };
    }

    ic0! {
        msg_arg_data_size [ARGUMENT, 500] (g) -> u32 { Ok(g.data().message.payload.len() as u32) }
        msg_arg_data_copy [ARGUMENT, 500] (g, dst: u32, offset: u32, size: u32) -> () {
            copy(g, "msg_arg_data_copy", (dst, offset, size), |host| Ok(&host.message.payload))
        }
        msg_caller_size [NOT_START, 500] (g) -> u32 { Ok(g.data().message.caller.as_slice().len() as u32) }
        msg_caller_copy [NOT_START, 500] (g, dst: u32, offset: u32, size: u32) -> () {
            copy(g, "msg_caller_copy", (dst, offset, size), |host| Ok(host.message.caller.as_slice()))
        }
        // No caller of this replica ever brings such information.
        msg_caller_info_data_size [NOT_START, 500] (_g) -> u32 { Ok(0) }
        msg_caller_info_data_copy [NOT_START, 500] (g, dst: u32, offset: u32, size: u32) -> () {
            copy(g, "msg_caller_info_data_copy", (dst, offset, size), |_| Ok(&[]))
        }
        msg_caller_info_signer_size [NOT_START, 500] (_g) -> u32 { Ok(0) }
        msg_caller_info_signer_copy [NOT_START, 500] (g, dst: u32, offset: u32, size: u32) -> () {
            copy(g, "msg_caller_info_signer_copy", (dst, offset, size), |_| Ok(&[]))
        }
        msg_reject_code [RY | RT | CRY | CRT | C | CC, 500] (g) -> u32 {
            Ok(g.data().message.reject.as_ref().map_or(0, |reject| reject.0 as u32))
        }
        msg_reject_msg_size [RT | CRT | C | CC, 500] (g) -> u32 { Ok(reject_message(g.data())?.len() as u32) }
        msg_reject_msg_copy [RT | CRT | C | CC, 500] (g, dst: u32, offset: u32, size: u32) -> () {
            copy(g, "msg_reject_msg_copy", (dst, offset, size), reject_message)
        }
        msg_deadline [U | RQ | NRQ | CQ | RY | RT | CRY | CRT, 500] (g) -> u64 { Ok(g.data().message.deadline) }
        msg_method_name_size [F, 500] (g) -> u32 { Ok(g.data().message.method.len() as u32) }
        msg_method_name_copy [F, 500] (g, dst: u32, offset: u32, size: u32) -> () {
            copy(g, "msg_method_name_copy", (dst, offset, size), |host| Ok(host.message.method.as_bytes()))
        }
        accept_message [F, 500] (g) -> () {
            if std::mem::replace(&mut g.data_mut().changes.accepted, true) {
                return Err(Trap::Contract("ic0.accept_message: the message is already accepted".into()).into());
            }
            Ok(())
        }

        msg_reply_data_append [ANSWER, 500] (g, src: u32, size: u32) -> () {
            answer(g.data_mut(), "msg_reply_data_append")?;
            if g.data().answer.len() + size as usize > MAX_ANSWER {
                return Err(Trap::Contract(format!(
                    "ic0.msg_reply_data_append: application payload size ({}) cannot be larger than {MAX_ANSWER}",
                    g.data().answer.len() + size as usize
                )).into());
            }
            let (bytes, host) = load(g, src.into(), size.into())?;
            host.answer.extend_from_slice(bytes);
            Ok(())
        }
        msg_reply [ANSWER, 500] (g) -> () {
            let host = g.data_mut();
            answer(host, "msg_reply")?;
            host.changes.answer = Some(Ok(std::mem::take(&mut host.answer)));
            Ok(())
        }
        msg_reject [ANSWER, 500] (g, src: u32, size: u32) -> () {
            answer(g.data_mut(), "msg_reject")?;
            if size as usize > MAX_ANSWER {
                return Err(Trap::Contract(format!("ic0.msg_reject: the message of {size} bytes is too long")).into());
            }
            let (bytes, host) = load(g, src.into(), size.into())?;
            host.changes.answer = Some(Err(String::from_utf8_lossy(bytes).into_owned()));
            Ok(())
        }

        msg_cycles_available128 [U | RQ | RY | RT, 500] (g, dst: u32) -> () {
            let available = g.data().changes.available;
            store_u128(g, dst, available)
        }
        msg_cycles_available [U | RQ | RY | RT, 500] (g) -> u64 { Ok(narrow(g.data().changes.available)?) }
        msg_cycles_refunded128 [RY | RT, 500] (g, dst: u32) -> () {
            let refunded = g.data().message.refunded;
            store_u128(g, dst, refunded)
        }
        msg_cycles_refunded [RY | RT, 500] (g) -> u64 { Ok(narrow(g.data().message.refunded)?) }
        msg_cycles_accept128 [U | RQ | RY | RT, 500] (g, high: u64, low: u64, dst: u32) -> () {
            let accepted = accept(g.data_mut(), join(high, low));
            store_u128(g, dst, accepted)
        }
        msg_cycles_accept [U | RQ | RY | RT, 500] (g, most: u64) -> u64 { Ok(narrow(accept(g.data_mut(), most.into()))?) }
        cycles_burn128 [I | G | U | RQ | RY | RT | C | T, 500] (g, high: u64, low: u64, dst: u32) -> () {
            let heap = heap_bytes(g);
            let host = g.data_mut();
            let burnt = join(high, low).min(host.liquid(heap));
            host.changes.balance -= burnt;
            host.changes.burnt += burnt;
            store_u128(g, dst, burnt)
        }
        canister_cycle_balance128 [NOT_START, 500] (g, dst: u32) -> () {
            let balance = g.data().changes.balance;
            store_u128(g, dst, balance)
        }
        canister_cycle_balance [NOT_START, 500] (g) -> u64 { Ok(narrow(g.data().changes.balance)?) }
        canister_liquid_cycle_balance128 [NOT_START, 500] (g, dst: u32) -> () {
            let liquid = g.data().liquid(heap_bytes(g));
            store_u128(g, dst, liquid)
        }

        canister_self_size [NOT_START, 500] (g) -> u32 { Ok(g.data().canister.id.as_slice().len() as u32) }
        canister_self_copy [NOT_START, 500] (g, dst: u32, offset: u32, size: u32) -> () {
            copy(g, "canister_self_copy", (dst, offset, size), |host| Ok(host.canister.id.as_slice()))
        }
        canister_status [NOT_START, 500] (g) -> u32 {
            Ok(match g.data().canister.status {
                Status::Running => 1,
                Status::Stopping(_) => 2,
                Status::Stopped => 3,
            })
        }
        canister_version [NOT_START, 500] (g) -> u64 { Ok(g.data().canister.version) }
        subnet_self_size [NOT_START, 500] (g) -> u32 { Ok(g.data().place.subnet.as_slice().len() as u32) }
        subnet_self_copy [NOT_START, 500] (g, dst: u32, offset: u32, size: u32) -> () {
            copy(g, "subnet_self_copy", (dst, offset, size), |host| Ok(host.place.subnet.as_slice()))
        }
        subnet_self_node_count [NOT_START, 500] (g) -> u32 { Ok(g.data().place.nodes) }

        call_new [CALL, 1_500] (
            g, callee: u32, callee_size: u32, name: u32, name_size: u32,
            reply_fun: u32, reply_env: u32, reject_fun: u32, reject_env: u32
        ) -> () {
            let on_reply = Closure { function: reply_fun, environment: reply_env };
            let on_reject = Closure { function: reject_fun, environment: reject_env };
            call_new(g, (callee, callee_size), (name, name_size), on_reply, on_reject)
        }
        call_on_cleanup [CALL, 500] (g, fun: u32, env: u32) -> () {
            let call = g.data_mut().call("call_on_cleanup")?;
            if call.on_cleanup.is_some() {
                return Err(Trap::Contract("\"ic0_call_on_cleanup\" can be called at most once per call".into()).into());
            }
            call.on_cleanup = Some(Closure { function: fun, environment: env });
            Ok(())
        }
        call_data_append [CALL, 500] (g, src: u32, size: u32) -> () {
            let length = g.data_mut().call("call_data_append")?.payload.len() + size as usize;
            if length > MAX_CALL {
                return Err(Trap::Contract(format!(
                    "ic0.call_data_append: application payload size ({length}) cannot be larger than {MAX_CALL}"
                )).into());
            }
            let (bytes, host) = load(g, src.into(), size.into())?;
            host.call("call_data_append")?.payload.extend_from_slice(bytes);
            Ok(())
        }
        call_with_best_effort_response [CALL, 500] (g, seconds: u32) -> () {
            let now = g.data().message.now;
            let call = g.data_mut().call("call_with_best_effort_response")?;
            if call.deadline != 0 {
                return Err(Trap::Contract("the call has a timeout already".into()).into());
            }
            call.deadline = now + u64::from(seconds.min(MAX_WAIT)) * 1_000_000_000;
            Ok(())
        }
        call_cycles_add128 [U | RY | RT | T, 500] (g, high: u64, low: u64) -> () {
            attach(g, "call_cycles_add128", join(high, low))
        }
        call_cycles_add [U | RY | RT | T, 500] (g, amount: u64) -> () { attach(g, "call_cycles_add", amount.into()) }
        call_perform [CALL, 5_000] (g) -> u32 { perform(g) }

        stable64_size [EVERYWHERE, 20] (g) -> u64 { Ok(g.data().changes.stable.size) }
        stable64_grow [EVERYWHERE, 500] (g, pages: u64) -> u64 {
            Ok(stable_grow(g, pages)?.unwrap_or(u64::MAX))
        }
        stable64_write [EVERYWHERE, 20] (g, offset: u64, src: u64, size: u64) -> () { stable_write(g, offset, src, size) }
        stable64_read [EVERYWHERE, 20] (g, dst: u64, offset: u64, size: u64) -> () { stable_read(g, dst, offset, size) }
        stable_size [EVERYWHERE, 20] (g) -> u32 { Ok(stable_size_32(g.data())?) }
        stable_grow [EVERYWHERE, 500] (g, pages: u32) -> u32 {
            let size = stable_size_32(g.data())?;
            if u64::from(size) + u64::from(pages) > (1 << 32) / WASM_PAGE {
                return Ok(u32::MAX);
            }
            Ok(stable_grow(g, pages.into())?.map_or(u32::MAX, |_| size))
        }
        stable_write [EVERYWHERE, 20] (g, offset: u32, src: u32, size: u32) -> () {
            stable_size_32(g.data())?;
            stable_write(g, offset.into(), src.into(), size.into())
        }
        stable_read [EVERYWHERE, 20] (g, dst: u32, offset: u32, size: u32) -> () {
            stable_size_32(g.data())?;
            stable_read(g, dst.into(), offset.into(), size.into())
        }

        root_key_size [I | G | U | RQ | RY | RT | C | T, 500] (g) -> u32 { Ok(g.data().place.root_key.len() as u32) }
        root_key_copy [I | G | U | RQ | RY | RT | C | T, 500] (g, dst: u32, offset: u32, size: u32) -> () {
            copy(g, "root_key_copy", (dst, offset, size), |host| Ok(&host.place.root_key))
        }
        certified_data_set [I | G | U | RY | RT | T, 500] (g, src: u32, size: u32) -> () {
            if size > 32 {
                return Err(Trap::Contract(format!("ic0.certified_data_set: {size} bytes are more than 32")).into());
            }
            let (bytes, host) = load(g, src.into(), size.into())?;
            host.changes.certified_data = Some(bytes.to_vec());
            Ok(())
        }
        // Certificates take signatures, which this replica does not make: there is none, and canisters can tell.
        data_certificate_present [NOT_START, 500] (_g) -> u32 { Ok(0) }
        data_certificate_size [NRQ | CQ, 500] (_g) -> u32 {
            Err(Trap::Contract("ic0.data_certificate_size: there is no certificate".into()).into())
        }
        data_certificate_copy [NRQ | CQ, 500] (_g, _dst: u32, _offset: u32, _size: u32) -> () {
            Err(Trap::Contract("ic0.data_certificate_copy: there is no certificate".into()).into())
        }

        time [NOT_START, 500] (g) -> u64 { Ok(g.data().message.now) }
        global_timer_set [I | G | U | RY | RT | C | T, 500] (g, at: u64) -> u64 {
            let timer = &mut g.data_mut().changes.timer;
            Ok(std::mem::replace(timer, (at > 0).then_some(at)).unwrap_or(0))
        }
        performance_counter [EVERYWHERE, 200] (g, kind: u32) -> u64 {
            let used = g.data().message.limit - g.get_fuel()?.min(g.data().message.limit);
            match kind {
                0 => Ok(used),
                1 => Ok(g.data().message.earlier + used),
                _ => Err(Trap::Contract(format!("ic0.performance_counter: there is no counter {kind}")).into()),
            }
        }
        is_controller [EVERYWHERE, 1_000] (g, src: u32, size: u32) -> u32 {
            let (bytes, host) = load(g, src.into(), size.into())?;
            Ok(host.canister.is_controller(&principal(bytes)?).into())
        }
        in_replicated_execution [EVERYWHERE, 500] (g) -> u32 { Ok(g.data().message.context.replicated().into()) }

        cost_call [EVERYWHERE, 500] (g, name_size: u64, payload_size: u64, dst: u32) -> () {
            let prices = g.data().place.prices;
            let cost = prices.call(name_size.saturating_add(payload_size)) + prices.answer_in_advance();
            store_u128(g, dst, cost)
        }
        cost_create_canister [EVERYWHERE, 500] (g, dst: u32) -> () {
            let cost = g.data().place.prices.creation;
            store_u128(g, dst, cost)
        }
        cost_http_request [EVERYWHERE, 500] (_g, _request: u64, _response: u64, _dst: u32) -> () { absent("cost_http_request") }
        cost_http_request_v2 [EVERYWHERE, 500] (_g, _src: u32, _size: u32, _dst: u32) -> () { absent("cost_http_request_v2") }
        cost_sign_with_ecdsa [EVERYWHERE, 500] (_g, _src: u32, _size: u32, _curve: u32, _dst: u32) -> u32 {
            absent("cost_sign_with_ecdsa")
        }
        cost_sign_with_schnorr [EVERYWHERE, 500] (_g, _src: u32, _size: u32, _algorithm: u32, _dst: u32) -> u32 {
            absent("cost_sign_with_schnorr")
        }
        cost_vetkd_derive_key [EVERYWHERE, 500] (_g, _src: u32, _size: u32, _curve: u32, _dst: u32) -> u32 {
            absent("cost_vetkd_derive_key")
        }

        env_var_count [NOT_START, 500] (g) -> u32 { Ok(g.data().canister.settings.environment_variables.len() as u32) }
        env_var_name_size [NOT_START, 500] (g, index: u32) -> u32 { Ok(variable_name(g.data(), index)?.len() as u32) }
        env_var_name_copy [NOT_START, 500] (g, index: u32, dst: u32, offset: u32, size: u32) -> () {
            copy(g, "env_var_name_copy", (dst, offset, size), |host| Ok(variable_name(host, index)?.as_bytes()))
        }
        env_var_name_exists [NOT_START, 500] (g, src: u32, size: u32) -> u32 {
            let (name, host) = load(g, src.into(), size.into())?;
            Ok(host.canister.settings.environment_variables.contains_key(text(name)?).into())
        }
        env_var_value_size [NOT_START, 500] (g, src: u32, size: u32) -> u32 {
            let (name, host) = load(g, src.into(), size.into())?;
            Ok(variable(host, name)?.len() as u32)
        }
        env_var_value_copy [NOT_START, 500] (g, src: u32, name_size: u32, dst: u32, offset: u32, size: u32) -> () {
            let name = load(g, src.into(), name_size.into())?.0.to_vec();
            copy(g, "env_var_value_copy", (dst, offset, size), |host| Ok(variable(host, &name)?.as_bytes()))
        }

        debug_print [EVERYWHERE, 100] (g, src: u32, size: u32) -> () {
            // What lies out of bounds is not printed; printing never traps.
            if let Ok((bytes, host)) = load(g, src.into(), size.into()) {
                let line = bytes[..bytes.len().min(MAX_LINE)].to_vec();
                host.print(line);
            }
            Ok(())
        }
        trap [EVERYWHERE, 500] (g, src: u32, size: u32) -> () {
            let (bytes, _) = load(g, src.into(), size.min(32 * 1024).into())?;
            Err(Trap::Called(String::from_utf8_lossy(bytes).into_owned()).into())
        }
    }
    Ok(linker)
}

fn reject_message(host: &Host) -> Result<&[u8], Trap> {
    match &host.message.reject {
        Some((_, message)) => Ok(message.as_bytes()),
        None => Err(Trap::Contract(
            "there is no reject message: the call was replied to".into(),
        )),
    }
}

fn absent<T>(name: &str) -> wasmtime::Result<T> {
    Err(Trap::Contract(format!("ic0.{name} is not supported by this replica")).into())
}
