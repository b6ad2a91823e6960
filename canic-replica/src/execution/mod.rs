//! The execution of one message on one canister: instantiate, restore the state, run, capture the
//! state.

pub(crate) mod executed;
mod mapping;
pub(crate) mod message;
mod native;
mod page_map;
pub(crate) mod program_cache;
pub(crate) mod programs;
pub(crate) mod system_api;
pub(crate) mod trap;

use std::sync::Arc;

use wasmtime::{Extern, Instance, Ref, Store};

use crate::{
    canister::{Canister, calls::WasmClosure, execution_state::ExecutionState},
    execution::{
        executed::Executed,
        message::{Entry, Message, StateChanges, SubnetContext},
        programs::Program,
        system_api::host::Host,
        trap::Trap,
    },
    faults::Effect,
    memory::Heap,
    wasm::{address_type::AddressType, global::Global},
};

const BAD_SIGNATURE: &str = "function invocation does not match its signature";

/// Runs a message. The answer holds the new state; the canister itself does not change.
pub(crate) fn execute(
    canister: &Arc<Canister>,
    subnet_context: &Arc<SubnetContext>,
    mut message: Message,
) -> Executed {
    let fault = message.fault.clone();
    if let Some(Effect::Trap { after: Some(after) }) = fault {
        message.limit = message.limit.min(after);
    }
    let Some(code) = canister.code.clone() else {
        return Executed::failed(Trap::NoModule);
    };
    if let Some(native) = &code.native {
        return native::execute(canister, subnet_context, message, native);
    }
    let program = match program_cache::program_of(&code.module) {
        Ok(program) => program,
        Err(why) => return Executed::failed(Trap::Wasm(why)),
    };
    let limit = message.limit;
    let host = Host::new(Arc::clone(canister), Arc::clone(subnet_context), message);
    let mut store = program.store(host);
    let mut changed = 0;
    let outcome =
        run(&mut store, &program, &code, &mut changed).map_err(|error| explain(&error, limit));
    let outcome = match (fault, outcome) {
        (Some(Effect::Trap { after: None }), Ok(_)) => Err(Trap::Wasm(
            "injected fault after the last instruction".into(),
        )),
        (Some(Effect::Trap { after: Some(after) }), Err(Trap::Instructions(_)))
            if limit == after =>
        {
            Err(Trap::Wasm(format!("injected fault at instruction {after}")))
        }
        (_, outcome) => outcome,
    };
    let used = limit - store.get_fuel().unwrap_or(0).min(limit);
    // Changed pages of the heap are charged last, up to the limit: they make no message fail.
    let dirty_page = subnet_context.prices.dirty_page * code.module.address.dirty_page_factor();
    let instructions = limit.min(used + changed * dirty_page);
    let mut host = store.into_data();
    host.drop_call();
    let mut prints = Vec::from(host.prints);
    let outcome = outcome.map(|code| StateChanges {
        code,
        ..host.changes
    });
    let trapped = outcome.as_ref().err().and_then(Trap::log_line);
    prints.extend(trapped.map(String::into_bytes));
    Executed {
        outcome,
        instructions,
        prints,
    }
}

/// Runs the code and reads its state back. `changed` counts the pages of its heap that it changed.
fn run(
    store: &mut Store<Host>,
    program: &Program,
    code: &ExecutionState,
    changed: &mut u64,
) -> wasmtime::Result<Option<ExecutionState>> {
    let limit = store.data().message.limit;
    let instance = program.instantiate(store)?;
    restore(store, &instance, code)?;
    mapping::with_heap(store, code, |store| {
        store.set_fuel(limit)?;
        let result = enter(store, &instance, code);
        if !store.data().message.context.is_persistent() {
            return result.map(|()| None);
        }
        // A message that traps pays for the pages, too.
        let after = capture(store, &instance, code, changed)?;
        result.map(|()| Some(after))
    })
}

fn enter(
    store: &mut Store<Host>,
    instance: &Instance,
    code: &ExecutionState,
) -> wasmtime::Result<()> {
    match store.data().message.entry.clone() {
        Entry::Export(name) => instance
            .get_typed_func::<(), ()>(&mut *store, &name)?
            .call(store, ()),
        Entry::Start => {
            match get_export(store, instance, code.module.state_exports.start)
                .and_then(Extern::into_func)
            {
                Some(start) => start.typed::<(), ()>(&*store)?.call(store, ()),
                None => Ok(()),
            }
        }
        Entry::Closure(closure) => call_closure(store, instance, code, closure),
    }
}

