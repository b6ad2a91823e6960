//! One message on one canister: instantiate, restore, run, read back.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use candid::Principal;
use wasmtime::{Extern, Instance, Ref, Store, Val};

use crate::canister::{Canister, Closure, Code, Number};
use crate::cycles::Prices;
use crate::memory::{Heap, Stable};
use crate::system_api::{self, Host};
use crate::{Reject, RejectCode};

/// The subnet as its canisters see it.
pub(crate) struct Place {
    pub(crate) subnet: Principal,
    pub(crate) nodes: u32,
    pub(crate) prices: Prices,
    pub(crate) root_key: Vec<u8>,
}

/// The contexts in which code runs, as the interface specification names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Context {
    Start,
    Init,
    PreUpgrade,
    Update,
    ReplicatedQuery,
    Query,
    CompositeQuery,
    Reply,
    Reject,
    CompositeReply,
    CompositeReject,
    Cleanup,
    CompositeCleanup,
    Inspect,
    Task,
}

impl Context {
    fn describe(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Init => "init",
            Self::PreUpgrade => "pre upgrade",
            Self::Update => "update",
            Self::ReplicatedQuery => "replicated query",
            Self::Query => "non replicated query",
            Self::CompositeQuery => "composite query",
            Self::Reply => "reply callback",
            Self::Reject => "reject callback",
            Self::CompositeReply => "composite reply callback",
            Self::CompositeReject => "composite reject callback",
            Self::Cleanup => "cleanup callback",
            Self::CompositeCleanup => "composite cleanup callback",
            Self::Inspect => "inspect message",
            Self::Task => "system task",
        }
    }

    /// Whether all nodes of the subnet run it.
    pub(crate) fn replicated(self) -> bool {
        !matches!(
            self,
            Self::Query
                | Self::CompositeQuery
                | Self::CompositeReply
                | Self::CompositeReject
                | Self::CompositeCleanup
                | Self::Inspect
        )
    }

    /// Whether what it does to the canister's state is kept.
    fn keeps(self) -> bool {
        !matches!(self, Self::Query | Self::ReplicatedQuery | Self::Inspect)
    }
}

/// What to run.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Export(String),
    Start,
    Closure(Closure),
}

/// What a message brings.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) context: Context,
    pub(crate) entry: Entry,
    pub(crate) caller: Principal,
    /// The argument; in a reply callback, the answer.
    pub(crate) payload: Vec<u8>,
    /// In a reject callback and its cleanup, why.
    pub(crate) reject: Option<(RejectCode, String)>,
    pub(crate) method: String,
    pub(crate) deadline: u64,
    /// Attached cycles that may still be accepted.
    pub(crate) available: u128,
    /// Cycles that came back with the answer.
    pub(crate) refunded: u128,
    /// Whether the call context was answered already, or expects no answer.
    pub(crate) responded: bool,
    /// Instructions of the call context before this message.
    pub(crate) earlier: u64,
    pub(crate) now: u64,
    /// Instructions it may take.
    pub(crate) limit: u64,
}

impl Message {
    /// A message that brings nothing.
    pub(crate) fn new(
        context: Context,
        entry: Entry,
        caller: Principal,
        now: u64,
        limit: u64,
    ) -> Self {
        Self {
            context,
            entry,
            caller,
            payload: Vec::new(),
            reject: None,
            method: String::new(),
            deadline: 0,
            available: 0,
            refunded: 0,
            responded: true,
            earlier: 0,
            now,
            limit,
        }
    }
}

/// What a message does, if it does not trap.
pub(crate) struct Changes {
    /// Heap and globals afterwards.
    pub(crate) code: Option<Code>,
    pub(crate) stable: Stable,
    pub(crate) certified_data: Option<Vec<u8>>,
    pub(crate) timer: Option<u64>,
    pub(crate) balance: u128,
    pub(crate) available: u128,
    pub(crate) burnt: u128,
    /// Fees for the transmission of calls.
    pub(crate) transmission: u128,
    pub(crate) calls: Vec<Call>,
    pub(crate) answer: Option<Result<Vec<u8>, String>>,
    pub(crate) accepted: bool,
    /// Stable pages written so far; each costs once.
    pub(crate) dirty: HashSet<u64>,
}

impl Changes {
    pub(crate) fn none(canister: &Canister, available: u128) -> Self {
        Self {
            code: None,
            stable: canister.stable.clone(),
            certified_data: None,
            timer: canister.timer,
            balance: canister.balance,
            available,
            burnt: 0,
            transmission: 0,
            calls: Vec::new(),
            answer: None,
            accepted: false,
            dirty: HashSet::new(),
        }
    }
}

/// A call that a message makes.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) callee: Principal,
    pub(crate) method: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) cycles: u128,
    pub(crate) deadline: u64,
    pub(crate) on_reply: Closure,
    pub(crate) on_reject: Closure,
    pub(crate) on_cleanup: Option<Closure>,
    pub(crate) set_aside: u128,
}

