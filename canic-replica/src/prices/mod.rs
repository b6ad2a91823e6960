//! The prices of a subnet, and the limits of instructions.
//!
//! The table below holds the platform's prices of 2026 on 13 nodes, in cycles (`dfinity/ic`,
//! `rs/config/src/subnet_config.rs`, `CyclesAccountManagerConfig::application_subnet`). Other
//! subnets scale them by their nodes, rounding each sum down. System subnets and cloud engines
//! charge nothing. The prices of HTTP outcalls are in [`outcalls`].

pub(crate) mod outcalls;
pub(crate) mod signatures;

use crate::{
    subnets::{self, SubnetKind},
    wasm::address_type::AddressType,
};

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
/// Instructions that one update or query may take on a subnet for benchmarks (`dfinity/ic`,
/// `rs/pocket_ic_server/src/pocket_ic.rs`).
pub(crate) const BENCHMARK_LIMIT: u64 = 99_999_999_999_999;
/// Instructions charged for each Wasm instruction that is compiled.
const COMPILE_PER_OPERATOR: u64 = 6_000;
/// A module that was installed on the subnet since the last checkpoint is not compiled again: it
/// is charged this part of its compilation (`dfinity/ic`,
/// `rs/execution_environment/src/execution_environment.rs`, `DESERIALIZATION_SPEED_UP_FACTOR`).
const COMPILED_ALREADY: u64 = 100;
/// Instructions charged for the upload of one chunk.
pub(crate) const UPLOAD_CHUNK: u64 = 200_000_000;
/// Instructions charged for taking or loading a snapshot; each of its bytes adds one.
pub(crate) const SNAPSHOT: u64 = 2_000_000_000;

/// Instructions charged for the download or upload of a slice of a snapshot; each of its bytes adds
/// one.
pub(crate) const SNAPSHOT_DATA: u64 = 5_000_000;

/// The longest payload of an answer, which a call prepays, in bytes.
pub(crate) const MAX_RESPONSE: u64 = 2 * 1024 * 1024;

/// The number of nodes that the table is made for (`reference_subnet_size`).
const REFERENCE_NODES: u128 = 13;

/// The creation of a canister (`canister_creation_fee`).
const CREATION: u128 = 500_000_000_000;
/// The execution of a message (`update_message_execution_fee`).
const MESSAGE: u128 = 5_000_000;
/// An instruction (a tenth of `ten_update_instructions_execution_fee`).
const INSTRUCTION: u128 = 1;
/// The reception of an ingress message (`ingress_message_reception_fee`).
const INGRESS: u128 = 1_200_000;
/// Each of its bytes (`ingress_byte_reception_fee`).
const INGRESS_BYTE: u128 = 2_000;
/// A call (`xnet_call_fee`).
const CALL: u128 = 260_000;
/// Each byte of the call and of its answer (`xnet_byte_transmission_fee`).
const CALL_BYTE: u128 = 1_000;
/// The storage of a GiB for a second (`gib_storage_per_second_fee`).
const GIB_SECOND: u128 = 317_500;
/// A second of any canister that has memory (`base_per_second_fee`).
const BASE_SECOND: u128 = 10_000;
/// The logs of a canister, fetched by a canister, for each node (`fetch_canister_logs_base_fee`).
const LOGS: u128 = 5_000_000;
/// Each byte of that answer, for each node (`fetch_canister_logs_per_byte_fee`).
const LOGS_BYTE: u128 = 80;
/// The longest such answer, in bytes (`MAX_FETCH_CANISTER_LOGS_RESPONSE_BYTES`).
pub(crate) const MAX_LOGS: usize = 2_000_000;
/// A percent of compute allocation for a second (`compute_percent_allocated_per_second_fee`).
const PERCENT_SECOND: u128 = 10_000_000;

