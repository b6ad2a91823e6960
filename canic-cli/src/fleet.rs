//! The endpoints of root as functions.

use std::sync::atomic::{AtomicUsize, Ordering};

use candid::{
    CandidType, Principal,
    utils::{ArgumentEncoder, decode_one, encode_args},
};
use canic::api::{
    Denied, MAX_PAGE, MemberInfo, MembersFilter, MembersPage, MembersRequest, Metric, MetricsPage,
    ModuleInfo, ModulesPage, OperationInfo, OperationsFilter, OperationsPage, OperationsRequest,
    PageRequest, PoolEntry, PoolPage, ReleaseInfo, ReleasesPage, ReleasesRequest, RolloutInfo,
    RolloutPage, RolloutQuery, RolloutsPage,
};
use ic_agent::{Agent, AgentError, agent::RejectResponse};
use serde::de::DeserializeOwned;

use crate::{
    connection::{Connection, Network, unreachable},
    failure::{Failure, Kind},
};

/// A fleet, by its root.
#[derive(Clone)]
pub(crate) struct Fleet {
    pub(crate) agent: Agent,
    pub(crate) network: Network,
    pub(crate) root: Principal,
    /// The principal that asks.
    pub(crate) caller: Principal,
}

/// Calls that the program has made.
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// Calls that the program has made so far, to root and to the network.
pub(crate) fn calls() -> usize {
    CALLS.load(Ordering::Relaxed)
}

