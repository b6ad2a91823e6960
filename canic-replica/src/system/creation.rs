//! The creation of canisters by the cycles minting canister, in Candid.

use candid::{CandidType, Deserialize, Nat, Principal};

/// The argument of the cycles minting canister's `create_canister`.
#[derive(CandidType, Deserialize, Clone, Default, Hash)]
pub(crate) struct CmcArgs {
    pub(super) settings: Option<CanisterSettings>,
    pub(super) subnet_selection: Option<SubnetSelection>,
    /// Deprecated in favour of `subnet_selection`.
    pub(super) subnet_type: Option<String>,
}

#[derive(CandidType, Deserialize, Clone, Hash)]
pub(crate) enum SubnetSelection {
    Filter(SubnetFilter),
    Subnet { subnet: Principal },
}

#[derive(CandidType, Deserialize, Clone, Hash)]
pub(crate) struct SubnetFilter {
    pub(super) subnet_type: Option<String>,
}

/// The settings that both canisters hand on.
#[derive(CandidType, Deserialize, Clone, Default, Hash)]
pub(crate) struct CanisterSettings {
    pub(super) controllers: Option<Vec<Principal>>,
    compute_allocation: Option<Nat>,
    memory_allocation: Option<Nat>,
    freezing_threshold: Option<Nat>,
    reserved_cycles_limit: Option<Nat>,
    log_visibility: Option<LogVisibility>,
    wasm_memory_limit: Option<Nat>,
    wasm_memory_threshold: Option<Nat>,
    environment_variables: Option<Vec<EnvironmentVariable>>,
}

#[derive(CandidType, Deserialize, Clone, Hash)]
enum LogVisibility {
    #[serde(rename = "controllers")]
    Controllers,
    #[serde(rename = "public")]
    Public,
    #[serde(rename = "allowed_viewers")]
    AllowedViewers(Vec<Principal>),
}

#[derive(CandidType, Deserialize, Clone, Hash)]
struct EnvironmentVariable {
    name: String,
    value: String,
}

/// The failure of the cycles minting canister's `create_canister`.
#[derive(CandidType, Deserialize)]
pub(crate) enum CmcError {
    Refunded {
        refund_amount: u128,
        create_error: String,
    },
}
