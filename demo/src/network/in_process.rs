//! The replica in the demo's own process.

use std::cell::RefCell;

use candid::Principal;
use canic_replica::{
    Accounts, Config, EffectivePrincipal, Event, Ingress, MessageId, Reject, Replica,
};

use crate::network::{Call, Network, Observer, Submitted};

const SECOND: u64 = 1_000_000_000;

/// The replica, and the calls that were submitted to it.
pub(super) struct InProcess {
    replica: RefCell<Replica>,
    submitted: RefCell<Vec<MessageId>>,
}

impl InProcess {
    pub(super) fn start() -> Result<Self, String> {
        Ok(Self {
            replica: RefCell::new(Replica::new(Config::default())?),
            submitted: RefCell::default(),
        })
    }
}

impl Network for InProcess {
    fn name(&self) -> String {
        "canic-replica, in this process".to_owned()
    }

    fn submit(&self, call: Call) -> Result<Submitted, String> {
        let id = self.replica.borrow_mut().submit(ingress(call));
        let mut submitted = self.submitted.borrow_mut();
        submitted.push(id.map_err(text)?);
        Ok(Submitted(submitted.len() - 1))
    }

    fn answer(&self, call: Submitted) -> Result<Vec<u8>, String> {
        let id = self.submitted.borrow()[call.0];
        self.replica.borrow_mut().await_ingress(&id)?.map_err(text)
    }

    fn query(&self, call: Call) -> Result<Vec<u8>, String> {
        self.replica.borrow_mut().query(ingress(call)).map_err(text)
    }

    fn pass_second(&self) {
        let mut replica = self.replica.borrow_mut();
        let later = replica.time() + SECOND;
        replica.set_time(later).expect("a second later is no past");
        replica.tick();
    }

    fn cycles(&self, canister: Principal) -> u128 {
        self.replica.borrow().cycles(canister).unwrap_or(0)
    }

    fn controllers(&self, canister: Principal) -> Option<Vec<Principal>> {
        self.replica.borrow().controllers(canister)
    }

    fn observer(&self) -> Option<&dyn Observer> {
        Some(self)
    }

    fn go_live(&mut self) -> Option<String> {
        None
    }
}

impl Observer for InProcess {
    fn accounts(&self) -> Accounts {
        self.replica.borrow().accounts()
    }

    fn canisters(&self) -> Vec<Principal> {
        self.replica.borrow().canisters()
    }

    fn events(&self, from: u64) -> Vec<Event> {
        let replica = self.replica.borrow();
        let events = replica.trace().iter();
        events.filter(|event| event.seq >= from).cloned().collect()
    }

    fn next_event(&self) -> u64 {
        self.replica
            .borrow()
            .trace()
            .last()
            .map_or(0, |e| e.seq + 1)
    }
}

fn ingress(call: Call) -> Ingress {
    Ingress {
        sender: call.sender,
        canister: call.canister,
        method: call.method,
        payload: call.payload,
        effective: call.about.map(EffectivePrincipal::Canister),
        caller_info: None,
    }
}

fn text(reject: Reject) -> String {
    format!("{}: {}", reject.error_code, reject.message)
}
