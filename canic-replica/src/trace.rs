//! The trace of an instance, with one event per executed message, and the accounts of all cycles.

use candid::Principal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::reject::RejectCode;

/// The kind of message that an [`Event`] records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A call from outside, executed by an update or query method.
    Ingress,
    /// A call from a canister, executed by an update or query method.
    Update,
    /// A query call from outside.
    Query,
    /// A call, from outside or from a canister, that never reached a method.
    Call,
    /// A reply callback.
    Reply,
    /// A reject callback.
    Reject,
    /// A cleanup callback.
    Cleanup,
    /// The global timer.
    Timer,
    /// The heartbeat.
    Heartbeat,
    /// The hook for low Wasm memory.
    LowMemory,
    /// A call to the management canister.
    Management,
    /// `start`, `canister_init`, `canister_pre_upgrade` or `canister_post_upgrade`.
    Lifecycle,
}

/// How a message ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It returned without an answer (yet).
    Ok,
    /// It replied.
    Reply,
    /// It rejected, or was rejected.
    Reject {
        /// The code the caller sees.
        code: RejectCode,
        /// The text the caller sees.
        message: String,
    },
    /// It trapped and was rolled back.
    Trap {
        /// The reason.
        message: String,
    },
}

/// One executed message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Event {
    /// Counts all events of the instance, from 0.
    pub seq: u64,
    /// The round in which it ran.
    pub round: u64,
    /// The instance's time, in nanoseconds since 1970.
    pub time: u64,
    /// The kind of message.
    pub kind: Kind,
    /// The sender of the message; for a callback, the callee of the call.
    pub caller: Principal,
    /// The canister that executed it.
    pub canister: Principal,
    /// The method, or the name of the system task; for a callback, the method that was called.
    pub method: String,
    /// The outcome.
    pub outcome: Outcome,
    /// Cycles attached to the message.
    #[serde(serialize_with = "decimal", deserialize_with = "from_decimal")]
    pub cycles: u128,
    /// Instructions of the message.
    pub instructions: u64,
}

/// Cycles charged, by purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fees {
    /// Creation of canisters.
    #[serde(serialize_with = "decimal", deserialize_with = "from_decimal")]
    pub creation: u128,
    /// Execution of messages, compilation of modules, and work of the management canister.
    #[serde(serialize_with = "decimal", deserialize_with = "from_decimal")]
    pub execution: u128,
    /// Reception of ingress messages.
    #[serde(serialize_with = "decimal", deserialize_with = "from_decimal")]
    pub ingress: u128,
    /// Transmission of calls and of their answers.
    #[serde(serialize_with = "decimal", deserialize_with = "from_decimal")]
    pub transmission: u128,
    /// HTTP outcalls.
    #[serde(serialize_with = "decimal", deserialize_with = "from_decimal")]
    pub outcalls: u128,
    /// Signatures with threshold keys, and keys derived from them.
    #[serde(serialize_with = "decimal", deserialize_with = "from_decimal")]
    pub signatures: u128,
    /// Storage and compute allocation, as time passes.
    #[serde(serialize_with = "decimal", deserialize_with = "from_decimal")]
    pub resources: u128,
}

/// Where all cycles of an instance are. `minted` is exactly the sum of everything else, after every
/// round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    /// Cycles that provisional calls minted,
    /// [`Replica::add_cycles`](crate::Replica::add_cycles), and the cycles minting canister; and
    /// those that the cycles ledger holds from the start.
    #[serde(serialize_with = "decimal", deserialize_with = "from_decimal")]
    pub minted: u128,
    /// Held by canisters.
    #[serde(serialize_with = "decimal", deserialize_with = "from_decimal")]
    pub balances: u128,
    /// Attached to calls under way, refunds under way, and fees paid in advance.
    #[serde(serialize_with = "decimal", deserialize_with = "from_decimal")]
    pub in_flight: u128,
    /// Charged by the platform.
    pub fees: Fees,
    /// Burnt by canisters.
    #[serde(serialize_with = "decimal", deserialize_with = "from_decimal")]
    pub burnt: u128,
    /// Held by canisters when they were deleted, and refunds to canisters that no longer exist.
    #[serde(serialize_with = "decimal", deserialize_with = "from_decimal")]
    pub destroyed: u128,
}

impl Fees {
    /// All fees.
    pub fn total(&self) -> u128 {
        self.creation
            + self.execution
            + self.ingress
            + self.transmission
            + self.outcalls
            + self.signatures
            + self.resources
    }
}

impl Accounts {
    /// Minted cycles less those with a known place: 0 if the accounts balance, negative if cycles
    /// appeared from nowhere.
    pub fn unaccounted(&self) -> i128 {
        let known =
            self.balances + self.in_flight + self.fees.total() + self.burnt + self.destroyed;
        // The difference is far below 2^127, even if the sums are not.
        self.minted.wrapping_sub(known) as i128
    }

    /// Whether no cycle appeared from nowhere or vanished.
    pub fn balanced(&self) -> bool {
        self.unaccounted() == 0
    }
}

/// Reads a decimal string.
fn from_decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

/// JSON numbers end at 2^53: cycles travel as decimal strings.
fn decimal<S: Serializer>(value: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
