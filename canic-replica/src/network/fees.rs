//! Who can pay for what, and what is charged.

use candid::Principal;

use crate::{
    canister::{
        Canister,
        calls::{Origin, Request},
    },
    network::Network,
    reject::{Reject, RejectCode, not_found},
};

impl Network {
    /// Whether a canister can spend so many cycles without freezing. Only its controllers learn how many it lacks.
    pub(crate) fn can_pay(
        &self,
        canister: &Canister,
        cost: u128,
        asker: &Principal,
    ) -> Result<(), Reject> {
        let threshold = canister.freezing_limit(&self.prices(canister), canister.memory_bytes());
        let needed = cost.saturating_add(threshold);
        if cost == 0 || canister.balance >= needed {
            return Ok(());
        }
        let mut why = format!("Canister {} is out of cycles", canister.id);
        if canister.is_controller(asker) {
            let missing = needed - canister.balance;
            why +=
                &format!(": please top up the canister with at least {missing} additional cycles");
        }
        Err(Reject::new(RejectCode::SysTransient, 207, why))
    }

    /// Takes from a draft of a canister what the platform's work on it costs. Answers these cycles; they go into the
    /// accounts with the draft.
    pub(crate) fn withdraw(
        &self,
        draft: &mut Canister,
        instructions: u64,
        asker: &Principal,
    ) -> Result<u128, Reject> {
        let cost = self.prices(draft).execution(instructions);
        self.can_pay(draft, cost, asker)?;
        draft.balance -= cost;
        Ok(cost)
    }

    /// Puts a draft in the place of its canister. It has paid so many cycles for the work on it.
    pub(crate) fn commit_draft(&mut self, draft: Canister, paid: u128) {
        self.ledger.fees.execution += paid;
        self.canisters.insert(draft.into());
    }

    /// Charges a canister for the platform's work on it, whatever comes of it.
    pub(crate) fn charge_instructions(
        &mut self,
        id: Principal,
        instructions: u64,
        asker: &Principal,
    ) -> Result<(), Reject> {
        let canister = self.canisters.get(&id).ok_or_else(|| not_found(id))?;
        let cost = self.prices(canister).execution(instructions);
        self.can_pay(canister, cost, asker)?;
        self.require_canister_mut(id)?.balance -= cost;
        self.ledger.fees.execution += cost;
        Ok(())
    }

    /// Whether a canister does not freeze by the memory that it takes now, and not before.
    pub(crate) fn can_grow(&self, before: &Canister, now: &Canister) -> Result<(), Reject> {
        let bytes = now.memory_bytes();
        let threshold = now.freezing_limit(&self.prices(now), bytes);
        let Some(missing) = threshold.checked_sub(now.balance).filter(|m| *m > 0) else {
            return Ok(());
        };
        let allocated = |bytes: u64| bytes.max(now.settings.memory_allocation);
        let more = allocated(bytes).saturating_sub(allocated(before.memory_bytes()));
        let why = format!(
            "Canister cannot grow memory by {more} bytes due to insufficient cycles. At least {missing} additional cycles are \
             required."
        );
        Err(Reject::new(RejectCode::CanisterError, 532, why))
    }

    /// Charges for the reception of a call from outside that came in for nothing. Who cannot pay doesn't.
    pub(crate) fn charge_reception(&mut self, id: Principal, request: &Request) {
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
}
