//! The network launcher of `icp`: the program that `ICP_CLI_NETWORK_LAUNCHER_PATH` names, with the
//! arguments and the status file of version 1.1.0 of its interface.

use std::{
    env, fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use canic_replica::{
    SubnetKind,
    http::live::{LiveConfig, LiveNetwork},
};
use clap::Parser;
use serde_json::json;

use crate::start::{network, root_key, subnet_kinds, until_interrupted};

/// The argument that every caller of a launcher gives, and no other caller.
const INTERFACE_VERSION: &str = "--interface-version";

/// Whether this program is called as a launcher.
pub(crate) fn is_launcher() -> bool {
    env::args_os().skip(1).any(|argument| {
        let argument = argument.to_string_lossy();
        argument.split('=').next() == Some(INTERFACE_VERSION)
    })
}

/// Runs one live network for `icp` until it is interrupted: an NNS subnet, the subnet of Internet
/// Identity, and one application subnet or those that are asked for, with the ICP ledger, the
/// cycles ledger and the cycles minting canister.
#[derive(Parser)]
#[command(name = "canic-replica", disable_version_flag = true)]
pub(crate) struct Launcher {
    /// The version of the interface of launchers.
    #[arg(long, value_name = "VERSION", value_parser = ["1.0.0", "1.1.0"])]
    interface_version: String,
    /// Port of the gateway and of agents, 0 for any free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    gateway_port: u16,
    /// Port of PocketIC's protocol, 0 for any free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    config_port: u16,
    /// Address of both ports.
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// Folder that keeps the state, with the subnets that it was created with. `icp` empties it
    /// before each start.
    #[arg(long, value_name = "FOLDER")]
    state_dir: Option<PathBuf>,
    /// Folder for the file `status.json`, which is written when the network is ready.
    #[arg(long, value_name = "FOLDER")]
    status_dir: Option<PathBuf>,
    /// Milliseconds between two rounds.
    #[arg(long, value_name = "MILLISECONDS")]
    artificial_delay_ms: Option<u64>,
    /// A subnet besides NNS and II. May be repeated.
    #[arg(long = "subnet", value_name = "KIND", value_parser = subnet_kinds())]
    subnets: Vec<SubnetKind>,
    /// A domain that the gateway serves besides localhost and 127.0.0.1. Without one, it serves all
    /// hosts. May be repeated.
    #[arg(long = "domain", value_name = "DOMAIN")]
    domains: Vec<String>,
    /// Refused: there is no canister of Internet Identity.
    #[arg(long)]
    ii: bool,
    /// Refused: there are no canisters of the NNS and SNS beyond those above.
    #[arg(long)]
    nns: bool,
    /// Accepted: the network writes no log.
    #[arg(long)]
    verbose: bool,
}

impl Launcher {
    pub(crate) fn run(self) -> io::Result<()> {
        let missing = match (self.ii, self.nns) {
            (_, true) => {
                Some("--nns: there are no governance, registry, SNS and NNS dapp canisters")
            }
            (true, false) => Some("--ii: there is no Internet Identity canister"),
            (false, false) => None,
        };
        if let Some(missing) = missing {
            return Err(io::Error::new(io::ErrorKind::Unsupported, missing));
        }
        let domains = (!self.domains.is_empty()).then(|| {
            let always = std::iter::once("localhost".to_owned());
            always.chain(self.domains).collect()
        });
        let config = LiveConfig {
            state: self.state_dir,
            domains,
            control: Some(SocketAddr::new(self.bind, self.config_port)),
            delay: self.artificial_delay_ms.map(Duration::from_millis),
            ..LiveConfig::new(
                network(&self.subnets)?,
                SocketAddr::new(self.bind, self.gateway_port),
            )
        };
        until_interrupted(config, |network| match &self.status_dir {
            None => Ok(()),
            Some(folder) => write_status(folder, network),
        })
    }
}

/// Tells the caller that the network is ready. It reads the file once that ends in a newline.
fn write_status(folder: &Path, network: &LiveNetwork) -> io::Result<()> {
    let status = json!({
        "v": "1",
        "instance_id": network.instance(),
        "config_port": network.control_port(),
        "gateway_port": network.port(),
        "root_key": root_key(network),
        "default_effective_canister_id": network.default_effective_canister().to_text(),
        "supported_features": [],
    });
    let file = folder.join("status.json");
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&file, format!("{status}\n")))
        .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", file.display())))
}
