//! HTTP outcalls under way, and the reports of the nodes.

use candid::Principal;
use serde::{Deserialize, Serialize};

use crate::{
    canister::calls::Request,
    prices::outcalls::Replication,
    reject::{Reject, RejectCode},
};

/// The longest response, header included, in bytes.
pub(crate) const MAX_RESPONSE: u64 = 2_000_000;

/// Methods of HTTP that outcalls may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, clippy::upper_case_acronyms)]
pub enum HttpMethod {
    GET,
    POST,
    HEAD,
    PUT,
    DELETE,
    PATCH,
}

/// A reject with exactly this text.
pub(crate) fn bare(code: RejectCode, message: impl Into<String>) -> Reject {
    Reject::new(code, 406, message)
}

/// The cycles that an outcall still holds.
pub(crate) fn held_cycles(outcall: &Outcall) -> u128 {
    let Request { cycles, .. } = outcall.request;
    cycles
}

/// An outcall under way.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(crate) struct Outcall {
    /// The call of the management canister. Its cycles are those that can still be spent or
    /// refunded.
    pub(crate) request: Request,
    pub(crate) method: HttpMethod,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) max_response_bytes: Option<u64>,
    /// The caller's transform function: its name, and its context.
    pub(crate) transform: Option<(String, Vec<u8>)>,
    pub(crate) replication: Replication,
    /// The nodes that make it.
    pub(crate) nodes: Vec<Principal>,
    pub(crate) pay_as_you_go: bool,
    /// Cycles that each node may spend; there is no limit in version 1 and where outcalls are free.
    pub(crate) allowance: Option<u128>,
    /// When it times out, in nanoseconds since 1970.
    pub(crate) deadline: u64,
    /// The reports of the nodes, once the outcall is answered.
    pub(crate) reports: Option<Vec<Report>>,
}

impl Outcall {
    /// The longest response, in bytes.
    pub(crate) fn max_response(&self) -> u64 {
        self.max_response_bytes.unwrap_or(MAX_RESPONSE)
    }

    /// The size of the request that is paid for, in bytes.
    pub(crate) fn request_size(&self) -> u64 {
        let headers: usize = self.headers.iter().map(|(n, v)| n.len() + v.len()).sum();
        let transform = self
            .transform
            .as_ref()
            .map_or(0, |(method, context)| method.len() + context.len());
        (self.url.len() + headers + self.body.len() + transform) as u64
    }
}

/// The report of a node to the other nodes.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) node: Principal,
    /// The response for the caller: encoded, or transformed.
    pub(crate) content: Result<Vec<u8>, Reject>,
    /// Cycles spent of its allowance.
    pub(crate) spent: u128,
}

impl Report {
    /// The size of the report, in bytes.
    pub(crate) fn size(&self) -> u64 {
        match &self.content {
            Ok(response) => response.len() as u64,
            Err(reject) => reject_size(reject),
        }
    }
}

/// The size of a reject: its code and its text, in bytes.
fn reject_size(reject: &Reject) -> u64 {
    1 + reject.message.len() as u64
}
