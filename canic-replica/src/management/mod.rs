//! The management canister `aaaaa-aa`: dispatch, and the life of canisters from creation to deletion.

mod installation;
pub(crate) mod outcalls;
mod settings;
mod snapshot_transfer;
mod snapshots;
mod storage;

use candid::utils::{ArgumentDecoder, ArgumentEncoder};
use candid::{Nat, Principal};
use ic_management_canister_types as types;

use crate::bounded::decode_bounded;
use crate::canister::{Canister, Input, Origin, Request, Settings, Status, Stopper};
use crate::faults::Effect;
use crate::reject::{invalid, not_found, uncertified};
use crate::replica::Replica;
use crate::trace::{Kind, Outcome};
use crate::{Ingress, Reject, RejectCode};
use settings::changed;

/// What `provisional_create_canister_with_cycles` gives if not told, in cycles.
const DEFAULT_CYCLES: u128 = 100_000_000_000_000;
/// A stop request gives up after so many nanoseconds.
const STOP_TIMEOUT: u64 = 300_000_000_000;

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
            "http_request" | "flexible_http_request" => self.http_request(request),
            "ecdsa_public_key"
            | "sign_with_ecdsa"
            | "schnorr_public_key"
            | "sign_with_schnorr"
            | "vetkd_public_key"
            | "vetkd_derive_key"
            | "node_metrics_history"
            | "subnet_info"
            | "bitcoin_get_balance"
            | "bitcoin_get_utxos"
            | "bitcoin_send_transaction"
            | "bitcoin_get_current_fee_percentiles"
            | "bitcoin_get_block_headers" => Err(Reject::new(
                RejectCode::CanisterReject,
                407,
                format!(
                    "Management canister method '{}' is not supported by this replica.",
                    request.method
                ),
            )),
            method => Err(unknown_method(method)),
        }
    }

    /// Whether an ingress call to the management canister may come in, and which canister pays for it.
    pub(crate) fn admit_management(&self, ingress: &Ingress) -> Result<Option<Principal>, Reject> {
        match ingress.method.as_str() {
            "create_canister"
            | "deposit_cycles"
            | "raw_rand"
            | "canister_info"
            | "http_request"
            | "flexible_http_request" => {
                let why = format!("Only canisters can call ic00 method {}", ingress.method);
                Err(uncertified(Reject::new(
                    RejectCode::CanisterReject,
                    406,
                    why,
                )))
            }
            "provisional_create_canister_with_cycles" | "provisional_top_up_canister" => Ok(None),
            "canister_metadata" => Ok(target(&ingress.payload)),
            _ => {
                // Nobody spends a stranger's cycles.
                let target = target(&ingress.payload);
                if let Some(canister) = target.and_then(|target| self.canisters.get(&target)) {
                    canister
                        .check_controller(&ingress.sender)
                        .map_err(uncertified)?;
                }
                Ok(target)
            }
        }
    }

    /// Management calls that work as queries.
    pub(crate) fn query_management(&mut self, query: &Ingress) -> Result<Vec<u8>, Reject> {
        let request = Request::from(query.clone());
        let answer = match query.method.as_str() {
            "canister_status" => self.canister_status(&request),
            "list_canister_snapshots" => self.list_snapshots(&request),
            "fetch_canister_logs" => self.read_logs(&request),
            method => Err(Reject::new(
                RejectCode::CanisterReject,
                406,
                format!("Management canister method '{method}' cannot be called as a query."),
            )),
        };
        match answer.map_err(uncertified)? {
            Answer::Reply(reply) | Answer::ReplyAndRefund(reply, _) => Ok(reply),
            Answer::Later => Err(uncertified(unknown_method(&query.method))),
        }
    }

    // Creation.

    fn create_canister(&mut self, request: &Request) -> Managed {
        let args = match decode::<(types::CreateCanisterArgs,)>(request) {
            Ok((args,)) => args,
            // The argument may be left out.
            Err(_) if decode::<()>(request).is_ok() && request.payload.len() <= 6 => {
                types::CreateCanisterArgs::default()
            }
            Err(reject) => return Err(reject),
        };
        let Some(subnet) = self
            .canisters
            .get(&request.sender)
            .map(|sender| sender.subnet)
        else {
            let why = "Only canisters can call ic00 method create_canister";
            return Err(Reject::new(RejectCode::CanisterReject, 406, why));
        };
        if request.subnet != Some(subnet) {
            let why = "A canister can create canisters on its own subnet only.";
            return Err(Reject::new(RejectCode::CanisterReject, 406, why));
        }
        let fee = self.subnets[subnet].place.prices.creation;
        if request.cycles < fee {
            return Err(Reject::new(
                RejectCode::CanisterReject,
                403,
                format!(
                    "Creating a canister requires a fee of {fee} that is deducted from the canister's initial balance but \
                     only {} cycles were received with the create_canister request.",
                    request.cycles
                ),
            ));
        }
        let settings = changed(
            Settings::of(request.sender),
            args.settings.unwrap_or_default(),
        )?;
        let id = self
            .fresh_canister_id(subnet)
            .ok_or_else(no_more_canisters)?;
        self.ledger.fees.creation += fee;
        self.bring_to_life(
            id,
            subnet,
            settings,
            request.cycles - fee,
            request,
            args.sender_canister_version,
        );
        reply_and_refund((types::CanisterIdRecord { canister_id: id },), 0)
    }

    fn provisional_create(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::ProvisionalCreateCanisterWithCyclesArgs,)>(request)?;
        let amount = args
            .amount
            .map_or(Ok(DEFAULT_CYCLES), |amount| number(amount, "amount"))?;
        let minted = self
            .ledger
            .minted
            .checked_add(amount)
            .ok_or_else(|| invalid("amount: there cannot be so many cycles"))?;
        let settings = changed(
            Settings::of(request.sender),
            args.settings.unwrap_or_default(),
        )?;
        let (subnet, id) = match args.specified_id {
            None => {
                let own = self
                    .canisters
                    .get(&request.sender)
                    .map(|sender| sender.subnet);
                let subnet = request.subnet.or(own).unwrap_or(0);
                (
                    subnet,
                    self.fresh_canister_id(subnet)
                        .ok_or_else(no_more_canisters)?,
                )
            }
            Some(id) => {
                let subnet = self.subnet_index_of(id).ok_or_else(|| {
                    let why = format!("The `specified_id` {id} is invalid because it belongs to no subnet of this instance.");
                    Reject::new(RejectCode::CanisterReject, 405, why)
                })?;
                if self.canisters.contains_key(&id) {
                    let why = format!("Canister {id} is already installed.");
                    return Err(Reject::new(RejectCode::SysTransient, 205, why));
                }
                (subnet, id)
            }
        };
        self.ledger.minted = minted;
        self.bring_to_life(
            id,
            subnet,
            settings,
            amount,
            request,
            args.sender_canister_version,
        );
        reply((types::CanisterIdRecord { canister_id: id },))
    }

    fn bring_to_life(
        &mut self,
        id: Principal,
        subnet: usize,
        settings: Settings,
        balance: u128,
        request: &Request,
        sender_version: Option<u64>,
    ) {
        let mut canister = Canister::new(id, subnet, settings, balance, self.time);
        let creation = types::CreationRecord {
            controllers: canister.settings.controllers.clone(),
            environment_variables_hash: None,
        };
        canister.record(
            self.time,
            origin(request, sender_version),
            types::ChangeDetails::Creation(creation),
        );
        self.canisters.insert(id, canister.into());
    }

    fn provisional_top_up(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::ProvisionalTopUpCanisterArgs,)>(request)?;
        let amount = number(args.amount, "amount")?;
        self.canister(args.canister_id)?;
        self.add_cycles(args.canister_id, amount)
            .ok_or_else(|| invalid("amount: there cannot be so many cycles"))?;
        reply(())
    }

    fn deposit_cycles(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::CanisterIdRecord,)>(request)?;
        self.canister(args.canister_id)?.balance += request.cycles;
        reply_and_refund((), 0)
    }

    // Life and death.

    fn start_canister(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::CanisterIdRecord,)>(request)?;
        let canister = self.controlled(args.canister_id, request)?;
        canister.version += 1;
        if let Status::Stopping(stoppers) = std::mem::replace(&mut canister.status, Status::Running)
        {
            for stopper in stoppers {
                let why = format!("Canister {}'s stop request was cancelled", args.canister_id);
                let reject = Reject::new(RejectCode::CanisterError, 511, why);
                self.answer_management(&stopper.request, Err(reject), stopper.request.cycles);
            }
        }
        self.stopping.remove(&args.canister_id);
        reply(())
    }

    fn stop_canister(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::CanisterIdRecord,)>(request)?;
        let deadline = self.time + STOP_TIMEOUT;
        let canister = self.controlled(args.canister_id, request)?;
        // The attached cycles go back at once; nothing is taken for stopping.
        let stopper = Stopper {
            request: request.clone(),
            deadline,
        };
        let quiet = canister.is_quiet();
        match &mut canister.status {
            Status::Stopped => return reply(()),
            Status::Stopping(stoppers) => stoppers.push(stopper),
            Status::Running if quiet => {
                canister.status = Status::Stopped;
                canister.version += 1;
                return reply(());
            }
            Status::Running => {
                canister.status = Status::Stopping(vec![stopper]);
                canister.version += 1;
            }
        }
        self.stopping.insert(args.canister_id);
        Ok(Answer::Later)
    }

    /// Tells those who wait for canisters to stop which ones have.
    pub(crate) fn finish_stops(&mut self) {
        let quiet = |id: &&Principal| {
            self.canisters
                .get(id)
                .is_some_and(|canister| canister.is_quiet())
        };
        let stopped: Vec<_> = self.stopping.iter().filter(quiet).copied().collect();
        for id in stopped {
            self.stopping.remove(&id);
            let Some(canister) = self.canister_mut(id) else {
                continue;
            };
            let Status::Stopping(stoppers) =
                std::mem::replace(&mut canister.status, Status::Stopped)
            else {
                continue;
            };
            canister.version += 1;
            for Stopper { request, .. } in stoppers {
                let result = encode(());
                self.answer_management(&request, result, request.cycles);
            }
        }
    }

    /// Tells those who waited too long that the canister may still stop, but they need not wait.
    pub(crate) fn expire_stops(&mut self) {
        let now = self.time;
        for id in self.stopping.clone() {
            let Some(canister) = self.canister_mut(id) else {
                continue;
            };
            let Status::Stopping(stoppers) = &mut canister.status else {
                continue;
            };
            let late: Vec<_> = stoppers
                .extract_if(.., |stopper| stopper.deadline <= now)
                .collect();
            for Stopper { request, .. } in late {
                let reject = Reject::new(
                    RejectCode::SysTransient,
                    206,
                    "Stop canister request timed out",
                );
                self.answer_management(&request, Err(reject), request.cycles);
            }
        }
    }

    fn delete_canister(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::CanisterIdRecord,)>(request)?;
        let id = args.canister_id;
        let canister = self.controlled(id, request)?;
        if id == request.sender {
            return Err(Reject::new(
                RejectCode::CanisterError,
                512,
                format!("Canister {id} cannot delete itself."),
            ));
        }
        if !matches!(canister.status, Status::Stopped) {
            let why = format!("Canister {id} must be stopped before it is deleted.");
            return Err(Reject::new(RejectCode::CanisterError, 510, why));
        }
        if !canister.inputs.is_empty() || !canister.is_quiet() {
            let why = format!(
                "Canister {id} has messages in its queue and cannot be deleted now. Please retry."
            );
            return Err(Reject::new(RejectCode::SysTransient, 203, why));
        }
        self.pay_resources(id);
        if let Some(canister) = self.canisters.remove(&id) {
            self.ledger.destroyed += canister.balance;
        }
        self.ready.remove(&id);
        reply(())
    }

    fn raw_rand(&mut self, request: &Request) -> Managed {
        decode::<()>(request)?;
        let bytes = self.draw().to_vec();
        reply((bytes,))
    }

    // What the other methods build on.

    /// The canister that a call is about.
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
    /// Whether nothing is under way on it.
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

    pub(crate) fn is_quiet(&self) -> bool {
        self.contexts.is_empty() && self.callbacks.is_empty()
    }
}

