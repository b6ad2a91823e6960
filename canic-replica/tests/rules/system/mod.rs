//! The network's own canisters: every method at its limits, through the Candid interfaces that the
//! canisters certify. Arguments and replies are Candid texts.

mod cycles_ledger;
mod cycles_minting;
mod icp_ledger;
mod starting;
mod sums;

use std::collections::BTreeMap;

use candid::{
    IDLArgs, Principal, TypeEnv,
    types::{FuncMode, Type, TypeInner},
};
use candid_parser::{parse_idl_args, utils::CandidSource};
use canic_replica::{Config, EffectivePrincipal, Ingress, Reject, SubnetKind, SystemCanisters};
use ic_management_canister_types::CanisterInstallMode::Install;

use crate::{
    certification::read,
    common::{CALLER, Net, T, canister, decode_outcome},
};

const ICP_LEDGER: &str = "ryjl3-tyaaa-aaaaa-aaaba-cai";
const CYCLES_MINTING: &str = "rkp4c-7iaaa-aaaaa-aaaca-cai";
const CYCLES_LEDGER: &str = "um5iw-rqaaa-aaaaq-qaaba-cai";
const GOVERNANCE: &str = "rrkah-fqaaa-aaaaa-aaaaq-cai";

/// 2021-05-10T08:00:01Z, in nanoseconds since 1970.
const START: u64 = 1_620_633_601_000_000_000;
const HOUR: u64 = 3_600_000_000_000;
const MINUTE: u64 = 60_000_000_000;
/// An ICP, in e8s.
const ICP: u64 = 100_000_000;

fn id(text: &str) -> Principal {
    Principal::from_text(text).unwrap()
}

/// A user.
fn user(number: u8) -> Principal {
    Principal::self_authenticating([number])
}

/// An account with the default subaccount.
fn account(owner: Principal) -> String {
    format!("record {{ owner = principal \"{owner}\" }}")
}

/// Bytes as a Candid text.
fn blob(bytes: &[u8]) -> String {
    let escaped: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!("blob \"{escaped}\"")
}

/// A program that calls the canister whose id is at the beginning of its argument, like [`CALLER`].
fn proxy_program() -> String {
    CALLER
        .replace(
            "(i32.const 0) (i32.const 0) (i32.const 1001)",
            "(i32.const 1000) (i32.const 10) (i32.const 1011)",
        )
        .replace(
            "(i32.load8_u (i32.const 1000))",
            "(i32.load8_u (i32.const 1010))",
        )
        .replace(
            "(i32.add (i32.const 1001) (local.get $name))",
            "(i32.add (i32.const 1011) (local.get $name))",
        )
        .replace(
            "(i32.const 17)) (local.get $name)",
            "(i32.const 27)) (local.get $name)",
        )
}

/// An interface, as a canister certifies it.
#[derive(Clone)]
struct Interface(TypeEnv, Type);

impl Interface {
    fn of(net: &Net, canister: Principal) -> Self {
        let path: [&[u8]; 4] = [
            b"canister",
            canister.as_slice(),
            b"metadata",
            b"candid:service",
        ];
        let paths = [path.map(<[u8]>::to_vec).to_vec()];
        let effective = EffectivePrincipal::Canister(canister);
        let certificate = net.replica.read_state(net.admin, effective, &paths);
        let text = read(&net.replica, canister, &certificate.unwrap(), &path);
        let text = String::from_utf8(text).unwrap();
        let (env, service) = CandidSource::Text(&text).load().unwrap();
        Self(env, service.unwrap())
    }

    /// The types of the arguments and of the replies, and whether it is a query method.
    fn method(&self, name: &str) -> (Vec<Type>, Vec<Type>, bool) {
        let service = self.0.as_service(&self.1).unwrap();
        let (_, ty) = service.iter().find(|(method, _)| method == name).unwrap();
        let TypeInner::Func(function) = ty.as_ref() else {
            panic!("{name} is no method");
        };
        let is_query = function.modes.contains(&FuncMode::Query);
        (function.args.clone(), function.rets.clone(), is_query)
    }

    fn names(&self) -> Vec<(String, bool)> {
        let service = self.0.as_service(&self.1).unwrap();
        let names = service.iter().map(|(name, _)| name.clone());
        names
            .map(|name| (name.clone(), self.method(&name).2))
            .collect()
    }

    fn encode(&self, method: &str, text: &str) -> Vec<u8> {
        let (arguments, _, _) = self.method(method);
        let arguments_text = parse_idl_args(text).unwrap();
        arguments_text
            .to_bytes_with_types(&self.0, &arguments)
            .unwrap_or_else(|error| panic!("{method}{text}: {error}"))
    }

    fn decode(&self, method: &str, reply: &[u8]) -> String {
        let (_, replies, _) = self.method(method);
        let reply = IDLArgs::from_bytes_with_types(reply, &self.0, &replies).unwrap();
        let text = reply.to_string();
        // Long texts are broken into lines, with a comma or semicolon before the end.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        text.replace("( ", "(")
            .replace(", )", ")")
            .replace("; }", " }")
    }
}

