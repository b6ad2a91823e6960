//! All settings of a canister: those that an owner changes, and those that the platform tells.

use candid::{CandidType, Nat, Principal};
use serde::Deserialize;

pub use canic_testing::status::{Record, part_of_status};

/// A change of settings. A field of `None` stays as it is.
#[derive(CandidType, Clone, Debug, Default)]
#[allow(missing_docs, reason = "the platform's own names")]
pub struct Settings {
    pub controllers: Option<Vec<Principal>>,
    pub compute_allocation: Option<Nat>,
    pub memory_allocation: Option<Nat>,
    pub freezing_threshold: Option<Nat>,
    pub reserved_cycles_limit: Option<Nat>,
    pub minimum_incoming_canister_call_cycles: Option<Nat>,
    pub log_visibility: Option<Visibility>,
    pub log_memory_limit: Option<Nat>,
    pub snapshot_visibility: Option<Visibility>,
    pub status_visibility: Option<Visibility>,
    pub wasm_memory_limit: Option<Nat>,
    pub wasm_memory_threshold: Option<Nat>,
    pub environment_variables: Option<Vec<Variable>>,
}

/// Who may read a part of a canister.
#[derive(CandidType, Clone, Debug, Deserialize)]
pub enum Visibility {
    /// Everybody.
    #[serde(rename = "public")]
    Public,
    /// These principals, and the controllers.
    #[serde(rename = "allowed_viewers")]
    AllowedViewers(Vec<Principal>),
}

/// An environment variable.
#[derive(CandidType, Clone, Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// The argument of `update_settings`.
#[derive(CandidType, Clone, Debug)]
pub struct Change {
    /// The canister.
    pub canister_id: Principal,
    /// Its new settings.
    pub settings: Settings,
}

impl Settings {
    /// The settings of an owner who keeps all to himself, in the order in which the platform takes
    /// them. None has its default, and each hinders the next controller, or tells `owner` of him.
    /// The last change freezes the canister, unless it holds many trillions of cycles.
    #[must_use]
    pub fn of_owner(owner: Principal, controllers: Vec<Principal>) -> [Self; 2] {
        let number = |number: u64| Some(Nat::from(number));
        let visible = Some(Visibility::AllowedViewers(vec![owner]));
        let all = Self {
            controllers: Some(controllers),
            compute_allocation: number(1),
            memory_allocation: number(200 << 20),
            freezing_threshold: number(0),
            reserved_cycles_limit: number(0),
            minimum_incoming_canister_call_cycles: number(1_000_000_000_000),
            log_visibility: visible.clone(),
            log_memory_limit: number(0),
            snapshot_visibility: visible,
            status_visibility: Some(Visibility::Public),
            wasm_memory_limit: number(65_536),
            wasm_memory_threshold: number(1),
            environment_variables: Some(vec![Variable {
                name: "SECRET".to_string(),
                value: "the last owner's".to_string(),
            }]),
        };
        let a_year = Self {
            freezing_threshold: number(31_536_000),
            ..Self::default()
        };
        [all, a_year]
    }
}
