//! What canisters and subnets have consumed, and the canisters of a subnet.

use candid::{CandidType, Deserialize, Nat, Principal};
use ic_management_canister_types as types;

use crate::{
    canister::{
        calls::Request,
        consumption::{Consumption, Purpose},
    },
    management::call::{ManagementResult, decode, encode, reply},
    network::{Network, admins::check_admin},
    reject::{Reject, refused},
    subnets::{canister_id, canister_number},
};

/// Instructions that `list_canisters` costs, and those that each canister of the subnet adds.
const LIST: u64 = 20_000_000;
const LIST_PER_CANISTER: u64 = 16_000;

/// The argument and the answer of `subnet_metrics`, which the client's types lack.
#[derive(CandidType, Deserialize)]
struct SubnetMetricsArgs {
    subnet_id: Principal,
}

#[derive(CandidType)]
struct SubnetMetricsResult {
    block_height: Nat,
    num_canisters: Nat,
    canister_state_bytes: Nat,
    consumed_cycles_total: Nat,
    update_transactions_total: Nat,
    million_round_instructions_total: Nat,
}

impl Network {
    /// The cycles that a canister has spent. Its controllers and the admins of its subnet may know.
    pub(super) fn canister_metrics(&self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::CanisterIdRecord,)>(request)?;
        let canister = self.require_canister(args.canister_id)?;
        self.check_controller_or_admin(canister, &request.sender)?;
        let cycles_consumed = cycles_consumed(&canister.consumption);
        reply((types::CanisterMetricsResult { cycles_consumed },))
    }

    /// The metrics of a subnet as of now. On the platform some of them lag behind by a few rounds.
    pub(super) fn subnet_metrics(&self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(SubnetMetricsArgs,)>(request)?;
        let subnet = self.require_subnet(args.subnet_id, request)?;
        let metrics = self.metrics_of(subnet);
        reply((SubnetMetricsResult {
            block_height: self.round.into(),
            num_canisters: metrics.num_canisters.into(),
            canister_state_bytes: metrics.canister_state_bytes.into(),
            consumed_cycles_total: metrics.consumed_cycles_total.into(),
            update_transactions_total: metrics.update_transactions_total.into(),
            million_round_instructions_total: metrics.instructions.div_ceil(1_000_000).into(),
        },))
    }

    /// The canisters of the subnet that the request went to, for its admins, and the instructions
    /// that the list costs.
    pub(super) fn list_canisters(&self, request: &Request) -> Result<(Vec<u8>, u64), Reject> {
        decode::<()>(request)?;
        let admins = request
            .subnet
            .and_then(|subnet| self.subnet_admins(subnet))
            .ok_or_else(|| {
                refused("list_canisters is only available on subnets with subnet admins")
            })?;
        check_admin(admins, &request.sender)?;
        let all = self.canisters.values();
        let own: Vec<_> = all
            .filter(|canister| Some(canister.subnet) == request.subnet)
            .map(|canister| canister.id)
            .collect();
        let instructions = LIST + LIST_PER_CANISTER * own.len() as u64;
        let canisters = ranges(&own);
        encode((types::ListCanistersResult { canisters },)).map(|reply| (reply, instructions))
    }
}

fn cycles_consumed(consumption: &Consumption) -> types::CyclesConsumed {
    let of = |purpose| Nat::from(consumption.of(purpose));
    types::CyclesConsumed {
        memory: of(Purpose::Memory),
        compute_allocation: of(Purpose::ComputeAllocation),
        ingress_induction: of(Purpose::Ingress),
        instructions: of(Purpose::Instructions),
        request_and_response_transmission: of(Purpose::Transmission),
        uninstall: of(Purpose::Uninstall),
        canister_creation: of(Purpose::Creation),
        http_outcalls: of(Purpose::Outcalls),
        burned_cycles: of(Purpose::Burned),
    }
}

/// Ids in ascending order as ranges without gaps, both ends included.
fn ranges(ids: &[Principal]) -> Vec<types::CanisterIdRange> {
    let follows = |last: Principal, id: Principal| {
        canister_number(last)
            .and_then(|number| number.checked_add(1))
            .is_some_and(|next| canister_id(next) == id)
    };
    let mut ranges: Vec<types::CanisterIdRange> = Vec::new();
    for &id in ids {
        match ranges.last_mut() {
            Some(range) if follows(range.end, id) => range.end = id,
            _ => ranges.push(types::CanisterIdRange { start: id, end: id }),
        }
    }
    ranges
}
