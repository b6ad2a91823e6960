//! An instance under test, and the functions that its small canisters are written with.
#![allow(dead_code, missing_docs, unreachable_pub)]

use candid::{
    Nat, Principal,
    utils::{ArgumentDecoder, ArgumentEncoder, decode_args, encode_args},
};
use canic_replica::{
    Config, EffectivePrincipal, Event, Ingress, Kind, Outcome, Reject, Replica, SubnetKind,
};
use ic_management_canister_types as types;

pub const T: u128 = 1_000_000_000_000;

/// The fee for the reception of a message of [`Net::admin`] to a canister, on 13 nodes: the method
/// and the argument, and about 150 bytes around them.
pub fn reception(callee: Principal, method: &str, payload: usize) -> u128 {
    let head = match payload {
        0..24 => 0,
        24..256 => 1,
        256..65_536 => 2,
        _ => 4,
    };
    let around = 140 + head + callee.as_slice().len();
    1_200_000 + 2_000 * (around + method.len() + payload) as u128
}

/// One instance. After every call it checks that no cycle was lost.
#[derive(Clone)]
pub struct Net {
    pub replica: Replica,
    pub admin: Principal,
}

impl Net {
    pub fn new() -> Self {
        Self::with(vec![SubnetKind::Application])
    }

    pub fn with(subnets: Vec<SubnetKind>) -> Self {
        Self::of(Config {
            subnets,
            ..Config::default()
        })
    }

    pub fn of(config: Config) -> Self {
        let replica = Replica::new(config).unwrap();
        Self {
            replica,
            admin: Principal::self_authenticating("admin"),
        }
    }

    /// Goes on with the instance as it is written and read.
    pub fn restart(&mut self) {
        let hash = self.replica.state_hash();
        self.replica = Replica::from_bytes(&self.replica.to_bytes().unwrap()).unwrap();
        assert_eq!(self.replica.state_hash(), hash);
    }

    pub fn ingress(&self, canister: Principal, method: &str, payload: &[u8]) -> Ingress {
        Ingress {
            sender: self.admin,
            canister,
            method: method.into(),
            payload: payload.to_vec(),
            effective: None,
            caller_info: None,
        }
    }

    pub fn update(
        &mut self,
        canister: Principal,
        method: &str,
        payload: &[u8],
    ) -> Result<Vec<u8>, Reject> {
        self.send(self.ingress(canister, method, payload))
    }

    pub fn send(&mut self, ingress: Ingress) -> Result<Vec<u8>, Reject> {
        let id = self.replica.submit(ingress)?;
        let result = self.replica.await_ingress(&id).unwrap();
        self.check_accounts();
        result
    }

    pub fn query(
        &mut self,
        canister: Principal,
        method: &str,
        payload: &[u8],
    ) -> Result<Vec<u8>, Reject> {
        let query = self.ingress(canister, method, payload);
        self.replica.query(query)
    }

    /// The number that a query method replies with.
    pub fn number(&mut self, canister: Principal, method: &str) -> u32 {
        let reply = self.query(canister, method, &[]).unwrap();
        u32::from_le_bytes(reply.try_into().unwrap())
    }

    pub fn manage<R>(&mut self, method: &str, args: impl ArgumentEncoder) -> Result<R, Reject>
    where
        R: for<'a> ArgumentDecoder<'a>,
    {
        self.manage_as(self.admin, method, args)
    }

