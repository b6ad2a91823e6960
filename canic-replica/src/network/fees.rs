//! Fees: checks of balances, and charges.

use candid::Principal;

use crate::{
    canister::{
        Canister,
        calls::{Origin, Request},
        consumption::Purpose,
    },
    network::Network,
    reject::{Reject, RejectCode, not_found},
};

impl Network {
    /// Checks that a canister can spend `cost` cycles without freezing. Only its controllers learn
    /// the missing amount.
    pub(crate) fn check_can_pay(
        &self,
        canister: &Canister,
        cost: u128,
        caller: &Principal,
    ) -> Result<(), Reject> {
        self.check_can_pay_with(canister, canister.message_memory(), cost, caller)
    }

    /// [`Self::check_can_pay`], if the canister has `messages` bytes of message memory.
    pub(crate) fn check_can_pay_with(
        &self,
        canister: &Canister,
        messages: u64,
        cost: u128,
        caller: &Principal,
    ) -> Result<(), Reject> {
        let settings = &canister.settings;
        let resources = settings.resources(canister.memory_bytes(), messages);
        let threshold = settings.freezing_limit(&self.prices(canister), &resources);
        let needed = cost.saturating_add(threshold);
        if cost == 0 || canister.balance >= needed {
            return Ok(());
        }
        let mut why = format!("Canister {} is out of cycles", canister.id);
        if canister.is_controller(caller) {
            let missing = needed - canister.balance;
            why +=
                &format!(": please top up the canister with at least {missing} additional cycles");
        }
        Err(Reject::new(RejectCode::SysTransient, 207, why))
    }

    /// Charges a draft of a canister for the platform's work on it. Answers the cycles, which the
    /// commit of the draft adds to the fees.
    pub(crate) fn charge_draft(
        &self,
        draft: &mut Canister,
        instructions: u64,
        caller: &Principal,
    ) -> Result<u128, Reject> {
        let cost = self.prices(draft).work(instructions);
        self.check_can_pay(draft, cost, caller)?;
        draft.pay(Purpose::Instructions, cost);
        Ok(cost)
    }

    /// Commits a draft of a canister that has paid `paid` cycles for the work on it.
    pub(crate) fn commit_draft(&mut self, draft: Canister, paid: u128) {
        self.ledger.fees.execution += paid;
        self.canisters.insert(draft.into());
    }

    /// Charges a canister for the platform's work on it, whether the work succeeds or not.
    pub(crate) fn charge_instructions(
        &mut self,
        id: Principal,
        instructions: u64,
        caller: &Principal,
    ) -> Result<(), Reject> {
        let canister = self.canisters.get(&id).ok_or_else(|| not_found(id))?;
        let cost = self.prices(canister).work(instructions);
        self.check_can_pay(canister, cost, caller)?;
        let canister = self.require_canister_mut(id)?;
        canister.pay(Purpose::Instructions, cost);
        let subnet = canister.subnet;
        self.subnets[subnet].counters.add_instructions(instructions);
        self.ledger.fees.execution += cost;
        Ok(())
    }

    /// Checks that the additional memory of a canister does not freeze it.
    pub(crate) fn check_can_grow(&self, before: &Canister, now: &Canister) -> Result<(), Reject> {
        let bytes = now.memory_bytes();
        let threshold = now.freezing_limit(&self.prices(now));
        let Some(missing) = threshold.checked_sub(now.balance).filter(|m| *m > 0) else {
            return Ok(());
        };
        let allocated = |bytes: u64| bytes.max(now.settings.memory_allocation);
        let more = allocated(bytes).saturating_sub(allocated(before.memory_bytes()));
        let why = format!(
            "Canister cannot grow memory by {more} bytes due to insufficient cycles. At least \
             {missing} additional cycles are required."
        );
        Err(Reject::new(RejectCode::CanisterError, 532, why))
    }

    /// Charges for the reception of an ingress message after its execution. A canister that cannot
    /// pay is not charged.
    pub(crate) fn charge_reception(&mut self, id: Principal, request: &Request) {
        let (Origin::Ingress(_), Some(canister)) = (request.origin, self.canisters.get(&id)) else {
            return;
        };
        let bytes = request.method.len() + request.payload.len();
        let cost = self.prices(canister).reception(bytes);
        if self.check_can_pay(canister, cost, &request.sender).is_ok()
            && let Some(canister) = self.canister_mut(id)
        {
            canister.pay(Purpose::Ingress, cost);
            self.ledger.fees.ingress += cost;
        }
    }
}
