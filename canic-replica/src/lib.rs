//! A light local replica of the Internet Computer.
//!
//! [`Replica`] is one instance: a network of subnets whose canisters are real WebAssembly modules, executed with the
//! platform's semantics. A message commits whole or, on a trap, not at all. The same inputs give the same results, bit
//! for bit, and a clone of an instance is a fork: it shares all memory with its origin until either of them writes.
//!
//! The binary of this package serves instances over the HTTP protocol of PocketIC; see [`http`].

mod canister;
mod cycles;
mod digest;
mod execution;
pub mod http;
mod installation;
mod machine_code;
mod management;
mod memory;
mod query;
mod replica;
mod rewrite;
mod scheduler;
mod storage;
mod system_api;
mod trace;
mod wasm;

pub use replica::{
    Config, EffectivePrincipal, Ingress, IngressStatus, MessageId, Reject, RejectCode, Replica,
    SubnetInfo, SubnetKind,
};
pub use trace::{Accounts, Event, Fees, Kind, Outcome};
