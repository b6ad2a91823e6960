//! HTTP outcalls that wait for an answer, and the answers of tests.

use serde::{Deserialize, Serialize};

use super::{RawSubnetId, base64};
use crate::network::outcalls::HttpMethod;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::http) struct CanisterHttpHeader {
    pub(in crate::http) name: String,
    pub(in crate::http) value: String,
}

/// How many nodes make an outcall.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::http) enum CanisterHttpReplication {
    FullyReplicated,
    NonReplicated,
    Flexible {
        total_requests: u32,
        min_responses: u32,
        max_responses: u32,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::http) enum CanisterHttpPricingVersion {
    Legacy,
    PayAsYouGo,
}

/// An outcall that waits.
#[derive(Clone, Debug, Serialize)]
pub(in crate::http) struct RawCanisterHttpRequest {
    pub(in crate::http) subnet_id: RawSubnetId,
    pub(in crate::http) request_id: u64,
    pub(in crate::http) http_method: HttpMethod,
    pub(in crate::http) url: String,
    pub(in crate::http) headers: Vec<CanisterHttpHeader>,
    #[serde(with = "base64")]
    pub(in crate::http) body: Vec<u8>,
    pub(in crate::http) max_response_bytes: Option<u64>,
    pub(in crate::http) replication: CanisterHttpReplication,
    pub(in crate::http) pricing_version: CanisterHttpPricingVersion,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::http) struct CanisterHttpReply {
    pub(in crate::http) status: u16,
    pub(in crate::http) headers: Vec<CanisterHttpHeader>,
    #[serde(with = "base64")]
    pub(in crate::http) body: Vec<u8>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::http) struct CanisterHttpReject {
    pub(in crate::http) reject_code: u64,
    pub(in crate::http) message: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::http) enum CanisterHttpResponse {
    CanisterHttpReply(CanisterHttpReply),
    CanisterHttpReject(CanisterHttpReject),
}

/// The answer to an outcall for all nodes of its subnet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::http) struct RawMockCanisterHttpResponse {
    pub(in crate::http) subnet_id: RawSubnetId,
    pub(in crate::http) request_id: u64,
    pub(in crate::http) response: CanisterHttpResponse,
    /// The responses of the other nodes, if they differ.
    pub(in crate::http) additional_responses: Vec<CanisterHttpResponse>,
}

/// The answers to a flexible outcall, each of another node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::http) struct RawMockFlexibleCanisterHttpResponse {
    pub(in crate::http) subnet_id: RawSubnetId,
    pub(in crate::http) request_id: u64,
    pub(in crate::http) responses: Vec<CanisterHttpResponse>,
}
