//! `canic-replica`: the server binary. It takes the arguments of PocketIC's server, so that `POCKET_IC_BIN` can name it; and
//! `did`, which needs no server.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use canic_replica::http::Server;
use canic_replica::{candid_interface, with_candid_interface};

/// The client accepts servers of its own major version.
const VERSION: &str = "pocket-ic-server 16.1.0";

const HELP: &str = "\
canic-replica: a light local replica of the Internet Computer that speaks PocketIC's HTTP protocol

Usage: canic-replica [OPTIONS]
       canic-replica did <MODULE> [-o <FILE>] [--embed <FILE>]

Options:
  -i, --ip-addr <IP>       address to listen on [default: 127.0.0.1]
  -p, --port <PORT>        port to listen on, 0 for any free one [default: 0]
      --port-file <FILE>   file to write the port to; if it exists, another server runs and this one ends
      --ttl <SECONDS>      ends after this time without a request [default: 60]
      --hard-ttl <SECONDS> ends after this time in any case
  -l, --log-levels <ANY>   accepted for compatibility; no log is written
  -V, --version            prints the version of the protocol
  -h, --help               prints this

The command `did` prints the Candid interface of a canister's module, Wasm or gzipped Wasm.
  -o, --output <FILE>      writes it to this file instead
      --embed <FILE>       writes the module, decompressed, with the interface as public metadata `candid:service` instead
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    let command = match arguments.next_if(|first| first == "did") {
        Some(_) => Did::parse(arguments),
        None => Arguments::parse(arguments),
    };
    let done = match command {
        Ok(Command::Serve(arguments)) => serve(arguments),
        Ok(Command::Did(did)) => did.run(),
        Ok(Command::Print(text)) => {
            let printed = writeln!(io::stdout(), "{}", text.trim_end());
            // Whoever reads the first line only has seen enough.
            printed.or_else(|e| match e.kind() {
                io::ErrorKind::BrokenPipe => Ok(()),
                _ => Err(e),
            })
        }
        Err(message) => {
            eprintln!("error: {message}; see canic-replica --help");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

enum Command {
    Serve(Arguments),
    Did(Did),
    Print(&'static str),
}

struct Arguments {
    address: SocketAddr,
    port_file: Option<PathBuf>,
    ttl: Duration,
    hard_ttl: Option<Duration>,
}

impl Arguments {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Command, String> {
        let mut parsed = Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            port_file: None,
            ttl: Duration::from_secs(60),
            hard_ttl: None,
        };
        let mut rest = arguments;
        while let Some(argument) = rest.next() {
            let (name, inline) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (argument.as_str(), None),
            };
            let mut value = || {
                inline
                    .clone()
                    .or_else(|| rest.next())
                    .ok_or(format!("{name} needs a value"))
            };
            match name {
                "-h" | "--help" => return Ok(Command::Print(HELP)),
                "-V" | "--version" => return Ok(Command::Print(VERSION)),
                "-i" | "--ip-addr" => parsed.address.set_ip(read::<IpAddr>(name, &value()?)?),
                "-p" | "--port" => parsed.address.set_port(read(name, &value()?)?),
                "--port-file" => parsed.port_file = Some(value()?.into()),
                "--ttl" => parsed.ttl = Duration::from_secs(read(name, &value()?)?),
                "--hard-ttl" => parsed.hard_ttl = Some(Duration::from_secs(read(name, &value()?)?)),
                "-l" | "--log-levels" => drop(value()?),
                _ => return Err(format!("unknown argument `{argument}`")),
            }
        }
        Ok(Command::Serve(parsed))
    }
}

/// The command `did`.
struct Did {
    module: PathBuf,
    output: Option<PathBuf>,
    embed: Option<PathBuf>,
}

impl Did {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Command, String> {
        let (mut module, mut output, mut embed) = (None, None, None);
        while let Some(argument) = arguments.next() {
            let (place, file) = match argument.as_str() {
                "-h" | "--help" => return Ok(Command::Print(HELP)),
                "-o" | "--output" => (&mut output, arguments.next()),
                "--embed" => (&mut embed, arguments.next()),
                other if other.starts_with('-') => {
                    return Err(format!("unknown argument `{argument}`"));
                }
                _ => (&mut module, Some(argument.clone())),
            };
            let file = file.ok_or_else(|| format!("{argument} needs a file"))?;
            if place.replace(file.into()).is_some() {
                return Err(format!("`{argument}` is one too many"));
            }
        }
        let module = module.ok_or("did needs the file of a module")?;
        Ok(Command::Did(Self {
            module,
            output,
            embed,
        }))
    }

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

/// An error that names the file it is about.
fn about(file: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", file.display()))
}

fn read<T: std::str::FromStr<Err: std::fmt::Display>>(
    name: &str,
    value: &str,
) -> Result<T, String> {
    value.parse().map_err(|e| format!("{name} `{value}`: {e}"))
}

fn serve(arguments: Arguments) -> io::Result<()> {
    // All clients of one test process start a server with the same port file: the first one serves them all.
    let port_file = match &arguments.port_file {
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
    let served = runtime.block_on(listen(&arguments, port_file));
    if let Some(path) = &arguments.port_file {
        match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    // Messages may still be executing; nobody waits for them any more.
    runtime.shutdown_background();
    served
}

async fn listen(arguments: &Arguments, port_file: Option<File>) -> io::Result<()> {
    let server = Server::bind(arguments.address).await.map_err(|e| {
        io::Error::new(
            e.kind(),
            format!("can't listen on {}: {e}", arguments.address),
        )
    })?;
    if let Some(mut file) = port_file {
        // One write: the client takes the newline for the end.
        file.write_all(format!("{}\n", server.port()).as_bytes())?;
    } else {
        println!("listening on port {}", server.port());
    }
    tokio::select! {
        ended = server.run(Some(arguments.ttl)) => ended,
        () = hard_end(arguments.hard_ttl) => Ok(()),
        interrupted = interrupted() => interrupted,
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
