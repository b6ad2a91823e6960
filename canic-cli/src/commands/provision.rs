//! `canic provision`: a member, or a batch of them from a file.

use std::{fs, path::PathBuf, time::Duration};

use candid::Principal;
use candid_parser::{
    parse_idl_args,
    utils::{CandidSource, instantiate_candid},
};
use canic::api::{
    BatchError, MembersFilter, OperationId, OperationState, Progress, ProvisionError,
    ProvisionRequest, Provisioned,
};
use serde::{Deserialize, Serialize};

use crate::{
    commands::find,
    failure::{Failure, Kind},
    fleet::Fleet,
    output::{Out, Style, Text, Tone, format, progress, table::Table},
    views,
};

/// Requests of one call at most.
const BATCH: usize = 1_000;

/// The pause between two looks at a batch.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The role
    #[arg(required_unless_present = "batch", conflicts_with = "batch")]
    role: Option<String>,
    /// The member's key: the same role and key always mean the same member
    #[arg(long, value_name = "KEY", conflicts_with = "batch")]
    key: Option<String>,
    /// Its parent, PRINCIPAL or ROLE/KEY: root without it
    #[arg(long, value_name = "PARENT", conflicts_with = "batch")]
    parent: Option<String>,
    /// The argument of its `init`, as Candid text such as `(record { owner = .. })`
    #[arg(long, value_name = "CANDID", conflicts_with = "batch")]
    arg: Option<String>,
    /// The role's Candid interface, for the argument's type; a member's own without it
    #[arg(long, value_name = "FILE")]
    did: Option<PathBuf>,
    /// A file of JSON: an array of `{"role", "key", "parent", "arg"}`, the last three optional
    #[arg(long, value_name = "FILE")]
    batch: Option<PathBuf>,
}

/// A request in a file.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Wish {
    role: String,
    key: Option<String>,
    parent: Option<String>,
    arg: Option<String>,
}

/// A member that was provisioned.
#[derive(Debug, Serialize)]
struct Report {
    canister: Principal,
    /// `pool`, `fresh`, `imported` or `existing`.
    source: &'static str,
    operation: u64,
}

impl Text for Report {
    fn text(&self, _style: &Style) -> String {
        let from = match self.source {
            "pool" => "from the pool",
            "fresh" => "freshly created",
            "existing" => "there already",
            source => source,
        };
        format!(
            "{} {from}, by operation {}\n",
            self.canister, self.operation
        )
    }
}

pub(crate) async fn run(fleet: &Fleet, args: &Args, out: &Out) -> Result<(), Failure> {
    match (&args.batch, &args.role) {
        (Some(file), _) => batch(fleet, args, file, out).await,
        (None, Some(role)) => {
            let wish = Wish {
                role: role.clone(),
                key: args.key.clone(),
                parent: args.parent.clone(),
                arg: args.arg.clone(),
            };
            one(fleet, args, &wish, out).await
        }
        (None, None) => Err(Failure::new(Kind::Usage, "name a role or a batch")
            .with_advice("`canic provision ROLE`, or `canic provision --batch FILE`.")),
    }
}

async fn one(fleet: &Fleet, args: &Args, wish: &Wish, out: &Out) -> Result<(), Failure> {
    let interface = interface(fleet, args, wish).await?;
    let request = request(fleet, wish, interface.as_deref()).await?;
    let method = "canic_provision";
    let answer: Result<Provisioned, ProvisionError> = fleet.update(method, (request,)).await?;
    let there = answer.map_err(|error| explain(fleet, method, &error))?;
    out.report(&Report {
        canister: there.canister,
        source: views::source_word(there.source),
        operation: there.operation,
    })
}

fn explain(fleet: &Fleet, method: &str, error: &ProvisionError) -> Failure {
    let failure = Failure::refused(error.to_string());
    match error {
        ProvisionError::Denied(denied) => fleet.denied(method, &denied.allowed),
        ProvisionError::NoModule { role } => {
            failure.with_advice(format!("`canic release {role} WASM` gives it one."))
        }
        ProvisionError::Pending { operation } | ProvisionError::Quarantined { operation, .. } => {
            failure.with_advice(format!("`canic op {operation}` shows it."))
        }
        error if error.retry() => failure.with_advice("The same command may be repeated."),
        _ => failure,
    }
}

