//! Changes of a canister's settings.

use std::collections::BTreeMap;

use candid::{Nat, Principal};
use ic_management_canister_types as types;

use crate::{
    bounded::decode_skipping,
    canister::{
        Canister,
        calls::Request,
        settings::{Settings, StatusVisibility},
    },
    management::{
        call::{ManagementResult, decode, origin, reply, undecodable},
        permissions::is_charged_afterwards,
    },
    network::Network,
    reject::{Reject, RejectCode, contract, invalid, not_found, oversubscribed, refused},
};

/// The limit of the controllers of a canister, and of the viewers of a visibility.
const MAX_PRINCIPALS: usize = 10;
const MAX_VARIABLES: usize = 20;
/// Bytes of the name of an environment variable, and of its value.
const MAX_VARIABLE_BYTES: usize = 128;
/// The range of the limit of a log, in bytes; 0 means no log.
const LOG_LIMITS: std::ops::RangeInclusive<u64> = 4096..=2 << 20;

/// The memory of the canisters of one subnet, in bytes.
const SUBNET_MEMORY: u64 = 2 << 40;
/// The compute allocations of the canisters of one subnet, in percent: half of four cores, and 1 %
/// stays free.
const SUBNET_COMPUTE: u64 = 199;

impl Network {
    pub(crate) fn update_settings(&mut self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::UpdateSettingsArgs,)>(request)?;
        let id = args.canister_id;
        let result = self.change_settings(request, args);
        if is_charged_afterwards(&request.method, request.payload.len()) {
            self.charge_reception(id, request);
        }
        result
    }

    fn change_settings(
        &mut self,
        request: &Request,
        args: types::UpdateSettingsArgs,
    ) -> ManagementResult {
        let now = self.time;
        let id = args.canister_id;
        self.require_controlled(id, request)?;
        let canister = self.canisters.get(&id).ok_or_else(|| not_found(id))?;
        let controllers = args.settings.controllers.is_some();
        let settings = self.changed_settings(canister, args.settings, newer(request)?)?;
        let canister = self.require_canister_mut(id)?;
        canister.settings = settings;
        canister.trim_log();
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

    /// The settings of a canister after a change. A change is rejected if it is invalid, if the
    /// subnet lacks the resources, or if a higher allocation would freeze the canister.
    pub(super) fn changed_settings(
        &self,
        canister: &Canister,
        change: types::CanisterSettings,
        newer: Newer,
    ) -> Result<Settings, Reject> {
        let old = &canister.settings;
        let new = newer.apply(merge(old.clone(), change)?)?;
        let bytes = canister.memory_bytes();
        if new.memory_allocation > old.memory_allocation {
            let requested = bytes.max(new.memory_allocation);
            let others = self.others_on_subnet(canister);
            let taken: u64 = others
                .map(|other| other.memory_bytes().max(other.settings.memory_allocation))
                .fold(0, u64::saturating_add);
            let available = SUBNET_MEMORY.saturating_sub(taken);
            if requested > available {
                return Err(oversubscribed(format!(
                    "Canister requested {} of memory but only {} are available in the subnet.",
                    in_units(requested),
                    in_units(available)
                )));
            }
        }
        if new.compute_allocation > old.compute_allocation {
            let others = self.others_on_subnet(canister);
            let taken: u64 = others.map(|other| other.settings.compute_allocation).sum();
            let available = SUBNET_COMPUTE.saturating_sub(taken);
            if new.compute_allocation > available {
                return Err(oversubscribed(format!(
                    "Canister requested a compute allocation of {}% which cannot be satisfied \
                     because the Subnet's remaining compute capacity is {available}%.",
                    new.compute_allocation
                )));
            }
        }
        let resources = new.resources(bytes, canister.message_memory());
        let threshold = new.freezing_limit(&self.prices(canister), &resources);
        let Some(missing) = threshold.checked_sub(canister.balance).filter(|m| *m > 0) else {
            return Ok(new);
        };
        let (code, what) = if new.compute_allocation > old.compute_allocation {
            (
                530,
                format!("compute allocation to {}%", new.compute_allocation),
            )
        } else if new.memory_allocation > old.memory_allocation {
            (
                531,
                format!("memory allocation to {}", new.memory_allocation),
            )
        } else {
            // A higher threshold may freeze the canister.
            return Ok(new);
        };
        let why = format!(
            "Cannot increase {what} due to insufficient cycles. At least {missing} additional \
             cycles are required."
        );
        Err(Reject::new(RejectCode::CanisterError, code, why))
    }

    fn others_on_subnet(&self, canister: &Canister) -> impl Iterator<Item = &Canister> {
        let (id, subnet) = (canister.id, canister.subnet);
        self.canisters
            .values()
            .map(|other| &**other)
            .filter(move |other| other.subnet == subnet && other.id != id)
    }
}

/// Settings that are newer than the client's types.
#[derive(candid::CandidType, candid::Deserialize, Default)]
pub(super) struct Newer {
    status_visibility: Option<StatusVisibility>,
    minimum_incoming_canister_call_cycles: Option<Nat>,
}

/// The newer settings in the argument of a call.
pub(super) fn newer(request: &Request) -> Result<Newer, Reject> {
    #[derive(candid::CandidType, candid::Deserialize)]
    struct Args {
        settings: Option<Newer>,
    }
    // The decoder skips all other settings.
    let (args,) = decode_skipping::<(Args,)>(&request.payload, 50)
        .map_err(|error| invalid(undecodable(error)))?;
    Ok(args.settings.unwrap_or_default())
}

