//! The server binary `canic-replica`. It takes the arguments of PocketIC's server, so that
//! `POCKET_IC_BIN` can name it. With `--interface-version` it is the network launcher of `icp`. Its
//! command `start` runs one live network; `did` and `completions` start no server.

mod launcher;
mod start;

use std::{
    fs::{self, File},
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use canic_replica::{candid_interface, http::Server, with_candid_interface};
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::{
    launcher::{Launcher, is_launcher},
    start::{Start, interrupted},
};

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
    disable_help_subcommand = true,
    after_help = "ICP_CLI_NETWORK_LAUNCHER_PATH of `icp` can name this program. \
                  `--interface-version 1.1.0 --help` lists the arguments of a launcher."
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
    let done = match is_launcher() {
        true => Launcher::try_parse().map(Launcher::run),
        false => Cli::try_parse().map(Cli::run),
    };
    let done = match done {
        Ok(done) => done,
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

impl Cli {
    fn run(self) -> io::Result<()> {
        match self.command {
            None => self.serve.run(),
            Some(Command::Start(start)) => start.run(),
            Some(Command::Did(did)) => did.run(),
            Some(Command::Completions { shell }) => complete(shell),
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
