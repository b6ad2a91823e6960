//! A light local replica of the Internet Computer.
//!
//! [`Replica`] is one instance: a network of subnets whose canisters are real WebAssembly modules,
//! executed with the platform's semantics. A message is atomic: a trap rolls it back. The same
//! inputs give the same results, bit for bit. A clone of an instance is a fork, which shares all
//! memory with its origin until either of them writes.
//!
//! On Linux, a message costs what it touches of its canister's memory, however large that is: heaps
//! are images that executions map, and the kernel tells which pages they wrote. Images may hold a
//! quarter of the machine's memory; beyond that, and on other systems, each message copies the heap
//! of its canister.
//!
//! It follows the interface specification up to 0.66; [`specification`] goes through its changelog.
//!
//! Missing features answer an error that names the feature:
//! - Wasm components, exceptions, garbage collection, typed function references, threads and the
//!   other proposals that the platform does not take are refused at installation.
//! - The methods of Bitcoin are rejected by the management canister, and so is `rename_canister`,
//!   which only canisters of the NNS may call.
//! - Of the network's own canisters there are those of [`SystemCanisters`], with the methods of
//!   their Candid interfaces. They have no methods in protocol buffers, no archives and no indexes.
//!
//! Where it differs from the platform, and why a canister that works there works here:
//! - *Time.* A message runs within one round, however long it is. On the platform a long message
//!   takes many rounds, during which other canisters go on; its limit, price and effects are the
//!   same. Canisters take turns in the order of their ids: a compute allocation buys no precedence.
//!   A composite query has no limit of time, only that of instructions. A threshold signature takes
//!   one round.
//! - *Texts.* Traps and rejects have the platform's code and the first line of its text; its advice
//!   and links are left out. Texts of our own: the reject of a call with fewer cycles than its
//!   callee demands (after its first words), that of a change of a loaded snapshot, those of
//!   callers who are no subnet admins.
//! - *Limits.* A module has at most 5,000,000 locals, and a million instructions that grow memory
//!   or drop segments. Twenty calls may wait for a threshold key; the network admits more while it
//!   has pre-signatures in stock. A subnet takes as many canisters as it has ids. Writes to memory
//!   are not rate limited; installations are (`IC0209`, unless [`Config::rate_limited`] or
//!   PocketIC's flag says otherwise).
//! - *Subnets.* Named subnets can't be deleted, as on PocketIC, and neither can the subnet whose
//!   key verifies all certificates. Those of the mainnet have the canister ids of PocketIC's
//!   routing table of 2025. The first node of a subnet makes all blocks, except those of
//!   [`Replica::tick_with`].
//! - *Cycles.* As on a subnet whose storage is not scarce, no cycles are reserved for it:
//!   `reserved_cycles` is always 0. Subnets that charge nothing count no cycles in
//!   `canister_metrics`. Canisters fetch logs for the fee in the platform's source; the
//!   specification would have them do so by composite queries.
//! - *Figures.* Queries are not counted: `query_stats` are 0. The size of the log in
//!   `memory_metrics` is close to the platform's, not equal. `subnet_metrics` are up to date, where
//!   the platform lags, and leave out the work on snapshots.
//! - *Outcalls.* The test that runs the instance answers them ([`Replica::answer_outcall`]).
//!   Responses beyond `max_response_bytes` become rejects as on the platform's nodes; PocketIC
//!   delivers such mocked responses.
//! - *System canisters.* Their code is native: a message takes 100,000 instructions, and their
//!   memory is not counted. The rate of ICP never changes. The cycles minting canister reads blocks
//!   by `query_blocks` and moves ICP by `transfer`. Texts of refused notifications differ in a few
//!   words.
//! - *Keys.* Keys of subnets are derived from their numbers; threshold keys are PocketIC's, which
//!   are published. Signatures are genuine, but no key is secret, and signatures with nonces are
//!   deterministic.
//! - *Senders.* Sender info in calls of PocketIC's client has no signature and is passed on as it
//!   is; that of agents is verified.
//! - *Gateways* judge the age of a certificate by the clock of the instance, verify streamed bodies
//!   of any length, and refuse a page of version 1 from a canister that lists version 2. Without
//!   named domains `raw` counts under every host.
//!
//! The binary of this package serves instances over the HTTP protocol of PocketIC; see [`http`].
//! Its command `did` prints the Candid interface of a module; see [`candid_interface()`].
//!
//! Features: `server`, which is on unless `default-features = false` says otherwise, is the binary
//! and `http`. Tests that hold a [`Replica`] in their own process need neither. `client` is a
//! client of the server's own paths, for tests that use the `pocket-ic` client.

// What only the server uses is a part of the library nevertheless.
#![cfg_attr(not(feature = "server"), allow(dead_code))]

mod bounded;
mod candid_interface;
mod canister;
mod certification;
#[cfg(feature = "client")]
pub mod client;
mod execution;
pub mod faults;
#[cfg(feature = "server")]
pub mod http;
mod ingress;
mod management;
mod memory;
mod network;
mod prices;
mod reject;
mod replica;
mod rounds;
/// The example of the guide's page about the replica compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/replica.md")]
mod page {}
#[doc = include_str!("../SPECIFICATION.md")]
pub mod specification {}
#[cfg(feature = "server")]
mod state_file;
mod stored;
mod subnets;
mod system;
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
pub use system::SystemCanisters;
pub use trace::{Accounts, Event, Fees, Kind, Outcome};
