//! Instances and gateways: how they are configured, and what they are.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use candid::Principal;
use serde::{Deserialize, Serialize};

use super::{BlobId, RawCanisterId, RawPrincipalId, RawTime};
use crate::subnets::SubnetKind;

/// The configuration of a new instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::http) struct InstanceConfig {
    pub(in crate::http) subnet_config_set: ExtendedSubnetConfigSet,
    pub(in crate::http) http_gateway_config: Option<InstanceHttpGatewayConfig>,
    pub(in crate::http) state_dir: Option<PathBuf>,
    pub(in crate::http) icp_config: Option<IcpConfig>,
    pub(in crate::http) log_level: Option<String>,
    pub(in crate::http) bitcoind_addr: Option<Vec<SocketAddr>>,
    pub(in crate::http) dogecoind_addr: Option<Vec<SocketAddr>>,
    pub(in crate::http) icp_features: Option<IcpFeatures>,
    pub(in crate::http) incomplete_state: Option<IncompleteStateFlag>,
    pub(in crate::http) initial_time: Option<InitialTime>,
    pub(in crate::http) mainnet_nns_subnet_id: Option<bool>,
    pub(in crate::http) disable_ingress_validation: Option<bool>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::http) struct IcpConfig {
    pub(in crate::http) beta_features: Option<IcpConfigFlag>,
    pub(in crate::http) function_name_length_limits: Option<IcpConfigFlag>,
    pub(in crate::http) canister_execution_rate_limiting: Option<IcpConfigFlag>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::http) enum IcpConfigFlag {
    Disabled,
    Enabled,
}

/// The network's own canisters.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::http) struct IcpFeatures {
    pub(in crate::http) registry: Option<IcpFeaturesConfig>,
    pub(in crate::http) cycles_minting: Option<IcpFeaturesConfig>,
    pub(in crate::http) icp_token: Option<IcpFeaturesConfig>,
    pub(in crate::http) cycles_token: Option<IcpFeaturesConfig>,
    pub(in crate::http) nns_governance: Option<IcpFeaturesConfig>,
    pub(in crate::http) sns: Option<IcpFeaturesConfig>,
    pub(in crate::http) ii: Option<IcpFeaturesConfig>,
    pub(in crate::http) nns_ui: Option<IcpFeaturesConfig>,
    pub(in crate::http) bitcoin: Option<IcpFeaturesConfig>,
    pub(in crate::http) dogecoin: Option<IcpFeaturesConfig>,
    pub(in crate::http) canister_migration: Option<IcpFeaturesConfig>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::http) enum IcpFeaturesConfig {
    DefaultConfig,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::http) enum IncompleteStateFlag {
    Disabled,
    Enabled,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::http) enum InitialTime {
    Timestamp(RawTime),
    AutoProgress(AutoProgressConfig),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::http) struct AutoProgressConfig {
    pub(in crate::http) artificial_delay_ms: Option<u64>,
}

/// The subnets of a new instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::http) struct ExtendedSubnetConfigSet {
    pub(in crate::http) nns: Option<SubnetSpec>,
    pub(in crate::http) sns: Option<SubnetSpec>,
    pub(in crate::http) ii: Option<SubnetSpec>,
    pub(in crate::http) fiduciary: Option<SubnetSpec>,
    pub(in crate::http) bitcoin: Option<SubnetSpec>,
    pub(in crate::http) test_threshold_keys: Option<SubnetSpec>,
    pub(in crate::http) system: Vec<SubnetSpec>,
    pub(in crate::http) application: Vec<SubnetSpec>,
    #[serde(default)]
    pub(in crate::http) cloud_engine: Vec<SubnetSpec>,
    pub(in crate::http) verified_application: Vec<SubnetSpec>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::http) struct SubnetSpec {
    pub(in crate::http) state_config: SubnetStateConfig,
    pub(in crate::http) instruction_config: SubnetInstructionConfig,
    pub(in crate::http) subnet_admins: Option<Vec<RawPrincipalId>>,
    #[serde(default)]
    pub(in crate::http) cost_schedule: CanisterCyclesCostSchedule,
}