/// Instructions for the compilation of a module with `operators` Wasm instructions.
pub(crate) fn compilation(operators: u64, is_compiled: bool) -> u64 {
    let full = operators * COMPILE_PER_OPERATOR;
    if is_compiled {
        full / COMPILED_ALREADY
    } else {
        full
    }
}

/// Seconds of a day.
pub(crate) const SECONDS_PER_DAY: u128 = 24 * 3600;

/// What a canister holds, and pays for while it is idle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resources {
    /// Its memory, or its memory allocation if that is more, in bytes.
    pub(crate) memory: u64,
    /// The memory of its messages, in bytes.
    pub(crate) messages: u64,
    /// Its compute allocation, in percent.
    pub(crate) compute: u64,
}

/// What a canister pays a day for its resources, in cycles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdleBurn {
    memory: u128,
    messages: u128,
    compute: u128,
}

impl IdleBurn {
    /// The sum a day.
    pub(crate) fn total(&self) -> u128 {
        self.memory + self.messages + self.compute
    }

    /// The sum over so many seconds. As on the platform, each part is rounded down.
    pub(crate) fn over(&self, seconds: u64) -> u128 {
        let parts = [self.memory, self.messages, self.compute];
        parts.into_iter().map(|part| over(part, seconds)).sum()
    }

    /// The part of the compute allocation over so many seconds.
    pub(crate) fn compute_over(&self, seconds: u64) -> u128 {
        over(self.compute, seconds)
    }
}

fn over(a_day: u128, seconds: u64) -> u128 {
    a_day.saturating_mul(seconds.into()) / SECONDS_PER_DAY
}

/// The prices of a subnet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prices {
    /// Instructions of an installation that delay the next installation by one round.
    pub(crate) installs_per_round: u64,
    /// Instructions for each page that a message changes.
    pub(crate) dirty_page: u64,
    /// Instructions that one update message, callback or system task may take.
    pub(crate) update_limit: u64,
    /// Instructions that one query may take, with all queries that it calls.
    pub(crate) query_limit: u64,
    nodes: u32,
    is_free: bool,
}

impl Prices {
    /// The prices of a kind of subnet. Cloud engines count instructions like application subnets;
    /// system subnets do not count changed pages.
    pub(crate) fn of(kind: SubnetKind) -> Self {
        let is_system = subnets::is_system(kind);
        Self {
            installs_per_round: match is_system {
                true => 1_000_000_000_000_000,
                false => 2_000_000_000,
            },
            dirty_page: if is_system { 0 } else { 1_000 },
            update_limit: UPDATE_LIMIT,
            query_limit: QUERY_LIMIT,
            nodes: subnets::nodes(kind),
            is_free: is_system || kind == SubnetKind::CloudEngine,
        }
    }

    /// The same prices on a subnet that charges nothing.
    pub(crate) fn free(self) -> Self {
        Self {
            is_free: true,
            ..self
        }
    }

    /// The nodes that the subnet's prices are for.
    fn nodes(&self) -> u128 {
        self.nodes.into()
    }

    /// A price of the table, on this subnet.
    fn scale(&self, cycles: u128) -> u128 {
        self.unless_free(cycles.saturating_mul(self.nodes()) / REFERENCE_NODES)
    }

    /// A fee, unless the subnet charges nothing.
    pub(crate) fn unless_free(&self, cycles: u128) -> u128 {
        if self.is_free { 0 } else { cycles }
    }

    /// The creation of a canister.
    pub(crate) fn creation(&self) -> u128 {
        self.scale(CREATION)
    }

    /// The execution of one message with `instructions` instructions of a module with this address
    /// type.
    pub(crate) fn execution(&self, address: AddressType, instructions: u64) -> u128 {
        let instruction = INSTRUCTION * address.instruction_factor();
        self.scale(MESSAGE + u128::from(instructions) * instruction)
    }

    /// A message of which no instruction is executed. It costs the same for each address type.
    pub(crate) fn unexecuted(&self) -> u128 {
        self.execution(AddressType::I32, 0)
    }

