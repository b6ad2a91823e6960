//! The settings of a canister: the one list of what root resets and looks at.
//!
//! A new setting of the platform is added to [`Settings`]; the compiler then names each place that
//! has to know it. All fields are optional: an older platform tells and takes fewer.

use candid::{CandidType, Principal, idl_hash};

use crate::{codec::labels, tables::Read};

/// The settings of a canister, as a change or as the platform tells them. `None`: not to be
/// changed, or not told.
#[derive(CandidType, Clone, Debug, Default, Read)]
pub(super) struct Settings {
    pub(super) controllers: Option<Vec<Principal>>,
    /// Percent of a core.
    compute_allocation: Option<u128>,
    /// Bytes.
    memory_allocation: Option<u128>,
    /// Seconds of idle burn.
    freezing_threshold: Option<u128>,
    /// Cycles.
    reserved_cycles_limit: Option<u128>,
    /// Cycles that another canister has to send with a call.
    minimum_incoming_canister_call_cycles: Option<u128>,
    log_visibility: Option<Visibility>,
    /// Bytes.
    log_memory_limit: Option<u128>,
    snapshot_visibility: Option<Visibility>,
    status_visibility: Option<Visibility>,
    /// Bytes.
    wasm_memory_limit: Option<u128>,
    /// Bytes.
    wasm_memory_threshold: Option<u128>,
    environment_variables: Option<Vec<EnvironmentVariable>>,
}

/// Who may read a part of a canister.
#[derive(CandidType, Clone, Debug, PartialEq, Read)]
enum Visibility {
    #[serde(rename = "controllers")]
    Controllers,
    #[serde(rename = "public")]
    Public,
    #[serde(rename = "allowed_viewers")]
    AllowedViewers(Vec<Principal>),
}

#[derive(CandidType, Clone, Debug, PartialEq, Read)]
struct EnvironmentVariable {
    name: String,
    value: String,
}

/// The platform's default: 30 days, in seconds.
const FREEZING_THRESHOLD: u128 = 2_592_000;

/// The platform's default: 5 T cycles.
const RESERVED_CYCLES_LIMIT: u128 = 5_000_000_000_000;

/// The platform's default: 4 KiB.
const LOG_MEMORY_LIMIT: u128 = 4 << 10;

/// The platform's default: 3 GiB.
const WASM_MEMORY_LIMIT: u128 = 3 << 30;

const SECONDS_PER_DAY: u128 = 86_400;

/// Cycles that a freezing threshold of so many seconds keeps.
pub(super) fn frozen(burned_per_day: u128, seconds: u128) -> u128 {
    burned_per_day.saturating_mul(seconds) / SECONDS_PER_DAY
}

impl Settings {
    /// Sets the controllers and leaves all else as it is.
    pub(super) fn of_controllers(controllers: Vec<Principal>) -> Self {
        Self {
            controllers: Some(controllers),
            ..Self::default()
        }
    }

    /// The settings of a fresh canister: the platform's defaults, with root as the only controller.
    pub(super) fn of_fresh(root: Principal) -> Self {
        Self {
            controllers: Some(vec![root]),
            compute_allocation: Some(0),
            memory_allocation: Some(0),
            freezing_threshold: Some(FREEZING_THRESHOLD),
            reserved_cycles_limit: Some(RESERVED_CYCLES_LIMIT),
            minimum_incoming_canister_call_cycles: Some(0),
            log_visibility: Some(Visibility::Controllers),
            log_memory_limit: Some(LOG_MEMORY_LIMIT),
            snapshot_visibility: Some(Visibility::Controllers),
            status_visibility: Some(Visibility::Controllers),
            wasm_memory_limit: Some(WASM_MEMORY_LIMIT),
            wasm_memory_threshold: Some(0),
            environment_variables: Some(Vec::new()),
        }
    }

    /// The settings with which nothing keeps a canister's cycles from a drain. A limit below the
    /// cycles that are reserved already would be refused, so that limit is the highest.
    pub(super) fn of_drained(root: Principal) -> Self {
        Self {
            freezing_threshold: Some(0),
            reserved_cycles_limit: Some(u128::MAX),
            ..Self::of_fresh(root)
        }
    }