impl Default for SubnetSpec {
    fn default() -> Self {
        Self {
            state_config: SubnetStateConfig::New,
            instruction_config: SubnetInstructionConfig::Production,
            subnet_admins: None,
            cost_schedule: CanisterCyclesCostSchedule::Normal,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::http) enum SubnetStateConfig {
    New,
    FromPath(PathBuf),
    FromBlobStore(BlobId),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::http) enum SubnetInstructionConfig {
    Production,
    Benchmarking,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::http) enum CanisterCyclesCostSchedule {
    #[default]
    Normal,
    Free,
}

/// The subnets of an instance.
#[derive(Clone, Debug, Serialize)]
pub(in crate::http) struct Topology {
    pub(in crate::http) subnet_configs: BTreeMap<Principal, SubnetConfig>,
    pub(in crate::http) default_effective_canister_id: RawCanisterId,
}

#[derive(Clone, Debug, Serialize)]
pub(in crate::http) struct SubnetConfig {
    pub(in crate::http) subnet_kind: SubnetKind,
    pub(in crate::http) subnet_admins: Option<Vec<RawPrincipalId>>,
    pub(in crate::http) cost_schedule: CanisterCyclesCostSchedule,
    pub(in crate::http) subnet_seed: [u8; 32],
    pub(in crate::http) instruction_config: SubnetInstructionConfig,
    pub(in crate::http) canister_ranges: Vec<CanisterIdRange>,
}

#[derive(Clone, Debug, Serialize)]
pub(in crate::http) struct CanisterIdRange {
    pub(in crate::http) start: RawCanisterId,
    pub(in crate::http) end: RawCanisterId,
}

#[derive(Clone, Debug, Serialize)]
pub(in crate::http) enum CreateInstanceResponse {
    Created {
        instance_id: usize,
        topology: Topology,
        http_gateway_info: Option<HttpGatewayInfo>,
    },
    Error {
        message: String,
    },
}

/// What a gateway stands in front of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::http) enum HttpGatewayBackend {
    Replica(String),
    PocketIcInstance(usize),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::http) struct HttpsConfig {
    pub(in crate::http) cert_path: String,
    pub(in crate::http) key_path: String,
}

/// The gateway of a new instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::http) struct InstanceHttpGatewayConfig {
    pub(in crate::http) ip_addr: Option<String>,
    pub(in crate::http) port: Option<u16>,
    pub(in crate::http) domains: Option<Vec<String>>,
    pub(in crate::http) https_config: Option<HttpsConfig>,
    pub(in crate::http) domain_custom_provider_local_file: Option<String>,
}

/// A new gateway.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::http) struct HttpGatewayConfig {
    pub(in crate::http) ip_addr: Option<String>,
    pub(in crate::http) port: Option<u16>,
    pub(in crate::http) forward_to: HttpGatewayBackend,
    pub(in crate::http) domains: Option<Vec<String>>,
    pub(in crate::http) https_config: Option<HttpsConfig>,
    pub(in crate::http) domain_custom_provider_local_file: Option<String>,
}

/// A gateway in the list of all gateways.
#[derive(Clone, Debug, Serialize)]
pub(in crate::http) struct HttpGatewayDetails {
    pub(in crate::http) instance_id: usize,
    pub(in crate::http) port: u16,
    pub(in crate::http) forward_to: HttpGatewayBackend,
    pub(in crate::http) domains: Option<Vec<String>>,
    pub(in crate::http) https_config: Option<HttpsConfig>,
}

#[derive(Clone, Debug, Serialize)]
pub(in crate::http) struct HttpGatewayInfo {
    pub(in crate::http) instance_id: usize,
    pub(in crate::http) port: u16,
}

#[derive(Clone, Debug, Serialize)]
pub(in crate::http) enum CreateHttpGatewayResponse {
    Created(HttpGatewayInfo),
    Error { message: String },
}
