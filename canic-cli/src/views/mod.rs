//! Rows: members, canisters of the pool, operations, releases and rollouts in the form in which
//! they are printed. Their fields are the fields of `--json`, and stay as they are.

pub(crate) mod live;
mod rollouts;

use candid::Principal;
use canic::api::{
    MemberInfo, MemberState, Metric, OperationInfo, OperationKind, OperationState, PoolEntry,
    RolledBack, Source,
};
use serde::Serialize;

use self::live::{LiveRow, MemberSight, days_text};
pub(crate) use self::rollouts::{FailureRow, ReleaseRow, RolloutRow, control_word};
use crate::output::{
    Style, Tone,
    format::{self, Cycles},
    table::Table,
};

/// A member.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct MemberRow {
    pub(crate) canister: Principal,
    pub(crate) role: String,
    pub(crate) key: Option<String>,
    pub(crate) parent: Principal,
    /// `installing`, `active`, `retiring`, `moving` or `upgrading`.
    pub(crate) state: &'static str,
    /// The number of its release; 0 if root has none with its module on record.
    pub(crate) release: u32,
    /// The SHA-256 of its module in hexadecimal digits; empty if root does not know it.
    pub(crate) module: String,
    /// When root registered it, in seconds since 1970.
    pub(crate) since: u64,
    /// The last operation that worked on it.
    pub(crate) operation: u64,
    #[serde(flatten)]
    pub(crate) sight: MemberSight,
}

impl From<MemberInfo> for MemberRow {
    fn from(member: MemberInfo) -> Self {
        Self {
            canister: member.canister,
            role: member.role,
            key: member.key,
            parent: member.parent,
            state: state_word(member.state),
            release: member.release,
            module: hex::encode(&member.module),
            since: format::seconds(member.since),
            operation: member.operation,
            sight: MemberSight::default(),
        }
    }
}

/// The word for a member's state.
pub(crate) fn state_word(state: MemberState) -> &'static str {
    match state {
        MemberState::Installing => "installing",
        MemberState::Active => "active",
        MemberState::Retiring => "retiring",
        MemberState::Moving => "moving",
        MemberState::Upgrading => "upgrading",
    }
}

/// A release's number in text; `-` if it is unknown.
pub(crate) fn release_text(release: u32) -> String {
    match release {
        0 => "-".to_string(),
        number => number.to_string(),
    }
}

/// Members as a table. Without any live state those columns are left out, and so are the parents if
/// all are root: the row of a small fleet fits into a terminal.
pub(crate) fn members_table(rows: &[MemberRow], root: Principal, style: &Style) -> String {
    let names = [
        "CANISTER", "ROLE", "#RELEASE", "STATE", "#CYCLES", "#A DAY", "#LEFT", "PARENT", "KEY",
        "AGE",
    ];
    let is_live = rows.iter().any(|row| row.sight != MemberSight::default());
    let has_parents = rows.iter().any(|row| row.parent != root);
    let is_shown = |at: usize| match at {
        4..7 => is_live,
        7 => has_parents,
        _ => true,
    };
    let keep = |cells: Vec<String>| -> Vec<String> {
        let cells = cells.into_iter().enumerate();
        cells
            .filter(|(at, _)| is_shown(*at))
            .map(|(_, cell)| cell)
            .collect()
    };
    let columns = names.iter().enumerate();
    let columns: Vec<&str> = columns
        .filter(|(at, _)| is_shown(*at))
        .map(|(_, name)| *name)
        .collect();
    let mut table = Table::new(&columns);
    for row in rows {
        let remark = row.sight.remark();
        let tone = match (row.state, remark) {
            (_, Some("frozen")) => Tone::Bad,
            ("active", None) => Tone::Plain,
            _ => Tone::Warn,
        };
        let parent = if row.parent == root {
            "root".to_string()
        } else {
            row.parent.to_text()
        };
        let live = row.sight.live.as_ref();
        let dash = || "-".to_string();
        table.row(
            tone,
            &keep(vec![
                row.canister.to_text(),
                row.role.clone(),
                release_text(row.release),
                remark.map_or(row.state.to_string(), |what| {
                    format!("{}, {what}", row.state)
                }),
                live.map_or_else(dash, |live| format::cycles(live.cycles.0)),
                live.map_or_else(dash, |live| format::cycles(live.burned_per_day.0)),
                live.and_then(|live| live.days_left)
                    .map_or_else(dash, days_text),
                parent,
                row.key.as_deref().map_or_else(dash, |key| shorten(key, 40)),
                style.age(row.since),
            ]),
        );
    }
    table.text(style)
}

