//! Information about a canister: its status, its history, its metadata.

use candid::{CandidType, Nat, Principal};
use ic_management_canister_types as types;

use crate::{
    canister::{
        Canister, Status,
        calls::{Input, Request},
        settings::StatusVisibility,
    },
    management::call::{ManagementResult, decode, reply},
    network::Network,
    reject::{Reject, RejectCode, refused},
};

/// The answer of `canister_status`. The client's type lacks the newest settings, which newer types
/// demand.
#[derive(CandidType)]
struct StatusResult {
    status: types::CanisterStatusType,
    ready_for_migration: bool,
    version: u64,
    settings: DefiniteSettings,
    module_hash: Option<Vec<u8>>,
    memory_size: Nat,
    memory_metrics: types::MemoryMetrics,
    cycles: Nat,
    reserved_cycles: Nat,
    idle_cycles_burned_per_day: Nat,
    query_stats: types::QueryStats,
}

#[derive(CandidType)]
struct DefiniteSettings {
    controllers: Vec<Principal>,
    compute_allocation: Nat,
    memory_allocation: Nat,
    freezing_threshold: Nat,
    reserved_cycles_limit: Nat,
    minimum_incoming_canister_call_cycles: Nat,
    log_visibility: types::LogVisibility,
    log_memory_limit: Nat,
    snapshot_visibility: types::SnapshotVisibility,
    status_visibility: StatusVisibility,
    wasm_memory_limit: Nat,
    wasm_memory_threshold: Nat,
    environment_variables: Vec<types::EnvironmentVariable>,
}

impl Network {
    pub(crate) fn canister_status(&self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::CanisterIdRecord,)>(request)?;
        let canister = self.require_canister(args.canister_id)?;
        if args.canister_id != request.sender {
            self.check_status_reader(canister, &request.sender)?;
        }
        let settings = &canister.settings;
        let idle_burn = self.prices(canister).idle_burn(&canister.resources());
        reply((StatusResult {
            status: match canister.status {
                Status::Running => types::CanisterStatusType::Running,
                Status::Stopping(_) => types::CanisterStatusType::Stopping,
                Status::Stopped => types::CanisterStatusType::Stopped,
            },
            ready_for_migration: self.is_ready_for_migration(canister),
            version: canister.version,
            settings: DefiniteSettings {
                controllers: settings.controllers.clone(),
                compute_allocation: settings.compute_allocation.into(),
                memory_allocation: settings.memory_allocation.into(),
                freezing_threshold: settings.freezing_threshold.into(),
                reserved_cycles_limit: settings.reserved_cycles_limit.into(),
                minimum_incoming_canister_call_cycles: settings.minimum_incoming_call_cycles.into(),
                log_visibility: settings.log_visibility.clone(),
                log_memory_limit: settings.log_memory_limit.into(),
                snapshot_visibility: settings.snapshot_visibility.clone(),
                status_visibility: settings.status_visibility.clone(),
                wasm_memory_limit: settings.wasm_memory_limit.into(),
                wasm_memory_threshold: settings.wasm_memory_threshold.into(),
                environment_variables: (settings.environment_variables.iter())
                    .map(|(name, value)| types::EnvironmentVariable {
                        name: name.clone(),
                        value: value.clone(),
                    })
                    .collect(),
            },
            module_hash: canister.code.as_ref().map(|code| code.module.hash.to_vec()),
            memory_size: canister.memory_bytes().into(),
            memory_metrics: canister.memory(),
            cycles: canister.balance.into(),
            reserved_cycles: 0_u8.into(),
            idle_cycles_burned_per_day: idle_burn.total().into(),
            query_stats: types::QueryStats {
                num_calls_total: 0_u8.into(),
                num_instructions_total: 0_u8.into(),
                request_payload_bytes_total: 0_u8.into(),
                response_payload_bytes_total: 0_u8.into(),
            },
        },))
    }

    pub(crate) fn canister_info(&self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::CanisterInfoArgs,)>(request)?;
        let canister = self.require_canister(args.canister_id)?;
        let wanted = args
            .num_requested_changes
            .unwrap_or(0)
            .min(canister.history.len() as u64) as usize;
        reply((types::CanisterInfoResult {
            total_num_changes: canister.total_changes,
            recent_changes: canister
                .history
                .iter()
                .skip(canister.history.len() - wanted)
                .cloned()
                .collect(),
            module_hash: canister.code.as_ref().map(|code| code.module.hash.to_vec()),
            controllers: canister.settings.controllers.clone(),
        },))
    }

    pub(crate) fn canister_metadata(&mut self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::CanisterMetadataArgs,)>(request)?;
        let id = args.canister_id;
        let canister = self.require_canister(id)?;
        let Some(code) = &canister.code else {
            return Err(refused(format!(
                "The canister {id} has no Wasm module and hence no metadata is available."
            )));
        };
        match code.module.metadata.get(&args.name) {
            Some((public, value)) if *public || canister.is_controller(&request.sender) => {
                let value = value.clone();
                reply((types::CanisterMetadataResult { value },))
            }
            _ => Err(refused(format!(
                "The canister {id} has no metadata section with the name {}.",
                args.name
            ))),
        }
    }

    /// Whether it has stopped and no message to or from it is under way.
    fn is_ready_for_migration(&self, canister: &Canister) -> bool {
        let id = canister.id;
        let concerns = |input: &Input| match input {
            Input::Request(request) => request.callee == id || request.sender == id,
            Input::Response(response) => response.to == id,
        };
        matches!(canister.status, Status::Stopped)
            && canister.input_queues.is_empty()
            && !self.transit.iter().any(|(_, input)| concerns(input))
    }

    /// Checks that a principal other than the canister itself may read its status.
    pub(super) fn check_status_reader(
        &self,
        canister: &Canister,
        reader: &Principal,
    ) -> Result<(), Reject> {
        if canister.is_status_visible_to(reader) || self.is_subnet_admin(canister.subnet, reader) {
            return Ok(());
        }
        let why = format!("Caller {reader} is not allowed to call canister_status");
        Err(Reject::new(RejectCode::CanisterError, 542, why))
    }
}