/// An instance with all system canisters, two application subnets and a fiduciary one.
#[derive(Clone)]
struct System {
    net: Net,
    interfaces: BTreeMap<Principal, Interface>,
}

impl System {
    fn new() -> Self {
        let net = Net::of(Config {
            subnets: vec![
                SubnetKind::NNS,
                SubnetKind::II,
                SubnetKind::Application,
                SubnetKind::Application,
                SubnetKind::Fiduciary,
            ],
            time: Some(START),
            system_canisters: SystemCanisters {
                icp_ledger: true,
                cycles_ledger: true,
                cycles_minting: true,
            },
            ..Config::default()
        });
        let ids = [ICP_LEDGER, CYCLES_LEDGER, CYCLES_MINTING].map(id);
        let interfaces = ids.map(|id| (id, Interface::of(&net, id))).into();
        Self { net, interfaces }
    }

    /// Calls a method as an update if it is one, otherwise as a query. Answers the reply, or
    /// `reject:` and the text.
    fn call(&mut self, sender: Principal, canister: &str, method: &str, args: &str) -> String {
        let interface = self.interfaces[&id(canister)].clone();
        let payload = interface.encode(method, args);
        let ingress = Ingress {
            sender,
            ..self.net.ingress(id(canister), method, &payload)
        };
        let (_, _, is_query) = interface.method(method);
        let result = match is_query {
            true => self.net.replica.query(ingress),
            false => self.net.send(ingress),
        };
        self.text(canister, method, result)
    }

    fn text(&self, canister: &str, method: &str, result: Result<Vec<u8>, Reject>) -> String {
        match result {
            Ok(reply) => self.interfaces[&id(canister)].decode(method, &reply),
            Err(reject) => format!("reject: {}", reject.message),
        }
    }

    fn icp(&mut self, sender: Principal, method: &str, args: &str) -> String {
        self.call(sender, ICP_LEDGER, method, args)
    }

    fn cycles(&mut self, sender: Principal, method: &str, args: &str) -> String {
        self.call(sender, CYCLES_LEDGER, method, args)
    }

    fn minting(&mut self, sender: Principal, method: &str, args: &str) -> String {
        self.call(sender, CYCLES_MINTING, method, args)
    }

    /// The identifier of an account of the ICP ledger, as a Candid text.
    fn identifier(&mut self, account: &str) -> String {
        let reply = self.icp(user(0), "account_identifier", &format!("({account})"));
        reply.trim_matches(['(', ')']).to_owned()
    }

    /// The balance of an account on a ledger.
    fn balance(&mut self, ledger: &str, account: &str) -> u128 {
        let reply = self.call(user(0), ledger, "icrc1_balance_of", &format!("({account})"));
        number(&reply)
    }

    /// Gives ICP of the anonymous principal to an account; answers the block.
    fn give_icp(&mut self, account: &str, e8s: u64) -> u64 {
        let args = format!("(record {{ to = {account}; amount = {e8s} : nat }})");
        let reply = self.icp(Principal::anonymous(), "icrc1_transfer", &args);
        block(&reply)
    }

    /// Gives cycles of the anonymous principal to an account.
    fn give_cycles(&mut self, account: &str, cycles: u128) -> u64 {
        let args = format!("(record {{ to = {account}; amount = {cycles} : nat }})");
        block(&self.cycles(Principal::anonymous(), "icrc1_transfer", &args))
    }

    /// A canister on the first application subnet that makes calls.
    fn proxy(&mut self) -> Principal {
        let proxy = self.net.create_on(2, 100 * T);
        let module = canister(&proxy_program());
        self.net.install_as(Install, proxy, module, &[]).unwrap();
        proxy
    }

    /// Lets a canister call a method with cycles. Answers the refund, and the reply or the reject.
    fn call_from(
        &mut self,
        proxy: Principal,
        canister: &str,
        method: &str,
        args: &str,
        cycles: u128,
    ) -> (u128, String) {
        let payload = self.interfaces[&id(canister)].encode(method, args);
        let argument = [
            id(canister).as_slice(),
            &[method.len() as u8],
            method.as_bytes(),
            &cycles.to_le_bytes(),
            &payload,
        ]
        .concat();
        let answer = self.net.update(proxy, "go", &argument).unwrap();
        let (refund, result) = decode_outcome(&answer);
        let text = match result {
            Ok(reply) => self.interfaces[&id(canister)].decode(method, &reply),
            Err((code, text)) => format!("reject {code}: {text}"),
        };
        (refund, text)
    }

    fn at(&mut self, time: u64) {
        self.net.replica.set_time(time).unwrap();
        self.net.replica.tick();
    }

    fn now(&self) -> u64 {
        self.net.replica.time()
    }
}

/// The number in a reply like `(5 : nat)`.
fn number(reply: &str) -> u128 {
    let value = reply.split(" : ").next().unwrap_or_default();
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("{reply}"))
}

/// The block in a reply like `(variant { Ok = 5 : nat })`.
fn block(reply: &str) -> u64 {
    assert!(reply.starts_with("(variant { Ok = "), "{reply}");
    number(reply).try_into().unwrap()
}
