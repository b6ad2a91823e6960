//! The network that a fleet lives on: the replica in the test's process, or a server of PocketIC.

pub(crate) mod ground;
#[cfg(feature = "pocket-ic")]
pub(crate) mod server;

use candid::Principal;
use canic_replica::{Ingress, IngressStatus, MessageId, Reject, Replica};

/// The answer to a call.
pub type Answer = Result<Vec<u8>, Reject>;

/// What a fleet needs of the network that it lives on.
pub trait Network {
    /// Submits a call. A later round executes it.
    ///
    /// # Errors
    /// When the platform does not accept it.
    fn submit(&mut self, message: Ingress) -> Result<MessageId, Reject>;

    /// The answer to a submitted call, once there is one.
    fn answer(&self, message: &MessageId) -> Option<Answer>;

    /// Executes a query.
    ///
    /// # Errors
    /// The reject of the query.
    fn query(&mut self, message: Ingress) -> Answer;

    /// Executes one round.
    fn round(&mut self);

    /// The time, in nanoseconds since 1970.
    fn time(&self) -> u64;

    /// Sets the time, in nanoseconds since 1970. It never goes back.
    fn set_time(&mut self, nanoseconds: u64);

    /// The first application subnet.
    fn first_subnet(&self) -> Principal;

    /// The subnet of a canister.
    fn subnet_of(&self, canister: Principal) -> Option<Principal>;

    /// Whether there is such a canister.
    fn exists(&self, canister: Principal) -> bool;

    /// The cycles of a canister. `None`: there is no such canister.
    fn cycles(&self, canister: Principal) -> Option<u128>;

    /// Mints cycles into a canister.
    fn add_cycles(&mut self, canister: Principal, cycles: u128);

    /// The replica in the test's process. `None`: this is a server, which has no forks, no trace,
    /// no accounts, no list of canisters and no faults.
    fn replica(&self) -> Option<&Replica>;

    /// The same replica, to be changed.
    fn replica_mut(&mut self) -> Option<&mut Replica>;
}

impl Network for Replica {
    fn submit(&mut self, message: Ingress) -> Result<MessageId, Reject> {
        Replica::submit(self, message)
    }

    fn answer(&self, message: &MessageId) -> Option<Answer> {
        match self.ingress_status(message) {
            IngressStatus::Done(answer) => Some(answer),
            IngressStatus::Unknown | IngressStatus::Received | IngressStatus::Processing => None,
        }
    }

    fn query(&mut self, message: Ingress) -> Answer {
        Replica::query(self, message)
    }

    fn round(&mut self) {
        self.tick();
    }

    fn time(&self) -> u64 {
        Replica::time(self)
    }

    fn set_time(&mut self, nanoseconds: u64) {
        let set = Replica::set_time(self, nanoseconds);
        set.unwrap_or_else(|why| panic!("the time can't be set: {why}"));
    }

    fn first_subnet(&self) -> Principal {
        self.subnet_of(self.default_effective_canister())
            .expect("an instance has a subnet")
    }

    fn subnet_of(&self, canister: Principal) -> Option<Principal> {
        Replica::subnet_of(self, canister)
    }

    fn exists(&self, canister: Principal) -> bool {
        self.canister_exists(canister)
    }

    fn cycles(&self, canister: Principal) -> Option<u128> {
        Replica::cycles(self, canister)
    }

    fn add_cycles(&mut self, canister: Principal, cycles: u128) {
        Replica::add_cycles(self, canister, cycles);
    }

    fn replica(&self) -> Option<&Replica> {
        Some(self)
    }

    fn replica_mut(&mut self) -> Option<&mut Replica> {
        Some(self)
    }
}
