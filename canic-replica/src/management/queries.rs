//! Query calls to the management canister, by users and by composite queries.

use crate::{
    canister::calls::Request,
    management::call::{Answer, target},
    network::Network,
    reject::{Reject, RejectCode, invalid, not_found},
};

impl Network {
    /// Answers a query call with the reply and the instructions that it took. The subnet of the
    /// request answers, so it knows its own canisters only. A composite query gets the answer that
    /// a user would get with the rights of the calling canister.
    pub(crate) fn query_management(&self, request: &Request) -> Result<(Vec<u8>, u64), Reject> {
        let is_known = matches!(
            request.method.as_str(),
            "canister_status"
                | "canister_info"
                | "canister_metrics"
                | "fetch_canister_logs"
                | "list_canisters"
        );
        if !is_known {
            let why = format!("Query method {} not found.", request.method);
            return Err(Reject::new(RejectCode::CanisterError, 536, why));
        }
        if let Ok(id) = target(&request.payload)
            && let Some(canister) = self.canisters.get(&id)
            && request.subnet != Some(canister.subnet)
        {
            return Err(not_found(id));
        }
        let answer = match request.method.as_str() {
            "canister_status" => self.canister_status(request),
            "canister_info" => self.canister_info(request),
            "canister_metrics" => self.canister_metrics(request),
            "fetch_canister_logs" => self.read_logs(request),
            _ => return self.list_canisters(request),
        };
        match answer? {
            Answer::Reply(reply) | Answer::ReplyAndRefund(reply, _) => Ok((reply, 0)),
            Answer::Deferred => Err(invalid("a query is answered at once")),
        }
    }
}
