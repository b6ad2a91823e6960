//! Where all cycles of an instance are.

use crate::{
    canister::{
        Status,
        calls::{Input, Request, Response},
    },
    network::{Network, outcalls::held_cycles},
    trace::Accounts,
};

impl Network {
    /// Where all cycles are.
    pub(crate) fn accounts(&self) -> Accounts {
        let mut accounts = Accounts {
            minted: self.ledger.minted,
            balances: 0,
            in_flight: 0,
            fees: self.ledger.fees,
            burnt: self.ledger.burnt,
            destroyed: self.ledger.destroyed,
        };
        let carried = |input: &Input| match input {
            Input::Request(Request { cycles, .. }) => *cycles,
            Input::Response(Response { refund, .. }) => *refund,
        };
        accounts.in_flight += self
            .transit
            .iter()
            .map(|(_, input)| carried(input))
            .sum::<u128>();
        accounts.in_flight += self.outcalls.values().map(held_cycles).sum::<u128>();
        let signatures = self.signatures.iter();
        accounts.in_flight += signatures
            .map(|pending| pending.request.cycles)
            .sum::<u128>();
        for canister in self.canisters.values() {
            if let Status::Stopping(stoppers) = &canister.status {
                let carried = stoppers.iter().map(|stopper| stopper.request.cycles);
                accounts.in_flight += carried.sum::<u128>();
            }
            accounts.balances += canister.balance;
            accounts.in_flight += canister.input_queues.iter().map(carried).sum::<u128>()
                + canister
                    .contexts
                    .values()
                    .map(|context| context.available)
                    .sum::<u128>()
                + canister
                    .callbacks
                    .values()
                    .map(|callback| callback.prepaid)
                    .sum::<u128>();
        }
        accounts
    }
}
