//! Networks: their address, and the key that their certificates are verified with.

use std::{fs, path::Path};

use ic_agent::Agent;
use serde_json::Value;

use crate::{
    connection::project,
    failure::{Failure, Kind},
};

/// The address of the Internet Computer.
const IC: &str = "https://icp-api.io";
/// The address of a local network without files of `icp`: the default of `canic local`.
const LOCAL: &str = "http://localhost:8000";

/// The key of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    /// The Internet Computer's.
    Known,
    /// The one that the network tells.
    Told,
    /// This one, DER.
    Given(Vec<u8>),
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    /// Its address.
    pub(crate) url: String,
    key: Key,
}

impl Network {
    /// The network of a name or URL.
    ///
    /// # Errors
    /// It is neither, or `icp`'s file about the local network can't be read.
    pub(crate) fn resolve(name: &str, root_key: Option<&str>) -> Result<Self, Failure> {
        let (url, key) = match name {
            "ic" => (IC.to_string(), Key::Known),
            "local" => match project::folder() {
                Some(folder) => local(&folder)?,
                None => (LOCAL.to_string(), Key::Told),
            },
            url if url.starts_with("http://") || url.starts_with("https://") => {
                (url.to_string(), key_of(url))
            }
            other => {
                let what = format!("`{other}` is no network");
                return Err(Failure::new(Kind::Usage, what)
                    .with_advice("Write `local`, `ic`, or a URL such as http://localhost:8000."));
            }
        };
        let key = match root_key {
            None => key,
            Some("fetch") => Key::Told,
            Some(digits) => {
                let key = hex::decode(digits);
                let wrong = |_| Failure::new(Kind::Usage, "--root-key has hexadecimal digits");
                Key::Given(key.map_err(wrong)?)
            }
        };
        Ok(Self { url, key })
    }

    /// A network by its address and its key, DER.
    pub(crate) fn of(url: &str, key: Vec<u8>) -> Self {
        Self {
            url: url.to_string(),
            key: Key::Given(key),
        }
    }

    /// The environment of `icp` that belongs to this network.
    pub(crate) fn environment(&self) -> &'static str {
        match self.key {
            Key::Known => "ic",
            _ => "local",
        }
    }

    /// Gives the network's key to an agent, and so sees whether the network answers.
    ///
    /// # Errors
    /// It does not answer.
    pub(crate) async fn trust(&self, agent: &Agent) -> Result<(), Failure> {
        match &self.key {
            Key::Known => Ok(()),
            Key::Given(key) => {
                agent.set_root_key(key.clone());
                Ok(())
            }
            Key::Told => agent
                .fetch_root_key()
                .await
                .map_err(|e| unreachable(&self.url, &e.to_string())),
        }
    }
}

/// The failure of a network that does not answer.
pub(crate) fn unreachable(url: &str, reason: &str) -> Failure {
    let advice = if is_loopback(url) {
        "Start one with `canic local` or `icp network start`, or name another with `--network`."
    } else {
        "Look at the address and your connection, then try again."
    };
    Failure::new(
        Kind::Unreachable,
        format!("the network at {url} does not answer: {reason}"),
    )
    .with_advice(advice)
}

/// The local network of `icp` in a project, if it runs; otherwise the one of `canic local`.
fn local(folder: &Path) -> Result<(String, Key), Failure> {
    let file = folder.join(".icp/cache/networks/local/descriptor.json");
    let Ok(text) = fs::read_to_string(&file) else {
        let own = project::local_fleet(folder)?;
        let url = own.as_ref().and_then(|own| own["url"].as_str());
        return Ok((url.unwrap_or(LOCAL).to_string(), Key::Told));
    };
    let descriptor: Value = serde_json::from_str(&text)
        .map_err(|e| Failure::setup(format!("{}: {e}", file.display())))?;
    let port = descriptor["gateway"]["port"].as_u64();
    let key = descriptor["root-key"].as_str().map(hex::decode);
    match (port, key) {
        (Some(port), Some(Ok(key))) => Ok((format!("http://localhost:{port}"), Key::Given(key))),
        _ => Err(
            Failure::setup(format!("{} has neither port nor root key", file.display()))
                .with_advice("Give the network's address with `--network URL`."),
        ),
    }
}

fn key_of(url: &str) -> Key {
    if is_loopback(url) {
        Key::Told
    } else {
        // An address that is not the Internet Computer's and has no key given fails at the first
        // certificate: a key that anyone may tell proves nothing.
        Key::Known
    }
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(v6),
        None => authority.split(':').next().unwrap_or(authority),
    }
}

fn is_loopback(url: &str) -> bool {
    let host = host(url);
    host == "localhost" || host.ends_with(".localhost") || host == "::1" || host.starts_with("127.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_on_this_machine_tells_its_key_and_no_other_does() {
        for (url, key) in [
            ("http://localhost:8000", Key::Told),
            ("http://127.0.0.1:4943/", Key::Told),
            ("http://[::1]:80", Key::Told),
            ("https://icp0.io", Key::Known),
            ("https://localhost.evil.example", Key::Known),
            ("https://evil.example/localhost", Key::Known),
        ] {
            assert_eq!(Network::resolve(url, None).unwrap().key, key, "{url}");
        }
        let given = Network::resolve("https://evil.example", Some("00ff")).unwrap();
        assert_eq!(given.key, Key::Given(vec![0, 255]));
    }

    #[test]
    fn what_is_no_network_is_refused_with_the_choices() {
        let refused = Network::resolve("mainnet", None).unwrap_err();
        assert_eq!(refused.kind, Kind::Usage);
        assert!(refused.advice.unwrap().contains("`local`, `ic`"));
    }
}
