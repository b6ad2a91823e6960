//! The management canister `aaaaa-aa`: dispatch to its methods.

pub(crate) mod call;
mod creation;
mod installation;
pub(crate) mod key_call;
mod lifecycle;
mod metrics;
pub(crate) mod outcalls;
pub(crate) mod permissions;
mod persistence;
mod queries;
mod settings;
mod signatures;
mod snapshot_transfer;
mod snapshots;
mod status;
mod storage;
mod subnet;

use candid::Principal;

use crate::{
    canister::calls::{Input, Request},
    faults::Effect,
    management::{
        call::{Answer, ManagementResult, target},
        key_call::KeyCall,
        permissions::is_unsupported,
    },
    network::{Network, routing::ELSEWHERE},
    reject::{Reject, RejectCode, contract, not_found, refused},
    trace::{Kind, Outcome},
};

impl Network {
    /// Executes a call to the management canister and answers it. A reject refunds all attached
    /// cycles.
    pub(crate) fn manage(&mut self, mut request: Request) {
        let fault = self.fire_on_request(&mut request);
        if let Some(Effect::Delay { rounds }) = fault {
            return self.delay(rounds, Input::Request(request));
        }
        if let Some(fault) = fault {
            let reject = fault.reject_of_call(request.callee).unwrap_or_else(|| {
                let why = "The management canister failed: injected fault";
                Reject::new(RejectCode::CanisterError, 502, why)
            });
            return self.reject_request(request, reject, ELSEWHERE);
        }
        let result = self.dispatch(&request);
        let (result, refund) = match result {
            Ok(Answer::Deferred) => return self.record_management_event(&request, Outcome::Ok),
            Ok(Answer::Reply(reply)) => (Ok(reply), request.cycles),
            Ok(Answer::ReplyAndRefund(reply, refund)) => (Ok(reply), refund),
            Err(reject) => (Err(reject), request.cycles),
        };
        let outcome = match &result {
            Ok(_) => Outcome::Reply,
            Err(reject) => Outcome::Reject {
                code: reject.code,
                message: reject.text(),
            },
        };
        self.record_management_event(&request, outcome);
        self.answer_management(&request, result, refund);
    }

    fn record_management_event(&mut self, request: &Request, outcome: Outcome) {
        self.record_event(Kind::Management, request, outcome, 0);
    }

    fn dispatch(&mut self, request: &Request) -> ManagementResult {
        self.check_sender_subnet(request)?;
        self.check_target_subnet(request)?;
        if let Some(call) = KeyCall::of(&request.method, &request.payload) {
            return self.use_key(request, &call?);
        }
        match request.method.as_str() {
            "create_canister" => self.create_canister(request),
            "provisional_create_canister_with_cycles" => self.provisional_create(request),
            "provisional_top_up_canister" => self.provisional_top_up(request),
            "update_settings" => self.update_settings(request),
            "canister_status" => self.canister_status(request),
            "canister_info" => self.canister_info(request),
            "canister_metadata" => self.canister_metadata(request),
            "canister_metrics" => self.canister_metrics(request),
            "subnet_metrics" => self.subnet_metrics(request),
            "list_canisters" => Err(refused(
                "list_canisters can be called by queries and composite queries only.",
            )),
            "start_canister" => self.start_canister(request),
            "stop_canister" => self.stop_canister(request),
            "delete_canister" => self.delete_canister(request),
            "deposit_cycles" => self.deposit_cycles(request),
            "install_code" => self.install_code(request),
            "install_chunked_code" => self.install_chunked_code(request),
            "uninstall_code" => self.uninstall_code(request),
            "upload_chunk" => self.upload_chunk(request),
            "stored_chunks" => self.stored_chunks(request),
            "clear_chunk_store" => self.clear_chunk_store(request),
            "take_canister_snapshot" => self.take_snapshot(request),
            "load_canister_snapshot" => self.load_snapshot(request),
            "list_canister_snapshots" => self.list_snapshots(request),
            "delete_canister_snapshot" => self.delete_snapshot(request),
            "read_canister_snapshot_metadata" => self.read_snapshot_metadata(request),
            "read_canister_snapshot_data" => self.read_snapshot_data(request),
            "upload_canister_snapshot_metadata" => self.upload_snapshot_metadata(request),
            "upload_canister_snapshot_data" => self.upload_snapshot_data(request),
            "fetch_canister_logs" => self.fetch_logs(request),
            "raw_rand" => self.raw_rand(request),
            "node_metrics_history" => self.node_metrics_history(request),
            "subnet_info" => self.subnet_info(request),
            "http_request" | "flexible_http_request" => self.http_request(request),
            method if is_unsupported(method) => Err(Reject::new(
                RejectCode::CanisterReject,
                407,
                format!(
                    "Management canister method '{}' is not supported by this replica.",
                    request.method
                ),
            )),
            method => Err(Reject::bare(
                RejectCode::DestinationInvalid,
                format!(
                    "Unable to route management canister request {method}: \
                     MethodNotFound(\"{method}\")"
                ),
            )),
        }
    }

    /// Checks that a call to a subnet's own id is about a canister of that subnet: a subnet knows
    /// no other ones.
    fn check_target_subnet(&self, request: &Request) -> Result<(), Reject> {
        let Some(subnet) = self.subnet_index(request.callee) else {
            return Ok(());
        };
        let target = target(&request.payload).ok();
        let elsewhere = target.filter(|target| {
            let canister = self.canisters.get(target);
            canister.is_some_and(|canister| canister.subnet != subnet)
        });
        elsewhere.map_or(Ok(()), |target| Err(not_found(target)))
    }

    /// Checks that a method for canisters of its own subnet is called by such a canister, or by one
    /// of the NNS.
    fn check_sender_subnet(&self, request: &Request) -> Result<(), Reject> {
        let method = &request.method;
        let is_of_nns = |sender: Principal| {
            let sender = self.canisters.get(&sender);
            sender.is_some_and(|sender| sender.subnet == self.nns_index())
        };
        if method == "rename_canister" && !is_of_nns(request.sender) {
            return Err(contract(format!(
                "{method} is called by {}. It can only be called by NNS.",
                request.sender
            )));
        }
        let domestic = matches!(
            request.method.as_str(),
            "create_canister" | "raw_rand" | "http_request" | "flexible_http_request"
        );
        let (true, Some(subnet), Some(sender)) = (
            domestic,
            request.subnet,
            self.canisters.get(&request.sender),
        ) else {
            return Ok(());
        };
        // As on PocketIC, the first subnet is the NNS if none of that kind is there.
        if [subnet, self.nns_index()].contains(&sender.subnet) {
            return Ok(());
        }
        Err(contract(format!(
            "Incorrect sender subnet id: {}. Sender should be on the same subnet or on the NNS \
             subnet.",
            self.infos[sender.subnet].id
        )))
    }
}
