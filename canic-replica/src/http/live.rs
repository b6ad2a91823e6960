//! A live network for a shell: one instance that follows the wall clock, with an HTTP gateway and
//! the interface of agents on one port.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use candid::Principal;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::{
    http::{
        Server,
        answer::Failure,
        gateway,
        instances::Validation,
        keeper::{self, Keeper},
        protocol::InstanceHttpGatewayConfig,
        shared::Shared,
    },
    network::Config,
};

/// The configuration of a live network.
#[derive(Clone, Debug)]
pub struct LiveConfig {
    /// The instance, unless the state folder holds one.
    pub network: Config,
    /// The folder that keeps the state: it is written each minute in which messages were executed,
    /// and at the end. By default, the state is not kept.
    pub state: Option<PathBuf>,
    /// Where agents and browsers reach it. Port 0 means any free port.
    pub gateway: SocketAddr,
    /// The domains that the gateway serves besides 127.0.0.1; all hosts by default.
    pub domains: Option<Vec<String>>,
    /// Where clients of PocketIC's protocol reach it; nowhere by default.
    pub control: Option<SocketAddr>,
    /// The time between two rounds; 20 ms by default.
    pub delay: Option<Duration>,
}

impl LiveConfig {
    /// A network that agents and browsers reach at an address.
    pub fn new(network: Config, gateway: SocketAddr) -> Self {
        Self {
            network,
            state: None,
            gateway,
            domains: None,
            control: None,
            delay: None,
        }
    }
}

/// A live network. It ends with the tokio runtime that it was started on, or with [`Self::stop`].
pub struct LiveNetwork {
    server: Shared,
    instance: usize,
    port: u16,
    root_key: Vec<u8>,
    default_effective_canister: Principal,
    control: Option<Control>,
    keeper: Option<Keeper>,
}

/// The server of PocketIC's protocol.
struct Control {
    port: u16,
    task: JoinHandle<()>,
}

impl LiveNetwork {
    /// Starts a network on a multi-threaded tokio runtime.
    ///
    /// # Errors
    /// An address is not available, the configuration is invalid, or the state can't be read: a
    /// sentence that says so.
    pub async fn start(config: LiveConfig) -> Result<Self, String> {
        let message = |failure: Failure| failure.message;
        let opened = spawn_blocking(move || keeper::open(config.state.as_deref(), config.network));
        let (replica, folder) = opened.await.map_err(|error| error.to_string())??;
        let root_key = replica.root_key();
        let default_effective_canister = replica.default_effective_canister();
        let server = Shared::default();
        let (number, instance) = server.instances.add(replica, Validation::Enabled);
        let gateway = InstanceHttpGatewayConfig {
            ip_addr: Some(config.gateway.ip().to_string()),
            port: Some(config.gateway.port()),
            domains: config.domains,
            https_config: None,
            domain_custom_provider_local_file: None,
        };
        let gateway = gateway::open(&server, number, instance.clone(), gateway).await;
        let gateway = gateway.map_err(message)?;
        let control = match config.control {
            None => None,
            Some(address) => Some(Control::open(address, server.clone()).await?),
        };
        instance
            .start_progress(config.delay)
            .await
            .map_err(message)?;
        Ok(Self {
            server,
            instance: number,
            port: gateway.port,
            root_key,
            default_effective_canister,
            control,
            keeper: folder.map(|folder| Keeper::start(instance, folder)),
        })
    }

    /// The port that agents and browsers reach it at.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port that clients of PocketIC's protocol reach it at, if they do.
    pub fn control_port(&self) -> Option<u16> {
        self.control.as_ref().map(|control| control.port)
    }

    /// Its number in PocketIC's protocol.
    pub fn instance(&self) -> usize {
        self.instance
    }

    /// The public key that verifies all its certificates, DER.
    pub fn root_key(&self) -> &[u8] {
        &self.root_key
    }

    /// See [`crate::Replica::default_effective_canister`].
    pub fn default_effective_canister(&self) -> Principal {
        self.default_effective_canister
    }

    /// Accepts no more requests, gives pending requests a second to end, and makes no more rounds.
    /// Then it writes the state, if it is kept.
    ///
    /// # Errors
    /// The state can't be written; an earlier one stays.
    pub async fn stop(self) -> Result<(), String> {
        if let Some(control) = self.control {
            control.task.abort();
        }
        self.server.gateways.close_for(self.instance).await;
        if let Ok(instance) = self.server.instances.get(&self.instance.to_string()) {
            instance.stop_progress().await;
        }
        match self.keeper {
            Some(keeper) => keeper.finish().await,
            None => Ok(()),
        }
    }
}

impl Control {
    async fn open(address: SocketAddr, shared: Shared) -> Result<Self, String> {
        let server = Server::bind(address).await;
        let server = server.map_err(|e| format!("can't listen on {address}: {e}"))?;
        let port = server.port();
        let task = tokio::spawn(async move {
            if let Err(e) = server.serve(shared, None).await {
                eprintln!("the server on port {port} ended with {e}");
            }
        });
        Ok(Self { port, task })
    }
}