impl Newer {
    fn apply(self, mut settings: Settings) -> Result<Settings, Reject> {
        if let Some(visibility) = self.status_visibility {
            if let StatusVisibility::AllowedViewers(viewers) = &visibility {
                check_number(viewers)?;
            }
            settings.status_visibility = visibility;
        }
        if let Some(cycles) = self.minimum_incoming_canister_call_cycles {
            settings.minimum_incoming_call_cycles =
                cycles_in(cycles, "Minimum incoming canister call cycles")?;
        }
        Ok(settings)
    }
}

/// The settings after a change, if each of its values is valid.
fn merge(mut settings: Settings, change: types::CanisterSettings) -> Result<Settings, Reject> {
    if let Some(mut controllers) = change.controllers {
        check_number(&controllers)?;
        controllers.sort();
        controllers.dedup();
        settings.controllers = controllers;
    }
    for (value, most, what, into) in [
        (
            change.compute_allocation,
            100,
            "ComputeAllocation expected to be in the range [0..100]",
            &mut settings.compute_allocation,
        ),
        (
            change.memory_allocation,
            u64::MAX,
            "MemoryAllocation expected to be in the range [0..2^64-1]",
            &mut settings.memory_allocation,
        ),
        (
            change.freezing_threshold,
            u64::MAX,
            "Freezing threshold expected to be in the range of [0..2^64-1]",
            &mut settings.freezing_threshold,
        ),
        (
            change.wasm_memory_limit,
            1 << 48,
            "Wasm memory limit expected to be in the range of [0..2^48]",
            &mut settings.wasm_memory_limit,
        ),
        (
            change.wasm_memory_threshold,
            1 << 48,
            "Wasm memory threshold expected to be in the range of [0..2^48]",
            &mut settings.wasm_memory_threshold,
        ),
    ] {
        let Some(value) = value else { continue };
        *into = u64::try_from(value.0.clone())
            .ok()
            .filter(|number| *number <= most)
            .ok_or_else(|| contract(format!("{what}, got {value}")))?;
    }
    if let Some(limit) = change.reserved_cycles_limit {
        settings.reserved_cycles_limit = cycles_in(limit, "Reserved cycles limit")?;
    }
    if let Some(limit) = change.log_memory_limit {
        settings.log_memory_limit = log_limit(&limit)?;
    }
    if let Some(visibility) = change.log_visibility {
        if let types::LogVisibility::AllowedViewers(viewers) = &visibility {
            check_number(viewers)?;
        }
        settings.log_visibility = visibility;
    }
    if let Some(visibility) = change.snapshot_visibility {
        if let types::SnapshotVisibility::AllowedViewers(viewers) = &visibility {
            check_number(viewers)?;
        }
        settings.snapshot_visibility = visibility;
    }
    if let Some(variables) = change.environment_variables {
        settings.environment_variables = environment(variables)?;
    }
    Ok(settings)
}

fn cycles_in(number: Nat, what: &str) -> Result<u128, Reject> {
    u128::try_from(number.0.clone()).map_err(|_| {
        contract(format!(
            "{what} expected to be in the range of [0..2^128-1], got {number}"
        ))
    })
}

/// The platform's lists of principals are bounded in their Candid type.
fn check_number(principals: &[Principal]) -> Result<(), Reject> {
    if principals.len() > MAX_PRINCIPALS {
        return Err(invalid(format!(
            "Error decoding candid: The number of elements {} exceeds the maximum allowed \
             {MAX_PRINCIPALS}",
            principals.len()
        )));
    }
    Ok(())
}

fn log_limit(limit: &Nat) -> Result<u64, Reject> {
    let bytes = u64::try_from(limit.0.clone()).map_err(|_| {
        contract(format!(
            "Log memory limit expected to be in the range of [0..2^64-1], got {limit}"
        ))
    })?;
    let (least, most) = LOG_LIMITS.into_inner();
    match bytes {
        0 => Ok(0),
        _ if bytes < least => Err(refused(format!(
            "The canister log memory limit {limit} is too low. It must be at least {least}."
        ))),
        _ if bytes > most => Err(refused(format!(
            "The canister log memory limit {limit} is too high. It must be at most {most}."
        ))),
        _ => Ok(bytes),
    }
}

fn environment(
    variables: Vec<types::EnvironmentVariable>,
) -> Result<BTreeMap<String, String>, Reject> {
    let count = variables.len();
    let by_name: BTreeMap<_, _> = variables.into_iter().map(|v| (v.name, v.value)).collect();
    if by_name.len() < count {
        return Err(invalid("Duplicate environment variables are not allowed"));
    }
    if count > MAX_VARIABLES {
        return Err(invalid(format!(
            "Too many environment variables: {count} (max: {MAX_VARIABLES})"
        )));
    }
    for (what, text) in by_name
        .iter()
        .flat_map(|(name, value)| [("name", name), ("value", value)])
    {
        if text.len() > MAX_VARIABLE_BYTES {
            return Err(invalid(format!(
                "Environment variable {what} \"{text}\" exceeds the maximum allowed length of \
                 {MAX_VARIABLE_BYTES}."
            )));
        }
    }
    Ok(by_name)
}

/// A number of bytes in binary units.
fn in_units(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = (bytes.max(1).ilog2() as usize / 10).min(UNITS.len() - 1);
    match unit {
        0 => format!("{bytes} B"),
        _ => format!(
            "{:.2} {}",
            bytes as f64 / (1_u64 << (10 * unit)) as f64,
            UNITS[unit]
        ),
    }
}
