//! The decision on outcalls: the nodes agree, too few of them agree, or time or cycles run out.

use std::collections::BTreeMap;

use candid::{CandidType, Deserialize, Nat, Principal, Reserved};
use ic_management_canister_types as types;
use sha2::{Digest, Sha256};

use crate::{
    canister::consumption::Purpose,
    network::{
        Network,
        outcalls::{Outcall, Report, bare},
    },
    prices::{Prices, outcalls::Replication},
    reject::{Reject, RejectCode},
};

/// The limit of the responses in a block, in bytes.
const BLOCK: u64 = 2 * 1024 * 1024;

/// The decision on an outcall.
struct Verdict {
    result: Result<Vec<u8>, Reject>,
    /// The fee for the responses in a block, in cycles.
    block: u128,
}

impl Verdict {
    /// A verdict without responses in a block.
    fn free(result: Result<Vec<u8>, Reject>) -> Self {
        Self { result, block: 0 }
    }
}

// The answer of `flexible_http_request`.

#[derive(CandidType, Deserialize)]
enum FlexibleResult {
    #[serde(rename = "ok")]
    Ok(Vec<types::HttpRequestResult>),
    #[serde(rename = "err")]
    Err(FlexibleErr),
}

#[derive(CandidType, Deserialize)]
struct FlexibleErr {
    global_error: Option<GlobalError>,
    node_details: Vec<NodeDetail>,
    message: String,
}

#[derive(CandidType, Deserialize)]
enum GlobalError {
    #[serde(rename = "timeout")]
    Timeout(Reserved),
    #[serde(rename = "out_of_cycles")]
    OutOfCycles(Reserved),
    #[serde(rename = "responses_too_large")]
    ResponsesTooLarge(Reserved),
    #[serde(rename = "too_many_rejects")]
    TooManyRejects(Reserved),
}

#[derive(CandidType, Deserialize)]
struct NodeDetail {
    node_id: Principal,
    report: ResourceReport,
    error: Option<NodeError>,
}

/// The resources that a node used. As on the platform, it is empty.
#[derive(CandidType, Deserialize, Default)]
struct ResourceReport {
    raw_response_bytes: Option<Resource<u64>>,
    http_roundtrip_time_ms: Option<Resource<u64>>,
    transform_instructions: Option<Resource<u64>>,
    transformed_response_bytes: Option<Resource<u64>>,
    cycles: Option<Resource<Nat>>,
}

#[derive(CandidType, Deserialize)]
#[allow(
    dead_code,
    reason = "a type of the interface; no value of it is ever sent"
)]
enum Resource<T> {
    #[serde(rename = "used")]
    Used(T),
    #[serde(rename = "exceeded")]
    Exceeded(Reserved),
}

#[derive(CandidType, Deserialize)]
struct NodeError {
    code: String,
    message: String,
}

impl Network {
    /// Answers all outcalls that can be decided now.
    pub(crate) fn settle_outcalls(&mut self) {
        let now = self.time;
        let mut decided = Vec::new();
        for (key, outcall) in &self.outcalls {
            let prices = self.subnets[key.0].context.prices;
            let verdict = if outcall.deadline < now {
                Some(timeout(outcall))
            } else {
                outcall
                    .reports
                    .as_ref()
                    .and_then(|reports| decide(key.1, outcall, reports, prices))
            };
            decided.extend(verdict.map(|verdict| (*key, verdict)));
        }
        for (key, Verdict { result, block }) in decided {
            let Some(Outcall {
                request, reports, ..
            }) = self.outcalls.remove(&key)
            else {
                continue;
            };
            let spent: u128 = reports.iter().flatten().map(|report| report.spent).sum();
            let charge = (spent + block).min(request.cycles);
            self.ledger.fees.outcalls += charge;
            if let Some(sender) = self.canister_mut(request.sender) {
                sender.consumption.add(Purpose::Outcalls, charge);
            }
            let refund = request.cycles - charge;
            self.respond(request.origin, request.sender, result, refund, None);
        }
    }
}

fn timeout(outcall: &Outcall) -> Verdict {
    if let Replication::Flexible { .. } = outcall.replication {
        let message = "Flexible HTTP request timed out".to_owned();
        return Verdict::free(failure(GlobalError::Timeout(Reserved), Vec::new(), message));
    }
    let why = "Canister http request timed out";
    Verdict::free(Err(bare(RejectCode::SysTransient, why)))
}

/// The decision on an outcall; `None`: it needs more reports.
fn decide(id: u64, outcall: &Outcall, reports: &[Report], prices: Prices) -> Option<Verdict> {
    match outcall.replication {
        Replication::FullyReplicated => Some(decide_replicated(id, outcall, reports, prices)),
        Replication::NonReplicated => {
            let report = reports.first()?;
            Some(deliver(outcall, report, reports, prices))
        }
        Replication::Flexible {
            total_requests,
            min_responses,
            max_responses,
        } => Flexible {
            outcall,
            reports,
            prices,
            total: total_requests as usize,
            min: min_responses as usize,
            max: max_responses as usize,
        }
        .decide(),
    }
}

