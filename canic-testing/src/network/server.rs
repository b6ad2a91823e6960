//! A server of PocketIC as the network of a fleet, through its ordinary client. Nothing is used
//! that only the replica of this project serves.

use std::{collections::BTreeMap, path::Path, time::Duration};

use candid::Principal;
use canic_replica::{EffectivePrincipal, Ingress, MessageId, Reject, RejectCode, Replica};
use pocket_ic::{
    PocketIc, PocketIcBuilder, RejectResponse,
    common::rest::{IcpFeatures, IcpFeaturesConfig, RawEffectivePrincipal, RawMessageId},
};

use super::{Answer, Network};

/// An instance on a server.
pub(crate) struct Server {
    pic: PocketIc,
    /// The messages under way, by the ids that [`Network`] has for them.
    messages: BTreeMap<MessageId, RawMessageId>,
    submitted: u64,
}

impl Server {
    /// A fresh instance on a server that this binary starts, or that it has started before.
    ///
    /// # Panics
    /// The binary is no server of PocketIC.
    pub(crate) fn start(binary: &Path, subnets: usize, ledgers: bool) -> Self {
        let mut builder = PocketIcBuilder::new().with_server_binary(binary.to_path_buf());
        for _ in 0..subnets {
            builder = builder.with_application_subnet();
        }
        if ledgers {
            let on = Some(IcpFeaturesConfig::DefaultConfig);
            builder = builder.with_icp_features(IcpFeatures {
                cycles_minting: on.clone(),
                icp_token: on.clone(),
                cycles_token: on,
                ..IcpFeatures::default()
            });
        }
        Self {
            pic: builder.build(),
            messages: BTreeMap::new(),
            submitted: 0,
        }
    }
}

impl Network for Server {
    fn submit(&mut self, message: Ingress) -> Result<MessageId, Reject> {
        let submitted = self.pic.submit_call_with_effective_principal(
            message.canister,
            effective(message.effective, message.canister),
            message.sender,
            &message.method,
            message.payload,
        );
        let raw = submitted.map_err(reject)?;
        self.submitted += 1;
        let mut id = MessageId::default();
        id[..8].copy_from_slice(&self.submitted.to_be_bytes());
        self.messages.insert(id, raw);
        Ok(id)
    }

    fn answer(&self, message: &MessageId) -> Option<Answer> {
        let raw = self.messages.get(message)?.clone();
        let answer = self.pic.ingress_status(raw)?;
        Some(answer.map_err(reject))
    }

    fn query(&mut self, message: Ingress) -> Answer {
        let answer = self.pic.query_call_with_effective_principal(
            message.canister,
            effective(message.effective, message.canister),
            message.sender,
            &message.method,
            message.payload,
        );
        answer.map_err(reject)
    }

    fn round(&mut self) {
        self.pic.tick();
    }

    fn time(&self) -> u64 {
        self.pic.get_time().as_nanos_since_unix_epoch()
    }

    fn set_time(&mut self, nanoseconds: u64) {
        let passed = nanoseconds.saturating_sub(Network::time(self));
        self.pic.advance_time(Duration::from_nanos(passed));
    }

    fn first_subnet(&self) -> Principal {
        let subnets = self.pic.topology().get_app_subnets();
        subnets.first().copied().expect("an application subnet")
    }

    fn subnet_of(&self, canister: Principal) -> Option<Principal> {
        self.pic.get_subnet(canister)
    }

    fn exists(&self, canister: Principal) -> bool {
        self.pic.canister_exists(canister)
    }

    fn cycles(&self, canister: Principal) -> Option<u128> {
        self.exists(canister)
            .then(|| self.pic.cycle_balance(canister))
    }

    fn add_cycles(&mut self, canister: Principal, cycles: u128) {
        self.pic.add_cycles(canister, cycles);
    }

    fn replica(&self) -> Option<&Replica> {
        None
    }

    fn replica_mut(&mut self) -> Option<&mut Replica> {
        None
    }
}

fn effective(effective: Option<EffectivePrincipal>, callee: Principal) -> RawEffectivePrincipal {
    match effective {
        Some(EffectivePrincipal::Subnet(id)) => RawEffectivePrincipal::SubnetId(bytes(id)),
        Some(EffectivePrincipal::Canister(id)) => RawEffectivePrincipal::CanisterId(bytes(id)),
        None if callee == Principal::management_canister() => RawEffectivePrincipal::None,
        None => RawEffectivePrincipal::CanisterId(bytes(callee)),
    }
}

fn bytes(id: Principal) -> Vec<u8> {
    id.as_slice().to_vec()
}

/// A reject of the client in the replica's words.
fn reject(response: RejectResponse) -> Reject {
    let code = RejectCode::from_number(response.reject_code as u64);
    Reject {
        code: code.unwrap_or(RejectCode::SysUnknown),
        message: response.reject_message,
        error_code: response.error_code.to_string(),
        certified: response.certified,
    }
}
