//! What the replica itself knows of an instance: its trace, its accounts, the canisters that exist.
//!
//! `canic-replica` serves these beside the PocketIC protocol. Another server doesn't; there is no [`Observer`] then.

use candid::Principal;
use canic_replica::client::Control;
use canic_replica::{Accounts, Kind};
use pocket_ic::PocketIc;

/// Looks at one instance from outside. All methods panic when the server doesn't answer.
#[derive(Debug)]
pub struct Observer(Control);

impl Observer {
    /// The observer of an instance; none when its server has nothing to observe with.
    #[must_use]
    pub fn of(pic: &PocketIc) -> Option<Self> {
        Control::of(pic).map(Self)
    }

    /// Where all cycles are.
    #[must_use]
    pub fn accounts(&self) -> Accounts {
        self.0.accounts().unwrap()
    }

    /// All canisters there are.
    #[must_use]
    pub fn canisters(&self) -> Vec<Principal> {
        self.0.canisters().unwrap()
    }

    /// The number that the next event will have: events from there on are those of what is done after this call.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.0.next_event().unwrap()
    }

    /// The calls to the management canister that `caller` made from event `from` on, by method.
    #[must_use]
    pub fn management_calls(&self, caller: Principal, from: u64) -> Vec<String> {
        let calls = self.0.trace(from).unwrap().into_iter();
        calls
            .filter(|e| e.kind == Kind::Management && e.caller == caller)
            .map(|e| e.method)
            .collect()
    }

    /// The calls that `caller` made to other canisters from event `from` on: whom, and which method.
    #[must_use]
    pub fn calls_to_canisters(&self, caller: Principal, from: u64) -> Vec<(Principal, String)> {
        let calls = self.0.trace(from).unwrap().into_iter();
        calls
            .filter(|e| matches!(e.kind, Kind::Update | Kind::Query))
            .filter(|e| e.caller == caller && e.canister != caller)
            .map(|e| (e.canister, e.method))
            .collect()
    }

    /// The instructions that each call of a method took from event `from` on, those of its callbacks excepted.
    #[must_use]
    pub fn instructions(&self, canister: Principal, method: &str, from: u64) -> Vec<u64> {
        let calls = self.0.trace(from).unwrap().into_iter();
        let is_call = |kind| matches!(kind, Kind::Ingress | Kind::Update | Kind::Query);
        calls
            .filter(|e| is_call(e.kind) && e.canister == canister && e.method == method)
            .map(|e| e.instructions)
            .collect()
    }
}