/// Decides on a fully replicated outcall: more than two thirds of the nodes must report the same.
fn decide_replicated(id: u64, outcall: &Outcall, reports: &[Report], prices: Prices) -> Verdict {
    let mut groups: BTreeMap<[u8; 32], Vec<&Report>> = BTreeMap::new();
    for report in reports {
        groups.entry(hash(report)).or_default().push(report);
    }
    let nodes = outcall.nodes.len();
    let enough = nodes - nodes.saturating_sub(1) / 3;
    if let Some(group) = groups.values().find(|group| group.len() >= enough) {
        let payers: Vec<_> = group.iter().map(|report| (*report).clone()).collect();
        return deliver(outcall, group[0], &payers, prices);
    }
    let mut counts: Vec<_> = groups
        .into_iter()
        .map(|(hash, group)| (group.len(), hash))
        .collect();
    counts.sort_by_key(|(count, _)| *count);
    let counts: Vec<_> = counts
        .into_iter()
        .rev()
        .map(|(count, hash)| format!("[{}: {count}]", hex::encode(hash)))
        .collect();
    let why = format!(
        "No consensus could be reached. Replicas had different responses. Details: request_id: \
         {id}, hashes: {}",
        counts.join(", ")
    );
    Verdict::free(Err(bare(RejectCode::SysTransient, why)))
}

fn hash(report: &Report) -> [u8; 32] {
    let mut hash = Sha256::new();
    match &report.content {
        Ok(response) => {
            hash.update([0]);
            hash.update(response);
        }
        Err(reject) => {
            hash.update([reject.code as u8]);
            hash.update(&reject.message);
        }
    }
    hash.finalize().into()
}

/// Delivers one report, if the payers' remaining allowances pay for it.
fn deliver(outcall: &Outcall, report: &Report, payers: &[Report], prices: Prices) -> Verdict {
    let block = if outcall.allowance.is_some() {
        prices.outcall_block(report.size())
    } else {
        0
    };
    let left = remaining_allowances(outcall, payers);
    if left.is_some_and(|left| left < block) {
        let why = out_of_cycles(payers, left, block);
        return Verdict::free(Err(bare(RejectCode::CanisterReject, why)));
    }
    Verdict {
        result: report.content.clone(),
        block,
    }
}

/// The remaining allowances of these nodes. `None`: there is no limit.
fn remaining_allowances(outcall: &Outcall, reports: &[Report]) -> Option<u128> {
    let allowance = outcall.allowance?;
    Some(
        reports
            .iter()
            .map(|r| allowance.saturating_sub(r.spent))
            .sum(),
    )
}

fn out_of_cycles(reports: &[Report], left: Option<u128>, cost: u128) -> String {
    format!(
        "Out of cycles: {} of the assigned replicas reported a collective spend of {} cycles, \
         leaving {} cycles of the attached payment (after base fee deduction). Delivering a \
         response would cost at least {cost} cycles.",
        reports.len(),
        reports.iter().map(|report| report.spent).sum::<u128>(),
        left.unwrap_or_default(),
    )
}

/// A flexible outcall with its reports. Nodes without a report stay silent.
struct Flexible<'a> {
    outcall: &'a Outcall,
    reports: &'a [Report],
    prices: Prices,
    total: usize,
    min: usize,
    max: usize,
}

