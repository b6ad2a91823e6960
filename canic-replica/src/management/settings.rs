//! What controllers decide about a canister, and what can be known about it.

use candid::Nat;
use ic_management_canister_types as types;

use super::{Managed, decode, number, origin, reply};
use crate::canister::{Request, Settings, Status};
use crate::reject::{invalid, not_found};
use crate::replica::Replica;
use crate::{Reject, RejectCode};

const MAX_CONTROLLERS: usize = 10;
const MAX_VARIABLES: usize = 20;
const MAX_VARIABLE_BYTES: usize = 128;

impl Replica {
    pub(crate) fn update_settings(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::UpdateSettingsArgs,)>(request)?;
        let now = self.time;
        let canister = self.controlled(args.canister_id, request)?;
        let controllers = args.settings.controllers.is_some();
        canister.settings = changed(canister.settings.clone(), args.settings)?;
        if controllers {
            let record = types::ControllersChangeRecord {
                controllers: canister.settings.controllers.clone(),
            };
            let details = types::ChangeDetails::ControllersChange(record);
            canister.record(now, origin(request, args.sender_canister_version), details);
        } else {
            canister.version += 1;
        }
        reply(())
    }

    pub(crate) fn canister_status(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::CanisterIdRecord,)>(request)?;
        if args.canister_id != request.sender {
            self.controlled(args.canister_id, request)?;
        }
        let canister = self
            .canisters
            .get(&args.canister_id)
            .ok_or_else(|| not_found(args.canister_id))?;
        const DAY: u64 = 24 * 3600 * 1_000_000_000;
        let settings = &canister.settings;
        reply((types::CanisterStatusResult {
            status: match canister.status {
                Status::Running => types::CanisterStatusType::Running,
                Status::Stopping(_) => types::CanisterStatusType::Stopping,
                Status::Stopped => types::CanisterStatusType::Stopped,
            },
            ready_for_migration: false,
            version: canister.version,
            settings: types::DefiniteCanisterSettings {
                controllers: settings.controllers.clone(),
                compute_allocation: settings.compute_allocation.into(),
                memory_allocation: settings.memory_allocation.into(),
                freezing_threshold: settings.freezing_threshold.into(),
                reserved_cycles_limit: settings.reserved_cycles_limit.into(),
                log_visibility: settings.log_visibility.clone(),
                log_memory_limit: settings.log_memory_limit.into(),
                snapshot_visibility: settings.snapshot_visibility.clone(),
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
            idle_cycles_burned_per_day: canister.idle_burn(&self.prices(canister), DAY).into(),
            query_stats: types::QueryStats {
                num_calls_total: 0_u8.into(),
                num_instructions_total: 0_u8.into(),
                request_payload_bytes_total: 0_u8.into(),
                response_payload_bytes_total: 0_u8.into(),
            },
        },))
    }

    pub(crate) fn canister_info(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::CanisterInfoArgs,)>(request)?;
        let canister = self.canister(args.canister_id)?;
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

    pub(crate) fn canister_metadata(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::CanisterMetadataArgs,)>(request)?;
        let controller = self
            .canister(args.canister_id)?
            .is_controller(&request.sender);
        let code = self.canister(args.canister_id)?.code.as_ref();
        match code.and_then(|code| code.module.metadata.get(&args.name)) {
            Some((public, value)) if *public || controller => {
                reply((types::CanisterMetadataResult {
                    value: value.clone(),
                },))
            }
            _ => {
                let why = format!(
                    "Canister {} has no metadata section '{}'.",
                    args.canister_id, args.name
                );
                Err(Reject::new(RejectCode::CanisterReject, 406, why))
            }
        }
    }
}

/// The settings after a change, if it is a valid one.
pub(crate) fn changed(
    mut settings: Settings,
    change: types::CanisterSettings,
) -> Result<Settings, Reject> {
    if let Some(mut controllers) = change.controllers {
        controllers.sort();
        controllers.dedup();
        if controllers.len() > MAX_CONTROLLERS {
            return Err(invalid(format!(
                "controllers: {} exceed the maximum of {MAX_CONTROLLERS}",
                controllers.len()
            )));
        }
        settings.controllers = controllers;
    }
    let bounded =
        |value: Option<Nat>, name: &str, most: u64, into: &mut u64| -> Result<(), Reject> {
            let Some(value) = value else { return Ok(()) };
            let value = number(value, name)?;
            *into = u64::try_from(value)
                .ok()
                .filter(|value| *value <= most)
                .ok_or_else(|| {
                    invalid(format!(
                        "{name}: expected a value in the range [0..{most}], got {value}"
                    ))
                })?;
            Ok(())
        };
    bounded(
        change.compute_allocation,
        "compute_allocation",
        100,
        &mut settings.compute_allocation,
    )?;
    bounded(
        change.memory_allocation,
        "memory_allocation",
        1 << 48,
        &mut settings.memory_allocation,
    )?;
    bounded(
        change.freezing_threshold,
        "freezing_threshold",
        u64::MAX,
        &mut settings.freezing_threshold,
    )?;
    bounded(
        change.wasm_memory_limit,
        "wasm_memory_limit",
        1 << 48,
        &mut settings.wasm_memory_limit,
    )?;
    bounded(
        change.wasm_memory_threshold,
        "wasm_memory_threshold",
        u64::MAX,
        &mut settings.wasm_memory_threshold,
    )?;
    bounded(
        change.log_memory_limit,
        "log_memory_limit",
        2 << 20,
        &mut settings.log_memory_limit,
    )?;
    if let Some(limit) = change.reserved_cycles_limit {
        settings.reserved_cycles_limit = number(limit, "reserved_cycles_limit")?;
    }
    if let Some(visibility) = change.log_visibility {
        settings.log_visibility = visibility;
    }
    if let Some(visibility) = change.snapshot_visibility {
        settings.snapshot_visibility = visibility;
    }
    if let Some(variables) = change.environment_variables {
        let count = variables.len();
        if count > MAX_VARIABLES {
            return Err(invalid(format!(
                "environment_variables: {count} exceed the maximum of {MAX_VARIABLES}"
            )));
        }
        if variables
            .iter()
            .any(|v| v.name.len().max(v.value.len()) > MAX_VARIABLE_BYTES)
        {
            let why = format!(
                "environment_variables: names and values may have {MAX_VARIABLE_BYTES} bytes"
            );
            return Err(invalid(why));
        }
        settings.environment_variables = variables.into_iter().map(|v| (v.name, v.value)).collect();
        if settings.environment_variables.len() < count {
            return Err(invalid("environment_variables: a name is given twice"));
        }
    }
    Ok(settings)
}