/// Why a message was rolled back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trap {
    /// `ic0.trap`.
    Called(String),
    /// The machine: unreachable code, memory out of bounds, …
    Wasm(String),
    /// A system call where, or as, it is not allowed.
    Contract(String),
    /// Too many instructions.
    Instructions(u64),
    /// Not enough cycles for a system call.
    Cycles(String),
    /// More memory than the canister's settings allow.
    MemoryLimit(u64),
    /// Not enough cycles to keep so many bytes more for the freezing threshold; and how many cycles more it takes.
    Growth(u64, u128),
    /// No such method, of that kind.
    NoMethod(&'static str, String),
    NoModule,
}

impl Trap {
    pub(crate) fn error_code(&self) -> &'static str {
        match self {
            Self::Wasm(_) => "IC0502",
            Self::Called(_) => "IC0503",
            Self::Contract(_) => "IC0504",
            Self::Cycles(_) => "IC0520",
            Self::Instructions(_) => "IC0522",
            Self::Growth(..) => "IC0532",
            Self::NoMethod(..) => "IC0536",
            Self::NoModule => "IC0537",
            Self::MemoryLimit(_) => "IC0539",
        }
    }

    /// The reject that the caller of `canister` gets.
    pub(crate) fn reject(&self, canister: Principal) -> Reject {
        Reject {
            code: RejectCode::CanisterError,
            message: format!("Error from Canister {canister}: {self}"),
            error_code: self.error_code().into(),
            certified: true,
        }
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Called(message) => {
                write!(f, "Canister called `ic0.trap` with message: '{message}'.")
            }
            Self::Wasm(why) => write!(f, "Canister trapped: {why}."),
            Self::Contract(why) => write!(f, "Canister violated contract: {why}."),
            Self::Instructions(limit) => {
                write!(
                    f,
                    "Canister exceeded the limit of {limit} instructions for single message execution."
                )
            }
            Self::Cycles(why) => write!(f, "{why}"),
            Self::MemoryLimit(limit) => write!(
                f,
                "Canister exceeded its current Wasm memory limit of {limit} bytes. The peak Wasm memory usage could be \
                 reduced, or the limit raised in the settings."
            ),
            Self::Growth(bytes, missing) => write!(
                f,
                "Canister cannot grow memory by {bytes} bytes due to insufficient cycles. At least {missing} additional \
                 cycles are required."
            ),
            Self::NoMethod(kind, name) => write!(f, "Canister has no {kind} method '{name}'."),
            Self::NoModule => {
                write!(
                    f,
                    "Attempted to execute a message, but the canister contains no Wasm module."
                )
            }
        }
    }
}

impl std::error::Error for Trap {}

/// How a message went.
pub(crate) struct Executed {
    pub(crate) outcome: Result<Changes, Trap>,
    pub(crate) instructions: u64,
    /// What it printed; kept even if it trapped.
    pub(crate) prints: Vec<Vec<u8>>,
}

impl Executed {
    /// It could not even begin.
    pub(crate) fn failed(trap: Trap) -> Self {
        Self {
            outcome: Err(trap),
            instructions: 0,
            prints: Vec::new(),
        }
    }
}

/// Runs a message. The canister is only read; what it would become is in the answer.
pub(crate) fn execute(canister: &Arc<Canister>, place: &Arc<Place>, message: Message) -> Executed {
    let Some(code) = canister.code.clone() else {
        return Executed::failed(Trap::NoModule);
    };
    let limit = message.limit;
    let mut store = system_api::store(Host::new(Arc::clone(canister), Arc::clone(place), message));
    let outcome = run(&mut store, &code).map_err(|error| explain(&error, limit));
    let instructions = limit - store.get_fuel().unwrap_or(0).min(limit);
    let mut host = store.into_data();
    host.forget_call();
    let mut prints = Vec::from(host.prints);
    let outcome = outcome.map(|code| Changes {
        code,
        ..host.changes
    });
    if let Err(trap @ (Trap::Called(_) | Trap::Wasm(_))) = &outcome {
        prints.push(format!("[TRAP]: {trap}").into_bytes());
    }
    Executed {
        outcome,
        instructions,
        prints,
    }
}

fn run(store: &mut Store<Host>, code: &Code) -> wasmtime::Result<Option<Code>> {
    let limit = store.data().message.limit;
    // Instantiation runs no guest code, but filling tables and memories takes fuel from whatever there is.
    store.set_fuel(u64::MAX)?;
    let instance = code.module.instantiate(store)?;
    restore(store, &instance, code)?;
    store.set_fuel(limit)?;
    match store.data().message.entry.clone() {
        Entry::Export(name) => {
            instance
                .get_typed_func::<(), ()>(&mut *store, &name)?
                .call(&mut *store, ())?;
        }
        Entry::Start => {
            if let Some(start) =
                reach(store, &instance, code.module.reach.start).and_then(Extern::into_func)
            {
                start.typed::<(), ()>(&*store)?.call(&mut *store, ())?;
            }
        }
        Entry::Closure(closure) => call_closure(store, &instance, code, closure)?,
    }
    if store.data().message.context.keeps() {
        capture(store, &instance, code).map(Some)
    } else {
        Ok(None)
    }
}

