//! `canic ops`, `op` and `releases`: root's other lists.

use std::cmp::Reverse;

use canic::api::OperationsFilter;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::{
    commands::{
        filter::is_part,
        find::{self, canister},
        page::{cut, next_page},
        watch::Watch,
    },
    failure::Failure,
    fleet::Fleet,
    medic,
    output::{self, Out, Style, Text, Tone, format},
    views::{self, OperationRow, ReleaseRow},
};

#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct OpsArgs {
    /// Operations in these states
    #[arg(long, value_enum, default_values = ["open"])]
    pub(crate) state: Vec<Section>,
    /// Operations of this purpose
    #[arg(long, value_name = "KIND", value_parser = views::KINDS)]
    pub(crate) kind: Option<String>,
    /// Operations on members of this role
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<String>,
    /// Operations on children of this member (PRINCIPAL or ROLE/KEY), or of `root`
    #[arg(long, value_name = "PARENT")]
    pub(crate) parent: Option<String>,
    /// Operations that give their member this release
    #[arg(long, value_name = "NUMBER")]
    pub(crate) release: Option<u32>,
    /// Operations whose member's key contains this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) key: Option<String>,
    /// Operations on this canister
    #[arg(long, value_name = "CANISTER")]
    pub(crate) canister: Option<String>,
    /// The column to sort by
    #[arg(long, value_enum, default_value = "newest")]
    pub(crate) sort: OpsSort,
    /// Begin after so many rows
    #[arg(long, default_value_t = 0, value_name = "ROWS")]
    pub(crate) skip: usize,
    /// The number of rows; 0 for all
    #[arg(long, default_value_t = 50, value_name = "ROWS")]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) watch: Watch,
}

/// The orders of operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OpsSort {
    /// The newest first
    #[default]
    Newest,
    /// The oldest first
    Oldest,
    /// Those with the most tries of their step first
    Tries,
    /// Those with the most calls first
    Calls,
    /// Those that paid most first
    Paid,
}

/// The lists of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Section {
    Open,
    Quarantined,
    Closed,
    All,
}

impl Section {
    fn filters(self) -> &'static [OperationsFilter] {
        use OperationsFilter::{Closed, Open, Quarantined};
        match self {
            Self::Open => &[Open],
            Self::Quarantined => &[Quarantined],
            Self::Closed => &[Closed],
            Self::All => &[Open, Quarantined, Closed],
        }
    }
}

/// A page of operations.
#[derive(Debug, Serialize)]
pub(crate) struct OpsReport {
    /// In the order that was asked for.
    pub(crate) operations: Vec<OperationRow>,
    /// The place of the page's first row among all that match.
    pub(crate) skipped: usize,
    /// All operations that match.
    pub(crate) matching: usize,
    /// What root did not tell.
    pub(crate) unknown: Vec<String>,
}

pub(crate) async fn operations(fleet: &Fleet, args: &OpsArgs, out: &Out) -> Result<(), Failure> {
    let ask = async || ask_operations(fleet, args).await;
    args.watch.report(out, ask).await
}

/// Asks root for the operations of a selection.
///
/// # Errors
/// Root does not answer, or the canister or the parent is no principal.
pub(crate) async fn ask_operations(fleet: &Fleet, args: &OpsArgs) -> Result<OpsReport, Failure> {
    let of = args.canister.as_deref().map(canister).transpose()?;
    let parent = match &args.parent {
        None => None,
        Some(text) => Some(find::parent(fleet, text).await?),
    };
    let mut rows = Vec::new();
    for section in &args.state {
        for filter in section.filters() {
            let operations = fleet.operations(*filter).await?;
            rows.extend(operations.into_iter().map(OperationRow::from));
        }
    }
    let unknown = not_told(&rows, args);
    rows.retain(|row| {
        args.kind.as_ref().is_none_or(|kind| row.kind == kind)
            && (args.role.is_none() || row.role == args.role)
            && is_part(args.key.as_deref(), row.key.as_deref())
            && (of.is_none() || row.canister == of)
            && (parent.is_none() || row.parent == parent)
            && (args.release.is_none() || row.release == args.release)
    });
    rows.sort_by_key(|row| Reverse(row.id));
    rows.dedup_by_key(|row| row.id);
    match args.sort {
        OpsSort::Newest => {}
        OpsSort::Oldest => rows.reverse(),
        OpsSort::Tries => rows.sort_by_key(|row| Reverse(row.attempts)),
        OpsSort::Calls => rows.sort_by_key(|row| Reverse(row.calls)),
        OpsSort::Paid => rows.sort_by_key(|row| Reverse(row.paid)),
    }
    let matching = rows.len();
    Ok(OpsReport {
        operations: cut(rows, args.skip, args.limit),
        skipped: args.skip,
        matching,
        unknown,
    })
}

/// What of the selection an older root does not tell. A present one tells the parent of each
/// operation on a member.
fn not_told(rows: &[OperationRow], args: &OpsArgs) -> Vec<String> {
    let mut on_members = rows.iter().filter(|row| row.role.is_some());
    let is_older = on_members.any(|row| row.parent.is_none());
    let asked = [
        ("parents", args.parent.is_some()),
        ("releases", args.release.is_some()),
    ];
    let asked = asked.into_iter().filter(|(_, asked)| *asked && is_older);
    asked
        .map(|(what, _)| format!("the {what} of operations: root's canic is older"))
        .collect()
}