impl Fleet {
    /// The fleet at the end of a connection. Nothing is asked yet.
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            agent: connection.agent,
            network: connection.network,
            root: connection.root,
            caller: connection.caller,
        }
    }

    /// A query of any canister.
    ///
    /// # Errors
    /// No answer, or one of another type.
    pub(crate) async fn query<R: CandidType + DeserializeOwned>(
        &self,
        canister: Principal,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> Result<R, Failure> {
        let argument = encode(method, args)?;
        CALLS.fetch_add(1, Ordering::Relaxed);
        let call = self.agent.query(&canister, method).with_arg(argument);
        let reply = call.call().await;
        self.decode(canister, method, reply)
    }

    /// An update of root.
    ///
    /// # Errors
    /// No answer, or one of another type.
    pub(crate) async fn update<R: CandidType + DeserializeOwned>(
        &self,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> Result<R, Failure> {
        let argument = encode(method, args)?;
        CALLS.fetch_add(1, Ordering::Relaxed);
        let call = self.agent.update(&self.root, method).with_arg(argument);
        let reply = call.call_and_wait().await;
        self.decode(self.root, method, reply)
    }

    /// A call of the management canister about a canister.
    ///
    /// # Errors
    /// No answer, or one of another type.
    pub(crate) async fn management<R: CandidType + DeserializeOwned>(
        &self,
        about: Principal,
        method: &str,
        is_query: bool,
        args: impl ArgumentEncoder,
    ) -> Result<R, Failure> {
        let argument = encode(method, args)?;
        CALLS.fetch_add(1, Ordering::Relaxed);
        let management = Principal::management_canister();
        let reply = if is_query {
            let call = self.agent.query(&management, method).with_arg(argument);
            call.with_effective_canister_id(about).call().await
        } else {
            let call = self.agent.update(&management, method).with_arg(argument);
            call.with_effective_canister_id(about).call_and_wait().await
        };
        self.decode(about, method, reply)
    }

    /// A call of the management canister about a canister, which answers nothing.
    ///
    /// # Errors
    /// The platform refuses.
    pub(crate) async fn order(
        &self,
        about: Principal,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> Result<(), Failure> {
        let argument = encode(method, args)?;
        CALLS.fetch_add(1, Ordering::Relaxed);
        let management = Principal::management_canister();
        let call = self.agent.update(&management, method).with_arg(argument);
        let reply = call.with_effective_canister_id(about).call_and_wait().await;
        reply
            .map(drop)
            .map_err(|error| self.explain(about, method, &error))
    }

    /// A text among a canister's metadata; none if it has none that the caller may read.
    ///
    /// # Errors
    /// The network does not answer.
    pub(crate) async fn metadata(
        &self,
        canister: Principal,
        name: &str,
    ) -> Result<Option<String>, Failure> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        match self
            .agent
            .read_state_canister_metadata(canister, name)
            .await
        {
            Ok(bytes) => Ok(String::from_utf8(bytes).ok()),
            Err(AgentError::LookupPathAbsent(_) | AgentError::LookupPathUnknown(_)) => Ok(None),
            // The platform refuses to read metadata that does not exist, or is private.
            Err(AgentError::HttpError(error)) if matches!(error.status, 400 | 403 | 404) => {
                Ok(None)
            }
            Err(error) => Err(self.explain(canister, name, &error)),
        }
    }

    /// The controllers of a canister, which the network tells everyone.
    ///
    /// # Errors
    /// The network does not answer, or has no such canister.
    pub(crate) async fn controllers(&self, canister: Principal) -> Result<Vec<Principal>, Failure> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        let read = self.agent.read_state_canister_controllers(canister).await;
        read.map_err(|error| self.explain(canister, "controllers", &error))
    }

    /// The SHA-256 of a canister's module; none if it has no code.
    ///
    /// # Errors
    /// The network does not answer.
    pub(crate) async fn module_hash(
        &self,
        canister: Principal,
    ) -> Result<Option<Vec<u8>>, Failure> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        match self.agent.read_state_canister_module_hash(canister).await {
            Ok(hash) => Ok(Some(hash)),
            Err(AgentError::LookupPathAbsent(_)) => Ok(None),
            Err(error) => Err(self.explain(canister, "module_hash", &error)),
        }
    }

    fn decode<R: CandidType + DeserializeOwned>(
        &self,
        canister: Principal,
        method: &str,
        reply: Result<Vec<u8>, AgentError>,
    ) -> Result<R, Failure> {
        let reply = reply.map_err(|error| self.explain(canister, method, &error))?;
        decode_one(&reply).map_err(|_| {
            Failure::new(
                Kind::OtherRoot,
                format!("{canister} answers `{method}` in a form that this program does not know"),
            )
            .with_advice("Root's canic is newer or older: use the `canic` of the same version.")
        })
    }

    /// Why a call failed, and what to do about it.
    pub(crate) fn explain(&self, canister: Principal, method: &str, error: &AgentError) -> Failure {
        match error {
            AgentError::CertifiedReject { reject, .. }
            | AgentError::UncertifiedReject { reject, .. } => {
                self.rejected(canister, method, reject)
            }
            AgentError::CertificateVerificationFailed()
            | AgentError::QuerySignatureVerificationFailed => Failure::new(
                Kind::Unreachable,
                format!(
                    "the answers of {} prove nothing: another key signs them",
                    self.network.url
                ),
            )
            .with_advice(
                "If you trust this network, give its key with `--root-key HEX`, or `--root-key \
                 fetch` to believe what it says.",
            ),
            AgentError::HttpError(error)
                if String::from_utf8_lossy(&error.content).contains("canister_not_found") =>
            {
                not_there(canister, &self.network.url)
            }
            AgentError::HttpError(error) => Failure::refused(format!(
                "{} answered `{method}` with status {}: {}",
                self.network.url,
                error.status,
                String::from_utf8_lossy(&error.content).trim()
            )),
            AgentError::TransportError(_) | AgentError::TimeoutWaitingForResponse() => {
                unreachable(&self.network.url, &error.to_string())
            }
            error => Failure::refused(format!("`{method}` of {canister}: {error}")),
        }
    }

    fn rejected(&self, canister: Principal, method: &str, reject: &RejectResponse) -> Failure {
        let message = &reject.reject_message;
        let what = match reject.error_code.as_deref() {
            Some("IC0536") => {
                return missing_endpoint(canister, method);
            }
            Some("IC0301") => return not_there(canister, &self.network.url),
            Some("IC0537") => format!("the canister {canister} has no code"),
            Some("IC0406" | "IC0502") if message.contains("rejected the message") => {
                return self.denied(method, "controllers of root");
            }
            Some("IC0512" | "IC0542") => return self.kept_from(canister, method),
            _ if message.contains("Only controllers") || message.contains("is not allowed to") => {
                return self.kept_from(canister, method);
            }
            _ => return Failure::refused(format!("`{method}` of {canister}: {message}")),
        };
        Failure::new(Kind::OtherRoot, what)
            .with_advice("Name the fleet's root with `--root`, and its network with `--network`.")
    }

    /// The failure of a caller who may not do that.
    pub(crate) fn denied(&self, method: &str, allowed: &str) -> Failure {
        let (caller, root) = (self.caller, self.root);
        Failure::new(
            Kind::NotAllowed,
            format!("{caller} may not call `{method}`: it is for {allowed}"),
        )
        .with_advice(format!(
            "Use a controller's identity (`--identity`, `--pem`), or let a controller add yours: \
             `icp canister settings update {root} --add-controller {caller}`."
        ))
    }

    /// The failure of a caller who is no controller of a canister.
    fn kept_from(&self, canister: Principal, method: &str) -> Failure {
        if canister == self.root {
            return self.denied(method, "controllers of root");
        }
        let caller = self.caller;
        let what = format!("{caller} may not call `{method}` of {canister}: root controls it");
        Failure::new(Kind::NotAllowed, what).with_advice(format!(
            "New members of a role with `controllers(\"{caller}\")` in root's attribute let your \
             identity in, too."
        ))
    }

    fn admitted<T>(&self, method: &str, answer: Result<T, Denied>) -> Result<T, Failure> {
        answer.map_err(|denied| self.denied(method, &denied.allowed))
    }

    /// A query of root that may be denied.
    ///
    /// # Errors
    /// Root denies it, does not answer, or answers another type.
    pub(crate) async fn ask<T: CandidType + DeserializeOwned>(
        &self,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> Result<T, Failure> {
        let answer: Result<T, Denied> = self.query(self.root, method, args).await?;
        self.admitted(method, answer)
    }
}

