//! The way of a message from outside to its subnet. PocketIC creates a subnet of the mainnet with
//! the first canister that is created with an id of that subnet.

use candid::{CandidType, Deserialize, Principal};

use crate::{
    bounded::decode_skipping,
    certification::{
        keys::{NodeKey, SubnetKeys},
        topology::Topology,
    },
    ingress::{EffectivePrincipal, Ingress},
    network::{Network, Subnet},
    subnets::{SubnetInfo, SubnetKind, SubnetOptions, mainnet_subnet_of, nodes},
};

impl Network {
    /// Finds the subnet that a message from outside goes to. A message that creates a canister with
    /// an id of the mainnet creates the mainnet's subnet of this id, if it is not there yet. The
    /// error is a sentence of PocketIC's that says why the message goes to no subnet.
    pub(crate) fn open_route(&mut self, ingress: &Ingress) -> Result<(), String> {
        let creates = is_creation(ingress);
        let effective = match ingress.effective {
            Some(effective) => effective,
            None if self.is_management(ingress.canister) => match specified_id(ingress) {
                Some(id) => EffectivePrincipal::Canister(id),
                None => return Ok(()),
            },
            None => EffectivePrincipal::Canister(ingress.canister),
        };
        match effective {
            _ if self.hosts(effective) => Ok(()),
            EffectivePrincipal::Subnet(id) => Err(format!("Subnet with ID {id} not found")),
            EffectivePrincipal::Canister(id) if !creates => {
                Err(format!("Canister {id} does not belong to any subnet."))
            }
            EffectivePrincipal::Canister(id) if id == Principal::management_canister() => Ok(()),
            EffectivePrincipal::Canister(id) => self.create_mainnet_subnet(id),
        }
    }

    /// Whether a subnet answers for a principal: the id of a subnet, or of one of its canisters.
    pub(crate) fn hosts(&self, effective: EffectivePrincipal) -> bool {
        let management = EffectivePrincipal::Canister(Principal::management_canister());
        effective != management && self.subnet_for(effective).is_some()
    }

    /// Creates the subnet that hosts a canister on the mainnet.
    fn create_mainnet_subnet(&mut self, canister: Principal) -> Result<(), String> {
        let (block, kind) = mainnet_subnet_of(canister).ok_or_else(|| {
            format!(
                "The effective canister ID {canister} does not belong to an existing subnet and it \
                 is not a mainnet canister ID."
            )
        })?;
        if kind == SubnetKind::NNS {
            // The root subnet of an instance never changes.
            return Err(format!(
                "The effective canister ID {canister} belongs to the NNS subnet on the IC mainnet \
                 for which PocketIC provides a `SubnetKind`: please set up your PocketIC instance \
                 with a subnet of that `SubnetKind`."
            ));
        }
        let (index, root) = (self.infos.len(), self.nns_index());
        let keys = SubnetKeys::of(index, nodes(kind));
        let nodes = keys.nodes.iter().map(NodeKey::id).collect();
        let options = SubnetOptions::default();
        let info = SubnetInfo::new(index, keys.id(), kind, options, Some(block), nodes);
        let root_key = self.subnets[root].context.root_key.clone();
        self.subnets.push(Subnet::new(index, &info, root_key));
        self.infos.push(info);
        self.announce_signature_fees();
        self.announce_subnets();
        self.topology = Topology::new(&self.infos, root).into();
        // The certified states of the other subnets list the new one.
        self.certify();
        Ok(())
    }
}

/// Whether a message creates a canister by the provisional method.
fn is_creation(ingress: &Ingress) -> bool {
    ingress.canister == Principal::management_canister()
        && ingress.method == "provisional_create_canister_with_cycles"
}

/// The id with which a message wants to create a canister.
pub(crate) fn specified_id(ingress: &Ingress) -> Option<Principal> {
    #[derive(CandidType, Deserialize)]
    struct Argument {
        specified_id: Option<Principal>,
    }
    if !is_creation(ingress) {
        return None;
    }
    let argument = decode_skipping::<(Argument,)>(&ingress.payload, 50).ok()?;
    argument.0.specified_id
}
