//! The management canister `aaaaa-aa`: who may call what, dispatch, and what its methods have in common.

mod creation;
mod installation;
mod lifecycle;
pub(crate) mod outcalls;
mod settings;
mod snapshot_transfer;
mod snapshots;
mod status;
mod storage;
mod subnet;

pub(crate) use subnet::Blocks;

use std::sync::Arc;

use candid::utils::{ArgumentDecoder, ArgumentEncoder};
use candid::{Nat, Principal};
use ic_management_canister_types as types;

use crate::bounded::{decode_bounded, decode_skipping};
use crate::canister::{Canister, Input, Origin, Request};
use crate::faults::Effect;
use crate::reject::{contract, invalid, not_found, refused, uncertified};
use crate::replica::Replica;
use crate::trace::{Kind, Outcome};
use crate::{Ingress, Reject, RejectCode};

/// No canister lives on a subnet of this number: an answer of the management canister is never from next door.
const ELSEWHERE: Option<usize> = Some(usize::MAX);

/// What a management call comes to.
pub(crate) enum Answer {
    Reply(Vec<u8>),
    /// A reply, and it kept the attached cycles but for these.
    ReplyAndRefund(Vec<u8>, u128),
    /// It is answered later.
    Later,
}

pub(crate) type Managed = Result<Answer, Reject>;

impl Replica {
    /// Executes a call to the management canister and answers it. On a reject all attached cycles go back.
    pub(crate) fn manage(&mut self, mut request: Request) {
        let fault = self.strike_request(&mut request);
        if let Some(Effect::Delay { rounds }) = fault {
            return self.delay(rounds, Input::Request(request));
        }
        if let Some(fault) = fault {
            let reject = fault.refuse(request.callee).unwrap_or_else(|| {
                let why = "The management canister failed: injected fault";
                Reject::new(RejectCode::CanisterError, 502, why)
            });
            return self.turn_away(request, reject, ELSEWHERE);
        }
        let result = self.dispatch(&request);
        let (result, refund) = match result {
            Ok(Answer::Later) => return self.note_management(&request, Outcome::Ok),
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
        self.note_management(&request, outcome);
        self.answer_management(&request, result, refund);
    }

    fn note_management(&mut self, request: &Request, outcome: Outcome) {
        self.note(Kind::Management, request, outcome, 0);
    }

    /// Sends an answer of the management canister, which takes a round.
    fn answer_management(
        &mut self,
        request: &Request,
        result: Result<Vec<u8>, Reject>,
        refund: u128,
    ) {
        self.respond(request.origin, request.sender, result, refund, ELSEWHERE);
    }

    fn dispatch(&mut self, request: &Request) -> Managed {
        self.check_home(request)?;
        match request.method.as_str() {
            "create_canister" => self.create_canister(request),
            "provisional_create_canister_with_cycles" => self.provisional_create(request),
            "provisional_top_up_canister" => self.provisional_top_up(request),
            "update_settings" => self.update_settings(request),
            "canister_status" => self.canister_status(request),
            "canister_info" => self.canister_info(request),
            "canister_metadata" => self.canister_metadata(request),
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
                    "Unable to route management canister request {method}: MethodNotFound(\"{method}\")"
                ),
            )),
        }
    }

    /// Some methods are only for the canisters of the subnet that executes them, and for those of the NNS.
    fn check_home(&self, request: &Request) -> Result<(), Reject> {
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
        if [subnet, self.nns()].contains(&sender.subnet) {
            return Ok(());
        }
        Err(contract(format!(
            "Incorrect sender subnet id: {}. Sender should be on the same subnet or on the NNS subnet.",
            self.infos[sender.subnet].id
        )))
    }

    /// The canister that a call from outside is about, if its method is about one. Errors: the method is not for callers
    /// from outside, or the argument names no canister.
    pub(crate) fn management_target(&self, ingress: &Ingress) -> Result<Option<Principal>, Reject> {
        let method = ingress.method.as_str();
        match door(method) {
            Some(Door::Anyone) => Ok(None),
            Some(Door::Controllers | Door::Viewers | Door::StatusReaders | Door::Nobody) => {
                target(&ingress.payload).map(Some).map_err(|why| {
                    invalid(format!(
                        "Failed to parse payload for ic00 method {method}: IC0408: {why}"
                    ))
                })
            }
            Some(Door::Canisters) => Err(refused(format!(
                "ic00 method {method} can not be called via ingress messages"
            ))),
            None => Err(Reject::new(
                RejectCode::CanisterError,
                536,
                format!("ic00 interface does not expose method {method}"),
            )),
        }
    }

    /// Whether a call from outside about a canister may come in: nobody but its controllers spends its cycles.
    pub(crate) fn admit_management(
        &self,
        ingress: &Ingress,
        target: Option<Principal>,
    ) -> Result<(), Reject> {
        let method = &ingress.method;
        let Some(id) = target else { return Ok(()) };
        let canister = self.known(id)?;
        match door(method) {
            Some(Door::Nobody) => Err(refused(format!(
                "Only canisters can call ic00 method {method}"
            ))),
            Some(Door::StatusReaders) => canister.check_status_reader(&ingress.sender),
            Some(Door::Viewers) if canister.shows_snapshots_to(&ingress.sender) => Ok(()),
            _ if canister.is_controller(&ingress.sender) => Ok(()),
            _ => {
                let why =
                    format!("Only controllers of canister {id} can call ic00 method {method}");
                Err(Reject::new(RejectCode::CanisterError, 512, why))
            }
        }
    }

    /// Charges for the reception of a call from outside that came in for nothing. Who cannot pay doesn't.
    fn charge_reception(&mut self, id: Principal, request: &Request) {
        let (Origin::Ingress(_), Some(canister)) = (request.origin, self.canisters.get(&id)) else {
            return;
        };
        let bytes = request.method.len() + request.payload.len();
        let cost = self.prices(canister).reception(bytes);
        if self.can_pay(canister, cost, &request.sender).is_ok()
            && let Some(canister) = self.canister_mut(id)
        {
            canister.balance -= cost;
            self.ledger.fees.ingress += cost;
        }
    }

    /// Management calls that work as queries.
    pub(crate) fn query_management(&mut self, query: &Ingress) -> Result<Vec<u8>, Reject> {
        let request = Request::from(query.clone());
        let answer = match query.method.as_str() {
            "canister_status" => self.canister_status(&request),
            "canister_info" => self.canister_info(&request),
            "fetch_canister_logs" => self.read_logs(&request),
            method => {
                let why = format!("Query method {method} not found.");
                Err(Reject::new(RejectCode::CanisterError, 536, why))
            }
        };
        match answer.map_err(uncertified)? {
            Answer::Reply(reply) | Answer::ReplyAndRefund(reply, _) => Ok(reply),
            Answer::Later => Err(uncertified(invalid("a query is answered at once"))),
        }
    }

    // What the other methods build on.

    /// The canister that a call is about, to look at.
    pub(crate) fn known(&self, id: Principal) -> Result<&Arc<Canister>, Reject> {
        self.canisters.get(&id).ok_or_else(|| not_found(id))
    }

    /// The same, to change.
    pub(crate) fn canister(&mut self, id: Principal) -> Result<&mut Canister, Reject> {
        self.canister_mut(id).ok_or_else(|| not_found(id))
    }

    /// The same, if the caller controls it.
    pub(crate) fn controlled(
        &mut self,
        id: Principal,
        request: &Request,
    ) -> Result<&mut Canister, Reject> {
        let canister = self.canister(id)?;
        canister.check_controller(&request.sender)?;
        Ok(canister)
    }
}

