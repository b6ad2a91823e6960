//! The report of each node on its answer: limits, the transform function, and the fees.

use candid::{Nat, Principal};
use ic_management_canister_types as types;

use crate::{
    ingress::Ingress,
    management::outcalls::{MAX_REJECT_MESSAGE, OutcallAnswer, request::check_size},
    network::{
        Network,
        outcalls::{Outcall, Report, bare},
    },
    prices::Prices,
    reject::{Reject, RejectCode},
};

impl Network {
    /// Records the reports of nodes on their answers.
    pub(super) fn report(&mut self, key: (usize, u64), answers: Vec<(Principal, OutcallAnswer)>) {
        let Some(outcall) = self.outcalls.get(&key).cloned() else {
            return;
        };
        let prices = self.subnets[key.0].context.prices;
        let mut reports: Vec<Report> = Vec::new();
        let mut last = None;
        for (node, answer) in answers {
            // Equal answers become equal reports: the transform function sees nothing else.
            let report = match (&last, reports.last()) {
                (Some(seen), Some(report)) if *seen == answer => Report {
                    node,
                    ..report.clone()
                },
                _ => self.node_report(&outcall, prices, node, &answer),
            };
            reports.push(report);
            last = Some(answer);
        }
        if let Some(outcall) = self.outcalls.get_mut(&key) {
            outcall.reports = Some(reports);
        }
    }

    fn node_report(
        &mut self,
        outcall: &Outcall,
        prices: Prices,
        node: Principal,
        answer: &OutcallAnswer,
    ) -> Report {
        let mut allowance = Allowance {
            allowance: outcall.allowance,
            spent: 0,
        };
        let mut content = match answer {
            OutcallAnswer::Reject(reject) => Err(reject.clone()),
            OutcallAnswer::Reply {
                status,
                headers,
                body,
            } => {
                let response = types::HttpRequestResult {
                    status: Nat::from(*status),
                    headers: headers
                        .iter()
                        .map(|(name, value)| types::HttpHeader {
                            name: name.clone(),
                            value: value.clone(),
                        })
                        .collect(),
                    body: body.clone(),
                };
                self.process_response(outcall, prices, &mut allowance, response)
            }
        };
        if let Err(reject) = &mut content {
            shorten(&mut reject.message);
        }
        let mut report = Report {
            node,
            content,
            spent: 0,
        };
        let gossip = prices.outcall_gossip(report.size(), outcall.replication);
        if let Err(reject) = allowance.spend(gossip) {
            report.content = Err(reject);
        }
        report.spent = allowance.spent;
        report
    }

    /// Checks and transforms a response of the web server for the caller.
    fn process_response(
        &mut self,
        outcall: &Outcall,
        prices: Prices,
        allowance: &mut Allowance,
        response: types::HttpRequestResult,
    ) -> Result<Vec<u8>, Reject> {
        let fatal = |why| bare(RejectCode::SysFatal, why);
        let limit = outcall.max_response();
        let sizes = response
            .headers
            .iter()
            .map(|header| (header.name.len(), header.value.len()));
        let headers = sizes
            .clone()
            .map(|(name, value)| name + value)
            .sum::<usize>() as u64;
        let downloaded = headers + response.body.len() as u64;
        if headers > limit {
            return Err(fatal(format!(
                "Header size exceeds specified response size limit {limit}"
            )));
        }
        if downloaded > limit {
            return Err(fatal(format!(
                "Http body exceeds size limit of {limit} bytes."
            )));
        }
        allowance.spend(prices.outcall_download(downloaded, 0))?;
        check_size(sizes, response.body.len()).map_err(fatal)?;
        let Some((method, context)) = &outcall.transform else {
            return candid::encode_one(response)
                .map_err(|e| fatal(format!("Failed to encode the response: {e}")));
        };
        let args = types::TransformArgs {
            response,
            context: context.clone(),
        };
        let payload = candid::encode_one(args)
            .map_err(|e| fatal(format!("Failed to encode the response: {e}")))?;
        let (result, instructions) =
            self.transform(outcall.request.sender, method.clone(), payload);
        allowance.spend(prices.outcall_transform(instructions))?;
        let transformed = result.map_err(|reject| bare(reject.code, reject.text()))?;
        if transformed.len() as u64 > limit {
            return Err(fatal(format!(
                "Transformed http response exceeds limit: {limit}"
            )));
        }
        Ok(transformed)
    }

    /// Runs a query method of the canister, with the management canister as the caller.
    fn transform(
        &mut self,
        canister: Principal,
        method: String,
        payload: Vec<u8>,
    ) -> (Result<Vec<u8>, Reject>, u64) {
        let code = self
            .canisters
            .get(&canister)
            .and_then(|canister| canister.code.as_ref());
        if code.is_some_and(|code| code.module.composite_queries.contains(&method)) {
            let why = "Composite query cannot be used as transform in canister http outcalls.";
            return (Err(Reject::new(RejectCode::CanisterError, 527, why)), 0);
        }
        let query = Ingress {
            sender: Principal::management_canister(),
            canister,
            method,
            payload,
            effective: None,
            caller_info: None,
        };
        self.evaluate_and_record(query, Self::query_management)
    }
}

/// The allowance of a node, and the part that is spent.
struct Allowance {
    allowance: Option<u128>,
    spent: u128,
}

impl Allowance {
    fn spend(&mut self, cycles: u128) -> Result<(), Reject> {
        let Some(allowance) = self.allowance else {
            return Ok(());
        };
        // A node does not start work that it cannot pay for, so that it can still report the
        // reject.
        if cycles > allowance - self.spent {
            return Err(bare(RejectCode::CanisterReject, "Insufficient cycles"));
        }
        self.spent += cycles;
        Ok(())
    }
}

/// Cuts the middle out of a text that is too long.
fn shorten(text: &mut String) {
    const DOTS: &str = "...";
    if text.len() <= MAX_REJECT_MESSAGE {
        return;
    }
    let room = MAX_REJECT_MESSAGE - DOTS.len();
    let start = text.floor_char_boundary(room * 9 / 10);
    let end = text.ceil_char_boundary(text.len() - (room - start));
    text.replace_range(start..end, DOTS);
}
