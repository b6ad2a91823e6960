//! The connection: a network, an identity, and the root of a fleet.

mod identity;
mod network;
mod project;

use std::path::PathBuf;

use candid::Principal;
use clap::Args;
use ic_agent::Agent;

pub(crate) use self::network::{Network, unreachable};
use crate::failure::{Failure, Kind};

/// The heading of the options that every command has.
pub(crate) const ALL: &str = "Options of all commands";

/// The options of every command that talks to a fleet.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// `local`, `ic`, or the URL of a network
    #[arg(
        long,
        short,
        global = true, help_heading = ALL,
        default_value = "local",
        value_name = "NETWORK"
    )]
    pub(crate) network: String,
    /// The root: a principal, or its name in the project of `icp`
    #[arg(
        long,
        short,
        global = true, help_heading = ALL,
        default_value = "root",
        value_name = "ROOT"
    )]
    pub(crate) root: String,
    /// The environment of `icp` that the root's name belongs to; `local` or `ic` by default
    #[arg(long, short, global = true, help_heading = ALL, value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// The identity of `icp` with this name, or `anonymous`; by default, `icp`'s own default
    #[arg(long, global = true, help_heading = ALL, value_name = "NAME")]
    pub(crate) identity: Option<String>,
    /// A file with a private key
    #[arg(
        long,
        global = true,
        help_heading = ALL,
        value_name = "FILE",
        conflicts_with = "identity"
    )]
    pub(crate) pem: Option<PathBuf>,
    /// The public key of a network that is neither `ic` nor on this machine: hexadecimal digits, or
    /// `fetch` to trust what the network says
    #[arg(long, global = true, help_heading = ALL, value_name = "KEY")]
    pub(crate) root_key: Option<String>,
}

/// A connection to the root of a fleet.
pub(crate) struct Connection {
    pub(crate) agent: Agent,
    pub(crate) network: Network,
    pub(crate) root: Principal,
    /// The principal of the identity.
    pub(crate) caller: Principal,
}

impl Options {
    /// Connects to the root that these options name.
    ///
    /// # Errors
    /// The identity, the root or the network can't be found.
    pub(crate) async fn connect(&self) -> Result<Connection, Failure> {
        let network = Network::resolve(&self.network, self.root_key.as_deref())?;
        let root = self.root_of(&network)?;
        let (agent, caller) = self.agent(&network).await?;
        Ok(Connection {
            agent,
            network,
            root,
            caller,
        })
    }

    /// An agent for the network that these options name, without a root.
    ///
    /// # Errors
    /// The identity or the network can't be found.
    pub(crate) async fn agent(&self, network: &Network) -> Result<(Agent, Principal), Failure> {
        let identity = identity::load(self.identity.as_deref(), self.pem.as_deref())?;
        let caller = identity.sender().map_err(Failure::setup)?;
        let agent = Agent::builder()
            .with_url(&network.url)
            .with_arc_identity(identity)
            .build()
            .map_err(|e| Failure::new(Kind::Usage, format!("{}: {e}", network.url)))?;
        network.trust(&agent).await?;
        Ok((agent, caller))
    }

    fn root_of(&self, network: &Network) -> Result<Principal, Failure> {
        if let Ok(root) = Principal::from_text(&self.root) {
            return Ok(root);
        }
        let environment = self.environment.as_deref().unwrap_or(network.environment());
        project::canister(&self.root, environment)
    }
}
