//! The deletion of a subnet with its canisters.

use candid::Principal;

use crate::{
    canister::{
        Canister, Status,
        calls::{Input, Request, Response},
    },
    certification::topology::Topology,
    network::{Network, outcalls::held_cycles},
    reject::no_route,
    subnets::is_named,
};

impl Network {
    /// Deletes a subnet with its canisters and their cycles. Callers that wait for an answer of
    /// these canisters get a reject.
    pub(crate) fn delete_subnet(&mut self, subnet: Principal) -> Result<(), String> {
        let index = self
            .subnet_index(subnet)
            .ok_or_else(|| format!("there is no subnet {subnet}"))?;
        let kind = self.infos[index].kind;
        if is_named(kind) {
            return Err(format!("{kind:?}, a named subnet, cannot be deleted"));
        }
        let root = self.nns_index();
        if index == root {
            return Err(format!(
                "subnet {subnet} cannot be deleted: its key verifies all certificates"
            ));
        }
        self.infos[index].deleted = true;
        self.announce_subnets();
        self.topology = Topology::new(&self.infos, root).into();

        let gone = self.canisters.values().filter(|c| c.subnet == index);
        for id in gone.map(|canister| canister.id).collect::<Vec<_>>() {
            self.ready.remove(&id);
            self.stopping.remove(&id);
            if let Some(canister) = self.canisters.remove(id) {
                self.discard(&canister, index);
            }
        }
        // Calls to its management canister have no other receiver. Calls to its canisters are
        // rejected when they arrive.
        let management = Principal::management_canister();
        for (round, input) in std::mem::take(&mut self.transit) {
            match input {
                Input::Request(request)
                    if request.callee == management && request.subnet == Some(index) =>
                {
                    self.reject_unroutable(request, index);
                }
                other => self.transit.push_back((round, other)),
            }
        }
        self.outcalls.retain(|(of, _), outcall| {
            if *of == index {
                self.ledger.destroyed += held_cycles(outcall);
            }
            *of != index
        });
        Ok(())
    }

    /// Rejects all calls that a deleted canister of this subnet cannot answer any more.
    fn discard(&mut self, canister: &Canister, subnet: usize) {
        self.ledger.destroyed += canister.balance;
        let prepaid = canister.callbacks.values().map(|call| call.prepaid);
        self.ledger.destroyed += prepaid.sum::<u128>();
        for context in canister.contexts.values() {
            if context.responded {
                self.ledger.destroyed += context.available;
                continue;
            }
            let (origin, sender, refund) = (context.origin, context.sender, context.available);
            let reject = no_route(canister.id);
            self.respond(origin, sender, Err(reject), refund, Some(subnet));
        }
        for input in canister.input_queues.iter().cloned() {
            match input {
                Input::Request(request) => self.reject_unroutable(request, subnet),
                Input::Response(Response { refund, .. }) => self.ledger.destroyed += refund,
            }
        }
        if let Status::Stopping(stoppers) = &canister.status {
            for stopper in stoppers {
                self.reject_unroutable(stopper.request.clone(), subnet);
            }
        }
    }

    fn reject_unroutable(&mut self, request: Request, subnet: usize) {
        let reject = no_route(request.callee);
        self.reject_request(request, reject, Some(subnet));
    }
}