    /// Whether all settings that the platform told, but for the controllers, are as `wanted`.
    pub(super) fn are(&self, wanted: &Self) -> bool {
        let Self {
            controllers: _,
            compute_allocation,
            memory_allocation,
            freezing_threshold,
            reserved_cycles_limit,
            minimum_incoming_canister_call_cycles,
            log_visibility,
            log_memory_limit,
            snapshot_visibility,
            status_visibility,
            wasm_memory_limit,
            wasm_memory_threshold,
            environment_variables,
        } = self;
        is(compute_allocation, &wanted.compute_allocation)
            && is(memory_allocation, &wanted.memory_allocation)
            && is(freezing_threshold, &wanted.freezing_threshold)
            && is(reserved_cycles_limit, &wanted.reserved_cycles_limit)
            && is(
                minimum_incoming_canister_call_cycles,
                &wanted.minimum_incoming_canister_call_cycles,
            )
            && is(log_visibility, &wanted.log_visibility)
            && is(log_memory_limit, &wanted.log_memory_limit)
            && is(snapshot_visibility, &wanted.snapshot_visibility)
            && is(status_visibility, &wanted.status_visibility)
            && is(wasm_memory_limit, &wanted.wasm_memory_limit)
            && is(wasm_memory_threshold, &wanted.wasm_memory_threshold)
            && is(environment_variables, &wanted.environment_variables)
    }

    /// Cycles that the freezing threshold keeps, at what the canister burns a day.
    pub(super) fn frozen(&self, burned_per_day: u128) -> u128 {
        frozen(burned_per_day, self.freezing_threshold.unwrap_or_default())
    }

    /// Cycles that another canister, root too, has to send with each call.
    pub(super) fn minimum_call_cycles(&self) -> u128 {
        self.minimum_incoming_canister_call_cycles
            .unwrap_or_default()
    }

    /// The settings in the reply of `canister_status` that were not read into these: a newer
    /// platform has them, or values of them that are not known here.
    pub(super) fn unread(&self, reply: &[u8]) -> Vec<String> {
        let told = labels::of_record_with("compute_allocation", reply).unwrap_or_default();
        let fields = self.fields();
        told.into_iter()
            .filter_map(
                |label| match fields.iter().find(|(name, _)| idl_hash(name) == label) {
                    Some((_, true)) => None,
                    Some((name, false)) => Some((*name).to_string()),
                    None => Some(format!("#{label}")),
                },
            )
            .collect()
    }

    /// The names of all settings, and whether each was told.
    fn fields(&self) -> [(&'static str, bool); 13] {
        let Self {
            controllers,
            compute_allocation,
            memory_allocation,
            freezing_threshold,
            reserved_cycles_limit,
            minimum_incoming_canister_call_cycles,
            log_visibility,
            log_memory_limit,
            snapshot_visibility,
            status_visibility,
            wasm_memory_limit,
            wasm_memory_threshold,
            environment_variables,
        } = self;
        [
            ("controllers", controllers.is_some()),
            ("compute_allocation", compute_allocation.is_some()),
            ("memory_allocation", memory_allocation.is_some()),
            ("freezing_threshold", freezing_threshold.is_some()),
            ("reserved_cycles_limit", reserved_cycles_limit.is_some()),
            (
                "minimum_incoming_canister_call_cycles",
                minimum_incoming_canister_call_cycles.is_some(),
            ),
            ("log_visibility", log_visibility.is_some()),
            ("log_memory_limit", log_memory_limit.is_some()),
            ("snapshot_visibility", snapshot_visibility.is_some()),
            ("status_visibility", status_visibility.is_some()),
            ("wasm_memory_limit", wasm_memory_limit.is_some()),
            ("wasm_memory_threshold", wasm_memory_threshold.is_some()),
            ("environment_variables", environment_variables.is_some()),
        ]
    }
}

/// Whether a setting has its wanted value. One that the platform does not tell can't be set either.
fn is<T: PartialEq>(told: &Option<T>, wanted: &Option<T>) -> bool {
    told.is_none() || told == wanted
}

#[cfg(test)]
mod tests {
    use candid::{Encode, types::TypeInner};

    use super::*;
    use crate::codec::decode::read_reply;

    const ROOT: Principal = Principal::from_slice(&[1, 1]);
    const OTHER: Principal = Principal::from_slice(&[2, 1]);

    /// The settings in the interface specification 0.66 (`ic.did`, `canister_settings`).
    const SPECIFIED: [&str; 13] = [
        "controllers",
        "compute_allocation",
        "memory_allocation",
        "freezing_threshold",
        "reserved_cycles_limit",
        "minimum_incoming_canister_call_cycles",
        "log_visibility",
        "log_memory_limit",
        "snapshot_visibility",
        "status_visibility",
        "wasm_memory_limit",
        "wasm_memory_threshold",
        "environment_variables",
    ];