impl Flexible<'_> {
    fn decide(&self) -> Option<Verdict> {
        if self.max == 0 {
            // The caller wants no response: one report is enough.
            return (!self.reports.is_empty())
                .then(|| Verdict::free(encode(&FlexibleResult::Ok(Vec::new()))));
        }
        let mut responses: Vec<_> = self.reports.iter().filter(|r| r.content.is_ok()).collect();
        // The sort is stable: among equals, the nodes' order counts.
        responses.sort_by_key(|report| report.size());
        let rejects: Vec<_> = self.reports.iter().filter(|r| r.content.is_err()).collect();
        let silent = self.total - self.reports.len();
        // As many responses as allowed, fewer if they are too large or too expensive together.
        for count in (self.min..=self.max.min(responses.len())).rev() {
            if let Some(block) = self.block_fee(&responses[..count]) {
                return self.success(&responses[..count], block);
            }
        }
        if rejects.len() > self.total - self.min
            && let Some(block) = self.block_fee(&rejects)
        {
            return Some(Verdict {
                result: self.too_many_rejects(&rejects),
                block,
            });
        }
        let known = self.min.saturating_sub(silent);
        if known <= responses.len() {
            let sizes: u64 = responses[..known].iter().map(|report| report.size()).sum();
            if sizes > BLOCK {
                return Some(Verdict::free(self.too_large(&responses, known)));
            }
        }
        self.too_expensive(&responses, &rejects, silent)
    }

    /// The fee for these reports in a block, if they fit and the remaining allowances pay for it.
    fn block_fee(&self, reports: &[&Report]) -> Option<u128> {
        if reports.iter().map(|report| report.size()).sum::<u64>() > BLOCK {
            return None;
        }
        let Some(left) = remaining_allowances(self.outcall, self.reports) else {
            return Some(0);
        };
        let sizes = reports.iter().map(|report| report.size());
        let block = self.prices.flexible_block(sizes, self.min as u32);
        (block <= left).then_some(block)
    }

    fn success(&self, reports: &[&Report], block: u128) -> Option<Verdict> {
        let responses = reports
            .iter()
            .filter_map(|report| report.content.as_ref().ok())
            // A transform function may answer bytes that are no response; the platform never
            // delivers them.
            .map(|response| candid::decode_one(response).ok())
            .collect::<Option<_>>()?;
        Some(Verdict {
            result: encode(&FlexibleResult::Ok(responses)),
            block,
        })
    }

    fn too_many_rejects(&self, rejects: &[&Report]) -> Result<Vec<u8>, Reject> {
        let details = rejects
            .iter()
            .filter_map(|report| {
                let reject = report.content.as_ref().err()?;
                Some(detail(
                    report,
                    format!("{:?}", reject.code),
                    reject.message.clone(),
                ))
            })
            .collect();
        let message = format!("Too many rejects: {} responses are rejects", rejects.len());
        failure(GlobalError::TooManyRejects(Reserved), details, message)
    }

    fn too_large(&self, responses: &[&Report], known: usize) -> Result<Vec<u8>, Reject> {
        let Self {
            reports,
            total,
            min,
            ..
        } = self;
        let silent = total - reports.len();
        let (ok, rejects) = (responses.len(), reports.len() - responses.len());
        let sizes: Vec<_> = responses[..known]
            .iter()
            .map(|r| r.size().to_string())
            .collect();
        let message = format!(
            "Responses too large: need at least {min} OK responses to fit within {BLOCK} bytes, \
             but even the smallest {known} (= {min} min_responses - {silent} unseen) of {ok} OK \
             responses have sizes [{}] bytes ({ok} ok + {rejects} reject + {silent} unseen = \
             {total} total_requests)",
            sizes.join(", ")
        );
        let details = self.details(|report| format!("{} bytes", report.size()));
        failure(GlobalError::ResponsesTooLarge(Reserved), details, message)
    }

    /// The failure of an outcall whose remaining allowances cannot pay for any possible result.
    fn too_expensive(
        &self,
        responses: &[&Report],
        rejects: &[&Report],
        silent: usize,
    ) -> Option<Verdict> {
        let allowance = self.outcall.allowance?;
        let left = remaining_allowances(self.outcall, self.reports)? + allowance * silent as u128;
        let mut sizes = rejects
            .iter()
            .map(|report| report.size())
            .collect::<Vec<_>>();
        sizes.sort_unstable();
        let ok = responses.iter().map(|report| report.size()).collect();
        let cheapest = [(ok, self.min), (sizes, self.total - self.min + 1)]
            .into_iter()
            .filter(|(seen, needed)| seen.len() + silent >= *needed)
            .map(|(seen, needed): (Vec<u64>, usize)| {
                // A silent node may still report an empty response.
                let empty = needed.min(silent);
                let sizes = seen.into_iter().take(needed - empty);
                let sizes = sizes.chain(std::iter::repeat_n(0, empty));
                self.prices.flexible_block(sizes, self.min as u32)
            })
            .min()?;
        if cheapest <= left {
            return None;
        }
        let details = self.details(|report| format!("{} cycles spent", report.spent));
        let message = out_of_cycles(self.reports, Some(left), cheapest);
        let result = failure(GlobalError::OutOfCycles(Reserved), details, message);
        Some(Verdict::free(result))
    }

    fn details(&self, message: impl Fn(&Report) -> String) -> Vec<NodeDetail> {
        self.reports
            .iter()
            .map(|report| {
                let code = if report.content.is_ok() {
                    "ok"
                } else {
                    "reject"
                };
                detail(report, code.to_owned(), message(report))
            })
            .collect()
    }
}

fn detail(report: &Report, code: String, message: String) -> NodeDetail {
    NodeDetail {
        node_id: report.node,
        report: ResourceReport::default(),
        error: Some(NodeError { code, message }),
    }
}

fn failure(
    error: GlobalError,
    node_details: Vec<NodeDetail>,
    message: String,
) -> Result<Vec<u8>, Reject> {
    encode(&FlexibleResult::Err(FlexibleErr {
        global_error: Some(error),
        node_details,
        message,
    }))
}

fn encode(result: &FlexibleResult) -> Result<Vec<u8>, Reject> {
    candid::encode_one(result).map_err(|e| {
        let why = format!("The answer cannot be encoded: {e}");
        Reject::new(RejectCode::SysFatal, 101, why)
    })
}
