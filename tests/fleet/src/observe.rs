//! The replica's own view of an instance: its trace, its accounts, its list of canisters.
//!
//! `canic-replica` serves these beside the PocketIC protocol. For another server there is no
//! [`Observer`].

use candid::Principal;
use canic_replica::{Accounts, Kind, client::Control};
use pocket_ic::PocketIc;

/// An observer of one instance. All methods panic when the server doesn't answer.
#[derive(Debug)]
pub struct Observer(Control);

impl Observer {
    /// The observer of an instance; `None` if its server is not `canic-replica`.
    #[must_use]
    pub fn of(pic: &PocketIc) -> Option<Self> {
        Control::of(pic).map(Self)
    }

    /// The accounts of all cycles.
    #[must_use]
    pub fn accounts(&self) -> Accounts {
        self.0.accounts().unwrap()
    }

    /// All canisters of the instance.
    #[must_use]
    pub fn canisters(&self) -> Vec<Principal> {
        self.0.canisters().unwrap()
    }

    /// The number of the next event of the trace: the start of the trace of later calls.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.0.next_event().unwrap()
    }

    /// The methods of the management canister that `caller` called from event `from` on.
    #[must_use]
    pub fn management_calls(&self, caller: Principal, from: u64) -> Vec<String> {
        let calls = self.0.trace(from).unwrap().into_iter();
        calls
            .filter(|e| e.kind == Kind::Management && e.caller == caller)
            .map(|e| e.method)
            .collect()
    }

    /// The calls that `caller` made to other canisters from event `from` on: callee and method.
    #[must_use]
    pub fn calls_to_canisters(&self, caller: Principal, from: u64) -> Vec<(Principal, String)> {
        let calls = self.0.trace(from).unwrap().into_iter();
        calls
            .filter(|e| matches!(e.kind, Kind::Update | Kind::Query))
            .filter(|e| e.caller == caller && e.canister != caller)
            .map(|e| (e.canister, e.method))
            .collect()
    }

    /// The instructions of each call of a method from event `from` on, without its callbacks.
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
