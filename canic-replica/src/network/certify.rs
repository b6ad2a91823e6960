//! The certification of the network's state.

use std::sync::{Arc, OnceLock};

use candid::Principal;

use crate::{
    canister::Canister,
    certification::{
        certificate::{DataCertificate, State, request_status},
        tree::{Hash, Node},
    },
    ingress::{EffectivePrincipal, IngressStatus, MessageId},
    network::Network,
};

impl Network {
    /// Sets the time, in nanoseconds since 1970, and certifies it without executing a round.
    pub(crate) fn set_certified_time(&mut self, ns: u64) -> Result<(), String> {
        self.set_time(ns)?;
        self.certify();
        Ok(())
    }

    /// The state that a subnet certified last.
    pub(crate) fn certified_state(&self, subnet: usize) -> &Arc<State> {
        self.subnets[subnet].certified.get_or_init(|| {
            let canisters = self.canisters.values();
            let state = State::new(
                subnet,
                self.certified_time,
                Arc::clone(&self.topology),
                canisters.filter(|canister| canister.subnet == subnet),
                self.certified_requests(subnet),
                self.metrics_of(subnet).leaf(),
            );
            Arc::new(state)
        })
    }

    /// Certifies the present state and time.
    pub(crate) fn certify(&mut self) {
        self.certified_time = self.time;
        for subnet in &mut self.subnets {
            subnet.certified = OnceLock::new();
        }
    }

    /// A signature by the first node of a subnet, and the principal of that node. `None`: there is
    /// no such subnet.
    pub(crate) fn sign_as_node(
        &self,
        effective: EffectivePrincipal,
        message: &[u8],
    ) -> Option<(Principal, Vec<u8>)> {
        let node = self.topology.first_node(self.subnet_for(effective)?)?;
        Some((node.id(), node.sign(message)))
    }

    /// The certificate for a query of this canister.
    pub(crate) fn data_certificate(&self, canister: &Arc<Canister>) -> DataCertificate {
        let state = self.certified_state(canister.subnet);
        DataCertificate::new(Arc::clone(state), Arc::clone(canister))
    }

    /// Digests of the ingress messages that the last round of a subnet knew.
    fn certified_requests(&self, subnet: usize) -> Vec<(Vec<u8>, Hash)> {
        let mut requests = Vec::new();
        for (id, submission) in &self.submissions {
            let Some(status) = self.ingress.get(id) else {
                continue;
            };
            if submission.subnet != subnet
                || (*status == IngressStatus::Received && submission.round == self.round)
            {
                continue;
            }
            let digest = match status {
                // An outcome does not change.
                IngressStatus::Done(_) => *submission
                    .digest
                    .get_or_init(|| request_status(status).digest()),
                _ => request_status(status).digest(),
            };
            requests.push((id.to_vec(), digest));
        }
        requests
    }

    pub(crate) fn request_node(&self, label: &[u8]) -> Option<Node> {
        let id = MessageId::try_from(label).ok()?;
        self.ingress.get(&id).map(request_status)
    }

    /// The number of the subnet that answers for a principal.
    pub(crate) fn subnet_for(&self, effective: EffectivePrincipal) -> Option<usize> {
        match effective {
            EffectivePrincipal::Canister(id) if id == Principal::management_canister() => {
                self.subnet_index_of(self.default_effective_canister())
            }
            EffectivePrincipal::Canister(id) => {
                self.subnet_index_of(id).or_else(|| self.subnet_index(id))
            }
            EffectivePrincipal::Subnet(id) => self.subnet_index(id),
        }
    }
}