    /// Decodes settings from a message with another type.
    fn told(message: &impl CandidType) -> (Settings, Vec<u8>) {
        let bytes = Encode!(message).unwrap();
        (read_reply(&bytes).unwrap(), bytes)
    }

    #[test]
    fn the_settings_are_those_of_the_specification() {
        let ty = Settings::ty();
        let TypeInner::Record(fields) = ty.as_ref() else {
            panic!("{ty} is no record");
        };
        let mut labels: Vec<u32> = fields.iter().map(|field| field.id.get_id()).collect();
        let mut specified = SPECIFIED.map(idl_hash);
        labels.sort_unstable();
        specified.sort_unstable();
        assert_eq!(labels, specified);
        let names = Settings::default().fields().map(|(name, _)| name);
        assert_eq!(names, SPECIFIED);
    }

    #[test]
    fn a_reset_names_every_setting() {
        for reset in [Settings::of_fresh(ROOT), Settings::of_drained(ROOT)] {
            assert!(reset.fields().iter().all(|(_, named)| *named), "{reset:?}");
        }
    }

    #[test]
    fn each_changed_setting_is_seen() {
        let fresh = || Settings::of_fresh(ROOT);
        let variable = EnvironmentVariable {
            name: "secret".to_string(),
            value: String::new(),
        };
        let visible = || Some(Visibility::AllowedViewers(vec![OTHER]));
        let changed: [Settings; 12] = [
            Settings {
                compute_allocation: Some(1),
                ..fresh()
            },
            Settings {
                memory_allocation: Some(1),
                ..fresh()
            },
            Settings {
                freezing_threshold: Some(1),
                ..fresh()
            },
            Settings {
                reserved_cycles_limit: Some(1),
                ..fresh()
            },
            Settings {
                minimum_incoming_canister_call_cycles: Some(1),
                ..fresh()
            },
            Settings {
                log_visibility: visible(),
                ..fresh()
            },
            Settings {
                log_memory_limit: Some(0),
                ..fresh()
            },
            Settings {
                snapshot_visibility: visible(),
                ..fresh()
            },
            Settings {
                status_visibility: Some(Visibility::Public),
                ..fresh()
            },
            Settings {
                wasm_memory_limit: Some(1),
                ..fresh()
            },
            Settings {
                wasm_memory_threshold: Some(1),
                ..fresh()
            },
            Settings {
                environment_variables: Some(vec![variable]),
                ..fresh()
            },
        ];
        assert!(fresh().are(&fresh()));
        for settings in changed {
            assert!(!settings.are(&fresh()), "{settings:?}");
            assert!(!settings.are(&Settings::of_drained(ROOT)), "{settings:?}");
        }
        assert!(!fresh().are(&Settings::of_drained(ROOT)));
    }

    #[test]
    fn settings_that_an_older_platform_lacks_are_in_order() {
        #[derive(CandidType)]
        struct Older {
            controllers: Vec<Principal>,
            compute_allocation: u128,
            freezing_threshold: u128,
        }
        let older = |freezing_threshold| Older {
            controllers: vec![ROOT],
            compute_allocation: 0,
            freezing_threshold,
        };
        let (settings, bytes) = told(&older(FREEZING_THRESHOLD));
        assert_eq!(settings.controllers, Some(vec![ROOT]));
        assert!(settings.are(&Settings::of_fresh(ROOT)));
        assert_eq!(settings.minimum_call_cycles(), 0);
        assert!(settings.unread(&bytes).is_empty());
        assert!(!told(&older(7)).0.are(&Settings::of_fresh(ROOT)));
    }

    #[test]
    fn settings_and_values_of_a_newer_platform_are_skipped_and_named() {
        #[derive(crate::tables::CandidType)]
        enum Newer {
            #[serde(rename = "controllers")]
            #[allow(dead_code, reason = "its label alone matters")]
            Controllers,
            #[serde(rename = "admins")]
            Admins,
        }
        #[derive(CandidType)]
        struct NewerSettings {
            compute_allocation: u128,
            minimum_incoming_canister_call_cycles: u128,
            log_visibility: Newer,
            colour: String,
        }
        let (settings, bytes) = told(&NewerSettings {
            compute_allocation: 0,
            minimum_incoming_canister_call_cycles: 5,
            log_visibility: Newer::Admins,
            colour: "red".to_string(),
        });
        assert_eq!(settings.minimum_call_cycles(), 5);
        let mut unread = settings.unread(&bytes);
        unread.sort();
        assert_eq!(
            unread,
            [
                format!("#{}", idl_hash("colour")),
                "log_visibility".to_string()
            ]
        );
    }
}
