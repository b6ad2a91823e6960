//! The functions that a canister imports from `ic0`.
//!
//! Each function is allowed in the contexts that the interface specification lists for it, and
//! traps elsewhere. Its effects go into the state changes of the message: the replica commits them
//! if the message returns, and drops them if it traps.
//!
//! There are two forms: pointers and sizes are 32-bit numbers for modules with a 32-bit memory, and
//! 64-bit numbers for modules with a 64-bit memory. `I` stands for either.

pub(crate) mod calls;
mod environment;
mod guest;
pub(crate) mod host;
mod stable;

use wasmtime::{Engine, Linker};

use crate::{
    canister::{Status, calls::WasmClosure},
    execution::{
        message::Context,
        system_api::{
            guest::{Address, Guest, charge, copy, join, load, narrow, write_cycles},
            host::{Host, SENT_BYTE},
        },
        trap::Trap,
    },
    prices::outcalls,
    wasm::address_type::AddressType,
};

// The contexts, as sets; named as in the specification's overview of imports.
const fn set(context: Context) -> u32 {
    1 << context as u32
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
const T: u32 = set(Context::Heartbeat) | set(Context::GlobalTimer) | set(Context::LowMemory);
/// `* s`
const EVERYWHERE: u32 = u32::MAX;
/// `*`
const NOT_START: u32 = !S;
const ARGUMENT: u32 = I | U | RQ | NRQ | CQ | RY | CRY | F;
const CALLER_INFO: u32 = U | RQ | NRQ | CQ | RY | RT | CRY | CRT | C | CC | F;
const ANSWER: u32 = U | RQ | NRQ | CQ | RY | RT | CRY | CRT;
const CALL: u32 = U | CQ | RY | RT | CRY | CRT | T;

/// The one canister that may mint cycles.
const CYCLES_MINTING_CANISTER: &str = "rkp4c-7iaaa-aaaaa-aaaca-cai";

/// Longest message of `ic0.trap`, in bytes.
const MAX_TRAP: u64 = 32 * 1024;

/// The beginning of every system call: the charge, and the check of the context.
fn enter(guest: &mut Guest<'_>, name: &str, allowed: u32, cost: u64) -> wasmtime::Result<()> {
    charge(guest, cost)?;
    let context = guest.data().message.context;
    if allowed & set(context) == 0 {
        return Err(Trap::forbidden(name, context).into());
    }
    Ok(())
}

/// Instructions of a system call that sends `bytes` bytes out of the sandbox.
const fn sending(bytes: u64) -> u64 {
    SENT_BYTE.saturating_mul(bytes).saturating_add(500)
}

/// Instructions of a system call that copies `bytes` bytes.
const fn copying(base: u64, bytes: u64) -> u64 {
    bytes.saturating_add(base)
}

/// The host's form of an argument: pointers and sizes have 64 bits.
macro_rules! argument {
    (I $value:ident) => {
        $value.into()
    };
    ($ty:ident $value:ident) => {
        $value
    };
}

/// All of `ic0`: each function with the contexts in which it is allowed and the instructions it
/// costs.
#[rustfmt::skip]
pub(crate) fn linker<I: Address>(engine: &Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    macro_rules! ic0 {
        ($(
            $name:ident [$allowed:expr, $cost:expr]
            ($guest:ident $(, $arg:ident: $ty:ident)*) -> $ret:ty $body:block
        )*) => {
            $(
                let function = |mut caller: Guest<'_> $(, $arg: $ty)*| -> wasmtime::Result<$ret> {
                    let $guest = &mut caller;
                    $(let $arg = argument!($ty $arg);)*
                    let cost = $cost;
                    enter($guest, stringify!($name), $allowed, cost)?;
                    $body
                };
                linker.func_wrap("ic0", stringify!($name), function)?;
            )*
        };
    }

    // The input of the message.
    ic0! {
        msg_arg_data_size [ARGUMENT, 500] (g) -> I { Ok(I::of(g.data().message.payload.len())) }
        msg_arg_data_copy [ARGUMENT, copying(500, size)] (
            g, dst: I, offset: I, size: I
        ) -> () {
            copy(g, "msg_arg_data_copy", "payload", (dst, offset, size), |host| {
                Ok(&host.message.payload)
            })
        }
        msg_caller_size [NOT_START, 500] (g) -> I {
            Ok(I::of(g.data().message.caller.as_slice().len()))
        }
        msg_caller_copy [NOT_START, copying(500, size)] (
            g, dst: I, offset: I, size: I
        ) -> () {
            copy(g, "msg_caller_copy", "id", (dst, offset, size), |host| {
                Ok(host.message.caller.as_slice())
            })
        }
        msg_caller_info_data_size [CALLER_INFO, 500] (g) -> I {
            Ok(I::of(caller_info(g.data()).0.len()))
        }
        msg_caller_info_data_copy [CALLER_INFO, copying(500, size)] (
            g, dst: I, offset: I, size: I
        ) -> () {
            copy(g, "msg_caller_info_data_copy", "data", (dst, offset, size), |host| {
                Ok(caller_info(host).0)
            })
        }
        msg_caller_info_signer_size [CALLER_INFO, 500] (g) -> I {
            Ok(I::of(caller_info(g.data()).1.len()))
        }
        msg_caller_info_signer_copy [CALLER_INFO, copying(500, size)] (
            g, dst: I, offset: I, size: I
        ) -> () {
            copy(g, "msg_caller_info_signer_copy", "signer", (dst, offset, size), |host| {
                Ok(caller_info(host).1)
            })
        }
        msg_reject_code [RY | RT | CRY | CRT | C, 500] (g) -> u32 {
            Ok(g.data().message.reject.as_ref().map_or(0, |reject| reject.0 as u32))
        }
        msg_reject_msg_size [RT | CRT, 500] (g) -> I { Ok(I::of(reject_message(g.data()).len())) }
        msg_reject_msg_copy [RT | CRT, copying(500, size)] (
            g, dst: I, offset: I, size: I
        ) -> () {
            copy(g, "msg_reject_msg_copy", "msg", (dst, offset, size), |host| {
                Ok(reject_message(host))
            })
        }
        msg_deadline [U | RQ | NRQ | CQ | RY | RT | CRY | CRT, 500] (g) -> u64 {
            // Queries have no deadline, however they are called.
            let message = &g.data().message;
            Ok(if set(message.context) & (U | RY | RT) == 0 { 0 } else { message.deadline })
        }
        msg_method_name_size [F, 500] (g) -> I { Ok(I::of(g.data().message.method.len())) }
        msg_method_name_copy [F, copying(500, size)] (g, dst: I, offset: I, size: I) -> () {
            copy(g, "msg_method_name_copy", "payload", (dst, offset, size), |host| {
                Ok(host.message.method.as_bytes())
            })
        }
        accept_message [F, 500] (g) -> () {
            if std::mem::replace(&mut g.data_mut().changes.accepted, true) {
                let why = "ic0.accept_message: the function was already called.";
                return Err(Trap::Contract(why.into()).into());
            }
            Ok(())
        }
    }

    // Answers.
    ic0! {
        msg_reply_data_append [ANSWER, sending(size)] (g, src: I, size: I) -> () {
            Ok(calls::reply_data_append(g, src, size)?)
        }
        msg_reply [ANSWER, 500] (g) -> () { Ok(calls::reply(g.data_mut())?) }
        msg_reject [ANSWER, sending(size)] (g, src: I, size: I) -> () {
            Ok(calls::reject(g, src, size)?)
        }
    }

    // Cycles.
    ic0! {
        msg_cycles_available128 [U | RQ | RY | RT, 500] (g, dst: I) -> () {
            let available = g.data().changes.available;
            write_cycles(g, "msg_cycles_available128", dst, available)
        }
        msg_cycles_refunded128 [RY | RT, 500] (g, dst: I) -> () {
            let refunded = g.data().message.refunded;
            write_cycles(g, "msg_cycles_refunded128", dst, refunded)
        }
        msg_cycles_accept128 [U | RQ | RY | RT, 500] (g, high: u64, low: u64, dst: I) -> () {
            let accepted = calls::accept(g.data_mut(), join(high, low));
            write_cycles(g, "msg_cycles_accept128", dst, accepted)
        }
        cycles_burn128 [I | G | U | RQ | RY | RT | C | T, 500] (
            g, high: u64, low: u64, dst: I
        ) -> () {
            let burnt = calls::burn(g, join(high, low));
            write_cycles(g, "cycles_burn128", dst, burnt)
        }
        // The platform has this function for one canister, whose code is native here.
        mint_cycles128 [U | RY | RT | T, 0] (g, _high: u64, _low: u64, _dst: I) -> () {
            Err(Trap::Contract(format!(
                "ic0.mint_cycles128 cannot be executed on non Cycles Minting Canister: {} != \
                 {CYCLES_MINTING_CANISTER}",
                g.data().canister.id
            ))
            .into())
        }
        canister_cycle_balance128 [NOT_START, 500] (g, dst: I) -> () {
            let balance = g.data().changes.balance;
            write_cycles(g, "canister_cycle_balance128", dst, balance)
        }
        canister_liquid_cycle_balance128 [NOT_START, 500] (g, dst: I) -> () {
            let liquid = g.data().liquid(guest::heap_bytes(g));
            write_cycles(g, "canister_liquid_cycle_balance128", dst, liquid)
        }
    }

    // Calls to others.
    ic0! {
        call_new [CALL, copying(copying(1_500, callee_size), name_size)] (
            g, callee: I, callee_size: I, name: I, name_size: I,
            reply_fun: I, reply_env: I, reject_fun: I, reject_env: I
        ) -> () {
            let on_reply = WasmClosure::new(reply_fun, reply_env);
            let on_reject = WasmClosure::new(reject_fun, reject_env);
            Ok(calls::new(g, (callee, callee_size), (name, name_size), on_reply, on_reject)?)
        }
        call_on_cleanup [CALL, 500] (g, function: I, environment: I) -> () {
            Ok(calls::on_cleanup(g.data_mut(), WasmClosure::new(function, environment))?)
        }
        call_data_append [CALL, sending(size)] (g, src: I, size: I) -> () {
            Ok(calls::data_append(g, src, size)?)
        }
        call_with_best_effort_response [CALL, 500] (g, seconds: u32) -> () {
            Ok(calls::with_best_effort_response(g.data_mut(), seconds)?)
        }
        call_cycles_add128 [U | RY | RT | T, 500] (g, high: u64, low: u64) -> () {
            Ok(calls::attach(g, "call_cycles_add128", join(high, low))?)
        }
        call_perform [CALL, 5_000] (g) -> u32 { Ok(calls::perform(g)?) }
    }

    // Stable memory.
    ic0! {
        stable64_size [EVERYWHERE, 20] (g) -> u64 { Ok(g.data().changes.stable.size) }
        stable64_grow [EVERYWHERE, 500] (g, pages: u64) -> u64 {
            Ok(stable::grow(g, pages)?.unwrap_or(u64::MAX))
        }
        stable64_write [EVERYWHERE, size.saturating_add(20)] (
            g, offset: u64, src: u64, size: u64
        ) -> () {
            stable::write(g, offset, src, size)
        }
        stable64_read [EVERYWHERE, size.saturating_add(20)] (
            g, dst: u64, offset: u64, size: u64
        ) -> () {
            stable::read(g, dst, offset, size)
        }
    }

    // The canister and its subnet.
    ic0! {
        canister_self_size [NOT_START, 500] (g) -> I {
            Ok(I::of(g.data().canister.id.as_slice().len()))
        }
        canister_self_copy [NOT_START, copying(500, size)] (
            g, dst: I, offset: I, size: I
        ) -> () {
            copy(g, "canister_self_copy", "id", (dst, offset, size), |host| {
                Ok(host.canister.id.as_slice())
            })
        }
        canister_status [NOT_START, 500] (g) -> u32 {
            Ok(match g.data().canister.status {
                Status::Running => 1,
                Status::Stopping(_) => 2,
                Status::Stopped => 3,
            })
        }
        canister_version [NOT_START, 500] (g) -> u64 { Ok(g.data().canister.version) }
        subnet_self_size [NOT_START, 500] (g) -> I {
            Ok(I::of(g.data().subnet.id.as_slice().len()))
        }
        subnet_self_copy [NOT_START, copying(500, size)] (
            g, dst: I, offset: I, size: I
        ) -> () {
            copy(g, "subnet_self_copy", "id", (dst, offset, size), |host| {
                Ok(host.subnet.id.as_slice())
            })
        }
        subnet_self_node_count [NOT_START, 500] (g) -> u32 { Ok(g.data().subnet.nodes) }
        is_controller [EVERYWHERE, copying(1_000, size)] (g, src: I, size: I) -> u32 {
            let (bytes, host) = load(g, "ic0.is_controller", src, size)?;
            Ok(host.canister.is_controller(&guest::principal(bytes)?).into())
        }
        in_replicated_execution [EVERYWHERE, 500] (g) -> u32 {
            Ok(g.data().message.context.is_replicated().into())
        }
        root_key_size [I | G | U | RQ | RY | RT | C | T, 500] (g) -> I {
            Ok(I::of(g.data().subnet.root_key.len()))
        }
        root_key_copy [I | G | U | RQ | RY | RT | C | T, copying(500, size)] (
            g, dst: I, offset: I, size: I
        ) -> () {
            copy(g, "root_key_copy", "bytes", (dst, offset, size), |host| Ok(&host.subnet.root_key))
        }
        certified_data_set [I | G | U | RY | RT | T, copying(500, size)] (
            g, src: I, size: I
        ) -> () {
            const MOST: u64 = 32;
            if size > MOST {
                return Err(Trap::Contract(format!(
                    "ic0_certified_data_set failed because the passed data must be no larger than \
                     {MOST} bytes. Found {size} bytes."
                )).into());
            }
            let (bytes, host) = load(g, "ic0_certified_data_set", src, size)?;
            host.changes.certified_data = Some(bytes.to_vec());
            Ok(())
        }
        data_certificate_present [NOT_START, 500] (g) -> u32 {
            Ok(g.data().message.certificate.is_some().into())
        }
        data_certificate_size [NRQ | CQ, 500] (g) -> I {
            Ok(I::of(g.data().certificate("data_certificate_size")?.len()))
        }
        data_certificate_copy [NRQ | CQ, copying(500, size)] (
            g, dst: I, offset: I, size: I
        ) -> () {
            const NAME: &str = "data_certificate_copy";
            copy(g, NAME, "payload", (dst, offset, size), |host| host.certificate(NAME))
        }
    }

    // Time, counters, variables.
    ic0! {
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
                _ => {
                    let why = format!("Error getting performance counter type {kind}");
                    Err(Trap::Contract(why).into())
                }
            }
        }
        env_var_count [NOT_START, 500] (g) -> I {
            Ok(I::of(g.data().canister.settings.environment_variables.len()))
        }
        env_var_name_size [NOT_START, 500] (g, index: I) -> I {
            Ok(I::of(environment::name(g.data(), index)?.len()))
        }
        env_var_name_copy [NOT_START, copying(500, size)] (
            g, index: I, dst: I, offset: I, size: I
        ) -> () {
            copy(g, "env_var_name_copy", "name", (dst, offset, size), |host| {
                Ok(environment::name(host, index)?.as_bytes())
            })
        }
        env_var_name_exists [NOT_START, 500] (g, src: I, size: I) -> u32 {
            let name = environment::read_name(g, "env_var_name_exists", "heap", (src, size))?;
            Ok(g.data().canister.settings.environment_variables.contains_key(&name).into())
        }
        env_var_value_size [NOT_START, 500] (g, src: I, size: I) -> I {
            let name = environment::read_name(g, "env_var_value_size", "heap", (src, size))?;
            Ok(I::of(environment::value(g.data(), &name)?.len()))
        }
        env_var_value_copy [NOT_START, copying(500, size)] (
            g, src: I, name_size: I, dst: I, offset: I, size: I
        ) -> () {
            let name = environment::read_name(g, "env_var_value_copy", "name", (src, name_size))?;
            copy(g, "env_var_value_copy", "value", (dst, offset, size), |host| {
                Ok(environment::value(host, &name)?.as_bytes())
            })
        }
    }

    // Prices.
    ic0! {
        cost_call [EVERYWHERE, 500] (g, name_size: u64, payload_size: u64, dst: I) -> () {
            let prices = g.data().subnet.prices;
            let call = prices.call(name_size.saturating_add(payload_size));
            let cost = call + prices.answer_in_advance(g.data().canister.address());
            write_cycles(g, "cost_call", dst, cost)
        }
        cost_create_canister [EVERYWHERE, 500] (g, dst: I) -> () {
            let cost = g.data().subnet.prices.creation();
            write_cycles(g, "cost_create_canister", dst, cost)
        }
        cost_http_request [EVERYWHERE, 500] (g, request: u64, response: u64, dst: I) -> () {
            let cost = g.data().subnet.prices.outcall(request, response);
            write_cycles(g, "cost_http_request", dst, cost)
        }
        cost_http_request_v2 [EVERYWHERE, 500] (g, src: I, size: I, dst: I) -> () {
            let (params, host) = load(g, "ic0.cost_http_request_v2 heap", src, size)?;
            let cost = outcalls::quote(params, &host.subnet.prices)
                .map_err(|e| Trap::Contract(format!("ic0.cost_http_request_v2: {e}")))?;
            write_cycles(g, "cost_http_request_v2", dst, cost)
        }
        cost_sign_with_ecdsa [EVERYWHERE, copying(500, size)] (
            g, src: I, size: I, curve: u32, dst: I
        ) -> u32 {
            // secp256k1, secp256r1
            const NAME: &str = "cost_sign_with_ecdsa";
            environment::signature_cost(g, NAME, (src, size), (curve, 2), dst)
        }
        cost_sign_with_schnorr [EVERYWHERE, copying(500, size)] (
            g, src: I, size: I, algorithm: u32, dst: I
        ) -> u32 {
            // bip340secp256k1, ed25519
            const NAME: &str = "cost_sign_with_schnorr";
            environment::signature_cost(g, NAME, (src, size), (algorithm, 2), dst)
        }
        cost_vetkd_derive_key [EVERYWHERE, copying(500, size)] (
            g, src: I, size: I, curve: u32, dst: I
        ) -> u32 {
            // bls12_381
            const NAME: &str = "cost_vetkd_derive_key";
            environment::signature_cost(g, NAME, (src, size), (curve, 1), dst)
        }
    }

    // Modules with 64-bit memories lack the narrow forms of other functions.
    if I::TYPE == AddressType::I32 {
        ic0! {
            msg_cycles_available [U | RQ | RY | RT, 500] (g) -> u64 {
                Ok(narrow(g.data().changes.available)?)
            }
            msg_cycles_refunded [RY | RT, 500] (g) -> u64 { Ok(narrow(g.data().message.refunded)?) }
            msg_cycles_accept [U | RQ | RY | RT, 500] (g, most: u64) -> u64 {
                Ok(narrow(calls::accept(g.data_mut(), most.into()))?)
            }
            canister_cycle_balance [NOT_START, 500] (g) -> u64 {
                Ok(narrow(g.data().changes.balance)?)
            }
            call_cycles_add [U | RY | RT | T, 500] (g, amount: u64) -> () {
                Ok(calls::attach(g, "call_cycles_add", amount.into())?)
            }
            stable_size [EVERYWHERE, 20] (g) -> u32 { Ok(stable::size_32(g.data())?) }
            stable_grow [EVERYWHERE, 500] (g, pages: u32) -> u32 {
                let size = stable::size_32(g.data())?;
                if u64::from(size) + u64::from(pages) > stable::MAX_32 {
                    return Ok(u32::MAX);
                }
                Ok(stable::grow(g, pages.into())?.map_or(u32::MAX, |_| size))
            }
            stable_write [EVERYWHERE, copying(20, size.into())] (
                g, offset: u32, src: u32, size: u32
            ) -> () {
                stable::size_32(g.data())?;
                stable::write(g, offset.into(), src.into(), size.into())
            }
            stable_read [EVERYWHERE, copying(20, size.into())] (
                g, dst: u32, offset: u32, size: u32
            ) -> () {
                stable::size_32(g.data())?;
                stable::read(g, dst.into(), offset.into(), size.into())
            }
        }
    }

    // Debugging.
    ic0! {
        debug_print [EVERYWHERE, 100 + g.data().logging(size)] (g, src: I, size: I) -> () {
            // Printing never traps.
            match load(g, "ic0.debug_print", src, size) {
                Ok((bytes, host)) => host.print(bytes),
                Err(_) => g.data_mut().print(b"(debug_print message out of memory bounds)"),
            }
            Ok(())
        }
        trap [EVERYWHERE, copying(500, size).saturating_add(g.data().logging(size))] (
            g, src: I, size: I
        ) -> () {
            let message = match load(g, "trap", src, size.min(MAX_TRAP)) {
                Ok((bytes, _)) => String::from_utf8_lossy(bytes).into_owned(),
                Err(_) => "(trap message out of memory bounds)".to_owned(),
            };
            Err(Trap::Called(message).into())
        }
    }
    Ok(linker)
}

/// The information about the caller, and the canister that signed it. Both are empty if there is
/// none.
fn caller_info(host: &Host) -> (&[u8], &[u8]) {
    host.message
        .caller_info
        .as_ref()
        .map_or((&[], &[]), |info| (&info.data, info.signer.as_slice()))
}

/// The reject message. A context that may read it always has it.
fn reject_message(host: &Host) -> &[u8] {
    host.message
        .reject
        .as_ref()
        .map_or(&[], |(_, message)| message.as_bytes())
}
