//! What the demo needs of a network: calls, time, and what the network tells of itself.

mod in_process;
#[cfg(feature = "server")]
mod server;

use std::env;

use candid::Principal;
use canic_replica::{Accounts, Event};

/// A call from outside.
pub(crate) struct Call {
    pub(crate) sender: Principal,
    pub(crate) canister: Principal,
    pub(crate) method: String,
    pub(crate) payload: Vec<u8>,
    /// The canister that a call to the management canister is about.
    pub(crate) about: Option<Principal>,
}

/// The number of a submitted call.
pub(crate) struct Submitted(usize);

/// A network with one application subnet. The errors are the platform's rejects.
pub(crate) trait Network {
    /// What it is.
    fn name(&self) -> String;

    fn submit(&self, call: Call) -> Result<Submitted, String>;

    /// Executes rounds until a submitted call is answered.
    fn answer(&self, call: Submitted) -> Result<Vec<u8>, String>;

    fn query(&self, call: Call) -> Result<Vec<u8>, String>;

    /// Lets a second pass, and executes a round.
    fn pass_second(&self);

    /// The balance of a canister, in cycles.
    fn cycles(&self, canister: Principal) -> u128;

    /// The controllers of a canister. `None`: there is no such canister.
    fn controllers(&self, canister: Principal) -> Option<Vec<Principal>>;

    /// What canic-replica tells of itself. `None`: this is another server.
    fn observer(&self) -> Option<&dyn Observer>;

    /// Opens a port for agents, follows the wall clock from now on, and returns the URL. `None`:
    /// this network has no port.
    fn go_live(&mut self) -> Option<String>;
}

/// canic-replica's own view of a network.
pub(crate) trait Observer {
    /// Where all cycles are.
    fn accounts(&self) -> Accounts;

    /// All canisters.
    fn canisters(&self) -> Vec<Principal>;

    /// The events of the trace from this number on.
    fn events(&self, from: u64) -> Vec<Event>;

    /// The number of the next event.
    fn next_event(&self) -> u64;
}

/// Where a network runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the server that `POCKET_IC_BIN` names, or in this process.
    Anywhere,
    /// On a server, which can stay when the demo is over.
    Server,
}

/// Starts a network. On a server its time is the present: one that went live later would charge
/// its canisters for the time between.
///
/// # Errors
/// A server is needed, and can't be built, or this program has no client for one.
pub(crate) fn start(place: Place) -> Result<Box<dyn Network>, String> {
    if place == Place::Anywhere && env::var_os("POCKET_IC_BIN").is_none() {
        return Ok(Box::new(in_process::InProcess::start()?));
    }
    #[cfg(feature = "server")]
    return Ok(Box::new(server::Server::start()?));
    #[cfg(not(feature = "server"))]
    Err("the demo was built without a client for servers: it needs `--features server`".into())
}
