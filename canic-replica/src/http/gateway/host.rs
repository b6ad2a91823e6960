//! Hosts: which canister a request is for, and whether its answer must be certified.
//!
//! The first label of the host is the canister's id, or ends in `--` and the id. A second label
//! `raw` asks for answers without certificates. Without an id in the host, the parameter
//! `canisterId` names the canister.

use axum::http::{HeaderMap, Uri, header};
use candid::Principal;

use crate::http::gateway::refusal::Refusal;

/// The hosts that a gateway serves.
pub(super) enum Hosts {
    /// Every host.
    Any,
    /// These domains, in lower case, and their subdomains for canisters.
    Only(Vec<String>),
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The canister, if the request names one.
    pub(super) canister: Option<Principal>,
    /// Whether the answer must be certified.
    pub(super) certified: bool,
}

impl Hosts {
    /// The hosts of a gateway that was created for `domains`. PocketIC's gateways serve 127.0.0.1
    /// in addition, for agents.
    pub(super) fn new(domains: Option<&[String]>) -> Self {
        let Some(domains) = domains else {
            return Self::Any;
        };
        let named = domains.iter().map(|domain| normal(domain));
        Self::Only(named.chain(["127.0.0.1".to_owned()]).collect())
    }

    /// What a request with this URI and these headers is for.
    pub(super) fn target(&self, uri: &Uri, headers: &HeaderMap) -> Result<Target, Refusal> {
        let host = host(uri, headers).ok_or_else(Refusal::no_authority)?;
        let target = match self {
            Self::Any => subdomain(&host),
            Self::Only(domains) => domains.iter().find_map(|domain| below(&host, domain)),
        };
        let mut target = target.ok_or_else(|| Refusal::unknown_domain(&host))?;
        if target.canister.is_none() {
            target.canister = parameter(uri.query())?;
        }
        Ok(target)
    }
}

/// The host's name without its port.
fn host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let authority = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => headers.get(header::HOST)?.to_str().ok()?,
    };
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => authority,
    };
    (!name.is_empty()).then(|| normal(name))
}

/// Names of hosts are compared in lower case and without the dot of the root.
fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// What a host below one of the named domains is for: `<id>.<domain>`, `<id>.raw.<domain>`, or the
/// domain itself. `None`: the domain does not serve this host.
fn below(host: &str, domain: &str) -> Option<Target> {
    if host == domain {
        return Some(Target {
            canister: None,
            certified: true,
        });
    }
    let labels = host.strip_suffix(domain)?.strip_suffix('.')?;
    match labels.split_once('.') {
        None | Some((_, "raw")) => subdomain(host),
        Some(_) => None,
    }
}

/// What the first labels of a host say.
fn subdomain(host: &str) -> Option<Target> {
    let mut labels = host.split('.');
    let first = labels.next()?;
    let id = first.rsplit("--").next()?;
    Some(Target {
        canister: Principal::from_text(id).ok(),
        certified: labels.next() != Some("raw"),
    })
}

fn parameter(query: Option<&str>) -> Result<Option<Principal>, Refusal> {
    let named = query.and_then(|query| {
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix("canisterId="))
    });
    named
        .map(|id| Principal::from_text(id).map_err(|e| Refusal::wrong_canister_id(&e)))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "qoctq-giaaa-aaaaa-aaaea-cai";

    fn target(hosts: &Hosts, host: &str, uri: &str) -> Result<(bool, bool), u16> {
        let headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
        let target = hosts.target(&uri.parse().unwrap(), &headers);
        target
            .map(|target| (target.canister.is_some(), target.certified))
            .map_err(|refusal| refusal.status.as_u16())
    }

    /// dfinity/ic-gateway src/routing/domain.rs, with its flag `domain_skip_authority_validation`.
    #[test]
    fn without_domains_any_host_is_served() {
        let any = Hosts::new(None);
        for host in [
            "localhost",
            "some.example.dev",
            "localhost:8080",
            "LOCALHOST.",
        ] {
            assert_eq!(target(&any, &format!("{ID}.{host}"), "/"), Ok((true, true)));
            assert_eq!(
                target(&any, &format!("{ID}.raw.{host}"), "/"),
                Ok((true, false))
            );
            assert_eq!(
                target(&any, &format!("pr-7--{ID}.{host}"), "/"),
                Ok((true, true))
            );
            let uri = format!("/?a=b&canisterId={ID}");
            assert_eq!(target(&any, host, &uri), Ok((true, true)));
            assert_eq!(target(&any, host, "/?canisterId=nonsense"), Err(400));
            assert_eq!(target(&any, host, "/"), Ok((false, true)));
        }
        assert_eq!(target(&any, "[::1]:80", "/"), Ok((false, true)));
        assert_eq!(target(&any, "", "/"), Err(400));
    }

    /// dfinity/ic-gateway src/routing/domain.rs, and dfinity/ic
    /// rs/pocket_ic_server/src/state_api/state.rs for 127.0.0.1.
    #[test]
    fn with_domains_only_those_are_served() {
        let only = Hosts::new(Some(&["Example.org".to_owned(), "localhost".to_owned()]));
        let uri = format!("/?canisterId={ID}");
        for host in ["example.org", "localhost:1", "127.0.0.1"] {
            assert_eq!(target(&only, host, &uri), Ok((true, true)), "{host}");
            let raw = format!("{ID}.raw.{host}");
            assert_eq!(target(&only, &raw, "/"), Ok((true, false)), "{host}");
        }
        let others = ["example.com", "notexample.org", "org", "a.b.example.org"];
        for host in others {
            assert_eq!(target(&only, host, &uri), Err(400), "{host}");
        }
        let deep = format!("{ID}.a.raw.example.org");
        assert_eq!(target(&only, &deep, "/"), Err(400));
    }
}
