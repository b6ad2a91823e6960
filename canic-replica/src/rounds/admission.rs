//! The admission of messages from outside: queries, and update calls.

use std::sync::{Arc, OnceLock};

use candid::Principal;
use sha2::{Digest, Sha256};

use crate::{
    canister::{
        calls::{Input, Origin, Request},
        consumption::Purpose,
    },
    execution::{
        execute,
        message::{Context, Entry, Message},
        trap::Trap,
    },
    ingress::{EffectivePrincipal, Ingress, IngressStatus, MessageId},
    management::{call::target, permissions::is_charged_afterwards},
    network::{Network, Submission, subnet_creation::specified_id},
    prices::INSPECT_LIMIT,
    reject::{Reject, RejectCode, invalid, not_found, uncertified},
};

/// The longest ingress message, in bytes.
const MAX_INGRESS: usize = 2 * 1024 * 1024;
/// How long an ingress message may wait for its execution, in nanoseconds.
const INGRESS_TTL: u64 = 300_000_000_000;

/// The reject of a message from outside that goes to no subnet.
fn unroutable(why: String) -> Reject {
    uncertified(Reject::new(RejectCode::DestinationInvalid, 404, why))
}

impl Network {
    /// Submits an update call; see [`crate::Replica::submit`].
    pub(crate) fn submit(&mut self, ingress: Ingress) -> Result<MessageId, Reject> {
        self.open_route(&ingress).map_err(unroutable)?;
        let subnet = self.admit(&ingress, ingress.unsigned_bytes())?;
        let id = self.message_id(&ingress);
        self.receive(id, subnet, ingress);
        Ok(id)
    }

    /// Submits an update call under the id that an agent gave it; the whole message has `bytes`
    /// bytes.
    pub(crate) fn submit_as(
        &mut self,
        id: MessageId,
        ingress: Ingress,
        bytes: usize,
    ) -> Result<(), Reject> {
        if !self.ingress.contains_key(&id) {
            self.open_route(&ingress).map_err(unroutable)?;
            let subnet = self.admit(&ingress, bytes)?;
            self.receive(id, subnet, ingress);
        }
        Ok(())
    }

    pub(crate) fn receive(&mut self, id: MessageId, subnet: usize, ingress: Ingress) {
        let submission = Submission {
            sender: ingress.sender,
            effective: match ingress.effective {
                Some(EffectivePrincipal::Canister(id) | EffectivePrincipal::Subnet(id)) => id,
                None => ingress.canister,
            },
            subnet,
            round: self.round,
            expires: self.time.saturating_add(INGRESS_TTL),
            digest: OnceLock::new(),
        };
        let request = Request {
            origin: Origin::Ingress(id),
            subnet: Some(subnet),
            ..Request::from(ingress)
        };
        if self.is_management(request.callee) {
            self.transit
                .push_back((self.round + 1, Input::Request(request)));
        } else {
            self.enqueue(request.callee, Input::Request(request));
        }
        self.ingress.insert(id, IngressStatus::Received);
        self.submissions.insert(id, submission);
    }

    /// A fresh id. The client sends no nonce, so a counter tells equal messages apart. The payload,
    /// which may be a large module, is left out of the hash.
    pub(crate) fn message_id(&mut self, ingress: &Ingress) -> MessageId {
        self.submitted += 1;
        let mut hasher = Sha256::new();
        hasher.update(self.submitted.to_be_bytes());
        for part in [
            ingress.sender.as_slice(),
            ingress.canister.as_slice(),
            ingress.method.as_bytes(),
        ] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        hasher.finalize().into()
    }

    pub(crate) fn answer_query(&mut self, query: Ingress) -> Result<Vec<u8>, Reject> {
        if self.is_management(query.canister) {
            let subnet = self.route(&query, target(&query.payload).ok())?;
            let request = Request {
                subnet: Some(subnet),
                ..Request::from(query)
            };
            let answer = self.query_management(&request).map_err(uncertified);
            return answer.map(|(reply, _)| reply);
        }
        let (answer, _) = self.evaluate_and_record(query, Self::query_management);
        answer.map_err(uncertified)
    }