impl Canister {
    fn check_controller(&self, sender: &Principal) -> Result<(), Reject> {
        if self.is_controller(sender) {
            return Ok(());
        }
        let controllers: Vec<_> = (self.settings.controllers.iter())
            .map(Principal::to_text)
            .collect();
        let why = format!(
            "Only the controllers of the canister {} can control it.\nCanister's controllers: {}\nSender's ID: {sender}",
            self.id,
            controllers.join(" "),
        );
        Err(Reject::new(RejectCode::CanisterError, 512, why))
    }

    /// Whether nothing is under way on it.
    pub(crate) fn is_quiet(&self) -> bool {
        self.contexts.is_empty() && self.callbacks.is_empty()
    }
}

/// Who may call a method from outside.
enum Door {
    /// Nobody pays for it.
    Anyone,
    /// Those of the canister that the argument names, which pays.
    Controllers,
    /// The same, and those to whom the canister shows its snapshots.
    Viewers,
    /// The same, and those to whom the canister shows its status.
    StatusReaders,
    /// It is for canisters, and about one.
    Nobody,
    /// It is for canisters.
    Canisters,
}

/// The door of a method; `None` if there is no such method.
fn door(method: &str) -> Option<Door> {
    Some(match method {
        "provisional_create_canister_with_cycles" | "provisional_top_up_canister" => Door::Anyone,
        "canister_status" => Door::StatusReaders,
        "start_canister"
        | "stop_canister"
        | "delete_canister"
        | "update_settings"
        | "install_code"
        | "install_chunked_code"
        | "uninstall_code"
        | "upload_chunk"
        | "stored_chunks"
        | "clear_chunk_store"
        | "take_canister_snapshot"
        | "load_canister_snapshot"
        | "delete_canister_snapshot"
        | "upload_canister_snapshot_metadata"
        | "upload_canister_snapshot_data" => Door::Controllers,
        "list_canister_snapshots"
        | "read_canister_snapshot_metadata"
        | "read_canister_snapshot_data" => Door::Viewers,
        "canister_info" | "canister_metadata" => Door::Nobody,
        "create_canister"
        | "deposit_cycles"
        | "raw_rand"
        | "fetch_canister_logs"
        | "node_metrics_history"
        | "subnet_info"
        | "http_request"
        | "flexible_http_request" => Door::Canisters,
        method if is_unsupported(method) => Door::Canisters,
        _ => return None,
    })
}