/// A canister of the pool.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PoolRow {
    pub(crate) canister: Principal,
    /// Its balance when it was added.
    pub(crate) cycles: Cycles,
    /// The canister as the platform sees it. None: root can't see it, or was not asked.
    pub(crate) live: Option<LiveRow>,
    /// Why root can't see it.
    pub(crate) unseen: Option<String>,
    /// The operation that has claimed it.
    pub(crate) claimed_by: Option<u64>,
    /// When root added it, in seconds since 1970.
    pub(crate) since: u64,
    /// Provisions that the platform refused on it.
    pub(crate) refusals: u32,
    /// The reason for the first of them.
    pub(crate) refused: Option<String>,
}

impl From<PoolEntry> for PoolRow {
    fn from(entry: PoolEntry) -> Self {
        Self {
            canister: entry.canister,
            cycles: Cycles(entry.cycles),
            live: None,
            unseen: None,
            claimed_by: entry.claimed_by,
            since: format::seconds(entry.since),
            refusals: entry.refusals,
            refused: entry.refused,
        }
    }
}

/// An operation.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OperationRow {
    pub(crate) id: u64,
    /// One of [`KINDS`].
    pub(crate) kind: &'static str,
    /// `open`, `done`, `rolled_back`, `abandoned` or `quarantined`.
    pub(crate) state: &'static str,
    /// The step of an open operation, the end of the canister of one that was rolled back, or the
    /// reason why root can't go on.
    pub(crate) detail: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) key: Option<String>,
    /// The parent of its member.
    pub(crate) parent: Option<Principal>,
    /// The release that its member gets by it.
    pub(crate) release: Option<u32>,
    pub(crate) canister: Option<Principal>,
    /// `pool`, `fresh`, `imported` or `existing`.
    pub(crate) source: Option<&'static str>,
    pub(crate) failure: Option<String>,
    /// Tries of the present step.
    pub(crate) attempts: u32,
    /// Calls made so far.
    pub(crate) calls: u32,
    /// Cycles sent with its calls.
    pub(crate) paid: Cycles,
    /// When root accepted it, in seconds since 1970.
    pub(crate) accepted: u64,
    /// When its record last changed, in seconds since 1970.
    pub(crate) updated: u64,
}

impl From<OperationInfo> for OperationRow {
    fn from(operation: OperationInfo) -> Self {
        let (state, detail) = match operation.state {
            OperationState::Open(step) => ("open", Some(step)),
            OperationState::Done => ("done", None),
            OperationState::RolledBack(end) => ("rolled_back", Some(end_word(end).to_string())),
            OperationState::Abandoned(why) => ("abandoned", Some(why)),
            OperationState::Quarantined(why) => ("quarantined", Some(why)),
        };
        Self {
            id: operation.id,
            kind: kind_word(operation.kind),
            state,
            detail,
            role: operation.role,
            key: operation.key,
            parent: operation.parent,
            release: operation.release,
            canister: operation.canister,
            source: operation.source.map(source_word),
            failure: operation.failure,
            attempts: operation.attempts,
            calls: operation.calls,
            paid: Cycles(operation.paid),
            accepted: format::seconds(operation.accepted),
            updated: format::seconds(operation.updated),
        }
    }
}