    /// Admits an update call of `size` bytes: checks it, and charges the payer for the reception.
    /// Answers the subnet that executes it.
    pub(crate) fn admit(&mut self, ingress: &Ingress, size: usize) -> Result<usize, Reject> {
        if size > MAX_INGRESS {
            let why = format!(
                "Request is too large. Message byte size {size} is larger than the max allowed \
                 {MAX_INGRESS}."
            );
            return Err(uncertified(invalid(why)));
        }
        let management = self.is_management(ingress.canister);
        let target = if management {
            self.management_target(ingress).map_err(uncertified)?
        } else {
            Some(ingress.canister)
        };
        let subnet = self.route(ingress, target)?;
        let payer = target.filter(|_| {
            !management || !is_charged_afterwards(&ingress.method, ingress.payload.len())
        });
        let mut cost = 0;
        if let Some(payer) = payer {
            let found = self.canisters.get(&payer);
            let payer = found.ok_or_else(|| uncertified(not_found(payer)))?;
            cost = self.prices(payer).reception(size);
            self.check_can_pay(payer, cost, &ingress.sender)
                .map_err(uncertified)?;
        }
        if management {
            self.admit_management(ingress, target, subnet)
                .map_err(uncertified)?;
        } else {
            self.inspect(ingress)?;
        }
        if let Some(payer) = payer.and_then(|payer| self.canister_mut(payer)) {
            payer.pay(Purpose::Ingress, cost);
            self.ledger.fees.ingress += cost;
        }
        Ok(subnet)
    }

    /// The subnet that executes a message from outside. A message without such a subnet, or to a
    /// missing canister, is rejected.
    pub(crate) fn route(
        &self,
        ingress: &Ingress,
        target: Option<Principal>,
    ) -> Result<usize, Reject> {
        let target = target.and_then(|target| self.canisters.get(&target));
        let effective = match (ingress.effective, target) {
            (_, None) if !self.is_management(ingress.canister) => {
                return Err(uncertified(not_found(ingress.canister)));
            }
            (Some(effective), _) => effective,
            (None, Some(target)) => EffectivePrincipal::Canister(target.id),
            (None, None) => match (self.subnet_index(ingress.canister), specified_id(ingress)) {
                (Some(_), _) => EffectivePrincipal::Subnet(ingress.canister),
                (None, Some(id)) => EffectivePrincipal::Canister(id),
                (None, None) => EffectivePrincipal::Canister(self.default_effective_canister()),
            },
        };
        let subnet = self.subnet_for(effective).ok_or_else(|| {
            let (EffectivePrincipal::Canister(id) | EffectivePrincipal::Subnet(id)) = effective;
            unroutable(format!("Canister {id} does not belong to any subnet."))
        })?;
        match target {
            // As on the platform: the subnet does not know a canister of another subnet.
            Some(canister) if canister.subnet != subnet => Err(uncertified(not_found(canister.id))),
            _ => Ok(subnet),
        }
    }

    /// Runs `canister_inspect_message`, in which the canister accepts the message or not.
    fn inspect(&self, ingress: &Ingress) -> Result<(), Reject> {
        const INSPECT: &str = "canister_inspect_message";
        let id = ingress.canister;
        let canister = self
            .canisters
            .get(&id)
            .ok_or_else(|| uncertified(not_found(id)))?;
        canister.accepts_calls().map_err(uncertified)?;
        let code = canister
            .code
            .as_ref()
            .ok_or_else(|| uncertified(Trap::NoModule.reject(id)))?;
        if !code.module.has_export(INSPECT) {
            return Ok(());
        }
        let entry = Entry::Export(INSPECT.into());
        let mut message = Message::new(
            Context::Inspect,
            entry,
            ingress.sender,
            self.certified_time,
            INSPECT_LIMIT,
        );
        message.payload.clone_from(&ingress.payload);
        message.caller_info = ingress.caller_info.clone().map(Arc::new);
        message.method.clone_from(&ingress.method);
        match execute(canister, &self.subnets[canister.subnet].context, message).outcome {
            Ok(changes) if changes.accepted => Ok(()),
            Ok(_) => Err(uncertified(Reject::new(
                RejectCode::CanisterReject,
                406,
                format!("Canister {id} rejected the message"),
            ))),
            Err(trap) => Err(uncertified(trap.reject(id))),
        }
    }
}