fn get_export(
    store: &mut Store<Host>,
    instance: &Instance,
    index: Option<wasmtime::ModuleExport>,
) -> Option<Extern> {
    instance.get_module_export(store, &index?)
}

/// Restores the canister's state into a fresh instance, all but the contents of its heap.
fn restore(
    store: &mut Store<Host>,
    instance: &Instance,
    code: &ExecutionState,
) -> wasmtime::Result<()> {
    if let Some(memory) =
        get_export(store, instance, code.module.state_exports.memory).and_then(Extern::into_memory)
    {
        let size = memory.size(&*store);
        if code.heap.size > size {
            memory.grow(&mut *store, code.heap.size - size)?;
        }
        store.data_mut().memory = Some(memory);
    }
    for (index, number) in code.module.state_exports.globals.iter().zip(&code.globals) {
        if let Some(global) =
            get_export(store, instance, Some(*index)).and_then(Extern::into_global)
        {
            global.set(&mut *store, number.to_val())?;
        }
    }
    store.data_mut().restored = true;
    Ok(())
}

/// Captures the canister's state from an instance.
fn capture(
    store: &mut Store<Host>,
    instance: &Instance,
    code: &ExecutionState,
    changed: &mut u64,
) -> wasmtime::Result<ExecutionState> {
    let (heap, pages) = match store.data().memory {
        Some(memory) => {
            let bytes = memory.data(&*store);
            let written = page_map::written_pages(bytes);
            code.heap.capture(bytes, &written, &code.module.initial)
        }
        None => (Heap::default(), 0),
    };
    *changed = pages;
    let mut globals = Vec::with_capacity(code.module.state_exports.globals.len());
    for index in &code.module.state_exports.globals {
        let global = get_export(store, instance, Some(*index)).and_then(Extern::into_global);
        let value = global.and_then(|global| Global::of(&global.get(&mut *store)));
        globals.push(value.ok_or_else(|| wasmtime::Error::msg("a mutable global is no number"))?);
    }
    Ok(ExecutionState {
        module: Arc::clone(&code.module),
        heap,
        globals,
        native: None,
    })
}

fn call_closure(
    store: &mut Store<Host>,
    instance: &Instance,
    code: &ExecutionState,
    closure: WasmClosure,
) -> wasmtime::Result<()> {
    let violated = |why: &str| Err(Trap::Contract(why.into()).into());
    let table = get_export(store, instance, code.module.state_exports.table);
    let Some(table) = table.and_then(Extern::into_table) else {
        return violated("table not found");
    };
    let function = match table.get(&mut *store, closure.function.into()) {
        None => return Err(Trap::Function(closure.function).into()),
        Some(Ref::Func(Some(function))) => function,
        Some(Ref::Func(None)) => return violated("unexpected null function reference"),
        Some(_) => return violated("not a function reference"),
    };
    let environment = closure.environment;
    match code.module.address {
        AddressType::I64 => match function.typed::<u64, ()>(&*store) {
            Ok(function) => function.call(store, environment),
            Err(_) => violated(BAD_SIGNATURE),
        },
        // The code that made the closure may have had another address type.
        AddressType::I32 => match (
            u32::try_from(environment),
            function.typed::<u32, ()>(&*store),
        ) {
            (Ok(environment), Ok(function)) => function.call(store, environment),
            (Ok(_), Err(_)) => violated(BAD_SIGNATURE),
            (Err(_), _) => violated(&format!(
                "error converting additional value {environment} to u32"
            )),
        },
    }
}

/// The platform's trap for an error of wasmtime.
pub(crate) fn explain(error: &wasmtime::Error, limit: u64) -> Trap {
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
        wasmtime::Trap::BadSignature => return Trap::Contract(BAD_SIGNATURE.into()),
        wasmtime::Trap::StackOverflow => "stack overflow",
        wasmtime::Trap::MemoryOutOfBounds => "heap out of bounds",
        wasmtime::Trap::TableOutOfBounds => "table out of bounds",
        wasmtime::Trap::IndirectCallToNull => "uninitialized table element",
        wasmtime::Trap::IntegerOverflow => "integer overflow",
        wasmtime::Trap::IntegerDivisionByZero => "integer division by 0",
        wasmtime::Trap::BadConversionToInteger => "bad conversion to integer",
        wasmtime::Trap::UnreachableCodeReached => "unreachable",
        other => return Trap::Wasm(other.to_string()),
    };
    Trap::Wasm(why.into())
}