/// The failure of a canister that does not exist.
fn not_there(canister: Principal, url: &str) -> Failure {
    let what = format!("there is no canister {canister} on {url}");
    Failure::new(Kind::OtherRoot, what)
        .with_advice("Name the fleet's root with `--root`, and its network with `--network`.")
}

/// The failure of a canister that lacks an endpoint.
fn missing_endpoint(canister: Principal, method: &str) -> Failure {
    Failure::new(
        Kind::OtherRoot,
        format!("{canister} has no endpoint `{method}`"),
    )
    .with_advice(
        "Either it is not the root of a fleet (`--root`), or its canic is older than this program: \
         upgrade root, or use the `canic` of root's version.",
    )
}

fn encode(method: &str, args: impl ArgumentEncoder) -> Result<Vec<u8>, Failure> {
    encode_args(args).map_err(|e| Failure::refused(format!("the argument of `{method}`: {e}")))
}

/// The lists of root. Each function reads all pages.
impl Fleet {
    /// A page of members.
    ///
    /// # Errors
    /// Root does not answer.
    pub(crate) async fn members_page(
        &self,
        filter: MembersFilter,
        after: Option<Principal>,
        limit: u32,
    ) -> Result<MembersPage, Failure> {
        let request = MembersRequest {
            filter,
            after,
            limit,
        };
        self.ask("canic_members", (request,)).await
    }