    pub fn manage_as<R>(
        &mut self,
        sender: Principal,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> Result<R, Reject>
    where
        R: for<'a> ArgumentDecoder<'a>,
    {
        let payload = encode_args(args).unwrap();
        let ingress = Ingress {
            sender,
            ..self.ingress(Principal::management_canister(), method, &payload)
        };
        self.send(ingress).map(|reply| decode_args(&reply).unwrap())
    }

    pub fn create(&mut self, cycles: u128) -> Principal {
        self.create_at(None, cycles)
    }

    /// A new canister on the subnet at this position.
    pub fn create_on(&mut self, subnet: usize, cycles: u128) -> Principal {
        let subnet = self.replica.subnets()[subnet].id;
        self.create_at(Some(EffectivePrincipal::Subnet(subnet)), cycles)
    }

    fn create_at(&mut self, effective: Option<EffectivePrincipal>, cycles: u128) -> Principal {
        let args = types::ProvisionalCreateCanisterWithCyclesArgs {
            amount: Some(Nat::from(cycles)),
            settings: None,
            specified_id: None,
            sender_canister_version: None,
        };
        let method = "provisional_create_canister_with_cycles";
        let management = Principal::management_canister();
        let ingress = Ingress {
            effective,
            ..self.ingress(management, method, &encode(args))
        };
        let reply = self.send(ingress).unwrap();
        let (created,) = decode_args::<(types::CanisterIdRecord,)>(&reply).unwrap();
        created.canister_id
    }

    pub fn install_as(
        &mut self,
        mode: types::CanisterInstallMode,
        canister_id: Principal,
        wasm_module: Vec<u8>,
        arg: &[u8],
    ) -> Result<(), Reject> {
        let arg = arg.to_vec();
        let args = types::InstallCodeArgs {
            mode,
            canister_id,
            wasm_module,
            arg,
            sender_canister_version: None,
        };
        self.manage("install_code", (args,))
    }

    /// A fresh canister with a module made by [`canister`].
    pub fn install(&mut self, body: &str) -> Principal {
        let id = self.create(100 * T);
        self.install_as(types::CanisterInstallMode::Install, id, canister(body), &[])
            .unwrap();
        id
    }

    pub fn status(&mut self, canister_id: Principal) -> types::CanisterStatusResult {
        let args = types::CanisterIdRecord { canister_id };
        self.manage::<(types::CanisterStatusResult,)>("canister_status", (args,))
            .unwrap()
            .0
    }

    /// Lets a [`CALLER`] call the management canister. Returns the refund, and the reply or the
    /// reject's code and message.
    pub fn call_through(
        &mut self,
        caller: Principal,
        method: &str,
        cycles: u128,
        payload: &[u8],
    ) -> (u128, Result<Vec<u8>, (u32, String)>) {
        let answer = self.update(caller, "go", &call_argument(method, cycles, payload));
        decode_outcome(&answer.unwrap())
    }

    /// Changes the settings of a canister as its controller.
    pub fn update_settings(
        &mut self,
        canister_id: Principal,
        settings: types::CanisterSettings,
    ) -> Result<(), Reject> {
        let args = types::UpdateSettingsArgs {
            canister_id,
            settings,
            sender_canister_version: None,
        };
        self.manage("update_settings", (args,))
    }

    pub fn check_accounts(&self) {
        let accounts = self.replica.accounts();
        assert!(accounts.balanced(), "{accounts:?}");
    }

    pub fn events(&self, kind: Kind) -> Vec<Event> {
        self.replica
            .trace()
            .iter()
            .filter(|event| event.kind == kind)
            .cloned()
            .collect()
    }

    pub fn outcomes(&self, kind: Kind) -> Vec<Outcome> {
        self.events(kind)
            .into_iter()
            .map(|event| event.outcome)
            .collect()
    }
}

/// A program whose method `go` calls the management canister as its argument says (see
/// [`call_argument`]).
pub const CALLER: &str = r#"
    (table 4 funcref)
    (elem (i32.const 1) $on_reply $on_reject)
    (func $on_reply (param i32)
        (call $msg_cycles_refunded128 (i32.const 20000))
        (i32.store8 (i32.const 20016) (i32.const 0))
        (call $msg_arg_data_copy (i32.const 20017) (i32.const 0) (call $msg_arg_data_size))
        (call $answer (i32.const 20000) (i32.add (i32.const 17) (call $msg_arg_data_size))))
    (func $on_reject (param i32)
        (call $msg_cycles_refunded128 (i32.const 20000))
        (i32.store8 (i32.const 20016) (call $msg_reject_code))
        (call $msg_reject_msg_copy (i32.const 20017) (i32.const 0) (call $msg_reject_msg_size))
        (call $answer (i32.const 20000) (i32.add (i32.const 17) (call $msg_reject_msg_size))))
    (func (export "canister_update go") (local $size i32) (local $name i32) (local $rest i32)
        (local.set $size (call $argument))
        (local.set $name (i32.load8_u (i32.const 1000)))
        (local.set $rest (i32.add (i32.const 1001) (local.get $name)))
        (call $call_new (i32.const 0) (i32.const 0) (i32.const 1001) (local.get $name)
            (i32.const 1) (i32.const 0) (i32.const 2) (i32.const 0))
        (call $call_cycles_add128
            (i64.load offset=8 (local.get $rest)) (i64.load (local.get $rest)))
        (call $call_data_append (i32.add (local.get $rest) (i32.const 16))
            (i32.sub (i32.sub (local.get $size) (i32.const 17)) (local.get $name)))
        (if (call $call_perform) (then (unreachable))))
"#;

/// The argument of a [`CALLER`]: the method, the cycles to attach, and the payload.
pub fn call_argument(method: &str, cycles: u128, payload: &[u8]) -> Vec<u8> {
    let name = [&[method.len() as u8], method.as_bytes()].concat();
    [name.as_slice(), &cycles.to_le_bytes(), payload].concat()
}

/// Decodes the reply of a [`CALLER`]: the refund, and the reply or the reject's code and message.
pub fn decode_outcome(answer: &[u8]) -> (u128, Result<Vec<u8>, (u32, String)>) {
    let refund = u128::from_le_bytes(answer[..16].try_into().unwrap());
    let rest = answer[17..].to_vec();
    match answer[16] {
        0 => (refund, Ok(rest)),
        code => (refund, Err((code.into(), String::from_utf8(rest).unwrap()))),
    }
}

pub fn encode(value: impl candid::CandidType) -> Vec<u8> {
    encode_args((value,)).unwrap()
}

pub fn record(canister_id: Principal) -> (types::CanisterIdRecord,) {
    (types::CanisterIdRecord { canister_id },)
}

/// A module with all the imports, one page of memory, and these functions:
///
/// - `$reply`: replies with an i32.
/// - `$answer`: replies with bytes (address, size).
/// - `$argument`: copies the argument to address 1000 and returns its size.
/// - `$new_call`: begins a call of the canister whose id lies at address 1000 (address and size of
///   the method's name, table index of the reply and of the reject callback).
pub fn canister(body: &str) -> Vec<u8> {
    let imports: String = IMPORTS
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(import)
        .collect();
    wat::parse_str(format!(
        "(module {imports} (memory (export \"memory\") 1) {FUNCTIONS} {body})"
    ))
    .unwrap()
}

fn import(line: &str) -> String {
    let (name, ty) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    format!("(import \"ic0\" \"{name}\" (func ${name} {ty}))\n")
}

const IMPORTS: &str = "
    msg_arg_data_size (result i32)
    msg_arg_data_copy (param i32 i32 i32)
    msg_reply_data_append (param i32 i32)
    msg_reply
    msg_reject (param i32 i32)
    msg_reject_code (result i32)
    msg_reject_msg_size (result i32)
    msg_reject_msg_copy (param i32 i32 i32)
    msg_cycles_accept128 (param i64 i64 i32)
    msg_cycles_refunded128 (param i32)
    msg_cycles_available128 (param i32)
    msg_deadline (result i64)
    msg_method_name_size (result i32)
    canister_self_copy (param i32 i32 i32)
    canister_version (result i64)
    is_controller (param i32 i32) (result i32)
    accept_message
    call_new (param i32 i32 i32 i32 i32 i32 i32 i32)
    call_on_cleanup (param i32 i32)
    call_data_append (param i32 i32)
    call_cycles_add128 (param i64 i64)
    call_with_best_effort_response (param i32)
    call_perform (result i32)
    stable64_size (result i64)
    stable64_grow (param i64) (result i64)
    stable64_write (param i64 i64 i64)
    stable64_read (param i64 i64 i64)
    certified_data_set (param i32 i32)
    data_certificate_present (result i32)
    data_certificate_size (result i32)
    data_certificate_copy (param i32 i32 i32)
    global_timer_set (param i64) (result i64)
    time (result i64)
    performance_counter (param i32) (result i64)
    cycles_burn128 (param i64 i64 i32)
    debug_print (param i32 i32)
    trap (param i32 i32)
    msg_caller_size (result i32)
    cost_http_request (param i64 i64 i32)
    cost_http_request_v2 (param i32 i32 i32)
    canister_liquid_cycle_balance128 (param i32)
    cost_call (param i64 i64 i32)
    cost_sign_with_ecdsa (param i32 i32 i32 i32) (result i32)
    cost_sign_with_schnorr (param i32 i32 i32 i32) (result i32)
    cost_vetkd_derive_key (param i32 i32 i32 i32) (result i32)
";

const FUNCTIONS: &str = r#"
    (func $answer (param i32 i32)
        (call $msg_reply_data_append (local.get 0) (local.get 1)) (call $msg_reply))
    (func $reply (param i32)
        (i32.store (i32.const 900) (local.get 0)) (call $answer (i32.const 900) (i32.const 4)))
    (func $argument (result i32)
        (call $msg_arg_data_copy (i32.const 1000) (i32.const 0) (call $msg_arg_data_size))
        (call $msg_arg_data_size))
    (func $new_call (param $name i32) (param $size i32) (param $reply i32) (param $reject i32)
        (call $call_new (i32.const 1000) (i32.const 10) (local.get $name) (local.get $size)
            (local.get $reply) (i32.const 0) (local.get $reject) (i32.const 0)))
"#;

/// [`Net::call_through`], in tenths of T cycles.
pub fn call_through(
    net: &mut Net,
    caller: Principal,
    method: &str,
    tenths: u128,
    payload: &[u8],
) -> (u128, Result<Vec<u8>, (u32, String)>) {
    net.call_through(caller, method, tenths * T / 10, payload)
}

/// No argument, in Candid.
pub const NO_ARGS: &[u8] = b"DIDL\x00\x00";