fn reach(
    store: &mut Store<Host>,
    instance: &Instance,
    index: Option<wasmtime::ModuleExport>,
) -> Option<Extern> {
    instance.get_module_export(store, &index?)
}

/// Makes a fresh instance the canister's own.
fn restore(store: &mut Store<Host>, instance: &Instance, code: &Code) -> wasmtime::Result<()> {
    if let Some(memory) =
        reach(store, instance, code.module.reach.memory).and_then(Extern::into_memory)
    {
        let size = memory.size(&*store);
        if code.heap.size > size {
            memory.grow(&mut *store, code.heap.size - size)?;
        }
        code.heap.restore(memory.data_mut(&mut *store));
        store.data_mut().memory = Some(memory);
    }
    for (index, number) in code.module.reach.globals.iter().zip(&code.globals) {
        if let Some(global) = reach(store, instance, Some(*index)).and_then(Extern::into_global) {
            global.set(&mut *store, number.to_val())?;
        }
    }
    store.data_mut().restored = true;
    Ok(())
}

/// Reads the canister's state back.
fn capture(store: &mut Store<Host>, instance: &Instance, code: &Code) -> wasmtime::Result<Code> {
    let heap = match store.data().memory {
        Some(memory) => code
            .heap
            .capture(memory.data(&*store), &code.module.initial),
        None => Heap::default(),
    };
    let mut globals = Vec::with_capacity(code.module.reach.globals.len());
    for index in &code.module.reach.globals {
        let global = reach(store, instance, Some(*index)).and_then(Extern::into_global);
        let value = global.and_then(|global| Number::of(&global.get(&mut *store)));
        globals.push(value.ok_or_else(|| wasmtime::Error::msg("a mutable global is no number"))?);
    }
    Ok(Code {
        module: Arc::clone(&code.module),
        heap,
        globals,
    })
}

fn call_closure(
    store: &mut Store<Host>,
    instance: &Instance,
    code: &Code,
    closure: Closure,
) -> wasmtime::Result<()> {
    let table = reach(store, instance, code.module.reach.table).and_then(Extern::into_table);
    let entry = table.and_then(|table| table.get(&mut *store, closure.function.into()));
    let Some(Ref::Func(Some(function))) = entry else {
        return Err(Trap::Wasm(format!("the table has no function {}", closure.function)).into());
    };
    let Ok(function) = function.typed::<u32, ()>(&*store) else {
        return Err(Trap::Contract(format!("function {} is no callback", closure.function)).into());
    };
    function.call(&mut *store, closure.environment)
}

/// The platform's word for what wasmtime says.
fn explain(error: &wasmtime::Error, limit: u64) -> Trap {
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return match trap {
            Trap::Instructions(_) => Trap::Instructions(limit),
            other => other.clone(),
        };
    }
    let Some(trap) = error.downcast_ref::<wasmtime::Trap>() else {
        return Trap::Wasm(format!("{error:#}"));
    };
    let why = match trap {
        wasmtime::Trap::OutOfFuel => return Trap::Instructions(limit),
        wasmtime::Trap::StackOverflow => "stack overflow",
        wasmtime::Trap::MemoryOutOfBounds => "heap out of bounds",
        wasmtime::Trap::TableOutOfBounds => "table out of bounds",
        wasmtime::Trap::IndirectCallToNull => "uninitialized table element",
        wasmtime::Trap::BadSignature => "function invocation does not match its signature",
        wasmtime::Trap::IntegerOverflow => "integer overflow",
        wasmtime::Trap::IntegerDivisionByZero => "integer division by 0",
        wasmtime::Trap::BadConversionToInteger => "bad conversion to integer",
        wasmtime::Trap::UnreachableCodeReached => "unreachable",
        other => return Trap::Wasm(other.to_string()),
    };
    Trap::Wasm(why.into())
}

/// The error for a system call outside of its contexts.
pub(crate) fn forbidden(name: &str, context: Context) -> Trap {
    Trap::Contract(format!(
        "\"ic0_{name}\" cannot be executed in {} mode",
        context.describe()
    ))
}

impl Number {
    fn to_val(self) -> Val {
        match self {
            Self::I32(value) => Val::I32(value),
            Self::I64(value) => Val::I64(value),
            Self::F32(bits) => Val::F32(bits),
            Self::F64(bits) => Val::F64(bits),
            Self::V128(bits) => Val::V128(bits.into()),
        }
    }

    fn of(value: &Val) -> Option<Self> {
        Some(match value {
            Val::I32(value) => Self::I32(*value),
            Val::I64(value) => Self::I64(*value),
            Val::F32(bits) => Self::F32(*bits),
            Val::F64(bits) => Self::F64(*bits),
            Val::V128(bits) => Self::V128(bits.as_u128()),
            _ => return None,
        })
    }
}