    /// All members of a filter, and `seen` after each page: rows so far, rows in all.
    ///
    /// # Errors
    /// Root does not answer.
    pub(crate) async fn members(
        &self,
        filter: &MembersFilter,
        seen: impl Fn(u64, u64),
    ) -> Result<Vec<MemberInfo>, Failure> {
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let page = self.members_page(filter.clone(), after, MAX_PAGE).await?;
            rows.extend(page.members);
            seen(rows.len() as u64, page.total);
            after = page.next;
            if after.is_none() {
                return Ok(rows);
            }
        }
    }

    /// The pool, oldest first.
    ///
    /// # Errors
    /// Root does not answer.
    pub(crate) async fn pool(&self) -> Result<Vec<PoolEntry>, Failure> {
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let page: PoolPage = self.ask("canic_pool", (page(after),)).await?;
            rows.extend(page.entries);
            after = page.next;
            if after.is_none() {
                return Ok(rows);
            }
        }
    }

    /// All operations of a filter, oldest first.
    ///
    /// # Errors
    /// Root does not answer.
    pub(crate) async fn operations(
        &self,
        filter: OperationsFilter,
    ) -> Result<Vec<OperationInfo>, Failure> {
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let request = OperationsRequest {
                filter,
                after,
                limit: MAX_PAGE,
            };
            let page: OperationsPage = self.ask("canic_operations", (request,)).await?;
            rows.extend(page.operations);
            after = page.next;
            if after.is_none() {
                return Ok(rows);
            }
        }
    }

    /// An operation.
    ///
    /// # Errors
    /// Root does not answer.
    pub(crate) async fn operation(&self, id: u64) -> Result<Option<OperationInfo>, Failure> {
        self.ask("canic_operation", (id,)).await
    }

    /// The approved modules: the current one of each role.
    ///
    /// # Errors
    /// Root does not answer.
    pub(crate) async fn modules(&self) -> Result<Vec<ModuleInfo>, Failure> {
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let page: ModulesPage = self.ask("canic_modules", (page(after),)).await?;
            rows.extend(page.modules);
            after = page.next;
            if after.is_none() {
                return Ok(rows);
            }
        }
    }

    /// The releases of a role, oldest first.
    ///
    /// # Errors
    /// Root does not answer.
    pub(crate) async fn releases(&self, role: &str) -> Result<Vec<ReleaseInfo>, Failure> {
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let request = ReleasesRequest {
                role: role.to_string(),
                after,
                limit: MAX_PAGE,
            };
            let page: ReleasesPage = self.ask("canic_releases", (request,)).await?;
            rows.extend(page.releases);
            after = page.next;
            if after.is_none() {
                return Ok(rows);
            }
        }
    }

    /// The rollouts, oldest first.
    ///
    /// # Errors
    /// Root does not answer.
    pub(crate) async fn rollouts(&self) -> Result<Vec<RolloutInfo>, Failure> {
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let page: RolloutsPage = self.ask("canic_rollouts", (page(after),)).await?;
            rows.extend(page.rollouts);
            after = page.next;
            if after.is_none() {
                return Ok(rows);
            }
        }
    }

    /// A rollout with its first failures.
    ///
    /// # Errors
    /// Root does not answer.
    pub(crate) async fn rollout(&self, rollout: u32) -> Result<Option<RolloutPage>, Failure> {
        let query = RolloutQuery {
            rollout,
            after: None,
            limit: 100,
        };
        self.ask("canic_rollout", (query,)).await
    }

    /// The metrics of a canister.
    ///
    /// # Errors
    /// It does not answer.
    pub(crate) async fn metrics(&self, canister: Principal) -> Result<Vec<Metric>, Failure> {
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let method = "canic_metrics";
            let answer: Result<MetricsPage, Denied> =
                self.query(canister, method, (page(after),)).await?;
            let page = match answer {
                Err(_) if canister != self.root => return Err(self.kept_from(canister, method)),
                answer => self.admitted(method, answer)?,
            };
            rows.extend(page.metrics);
            after = page.next;
            if after.is_none() {
                return Ok(rows);
            }
        }
    }
}

fn page(after: Option<u64>) -> PageRequest {
    PageRequest {
        after,
        limit: MAX_PAGE,
    }
}