/// Whether the network has this method, and this replica refuses it by name.
fn is_unsupported(method: &str) -> bool {
    matches!(
        method,
        "ecdsa_public_key"
            | "sign_with_ecdsa"
            | "schnorr_public_key"
            | "sign_with_schnorr"
            | "vetkd_public_key"
            | "vetkd_derive_key"
            | "bitcoin_get_balance"
            | "bitcoin_get_utxos"
            | "bitcoin_send_transaction"
            | "bitcoin_get_current_fee_percentiles"
            | "bitcoin_get_block_headers"
            | "canister_metrics"
            | "subnet_metrics"
            | "list_canisters"
            | "rename_canister"
    )
}

/// Whether a canister pays for the reception after the call: one that froze itself by too high a freezing threshold
/// must be able to lower it.
pub(crate) fn charged_afterwards(method: &str, payload: usize) -> bool {
    const MAX_PAYLOAD: usize = 366;
    method == "update_settings" && payload <= MAX_PAYLOAD
}

impl From<Ingress> for Request {
    fn from(ingress: Ingress) -> Self {
        Self {
            origin: Origin::System,
            sender: ingress.sender,
            callee: ingress.canister,
            method: ingress.method,
            payload: ingress.payload,
            caller_info: ingress.caller_info.map(Arc::new),
            cycles: 0,
            deadline: 0,
            subnet: None,
            spared: false,
        }
    }
}

/// The canister that an argument names as `canister_id` or `target_canister`, or why it names none.
pub(crate) fn target(payload: &[u8]) -> Result<Principal, String> {
    #[derive(candid::CandidType, candid::Deserialize)]
    struct Named {
        canister_id: Option<Principal>,
        target_canister: Option<Principal>,
        // Long blobs: read in one piece, as skipping a value goes byte by byte and has a quota.
        wasm_module: Option<serde_bytes::ByteBuf>,
        arg: Option<serde_bytes::ByteBuf>,
        chunk: Option<serde_bytes::ByteBuf>,
        chunk_hashes_list: Option<Vec<types::ChunkHash>>,
    }
    let (named,): (Named,) = decode_skipping(payload, 50).map_err(undecodable)?;
    let target = named.canister_id.or(named.target_canister);
    target.ok_or_else(|| "Error decoding candid: it names no canister".into())
}

/// Who made a change.
pub(crate) fn origin(request: &Request, sender_version: Option<u64>) -> types::ChangeOrigin {
    match request.origin {
        Origin::Callback(_) => types::ChangeOrigin::FromCanister(types::FromCanisterRecord {
            canister_id: request.sender,
            canister_version: sender_version,
        }),
        _ => types::ChangeOrigin::FromUser(types::FromUserRecord {
            user_id: request.sender,
        }),
    }
}

pub(crate) fn decode<A: for<'a> ArgumentDecoder<'a>>(request: &Request) -> Result<A, Reject> {
    decode_bounded(&request.payload).map_err(|error| invalid(undecodable(error)))
}

/// Says why an argument cannot be read. The text names all causes, and not the argument.
fn undecodable(error: candid::Error) -> String {
    format!("Error decoding candid: {error:#}")
}

fn encode(value: impl ArgumentEncoder) -> Result<Vec<u8>, Reject> {
    candid::utils::encode_args(value).map_err(|error| {
        Reject::new(
            RejectCode::SysFatal,
            101,
            format!("The answer cannot be encoded: {error}"),
        )
    })
}

pub(crate) fn reply(value: impl ArgumentEncoder) -> Managed {
    encode(value).map(Answer::Reply)
}

fn reply_and_refund(value: impl ArgumentEncoder, refund: u128) -> Managed {
    encode(value).map(|reply| Answer::ReplyAndRefund(reply, refund))
}

pub(crate) fn number(value: Nat, name: &str) -> Result<u128, Reject> {
    value
        .0
        .try_into()
        .map_err(|_| invalid(format!("{name}: the number does not fit into 128 bits")))
}
