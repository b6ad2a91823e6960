//! A live network for a shell: one instance that follows the wall clock, with an HTTP gateway and
//! the interface of agents on one port.

use std::net::SocketAddr;

use pocket_ic::common::rest::InstanceHttpGatewayConfig;
use tokio::task::spawn_blocking;

use crate::{
    http::{answer::Failure, gateway, instances::Validation, shared::Shared},
    network::Config,
    replica::Replica,
};

/// A live network. It ends with the tokio runtime that it was started on, or with [`Self::stop`].
pub struct LiveNetwork {
    server: Shared,
    instance: usize,
    port: u16,
    root_key: Vec<u8>,
}

impl LiveNetwork {
    /// Starts a network on a multi-threaded tokio runtime. Port 0 means any free port.
    ///
    /// # Errors
    /// The address is not available, or the configuration is invalid: a sentence that says so.
    pub async fn start(config: Config, address: SocketAddr) -> Result<Self, String> {
        let message = |failure: Failure| failure.message;
        let replica = spawn_blocking(move || Replica::new(config)).await;
        let replica = replica.map_err(|error| error.to_string())??;
        let root_key = replica.root_key();
        let server = Shared::default();
        let (number, instance) = server.instances.add(replica, Validation::Enabled);
        let config = InstanceHttpGatewayConfig {
            ip_addr: Some(address.ip().to_string()),
            port: Some(address.port()),
            domains: None,
            https_config: None,
            domain_custom_provider_local_file: None,
        };
        let gateway = gateway::open(&server, number, instance.clone(), config).await;
        let gateway = gateway.map_err(message)?;
        instance.start_progress(None).await.map_err(message)?;
        Ok(Self {
            server,
            instance: number,
            port: gateway.port,
            root_key,
        })
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The public key that verifies all its certificates, DER.
    pub fn root_key(&self) -> &[u8] {
        &self.root_key
    }

    /// Accepts no more requests, gives pending requests a second to end, and makes no more rounds.
    pub async fn stop(self) {
        self.server.gateways.close_for(self.instance).await;
        if let Ok(instance) = self.server.instances.get(&self.instance.to_string()) {
            instance.stop_progress().await;
        }
    }
}