impl Text for OpsReport {
    fn text(&self, style: &Style) -> String {
        let unknown = output::not_shown(&self.unknown, style);
        if self.matching == 0 {
            return "no operations\n".to_string() + &unknown;
        }
        let shown = self.operations.len();
        views::operations_table(&self.operations, style)
            + &next_page(self.skipped, shown, self.matching, "operation")
            + &unknown
    }
}

#[derive(clap::Args)]
pub(crate) struct OpArgs {
    /// The number of the operation
    id: u64,
    #[command(flatten)]
    watch: Watch,
}

pub(crate) async fn operation(fleet: &Fleet, args: &OpArgs, out: &Out) -> Result<(), Failure> {
    let ask = async || ask_operation(fleet, args.id).await;
    args.watch.report(out, ask).await
}

async fn ask_operation(fleet: &Fleet, id: u64) -> Result<OperationRow, Failure> {
    match fleet.operation(id).await? {
        Some(operation) => Ok(operation.into()),
        None => Err(
            Failure::refused(format!("root has no operation {id}")).with_advice(
                "It has forgotten it, or never had it: `canic ops --state all` lists those it has.",
            ),
        ),
    }
}

impl Text for OperationRow {
    fn text(&self, style: &Style) -> String {
        let tone = match self.state {
            "quarantined" | "abandoned" => Tone::Bad,
            "rolled_back" | "open" => Tone::Warn,
            _ => Tone::Good,
        };
        let state = style.paint(tone, self.state);
        let mut text = format!(
            "operation  {} ({})\nstate      {state}\n",
            self.id, self.kind
        );
        let what = match self.state {
            "open" => "step",
            "rolled_back" => "canister's end",
            _ => "reason",
        };
        let canister = self.canister.map(|canister| canister.to_text());
        let paid = (self.paid.0 > 0).then(|| format::cycles(self.paid.0));
        let lines = [
            (what, self.detail.clone()),
            ("failure", self.failure.clone()),
            ("canister", canister),
            ("role", self.role.clone()),
            ("key", self.key.clone()),
            ("parent", self.parent.map(|parent| parent.to_text())),
            ("release", self.release.map(|release| release.to_string())),
            ("source", self.source.map(str::to_string)),
            (
                "tries",
                (self.state == "open").then(|| self.attempts.to_string()),
            ),
            ("calls", Some(self.calls.to_string())),
            ("paid", paid),
            (
                "accepted",
                Some(format!("{} ago", style.age(self.accepted))),
            ),
            ("updated", Some(format!("{} ago", style.age(self.updated)))),
        ];
        for (name, value) in lines {
            if let Some(value) = value {
                text += &format!("{name:<9}  {value}\n");
            }
        }
        if self.state == "quarantined" {
            text += &format!("mend it    {}\n", medic::mend(self));
        }
        text
    }
}

#[derive(clap::Args)]
pub(crate) struct ReleasesArgs {
    /// The role; all roles without one
    role: Option<String>,
}

/// Releases, oldest first.
#[derive(Debug, Serialize)]
pub(crate) struct ReleasesReport {
    pub(crate) releases: Vec<ReleaseRow>,
}

pub(crate) async fn releases(fleet: &Fleet, args: &ReleasesArgs, out: &Out) -> Result<(), Failure> {
    out.report(&ReleasesReport {
        releases: ask_releases(fleet, args.role.as_deref()).await?,
    })
}

/// Asks root for the releases of a role, or of all roles.
///
/// # Errors
/// Root does not answer.
pub(crate) async fn ask_releases(
    fleet: &Fleet,
    role: Option<&str>,
) -> Result<Vec<ReleaseRow>, Failure> {
    let roles = match role {
        Some(role) => vec![role.to_string()],
        None => {
            let modules = fleet.modules().await?;
            modules.into_iter().map(|module| module.role).collect()
        }
    };
    let mut rows = Vec::new();
    for role in roles {
        let releases = fleet.releases(&role).await?;
        rows.extend(releases.into_iter().map(|row| ReleaseRow::new(&role, row)));
    }
    Ok(rows)
}

impl Text for ReleasesReport {
    fn text(&self, style: &Style) -> String {
        match self.releases.as_slice() {
            [] => "no releases; `canic release ROLE WASM` makes one\n".to_string(),
            rows => ReleaseRow::table(rows, style),
        }
    }
}

#[cfg(test)]
mod tests {
    use candid::Principal;
    use canic::api::{OperationInfo, OperationKind, OperationState};

    use super::*;

    fn operation(role: Option<&str>, parent: Option<Principal>) -> OperationRow {
        let operation = OperationInfo {
            id: 1,
            kind: OperationKind::Provision,
            state: OperationState::Done,
            role: role.map(str::to_string),
            key: None,
            parent,
            release: None,
            canister: None,
            source: None,
            failure: None,
            attempts: 0,
            calls: 0,
            paid: 0,
            accepted: 0,
            updated: 0,
        };
        operation.into()
    }

    #[test]
    fn what_an_older_root_does_not_tell_of_operations_is_named() {
        let rows = [
            operation(None, None),
            operation(Some("worker"), Some(Principal::anonymous())),
        ];
        let older = [operation(None, None), operation(Some("worker"), None)];
        let args = OpsArgs {
            parent: Some("root".to_string()),
            release: Some(1),
            ..OpsArgs::default()
        };
        assert_eq!(not_told(&rows, &args), [""; 0]);
        assert_eq!(not_told(&older, &OpsArgs::default()), [""; 0]);
        let told = not_told(&older, &args);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("the parents of operations"), "{told:?}");
    }
}