    /// The part of [`Self::execution`] of `limit` instructions that is kept if a message has
    /// `used` of them: the rest is refunded, which counts if the prices are rounded.
    pub(crate) fn executed(&self, address: AddressType, limit: u64, used: u64) -> u128 {
        let unused = u128::from(limit.saturating_sub(used));
        let refund = self.scale(unused * INSTRUCTION * address.instruction_factor());
        self.execution(address, limit).saturating_sub(refund)
    }

    /// The work of the management canister on a canister, which has no price for the message.
    pub(crate) fn work(&self, instructions: u64) -> u128 {
        self.scale(u128::from(instructions) * INSTRUCTION)
    }

    /// The reception of an ingress message with `bytes` bytes.
    pub(crate) fn reception(&self, bytes: usize) -> u128 {
        self.scale(INGRESS) + bytes as u128 * self.scale(INGRESS_BYTE)
    }

    /// The transmission of a call whose method name and payload have `bytes` bytes.
    pub(crate) fn call(&self, bytes: u64) -> u128 {
        self.scale(CALL) + self.response(bytes)
    }

    /// The transmission of an answer with `bytes` bytes. The caller pays.
    pub(crate) fn response(&self, bytes: u64) -> u128 {
        self.scale(u128::from(bytes) * CALL_BYTE)
    }

    /// The amount that a call prepays for its callback and for the longest answer. The caller's
    /// module has this address type.
    pub(crate) fn answer_in_advance(&self, address: AddressType) -> u128 {
        self.callback_in_advance(address) + self.response(MAX_RESPONSE)
    }

    /// The amount that the execution of a callback takes in advance.
    pub(crate) fn callback_in_advance(&self, address: AddressType) -> u128 {
        self.execution(address, self.update_limit)
    }

    /// Instructions reserved for a cleanup callback: 5 % of those of a message.
    pub(crate) fn cleanup_limit(&self) -> u64 {
        self.update_limit / 20
    }

    /// The fetching of logs by a canister, with an answer of `bytes` bytes. Like an outcall it is
    /// paid for on each node.
    pub(crate) fn logs(&self, bytes: usize) -> u128 {
        self.unless_free((LOGS + bytes as u128 * LOGS_BYTE) * self.nodes())
    }

    /// What a canister pays a day for its resources. Without any memory it pays no base fee.
    pub(crate) fn idle_burn(&self, resources: &Resources) -> IdleBurn {
        const GIB: u128 = 1 << 30;
        let storage =
            |bytes: u64| self.scale(u128::from(bytes) * GIB_SECOND * SECONDS_PER_DAY / GIB);
        let base = match resources.memory {
            0 => 0,
            _ => self.scale(BASE_SECOND * SECONDS_PER_DAY),
        };
        let percent = u128::from(resources.compute);
        IdleBurn {
            memory: storage(resources.memory) + base,
            messages: storage(resources.messages),
            compute: self.scale(percent * PERCENT_SECOND * SECONDS_PER_DAY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fiduciary_subnet_charges_for_34_nodes() {
        // The table for 34 nodes in the platform's documentation
        // (`dfinity/developer-docs`, `docs/references/cycle-costs.md`).
        let prices = Prices::of(SubnetKind::Fiduciary);
        assert_eq!(prices.creation(), 1_307_692_307_692);
        assert_eq!(prices.unexecuted(), 13_076_923);
        assert_eq!(prices.work(1_000_000_000), 2_615_384_615);
        assert_eq!(prices.call(0), 680_000);
        assert_eq!(prices.reception(0), 3_138_461);
        assert_eq!(prices.reception(2), 3_138_461 + 2 * 5_230);
        assert_eq!(prices.outcall(0, 0), 171_360_000);
        assert_eq!(prices.outcall(10, 1), 171_360_000 + 136_000 + 27_200);
    }
}
