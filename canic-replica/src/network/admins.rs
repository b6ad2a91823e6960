//! The admins of subnets, who manage all canisters of their subnet.

use std::collections::BTreeSet;

use candid::Principal;

use crate::{
    canister::{Canister, calls::Request},
    network::Network,
    reject::{Reject, RejectCode},
    subnets::SubnetKind,
};

impl Network {
    /// The admins of a subnet. `None`: the subnet cannot have admins.
    pub(crate) fn subnet_admins(&self, subnet: usize) -> Option<&BTreeSet<Principal>> {
        let info = &self.infos[subnet];
        let is_rented = matches!(info.kind, SubnetKind::Application | SubnetKind::CloudEngine);
        let is_free = self.subnets[subnet].context.prices.unexecuted() == 0;
        (is_rented && is_free).then_some(&info.options.admins)
    }

    pub(crate) fn is_subnet_admin(&self, subnet: usize, principal: &Principal) -> bool {
        self.subnet_admins(subnet)
            .is_some_and(|admins| admins.contains(principal))
    }

    /// Replaces the admins of a subnet.
    pub(crate) fn set_subnet_admins(
        &mut self,
        subnet: Principal,
        admins: BTreeSet<Principal>,
    ) -> Result<(), String> {
        let index = self
            .subnet_index(subnet)
            .ok_or_else(|| format!("there is no subnet {subnet}"))?;
        self.check_can_have_admins(index)?;
        self.infos[index].options.admins = admins;
        Ok(())
    }

    /// Checks that no subnet has admins that cannot have any.
    pub(crate) fn check_admins(&self) -> Result<(), String> {
        let mut subnets = self.infos.iter().enumerate();
        subnets.try_for_each(|(index, info)| match info.options.admins.is_empty() {
            true => Ok(()),
            false => self.check_can_have_admins(index),
        })
    }

    fn check_can_have_admins(&self, index: usize) -> Result<(), String> {
        match self.subnet_admins(index) {
            Some(_) => Ok(()),
            None => Err(format!(
                "subnet {} cannot have admins: only application subnets and cloud engines that \
                 charge nothing have them",
                self.infos[index].id
            )),
        }
    }

    /// The canister of this id, for a change by its controller or by an admin of its subnet.
    pub(crate) fn require_managed(
        &mut self,
        id: Principal,
        request: &Request,
    ) -> Result<&mut Canister, Reject> {
        let canister = self.require_canister(id)?;
        self.check_controller_or_admin(canister, &request.sender)?;
        self.require_canister_mut(id)
    }

    /// Checks that a caller is a controller of a canister, or an admin of its subnet.
    pub(crate) fn check_controller_or_admin(
        &self,
        canister: &Canister,
        caller: &Principal,
    ) -> Result<(), Reject> {
        match self.subnet_admins(canister.subnet) {
            Some(admins) if !canister.is_controller(caller) => {
                check_admin(admins, caller).map_err(|_| {
                    let why = format!(
                        "Only the controllers of the canister {} or subnet admins can control \
                         it.\nCanister's controllers: {}\nSubnet admins: {}\nSender's ID: {caller}",
                        canister.id,
                        join(&canister.settings.controllers),
                        join(admins),
                    );
                    Reject::new(RejectCode::CanisterError, 512, why)
                })
            }
            _ => canister.check_controller(caller),
        }
    }
}

/// Checks that a caller is one of the admins.
pub(crate) fn check_admin(admins: &BTreeSet<Principal>, caller: &Principal) -> Result<(), Reject> {
    if admins.contains(caller) {
        return Ok(());
    }
    let why = format!(
        "Only subnet admins can call this method.\nSubnet admins: {}\nSender's ID: {caller}",
        join(admins)
    );
    Err(Reject::new(RejectCode::CanisterError, 512, why))
}

fn join<'a>(principals: impl IntoIterator<Item = &'a Principal>) -> String {
    let texts: Vec<_> = principals.into_iter().map(Principal::to_text).collect();
    texts.join(" ")
}
