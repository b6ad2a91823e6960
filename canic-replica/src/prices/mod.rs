//! The price list of a subnet, and the limits of instructions.

pub(crate) mod outcalls;

use crate::subnets::SubnetKind;

/// Instructions that one update message, callback or system task may take.
pub(crate) const UPDATE_LIMIT: u64 = 40_000_000_000;
/// Instructions that one installation may take.
pub(crate) const INSTALL_LIMIT: u64 = 300_000_000_000;
/// Instructions that one query may take, with all calls of a composite query.
pub(crate) const QUERY_LIMIT: u64 = 5_000_000_000;
/// Instructions that each call of a composite query costs besides those of its callee.
pub(crate) const QUERY_CALL: u64 = 50_000_000;
/// Instructions that `canister_inspect_message` may take.
pub(crate) const INSPECT_LIMIT: u64 = 200_000_000;
/// Instructions reserved for a cleanup callback: 5 % of those of a message.
pub(crate) const CLEANUP_LIMIT: u64 = UPDATE_LIMIT / 20;
/// Instructions charged for each Wasm instruction that is compiled.
pub(crate) const COMPILE_PER_OPERATOR: u64 = 6_000;
/// Instructions charged for the upload of one chunk.
pub(crate) const UPLOAD_CHUNK: u64 = 200_000_000;
/// Instructions charged for taking or loading a snapshot; each of its bytes adds one.
pub(crate) const SNAPSHOT: u64 = 2_000_000_000;

/// Instructions charged for the download or upload of a slice of a snapshot; each of its bytes adds
/// one.
pub(crate) const SNAPSHOT_DATA: u64 = 5_000_000;

/// The longest payload of an answer, which a call prepays, in bytes.
pub(crate) const MAX_RESPONSE: u64 = 2 * 1024 * 1024;

/// The price list of a subnet, for 13 nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prices {
    /// The creation of a canister.
    pub(crate) creation: u128,
    /// Instructions of an installation that delay the next installation by one round.
    pub(crate) installs_per_round: u64,
    /// Instructions for each page that a message changes.
    pub(crate) dirty_page: u64,
    message: u128,
    instruction: u128,
    ingress: u128,
    ingress_byte: u128,
    call: u128,
    call_byte: u128,
    gib_second: u128,
    percent_second: u128,
    /// Whether outcalls are charged (see `prices/outcalls.rs`) or free.
    outcalls: bool,
}

impl Prices {
    const APPLICATION: Self = Self {
        creation: 500_000_000_000,
        installs_per_round: 2_000_000_000,
        dirty_page: 1_000,
        message: 5_000_000,
        instruction: 1,
        ingress: 1_200_000,
        ingress_byte: 2_000,
        call: 260_000,
        call_byte: 1_000,
        gib_second: 127_000,
        percent_second: 10_000_000,
        outcalls: true,
    };

    /// Cloud engines count instructions like application subnets, and charge nothing.
    const FREE: Self = Self {
        creation: 0,
        message: 0,
        instruction: 0,
        ingress: 0,
        ingress_byte: 0,
        call: 0,
        call_byte: 0,
        gib_second: 0,
        percent_second: 0,
        outcalls: false,
        ..Self::APPLICATION
    };

    /// System subnets charge nothing, and do not count changed pages.
    const SYSTEM: Self = Self {
        installs_per_round: 1_000_000_000_000_000,
        dirty_page: 0,
        ..Self::FREE
    };

    /// The price list of a kind of subnet.
    pub(crate) fn of(kind: SubnetKind) -> Self {
        use SubnetKind::{
            Application, Bitcoin, CloudEngine, Fiduciary, II, NNS, SNS, System, TestThresholdKeys,
            VerifiedApplication,
        };
        match kind {
            Application | Fiduciary | SNS | VerifiedApplication => Self::APPLICATION,
            CloudEngine => Self::FREE,
            Bitcoin | II | NNS | System | TestThresholdKeys => Self::SYSTEM,
        }
    }

    /// A fee for outcalls, unless they are free.
    pub(crate) fn unless_free(&self, cycles: u128) -> u128 {
        if self.outcalls { cycles } else { 0 }
    }

    /// The execution of one message with `instructions` instructions.
    pub(crate) fn execution(&self, instructions: u64) -> u128 {
        self.message + u128::from(instructions) * self.instruction
    }

    /// The reception of an ingress message with `bytes` bytes.
    pub(crate) fn reception(&self, bytes: usize) -> u128 {
        self.ingress + bytes as u128 * self.ingress_byte
    }

    /// The transmission of a call whose method name and payload have `bytes` bytes.
    pub(crate) fn call(&self, bytes: u64) -> u128 {
        self.call + self.response(bytes)
    }

    /// The transmission of an answer with `bytes` bytes. The caller pays.
    pub(crate) fn response(&self, bytes: u64) -> u128 {
        u128::from(bytes) * self.call_byte
    }

    /// The amount that a call prepays for its callback and for the longest answer.
    pub(crate) fn answer_in_advance(&self) -> u128 {
        self.execution(UPDATE_LIMIT) + self.response(MAX_RESPONSE)
    }

    /// Memory of `bytes` bytes and a compute allocation of `percent` over `ns` nanoseconds.
    pub(crate) fn resources(&self, bytes: u64, percent: u64, ns: u64) -> u128 {
        const GIB_NS: u128 = (1 << 30) * 1_000_000_000;
        let memory = (u128::from(bytes) * self.gib_second).saturating_mul(ns.into()) / GIB_NS;
        memory + u128::from(percent) * self.percent_second * u128::from(ns) / 1_000_000_000
    }
}
