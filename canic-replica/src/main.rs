//! `canic-replica`: the server binary. It takes the arguments of PocketIC's server, so that `POCKET_IC_BIN` can name it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use canic_replica::http::Server;

/// The client accepts servers of its own major version.
const VERSION: &str = "pocket-ic-server 16.1.0";

const HELP: &str = "\
canic-replica: a light local replica of the Internet Computer that speaks PocketIC's HTTP protocol

Usage: canic-replica [OPTIONS]

Options:
  -i, --ip-addr <IP>       address to listen on [default: 127.0.0.1]
  -p, --port <PORT>        port to listen on, 0 for any free one [default: 0]
      --port-file <FILE>   file to write the port to; if it exists, another server runs and this one ends
      --ttl <SECONDS>      ends after this time without a request [default: 60]
      --hard-ttl <SECONDS> ends after this time in any case
  -l, --log-levels <ANY>   accepted for compatibility; no log is written
  -V, --version            prints the version of the protocol
  -h, --help               prints this
";

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(Command::Serve(arguments)) => arguments,
        Ok(Command::Print(text)) => {
            println!("{}", text.trim_end());
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("error: {message}; see canic-replica --help");
            return ExitCode::from(2);
        }
    };
    match serve(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

enum Command {
    Serve(Arguments),
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