/// The interface that types an argument: a file's, or that of a member of the role.
async fn interface(fleet: &Fleet, args: &Args, wish: &Wish) -> Result<Option<String>, Failure> {
    if wish.arg.is_none() {
        return Ok(None);
    }
    if let Some(file) = &args.did {
        let text = fs::read_to_string(file);
        return text
            .map(Some)
            .map_err(|e| Failure::setup(format!("{}: {e}", file.display())));
    }
    let filter = MembersFilter::Role(wish.role.clone());
    let page = fleet.members_page(filter, None, 1).await?;
    match page.members.first() {
        None => Ok(None),
        Some(member) => fleet.metadata(member.canister, "candid:service").await,
    }
}

async fn request(
    fleet: &Fleet,
    wish: &Wish,
    interface: Option<&str>,
) -> Result<ProvisionRequest, Failure> {
    let arg = match &wish.arg {
        None => Vec::new(),
        Some(text) => argument(text, interface)?,
    };
    let parent = match &wish.parent {
        None => None,
        Some(text) => Some(find::parent(fleet, text).await?),
    };
    Ok(ProvisionRequest {
        role: wish.role.clone(),
        key: wish.key.clone(),
        parent,
        arg,
    })
}

/// An argument in Candid text as bytes, by the types of an interface if there is one.
fn argument(text: &str, interface: Option<&str>) -> Result<Vec<u8>, Failure> {
    let wrong = |why: String| Failure::new(Kind::Usage, format!("the argument `{text}`: {why}"));
    let values = parse_idl_args(text).map_err(|e| wrong(e.to_string()))?;
    let Some(interface) = interface else {
        return values.to_bytes().map_err(|e| wrong(e.to_string()));
    };
    let (types, (env, _)) = instantiate_candid(CandidSource::Text(interface))
        .map_err(|e| Failure::setup(format!("the role's interface: {e}")))?;
    values
        .to_bytes_with_types(&env, &types)
        .map_err(|e| wrong(e.to_string()))
}

/// The end of a batch.
#[derive(Debug, Serialize)]
struct BatchReport {
    requests: usize,
    done: u32,
    rolled_back: u32,
    quarantined: u32,
    /// Requests that root did not take, and operations that failed.
    failures: Vec<BatchFailure>,
}

#[derive(Debug, Serialize)]
struct BatchFailure {
    /// The place of the request in the file, from 0.
    request: usize,
    operation: Option<u64>,
    reason: String,
}

async fn batch(fleet: &Fleet, args: &Args, file: &PathBuf, out: &Out) -> Result<(), Failure> {
    let text =
        fs::read_to_string(file).map_err(|e| Failure::setup(format!("{}: {e}", file.display())))?;
    let wishes: Vec<Wish> = serde_json::from_str(&text)
        .map_err(|e| Failure::setup(format!("{}: {e}", file.display())))?;
    let mut requests = Vec::new();
    let mut interfaces: Vec<(String, Option<String>)> = Vec::new();
    for wish in &wishes {
        if !interfaces.iter().any(|(role, _)| *role == wish.role) || wish.arg.is_none() {
            let found = interface(fleet, args, wish).await?;
            interfaces.push((wish.role.clone(), found));
        }
        let known = interfaces.iter().rev().find(|(role, _)| *role == wish.role);
        let interface = known.and_then(|(_, interface)| interface.as_deref());
        requests.push(request(fleet, wish, interface).await?);
    }
    let mut report = BatchReport {
        requests: requests.len(),
        done: 0,
        rolled_back: 0,
        quarantined: 0,
        failures: Vec::new(),
    };
    let mut accepted: Vec<(usize, OperationId)> = Vec::new();
    for (at, requests) in requests.chunks(BATCH).enumerate() {
        accept(fleet, at * BATCH, requests, &mut accepted, &mut report).await?;
    }
    follow(fleet, &accepted, &mut report).await?;
    let failed = report.failures.len() as u64;
    out.report(&report)?;
    match failed {
        0 => Ok(()),
        failed => Err(
            Failure::refused(format!("{} failed", format::count(failed, "request"))).with_advice(
                "Requests with a key may be repeated: those that succeeded stay as they are.",
            ),
        ),
    }
}

/// Sends some of the requests, of which the first has the place `first`.
async fn accept(
    fleet: &Fleet,
    first: usize,
    requests: &[ProvisionRequest],
    accepted: &mut Vec<(usize, OperationId)>,
    report: &mut BatchReport,
) -> Result<(), Failure> {
    type Answers = Vec<Result<OperationId, ProvisionError>>;
    let method = "canic_provision_batch";
    let answer: Result<Answers, BatchError> = fleet.update(method, (requests.to_vec(),)).await?;
    let answers = answer.map_err(|error| match error {
        BatchError::Denied(denied) => fleet.denied(method, &denied.allowed),
        error => Failure::refused(error.to_string()),
    })?;
    for (at, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(operation) => accepted.push((first + at, operation)),
            Err(error) => report.failures.push(BatchFailure {
                request: first + at,
                operation: None,
                reason: error.to_string(),
            }),
        }
    }
    Ok(())
}

