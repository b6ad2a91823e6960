//! The subnets on which a canister is created.

use candid::Principal;
use sha2::{Digest, Sha256};

use crate::system::{
    creation::{CmcArgs, SubnetSelection},
    cycles_minting::CyclesMinting,
};

impl CyclesMinting {
    /// The subnets on which a canister may be created.
    pub(super) fn eligible_subnets(
        &self,
        args: &CmcArgs,
        controller: Principal,
    ) -> Result<Vec<Principal>, String> {
        let of_type = |name: &String| {
            let subnets = self.subnet_types.get(name);
            let subnets = subnets.map(|subnets| subnets.iter().copied().collect());
            subnets.ok_or_else(|| format!("Provided subnet type {name} does not exist"))
        };
        match (&args.subnet_selection, &args.subnet_type) {
            (Some(SubnetSelection::Subnet { subnet }), _) => {
                let typed = self.subnet_types.values().flatten();
                match typed.chain(&self.default_subnets).any(|id| id == subnet) {
                    true => Ok(vec![*subnet]),
                    false => Err(format!(
                        "Subnet {subnet} does not exist or {controller} is not authorized to \
                         deploy to that subnet."
                    )),
                }
            }
            (Some(SubnetSelection::Filter(filter)), _) => match &filter.subnet_type {
                Some(name) => of_type(name),
                None => Ok(self.default_subnets.clone()),
            },
            (None, Some(name)) => of_type(name),
            (None, None) => Ok(self.default_subnets.clone()),
        }
    }
}

/// Checks that a subnet is selected in one way.
///
/// # Errors
/// Why the selection is invalid.
pub(super) fn check_selection(args: &CmcArgs) -> Result<(), String> {
    match args.subnet_type.is_some() && args.subnet_selection.is_some() {
        true => Err("Cannot specify subnet_type and subnet_selection at the same time.".into()),
        false => Ok(()),
    }
}

/// Subnets in an order that the seed decides on.
pub(super) fn shuffled(mut subnets: Vec<Principal>, seed: &[u8]) -> Vec<Principal> {
    subnets.sort_by_cached_key(|subnet| {
        let digest: [u8; 32] = Sha256::digest([seed, subnet.as_slice()].concat()).into();
        digest
    });
    subnets
}
