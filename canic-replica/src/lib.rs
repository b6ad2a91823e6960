//! A light local replica of the Internet Computer.
//!
//! [`Replica`] is one instance: a network of subnets whose canisters are real WebAssembly modules,
//! executed with the platform's semantics. A message is atomic: a trap rolls it back. The same
//! inputs give the same results, bit for bit. A clone of an instance is a fork, which shares all
//! memory with its origin until either of them writes.
//!
//! Missing features answer an error that names the feature:
//! - Wasm64 memories, Wasm components, exceptions and garbage collection are refused at
//!   installation.
//! - Threshold signatures and Bitcoin are rejected by the management canister; the `ic0.cost_*`
//!   functions of signatures answer that there is no such key.
//! - So are `canister_metrics`, `subnet_metrics`, `list_canisters` and `rename_canister`.
//!
//! Where it differs from the platform:
//! - A message runs within one round, however long it is. On the platform a long message takes many
//!   rounds, during which other canisters go on. Its limit, price and effects are the same.
//! - Canisters take turns in the order of their ids, one after the other: compute allocations buy
//!   no precedence.
//! - Traps and rejects have the platform's code and the first line of its text; its advice and
//!   links are left out.
//! - `ic0.msg_reject_code` is allowed in a cleanup, as the specification says; the platform's code
//!   traps.
//! - A module has at most 5,000,000 locals, and a million instructions that grow memory or drop
//!   segments.
//! - The reject of a call with fewer cycles than its callee demands has a text of its own.
//! - All subnets have 13 nodes; system subnets and cloud engines charge nothing. Named subnets
//!   cannot be deleted, as on PocketIC, and neither can the subnet whose key verifies all
//!   certificates.
//! - No cycles are reserved for storage: `reserved_cycles` is always 0, whatever
//!   `reserved_cycles_limit` says. Queries are not counted: `query_stats` are 0.
//! - Reception is charged for the method's name and the argument, not for the envelope around them.
//! - The sizes of history and log in `memory_metrics` are close to the platform's, not equal.
//! - Installations are rate limited (`IC0209`, unless [`Config::rate_limited`] or PocketIC's flag
//!   says otherwise); writes to memory are not.
//! - Canisters fetch logs free of charge. A subnet takes as many canisters as it has ids. Its first
//!   node makes all blocks, except those of [`Replica::tick_with`]. There are no subnet admins.
//! - Signed information about a caller ([`CallerInfo`]) is passed on without verification.
//! - The test that runs the instance answers HTTP outcalls ([`Replica::answer_outcall`]). Responses
//!   beyond `max_response_bytes` become rejects as on the platform's nodes; PocketIC delivers such
//!   mocked responses.
//! - Keys are derived from the numbers of the subnets: their signatures are genuine, but no key is
//!   secret.
//!
//! [`specification`] lists the items of the interface specification since 0.46, and their tests.
//!
//! The binary of this package serves instances over the HTTP protocol of PocketIC; see [`http`].
//! Its command `did` prints the Candid interface of a module; see [`candid_interface()`].

mod bounded;
mod candid_interface;
mod canister;
mod certification;
pub mod client;
mod execution;
pub mod faults;
pub mod http;
mod ingress;
mod management;
mod memory;
mod network;
mod prices;
mod reject;
mod replica;
mod rounds;
#[doc = include_str!("../SPECIFICATION.md")]
pub mod specification {}
mod subnets;
mod threshold;
mod trace;
mod wasm;

pub use candid_interface::{candid_interface, with_candid_interface};
pub use faults::{ArmedFault, Chaos, Direction, Effect, Fault, FiredFault};
pub use ingress::{CallerInfo, EffectivePrincipal, Ingress, IngressStatus, MessageId};
pub use management::outcalls::{OutcallAnswer, PendingOutcall};
pub use network::Config;
pub use network::outcalls::HttpMethod;
pub use network::read_state::ReadStateError;
pub use prices::outcalls::Replication;
pub use reject::{Reject, RejectCode};
pub use replica::Replica;
pub use subnets::{Blockmakers, SubnetInfo, SubnetKind, SubnetOptions};
pub use trace::{Accounts, Event, Fees, Kind, Outcome};