/// Waits until the operations have ended, and asks those that failed for their reasons.
async fn follow(
    fleet: &Fleet,
    accepted: &[(usize, OperationId)],
    report: &mut BatchReport,
) -> Result<(), Failure> {
    let bar = progress::bar(accepted.len() as u64, "members");
    for part in accepted.chunks(BATCH) {
        let ids: Vec<OperationId> = part.iter().map(|(_, id)| *id).collect();
        let ended = loop {
            let progress = ask_progress(fleet, &ids).await?;
            let ended = u64::from(progress.done + progress.rolled_back + progress.quarantined);
            bar.set_position(u64::from(report.done) + ended);
            if progress.queued + progress.running == 0 {
                break progress;
            }
            tokio::time::sleep(PAUSE).await;
        };
        report.done += ended.done;
        report.rolled_back += ended.rolled_back;
        report.quarantined += ended.quarantined;
        if ended.rolled_back + ended.quarantined > 0 {
            for (request, id) in part {
                report
                    .failures
                    .extend(failure_of(fleet, *request, *id).await?);
            }
        }
    }
    bar.finish_and_clear();
    report.failures.sort_by_key(|failure| failure.request);
    Ok(())
}

async fn ask_progress(fleet: &Fleet, ids: &[OperationId]) -> Result<Progress, Failure> {
    let method = "canic_progress";
    let answer: Result<Progress, BatchError> =
        fleet.query(fleet.root, method, (ids.to_vec(),)).await?;
    answer.map_err(|error| match error {
        BatchError::Denied(denied) => fleet.denied(method, &denied.allowed),
        error => Failure::refused(error.to_string()),
    })
}

async fn failure_of(
    fleet: &Fleet,
    request: usize,
    id: OperationId,
) -> Result<Option<BatchFailure>, Failure> {
    let Some(operation) = fleet.operation(id).await? else {
        return Ok(None);
    };
    let reason = match (operation.state, operation.failure) {
        (OperationState::Done | OperationState::Open(_), _) => return Ok(None),
        (OperationState::Quarantined(why) | OperationState::Abandoned(why), _) => why,
        (OperationState::RolledBack(_), reason) => reason.unwrap_or_default(),
    };
    Ok(Some(BatchFailure {
        request,
        operation: Some(id),
        reason,
    }))
}

impl Text for BatchReport {
    fn text(&self, style: &Style) -> String {
        let mut text = format!("{} of {} done", self.done, self.requests);
        if self.rolled_back > 0 {
            text += &format!(", {} rolled back", self.rolled_back);
        }
        if self.quarantined > 0 {
            text += &format!(", {} in quarantine", self.quarantined);
        }
        text += "\n";
        if !self.failures.is_empty() {
            let mut table = Table::new(&["#REQUEST", "#OPERATION", "REASON"]);
            for failure in &self.failures {
                let operation = failure.operation;
                let cells = [
                    failure.request.to_string(),
                    operation.map_or("-".to_string(), |id| id.to_string()),
                    views::shorten(&failure.reason, 240),
                ];
                table.row(Tone::Bad, &cells);
            }
            text += &table.text(style);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use candid::decode_one;

    use super::*;

    #[test]
    fn an_argument_has_the_types_of_the_interface() {
        let interface = "service : (record { size : nat32 }) -> { }";
        let bytes = argument("(record { size = 7 })", Some(interface)).unwrap();
        #[derive(candid::CandidType, Deserialize)]
        struct Init {
            size: u32,
        }
        assert_eq!(decode_one::<Init>(&bytes).unwrap().size, 7);
        let wrong = argument("(record { size = \"x\" })", Some(interface)).unwrap_err();
        assert_eq!(wrong.kind, Kind::Usage);
        assert!(argument("(7", None).is_err());
        let untyped = argument("(\"text\")", None).unwrap();
        assert_eq!(decode_one::<String>(&untyped).unwrap(), "text");
    }

    #[test]
    fn a_batch_with_an_unknown_field_is_refused() {
        let wishes = |text| serde_json::from_str::<Vec<Wish>>(text);
        assert_eq!(wishes(r#"[{"role": "worker"}]"#).unwrap().len(), 1);
        assert!(wishes(r#"[{"role": "worker", "keys": "a"}]"#).is_err());
    }
}