impl Settings {
    fn of(creator: Principal) -> Self {
        Self {
            controllers: vec![creator],
            ..Self::default()
        }
    }
}

impl From<Ingress> for Request {
    fn from(ingress: Ingress) -> Self {
        Self {
            origin: Origin::System,
            sender: ingress.sender,
            callee: ingress.canister,
            method: ingress.method,
            payload: ingress.payload,
            cycles: 0,
            deadline: 0,
            subnet: None,
            spared: false,
        }
    }
}

/// The canister that an argument names as `canister_id` or `target_canister`, if it can be read.
fn target(payload: &[u8]) -> Option<Principal> {
    #[derive(candid::CandidType, candid::Deserialize)]
    struct Named {
        canister_id: Option<Principal>,
        target_canister: Option<Principal>,
        // Long blobs: read in one piece, as skipping a value goes byte by byte and has a quota.
        wasm_module: Option<serde_bytes::ByteBuf>,
        arg: Option<serde_bytes::ByteBuf>,
        chunk: Option<serde_bytes::ByteBuf>,
    }
    let (named,): (Named,) = decode_bounded(payload).ok()?;
    named.canister_id.or(named.target_canister)
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
    decode_bounded(&request.payload)
        .map_err(|error| invalid(format!("Error decoding candid: {error}")))
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

fn unknown_method(method: &str) -> Reject {
    let why = format!("Management canister has no method '{method}'");
    Reject::new(RejectCode::CanisterReject, 407, why)
}

fn no_more_canisters() -> Reject {
    Reject::new(
        RejectCode::SysFatal,
        102,
        "The subnet has no canister ids left.",
    )
}
