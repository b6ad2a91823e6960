//! The price list of a subnet, and the limits of instructions.

pub(crate) mod outcalls;

use crate::subnets::SubnetKind;

/// Instructions that one update message, callback or system task may take.
pub(crate) const UPDATE_LIMIT: u64 = 40_000_000_000;
/// Instructions that one installation may take.
pub(crate) const INSTALL_LIMIT: u64 = 300_000_000_000;
/// Instructions that one query may take.
pub(crate) const QUERY_LIMIT: u64 = 5_000_000_000;
/// Instructions that `canister_inspect_message` may take.
pub(crate) const INSPECT_LIMIT: u64 = 200_000_000;
/// Instructions kept for a cleanup callback: 5 % of a message's.
pub(crate) const CLEANUP_LIMIT: u64 = UPDATE_LIMIT / 20;
/// Instructions charged for each Wasm instruction that is compiled.
pub(crate) const COMPILE_PER_OPERATOR: u64 = 6_000;
/// Instructions charged for the upload of one chunk.
pub(crate) const UPLOAD_CHUNK: u64 = 200_000_000;
/// Instructions charged for taking or loading a snapshot, and for each of its bytes one more.
pub(crate) const SNAPSHOT: u64 = 2_000_000_000;

/// Instructions charged for moving snapshot data in or out, and for each of its bytes one more.
pub(crate) const SNAPSHOT_DATA: u64 = 5_000_000;

/// The longest payload of an answer, for which a call pays in advance.
pub(crate) const MAX_RESPONSE: u64 = 2 * 1024 * 1024;

/// The price list of a subnet, for 13 nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prices {
    /// For creating a canister.
    pub(crate) creation: u128,
    /// Instructions of an installation for which a canister waits one round before its next.
    pub(crate) installs_per_round: u64,
    /// Instructions that each page costs which a message changes.
    pub(crate) dirty_page: u64,
    message: u128,
    instruction: u128,
    ingress: u128,
    ingress_byte: u128,
    call: u128,
    call_byte: u128,
    gib_second: u128,
    percent_second: u128,
    /// Whether outcalls cost what they do (see `outcall_fees`), or nothing.
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

    /// Cloud engines count like other subnets, and charge nothing.
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

    /// System subnets charge nothing, and do not even count pages.
    const SYSTEM: Self = Self {
        installs_per_round: 1_000_000_000_000_000,
        dirty_page: 0,
        ..Self::FREE
    };

    /// What a subnet of this kind charges.
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

    /// The price of something about outcalls.
    pub(crate) fn unless_free(&self, cycles: u128) -> u128 {
        if self.outcalls { cycles } else { 0 }
    }

    /// For executing one message of so many instructions.
    pub(crate) fn execution(&self, instructions: u64) -> u128 {
        self.message + u128::from(instructions) * self.instruction
    }

    /// For taking in an ingress message of so many bytes.
    pub(crate) fn reception(&self, bytes: usize) -> u128 {
        self.ingress + bytes as u128 * self.ingress_byte
    }

    /// For sending a call whose method name and payload have so many bytes.
    pub(crate) fn call(&self, bytes: u64) -> u128 {
        self.call + self.response(bytes)
    }

    /// For sending an answer of so many bytes; the caller pays.
    pub(crate) fn response(&self, bytes: u64) -> u128 {
        u128::from(bytes) * self.call_byte
    }

    /// What a call sets aside for its callback and for the longest answer.
    pub(crate) fn answer_in_advance(&self) -> u128 {
        self.execution(UPDATE_LIMIT) + self.response(MAX_RESPONSE)
    }

    /// For holding so many bytes of memory and percent of compute over so many nanoseconds.
    pub(crate) fn resources(&self, bytes: u64, percent: u64, ns: u64) -> u128 {
        const GIB_NS: u128 = (1 << 30) * 1_000_000_000;
        let memory = (u128::from(bytes) * self.gib_second).saturating_mul(ns.into()) / GIB_NS;
        memory + u128::from(percent) * self.percent_second * u128::from(ns) / 1_000_000_000
    }
}
