//! HTTP outcalls: `http_request` and `flexible_http_request`.
//!
//! The replica makes no HTTP requests. An outcall waits in the instance, as plain data, until a
//! test answers it ([`crate::Replica::answer_outcall`]) or until it times out after a minute. The
//! calling canister transforms the answer of each node (`report`), and the next round decides on
//! the outcall (`delivery`).

mod delivery;
mod report;
mod request;

use candid::Principal;

use crate::{
    network::{
        Network,
        outcalls::{HttpMethod, bare},
    },
    prices::outcalls::Replication,
    reject::{Reject, RejectCode},
};

/// The longest text of a reject that a node reports, in bytes.
const MAX_REJECT_MESSAGE: usize = 1024;

/// An outcall that waits for an answer.
#[derive(Clone, Debug)]
pub struct PendingOutcall {
    /// The subnet whose nodes make it.
    pub subnet: Principal,
    /// Its number on that subnet, from 0.
    pub id: u64,
    /// The canister that makes it.
    pub caller: Principal,
    /// The HTTP method.
    pub method: HttpMethod,
    /// The URL, as the canister gave it, without any check.
    pub url: String,
    /// The headers: names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The longest response that the canister accepts, in bytes; 2,000,000 by default.
    pub max_response_bytes: Option<u64>,
    /// Which nodes make it.
    pub replication: Replication,
    /// Whether it is priced with version 2.
    pub pay_as_you_go: bool,
}

/// The answer of the web server to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutcallAnswer {
    /// A response.
    Reply {
        /// The HTTP status.
        status: u16,
        /// The headers: names and values.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// No response.
    Reject(Reject),
}

impl OutcallAnswer {
    /// No response, for this reason.
    pub fn reject(code: RejectCode, message: impl Into<String>) -> Self {
        Self::Reject(bare(code, message))
    }
}

impl Network {
    /// The outcalls that wait for an answer, by subnet and number.
    pub(crate) fn pending_outcalls(&self) -> Vec<PendingOutcall> {
        self.outcalls
            .iter()
            .filter(|(_, outcall)| outcall.reports.is_none())
            .map(|((subnet, id), outcall)| PendingOutcall {
                subnet: self.subnets[*subnet].context.id,
                id: *id,
                caller: outcall.request.sender,
                method: outcall.method,
                url: outcall.url.clone(),
                headers: outcall.headers.clone(),
                body: outcall.body.clone(),
                max_response_bytes: outcall.max_response_bytes,
                replication: outcall.replication,
                pay_as_you_go: outcall.pay_as_you_go,
            })
            .collect()
    }

    /// Answers an outcall: with one answer for all nodes of the subnet, or with one for each node.
    ///
    pub(crate) fn answer_outcall(
        &mut self,
        subnet: Principal,
        id: u64,
        answers: Vec<OutcallAnswer>,
    ) -> Result<(), String> {
        let key = self.waiting_outcall(subnet, id)?;
        let nodes = self.infos[key.0].nodes.clone();
        if answers.len() != 1 && answers.len() != nodes.len() {
            return Err(format!(
                "InvalidMockCanisterHttpResponses(({}, {})): an outcall is answered once for all \
                 nodes of its subnet, or once for each",
                answers.len(),
                nodes.len()
            ));
        }
        check(&answers)?;
        let all = answers.iter().cycle().cloned();
        // Nodes without a part in the outcall report nothing.
        let answers = nodes
            .into_iter()
            .zip(all)
            .filter(|(node, _)| self.outcalls[&key].nodes.contains(node))
            .collect();
        self.report(key, answers);
        Ok(())
    }

    /// Answers a flexible outcall for some of its nodes.
    ///
    pub(crate) fn answer_flexible_outcall(
        &mut self,
        subnet: Principal,
        id: u64,
        answers: Vec<OutcallAnswer>,
    ) -> Result<(), String> {
        let key = self.waiting_outcall(subnet, id)?;
        let outcall = &self.outcalls[&key];
        if !matches!(outcall.replication, Replication::Flexible { .. }) {
            return Err(format!(
                "NotAFlexibleCanisterHttpRequest: outcall {id} of subnet {subnet} was not made by \
                 flexible_http_request"
            ));
        }
        if answers.len() > outcall.nodes.len() {
            return Err(format!(
                "TooManyMockCanisterHttpResponses(({}, {})): there are more answers than nodes \
                 that make the outcall",
                answers.len(),
                outcall.nodes.len()
            ));
        }
        check(&answers)?;
        let answers = outcall.nodes.clone().into_iter().zip(answers).collect();
        self.report(key, answers);
        Ok(())
    }

    /// The key of an outcall that waits for an answer.
    fn waiting_outcall(&self, subnet: Principal, id: u64) -> Result<(usize, u64), String> {
        let index = self
            .subnet_index(subnet)
            .ok_or_else(|| format!("SubnetNotFound({subnet}): there is no such subnet"))?;
        match self.outcalls.get(&(index, id)) {
            Some(outcall) if outcall.reports.is_none() => Ok((index, id)),
            _ => Err(format!(
                "InvalidCanisterHttpRequestId(({subnet}, {id})): no such outcall waits for an \
                 answer"
            )),
        }
    }
}

/// Checks that nodes could report these answers.
fn check(answers: &[OutcallAnswer]) -> Result<(), String> {
    for answer in answers {
        if let OutcallAnswer::Reject(reject) = answer
            && reject.message.len() > MAX_REJECT_MESSAGE
        {
            return Err(format!(
                "CanisterHttpRejectMessageTooLong(({}, {MAX_REJECT_MESSAGE})): nodes cut the text \
                 of a reject",
                reject.message.len()
            ));
        }
    }
    Ok(())
}
