//! The network of a fleet, whichever it is.

use candid::Principal;
use canic_replica::{Ingress, MessageId, Reject, Replica};

#[cfg(feature = "pocket-ic")]
use super::server::Server;
use super::{Answer, Network};

/// The network of a [`Fleet`](crate::Fleet).
pub(crate) enum Ground {
    /// The replica in the test's process.
    Process(Box<Replica>),
    /// A server of PocketIC.
    #[cfg(feature = "pocket-ic")]
    Server(Box<Server>),
}

/// Hands a method on to the network that there is.
macro_rules! on_ground {
    ($ground:expr, $network:ident => $call:expr) => {
        match $ground {
            Ground::Process($network) => $call,
            #[cfg(feature = "pocket-ic")]
            Ground::Server($network) => $call,
        }
    };
}

impl Network for Ground {
    fn submit(&mut self, message: Ingress) -> Result<MessageId, Reject> {
        on_ground!(self, network => network.submit(message))
    }

    fn answer(&self, message: &MessageId) -> Option<Answer> {
        on_ground!(self, network => network.answer(message))
    }

    fn query(&mut self, message: Ingress) -> Answer {
        on_ground!(self, network => network.query(message))
    }

    fn round(&mut self) {
        on_ground!(self, network => network.round());
    }

    fn time(&self) -> u64 {
        on_ground!(self, network => network.time())
    }

    fn set_time(&mut self, nanoseconds: u64) {
        on_ground!(self, network => Network::set_time(network.as_mut(), nanoseconds));
    }

    fn first_subnet(&self) -> Principal {
        on_ground!(self, network => network.first_subnet())
    }

    fn subnet_of(&self, canister: Principal) -> Option<Principal> {
        on_ground!(self, network => network.subnet_of(canister))
    }

    fn exists(&self, canister: Principal) -> bool {
        on_ground!(self, network => network.exists(canister))
    }

    fn cycles(&self, canister: Principal) -> Option<u128> {
        on_ground!(self, network => network.cycles(canister))
    }

    fn add_cycles(&mut self, canister: Principal, cycles: u128) {
        on_ground!(self, network => Network::add_cycles(network.as_mut(), canister, cycles));
    }

    fn replica(&self) -> Option<&Replica> {
        on_ground!(self, network => Network::replica(network.as_ref()))
    }

    fn replica_mut(&mut self) -> Option<&mut Replica> {
        on_ground!(self, network => Network::replica_mut(network.as_mut()))
    }
}