/// The words for operations' purposes.
pub(crate) const KINDS: [&str; 9] = [
    "provision",
    "refill",
    "retire",
    "import_to_pool",
    "adopt",
    "move",
    "upgrade",
    "grant",
    "refuel",
];

/// The word for an operation's purpose.
pub(crate) fn kind_word(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Provision => "provision",
        OperationKind::Refill => "refill",
        OperationKind::Retire => "retire",
        OperationKind::ImportToPool => "import_to_pool",
        OperationKind::Adopt => "adopt",
        OperationKind::Move => "move",
        OperationKind::Upgrade => "upgrade",
        OperationKind::Grant => "grant",
        OperationKind::Refuel => "refuel",
    }
}

fn end_word(end: RolledBack) -> &'static str {
    match end {
        RolledBack::Nothing => "nothing",
        RolledBack::Recycled => "recycled",
        RolledBack::Deleted => "deleted",
        RolledBack::Untouched => "untouched",
        RolledBack::Reverted => "reverted",
    }
}

/// The word for the origin of a member's canister.
pub(crate) fn source_word(source: Source) -> &'static str {
    match source {
        Source::Pool => "pool",
        Source::Fresh => "fresh",
        Source::Imported => "imported",
        Source::Existing => "existing",
    }
}

/// Operations as a table.
pub(crate) fn operations_table(rows: &[OperationRow], style: &Style) -> String {
    let mut table = Table::new(&[
        "#ID", "KIND", "STATE", "CANISTER", "ROLE", "#TRIES", "#CALLS", "AGE", "DETAIL",
    ]);
    for row in rows {
        let tone = match row.state {
            "quarantined" | "abandoned" => Tone::Bad,
            "rolled_back" => Tone::Warn,
            _ => Tone::Plain,
        };
        let detail = [row.detail.as_deref(), row.failure.as_deref()];
        let detail: Vec<&str> = detail.into_iter().flatten().collect();
        let cells = [
            row.id.to_string(),
            row.kind.to_string(),
            row.state.to_string(),
            row.canister.map_or("-".to_string(), |id| id.to_text()),
            row.role.clone().unwrap_or_else(|| "-".to_string()),
            row.attempts.to_string(),
            row.calls.to_string(),
            style.age(row.accepted),
            shorten(&detail.join(": "), 80),
        ];
        table.row(tone, &cells);
    }
    table.text(style)
}

/// A text of at most so many characters.
pub(crate) fn shorten(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_string();
    }
    let kept: String = text.chars().take(characters.saturating_sub(2)).collect();
    kept + ".."
}

/// The value of a metric with these labels, the sum if several rows have them.
pub(crate) fn metric(metrics: &[Metric], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let mut rows = metrics
        .iter()
        .filter(|metric| metric.name == name)
        .filter(|metric| {
            let has = |(label, value): &(&str, &str)| {
                metric.labels.iter().any(|(l, v)| l == label && v == value)
            };
            labels.iter().all(has)
        })
        .peekable();
    rows.peek()?;
    Some(rows.map(|metric| metric.value).sum())
}

/// A metric that counts cycles.
pub(crate) fn cycles_metric(metrics: &[Metric], name: &str) -> Option<Cycles> {
    // A float of 53 bits is exact to some hundred cycles in 100 T.
    metric(metrics, name, &[]).map(|value| Cycles(value.max(0.0) as u128))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_purpose_of_an_operation_can_be_asked_for() {
        let kinds = [
            OperationKind::Provision,
            OperationKind::Refill,
            OperationKind::Retire,
            OperationKind::ImportToPool,
            OperationKind::Adopt,
            OperationKind::Move,
            OperationKind::Upgrade,
            OperationKind::Grant,
            OperationKind::Refuel,
        ];
        assert_eq!(kinds.map(kind_word), KINDS);
    }
}
