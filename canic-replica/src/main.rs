//! The server binary `canic-replica`. It takes the arguments of PocketIC's server, so that
//! `POCKET_IC_BIN` can name it. Its command `start` runs one live network instead; `did` and
//! `completions` start no server.

use std::{
    fs::{self, File},
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use canic_replica::{
    Config, SubnetKind, SystemCanisters, candid_interface,
    http::{Server, live::LiveNetwork},
    with_candid_interface,
};
use clap::{
    Args, CommandFactory, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use clap_complete::Shell;

/// canic-replica: a light local replica of the Internet Computer that speaks PocketIC's HTTP
/// protocol.
// The client accepts servers of its own major version, and reads name and number of `--version`.
#[derive(Parser)]
#[command(
    name = "canic-replica",
    display_name = "pocket-ic-server",
    version = "16.1.0",
    args_override_self = true,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Subcommand)]
enum Command {
    Start(Start),
    Did(Did),
    /// Prints a script that completes the arguments of this program in a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// The arguments of PocketIC's server.
#[derive(Args)]
struct Serve {
    /// Address to listen on.
    #[arg(short, long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    ip_addr: IpAddr,
    /// Port to listen on, 0 for any free one.
    #[arg(short, long, default_value_t = 0)]
    port: u16,
    /// File to write the port to. If it exists, another server runs, and this one ends.
    #[arg(long, value_name = "FILE")]
    port_file: Option<PathBuf>,
    /// Seconds without a request after which the server ends.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    ttl: u64,
    /// Seconds after which the server ends in any case.
    #[arg(long, value_name = "SECONDS")]
    hard_ttl: Option<u64>,
    /// Accepted for compatibility; the server writes no log.
    #[arg(short, long, value_name = "ANY")]
    log_levels: Option<String>,
}

/// Runs one live network until Ctrl-C: an NNS subnet, the subnet of Internet Identity, and one
/// application subnet or those that are asked for, with the ICP ledger, the cycles ledger and the
/// cycles minting canister. It follows the wall clock. Agents and browsers use the same port.
#[derive(Args)]
struct Start {
    /// Address to listen on.
    #[arg(short, long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    ip_addr: IpAddr,
    /// Port to listen on, 0 for any free one.
    #[arg(short, long, default_value_t = 8000)]
    port: u16,
    /// A subnet besides NNS and II. May be repeated.
    #[arg(long = "subnet", value_name = "KIND", value_parser = subnet_kinds())]
    subnets: Vec<SubnetKind>,
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

fn subnet_kinds() -> impl TypedValueParser<Value = SubnetKind> {
    let kind = |name: String| {
        let found = SUBNETS.iter().find(|(known, _)| *known == name);
        found.map_or(SubnetKind::Application, |(_, kind)| *kind)
    };
    PossibleValuesParser::new(SUBNETS.map(|(name, _)| name)).map(kind)
}

/// Prints the Candid interface of a canister's module.
#[derive(Args)]
struct Did {
    /// The module: Wasm or gzipped Wasm.
    module: PathBuf,
    /// Writes the interface to this file instead.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Writes the module, decompressed, with the interface as public metadata `candid:service`
    /// instead.
    #[arg(long, value_name = "FILE")]
    embed: Option<PathBuf>,
}

fn main() -> ExitCode {
    let done = match Cli::try_parse() {
        Ok(cli) => match cli.command {
            None => cli.serve.run(),
            Some(Command::Start(start)) => start.run(),
            Some(Command::Did(did)) => did.run(),
            Some(Command::Completions { shell }) => complete(shell),
        },
        Err(error) if error.use_stderr() => {
            // Nobody is left to hear of a standard error that is closed.
            let _ = error.print();
            return ExitCode::from(2);
        }
        Err(help) => ignore_closed_pipe(help.print()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A reader of the output may close the pipe early, as `head -1` does.
fn ignore_closed_pipe(printed: io::Result<()>) -> io::Result<()> {
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// Prints the completions of a shell.
fn complete(shell: Shell) -> io::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "canic-replica", &mut script);
    ignore_closed_pipe(io::stdout().write_all(&script))
}

impl Start {
    fn run(self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let ended = runtime.block_on(self.serve());
        // Messages that are still executing are dropped.
        runtime.shutdown_background();
        ended
    }

    async fn serve(self) -> io::Result<()> {
        let address = SocketAddr::new(self.ip_addr, self.port);
        let network = LiveNetwork::start(self.config()?, address)
            .await
            .map_err(io::Error::other)?;
        let host = match self.ip_addr.is_loopback() {
            true => format!("localhost:{}", network.port()),
            false => SocketAddr::new(self.ip_addr, network.port()).to_string(),
        };
        let key: String = (network.root_key().iter())
            .map(|byte| format!("{byte:02x}"))
            .collect();
        println!("URL: http://{host}/\nRoot key: {key}");
        let interrupted = interrupted().await;
        network.stop().await;
        interrupted
    }

    fn config(&self) -> io::Result<Config> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_err(io::Error::other)?.as_nanos();
        let always = [SubnetKind::NNS, SubnetKind::II];
        let asked = match self.subnets.as_slice() {
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
}

impl Did {
    fn run(self) -> io::Result<()> {
        let module = fs::read(&self.module).map_err(|e| about(&self.module, e))?;
        let invalid = |why| {
            about(
                &self.module,
                io::Error::new(io::ErrorKind::InvalidData, why),
            )
        };
        let interface = candid_interface(&module).map_err(invalid)?;
        if let Some(file) = &self.embed {
            let module = with_candid_interface(&module, &interface).map_err(invalid)?;
            fs::write(file, module).map_err(|e| about(file, e))?;
        }
        match &self.output {
            Some(file) => fs::write(file, interface).map_err(|e| about(file, e)),
            None if self.embed.is_some() => Ok(()),
            None => io::stdout().write_all(interface.as_bytes()),
        }
    }
}

/// Puts the file that an error is about before its text.
fn about(file: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", file.display()))
}

impl Serve {
    fn run(self) -> io::Result<()> {
        // All clients of one test process start a server with the same port file: the first server
        // serves them all.
        let port_file = match &self.port_file {
            None => None,
            Some(path) => match File::create_new(path) {
                Ok(file) => Some(file),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
                Err(e) => {
                    return Err(io::Error::new(
                        e.kind(),
                        format!("the port file {}: {e}", path.display()),
                    ));
                }
            },
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let served = runtime.block_on(self.listen(port_file));
        if let Some(path) = &self.port_file {
            match fs::remove_file(path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        // Messages that are still executing are dropped: no client waits for them any more.
        runtime.shutdown_background();
        served
    }

    async fn listen(&self, port_file: Option<File>) -> io::Result<()> {
        let address = SocketAddr::new(self.ip_addr, self.port);
        let server = Server::bind(address)
            .await
            .map_err(|e| io::Error::new(e.kind(), format!("can't listen on {address}: {e}")))?;
        if let Some(mut file) = port_file {
            // One write: the client takes the newline for the end of the file.
            file.write_all(format!("{}\n", server.port()).as_bytes())?;
        } else {
            println!("listening on port {}", server.port());
        }
        tokio::select! {
            ended = server.run(Some(Duration::from_secs(self.ttl))) => ended,
            () = hard_end(self.hard_ttl.map(Duration::from_secs)) => Ok(()),
            interrupted = interrupted() => interrupted,
        }
    }
}

async fn hard_end(hard_ttl: Option<Duration>) {
    match hard_ttl {
        Some(hard_ttl) => tokio::time::sleep(hard_ttl).await,
        None => std::future::pending().await,
    }
}

#[cfg(unix)]
async fn interrupted() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn interrupted() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
