//! PocketIC's protocol: the requests and answers of its server in JSON, as the client `pocket-ic`
//! 16 writes and reads them (its module `common::rest`). The types are our own, because that crate
//! brings an HTTP client with a TLS stack. The tests in `tests/client` talk to this server through
//! that client; `client_types` sends every field that it has.

mod base64;
mod instances;
mod outcalls;
mod rejects;

use std::path::PathBuf;

use candid::Principal;
use serde::{Deserialize, Serialize};

pub(super) use self::{
    instances::{
        AutoProgressConfig, CanisterCyclesCostSchedule, CanisterIdRange, CreateHttpGatewayResponse,
        CreateInstanceResponse, ExtendedSubnetConfigSet, HttpGatewayBackend, HttpGatewayConfig,
        HttpGatewayDetails, HttpGatewayInfo, IcpConfig, IcpConfigFlag, IcpFeatures,
        IcpFeaturesConfig, IncompleteStateFlag, InitialTime, InstanceConfig,
        InstanceHttpGatewayConfig, SubnetConfig, SubnetInstructionConfig, SubnetSpec,
        SubnetStateConfig, Topology,
    },
    outcalls::{
        CanisterHttpHeader, CanisterHttpPricingVersion, CanisterHttpReject,
        CanisterHttpReplication, CanisterHttpReply, CanisterHttpResponse, RawCanisterHttpRequest,
        RawMockCanisterHttpResponse, RawMockFlexibleCanisterHttpResponse,
    },
    rejects::{RawCanisterResult, RejectResponse, error_code},
};

/// The answer to a request that failed.
#[derive(Serialize)]
pub(super) struct ApiError {
    pub(super) message: String,
}

/// A time, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct RawTime {
    pub(super) nanos_since_epoch: u64,
}

/// The subnet that a call to the management canister goes to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum RawEffectivePrincipal {
    None,
    SubnetId(#[serde(with = "base64")] Vec<u8>),
    CanisterId(#[serde(with = "base64")] Vec<u8>),
}

/// A submitted message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RawMessageId {
    pub(super) effective_principal: RawEffectivePrincipal,
    #[serde(with = "base64")]
    pub(super) message_id: Vec<u8>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RawIngressStatusArgs {
    pub(super) raw_message_id: RawMessageId,
    pub(super) raw_caller: Option<RawPrincipalId>,
}

/// Information about a sender, and the canister that signed it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RawSenderInfo {
    #[serde(with = "base64")]
    pub(super) info: Vec<u8>,
    #[serde(with = "base64")]
    pub(super) signer: Vec<u8>,
}

/// An update or a query.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RawCanisterCall {
    #[serde(with = "base64")]
    pub(super) sender: Vec<u8>,
    #[serde(with = "base64")]
    pub(super) canister_id: Vec<u8>,
    pub(super) effective_principal: RawEffectivePrincipal,
    pub(super) method: String,
    #[serde(with = "base64")]
    pub(super) payload: Vec<u8>,
    pub(super) sender_info: Option<RawSenderInfo>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RawSetStableMemory {
    #[serde(with = "base64")]
    pub(super) canister_id: Vec<u8>,
    pub(super) blob_id: BlobId,
}

/// The key of a blob that was uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct BlobId(#[serde(with = "base64")] pub(super) Vec<u8>);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RawStableMemory {
    #[serde(with = "base64")]
    pub(super) blob: Vec<u8>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RawAddCycles {
    #[serde(with = "base64")]
    pub(super) canister_id: Vec<u8>,
    pub(super) amount: u128,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RawCycles {
    pub(super) cycles: u128,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct RawPrincipalId {
    #[serde(with = "base64")]
    pub(super) principal_id: Vec<u8>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RawCanisterId {
    #[serde(with = "base64")]
    pub(super) canister_id: Vec<u8>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RawSubnetId {
    #[serde(with = "base64")]
    pub(super) subnet_id: Vec<u8>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RawNodeId {
    #[serde(with = "base64")]
    pub(super) node_id: Vec<u8>,
}

impl From<Principal> for RawPrincipalId {
    fn from(principal: Principal) -> Self {
        let principal_id = principal.as_slice().to_vec();
        Self { principal_id }
    }
}

impl From<Principal> for RawCanisterId {
    fn from(canister: Principal) -> Self {
        let canister_id = canister.as_slice().to_vec();
        Self { canister_id }
    }
}

impl From<Principal> for RawSubnetId {
    fn from(subnet: Principal) -> Self {
        let subnet_id = subnet.as_slice().to_vec();
        Self { subnet_id }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RawTickConfigs {
    pub(super) blockmakers: Option<Vec<RawSubnetBlockmakers>>,
}

/// The nodes of a subnet that make, or fail to make, the next block.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RawSubnetBlockmakers {
    pub(super) subnet: RawSubnetId,
    pub(super) blockmaker: RawNodeId,
    pub(super) failed_blockmakers: Vec<RawNodeId>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RawVerifyCanisterSigArg {
    #[serde(with = "base64")]
    pub(super) msg: Vec<u8>,
    #[serde(with = "base64")]
    pub(super) sig: Vec<u8>,
    #[serde(with = "base64")]
    pub(super) pubkey: Vec<u8>,
    #[serde(with = "base64")]
    pub(super) root_pubkey: Vec<u8>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RawCanisterSnapshotDownload {
    pub(super) sender: RawPrincipalId,
    pub(super) canister_id: RawCanisterId,
    #[serde(with = "base64")]
    pub(super) snapshot_id: Vec<u8>,
    pub(super) snapshot_dir: PathBuf,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RawCanisterSnapshotUpload {
    pub(super) sender: RawPrincipalId,
    pub(super) canister_id: RawCanisterId,
    pub(super) replace_snapshot: Option<RawCanisterSnapshotId>,
    pub(super) snapshot_dir: PathBuf,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RawCanisterSnapshotId {
    #[serde(with = "base64")]
    pub(super) snapshot_id: Vec<u8>,
}
