//! The command `start`, and what the launcher of `icp` shares with it: one live network that ends
//! when it is interrupted.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use canic_replica::{
    Config, SubnetKind, SystemCanisters,
    http::live::{LiveConfig, LiveNetwork},
};
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};

/// Runs one live network until Ctrl-C: an NNS subnet, the subnet of Internet Identity, and one
/// application subnet or those that are asked for, with the ICP ledger, the cycles ledger and the
/// cycles minting canister. It follows the wall clock. Agents and browsers use the same port.
#[derive(Args)]
pub(crate) struct Start {
    /// Address to listen on.
    #[arg(short, long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    ip_addr: IpAddr,
    /// Port to listen on, 0 for any free one.
    #[arg(short, long, default_value_t = 8000)]
    port: u16,
    /// A subnet besides NNS and II. May be repeated.
    #[arg(long = "subnet", value_name = "KIND", value_parser = subnet_kinds())]
    subnets: Vec<SubnetKind>,
    /// Folder that keeps the state, with the subnets that it was created with. It is written each
    /// minute in which messages were executed, and at the end.
    #[arg(long, value_name = "FOLDER")]
    state_dir: Option<PathBuf>,
}

/// The kinds of subnets by their names, in PocketIC's order.
const SUBNETS: [(&str, SubnetKind); 10] = [
    ("nns", SubnetKind::NNS),
    ("sns", SubnetKind::SNS),
    ("ii", SubnetKind::II),
    ("fiduciary", SubnetKind::Fiduciary),
    ("bitcoin", SubnetKind::Bitcoin),
    ("test-threshold-keys", SubnetKind::TestThresholdKeys),
    ("system", SubnetKind::System),
    ("application", SubnetKind::Application),
    ("cloud-engine", SubnetKind::CloudEngine),
    ("verified-application", SubnetKind::VerifiedApplication),
];

pub(crate) fn subnet_kinds() -> impl TypedValueParser<Value = SubnetKind> {
    let kind = |name: String| {
        let found = SUBNETS.iter().find(|(known, _)| *known == name);
        found.map_or(SubnetKind::Application, |(_, kind)| *kind)
    };
    PossibleValuesParser::new(SUBNETS.map(|(name, _)| name)).map(kind)
}

impl Start {
    pub(crate) fn run(self) -> io::Result<()> {
        let address = SocketAddr::new(self.ip_addr, self.port);
        let config = LiveConfig {
            state: self.state_dir.clone(),
            ..LiveConfig::new(network(&self.subnets)?, address)
        };
        until_interrupted(config, |network| {
            let host = match self.ip_addr.is_loopback() {
                true => format!("localhost:{}", network.port()),
                false => SocketAddr::new(self.ip_addr, network.port()).to_string(),
            };
            println!("URL: http://{host}/\nRoot key: {}", root_key(network));
            Ok(())
        })
    }
}

/// Starts a live network, announces it, and stops it when the program is interrupted.
pub(crate) fn until_interrupted(
    config: LiveConfig,
    announce: impl FnOnce(&LiveNetwork) -> io::Result<()>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let network = LiveNetwork::start(config).await;
        let network = network.map_err(io::Error::other)?;
        let ended = match announce(&network) {
            Ok(()) => interrupted().await,
            refused => refused,
        };
        let stopped = network.stop().await.map_err(io::Error::other);
        ended.and(stopped)
    });
    // Messages that are still executing are dropped.
    runtime.shutdown_background();
    ended
}

/// The root key of a network in hexadecimal digits.
pub(crate) fn root_key(network: &LiveNetwork) -> String {
    hex::encode(network.root_key())
}

/// The network of a shell, with the system canisters and these subnets besides NNS and II; without
/// any, with an application subnet.
pub(crate) fn network(asked: &[SubnetKind]) -> io::Result<Config> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_err(io::Error::other)?.as_nanos();
    let always = [SubnetKind::NNS, SubnetKind::II];
    let asked = match asked {
        [] => &[SubnetKind::Application],
        asked => asked,
    };
    let of_kind = |(_, kind): &(&str, SubnetKind)| {
        let count = match always.contains(kind) {
            true => 1,
            false => asked.iter().filter(|asked| *asked == kind).count(),
        };
        std::iter::repeat_n(*kind, count)
    };
    Ok(Config {
        subnets: SUBNETS.iter().flat_map(of_kind).collect(),
        time: Some(u64::try_from(now).map_err(io::Error::other)?),
        system_canisters: SystemCanisters {
            icp_ledger: true,
            cycles_ledger: true,
            cycles_minting: true,
        },
        ..Config::default()
    })
}

/// Returns when the program is asked to end.
#[cfg(unix)]
pub(crate) async fn interrupted() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done,
        _ = terminate.recv() => Ok(()),
    }
}

/// Returns when the program is asked to end.
#[cfg(not(unix))]
pub(crate) async fn interrupted() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
