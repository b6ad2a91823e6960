//! `canic members`: members by role, parent, key, release and state.

use std::{cmp::Ordering, collections::HashSet};

use candid::Principal;
use canic::api::{Denied, MemberInfo, MemberRequest, MembersFilter};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::{
    commands::status::told,
    failure::{Failure, Kind},
    fleet::Fleet,
    output::{
        self, Out, Style, Text,
        format::{self, Cycles},
        progress,
    },
    views::{self, MemberRow},
};

/// The members to show, and their order. The dashboard asks with the same names.
#[derive(clap::Args, Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Selection {
    /// Members of this role
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<String>,
    /// Children of this member (PRINCIPAL or ROLE/KEY), or of `root`
    #[arg(long, value_name = "PARENT")]
    pub(crate) parent: Option<String>,
    /// Members whose key contains this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) key: Option<String>,
    /// Members that have this release
    #[arg(long, value_name = "NUMBER")]
    pub(crate) release: Option<u32>,
    /// Members in this state
    #[arg(long, value_enum)]
    pub(crate) state: Option<State>,
    /// The column to sort by
    #[arg(long, value_enum, default_value = "canister")]
    pub(crate) sort: Sort,
    /// Begin after so many rows
    #[arg(long, default_value_t = 0, value_name = "ROWS")]
    pub(crate) skip: usize,
    /// The number of rows; 0 for all
    #[arg(long, default_value_t = 100, value_name = "ROWS")]
    pub(crate) limit: usize,
    /// Only what root has on record: does not ask the platform for cycles and run states
    #[arg(long)]
    pub(crate) on_record: bool,
}

/// The states of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Installing,
    Active,
    Retiring,
    Moving,
    Upgrading,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Installing => "installing",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Moving => "moving",
            Self::Upgrading => "upgrading",
        }
    }
}

/// The columns to sort by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sort {
    #[default]
    Canister,
    Role,
    Key,
    Release,
    State,
    Age,
    /// Those with the fewest cycles first
    Cycles,
    /// Those that burn most first
    Burn,
    /// Those that freeze first
    Days,
}

impl Sort {
    /// Whether the order depends on what the platform tells.
    fn is_live(self) -> bool {
        matches!(self, Self::Cycles | Self::Burn | Self::Days)
    }
}

/// A page of the members that were asked for.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(skip)]
    root: Principal,
    /// The rows of the page.
    pub(crate) members: Vec<MemberRow>,
    /// The place of the page's first row among all that match.
    pub(crate) skipped: usize,
    /// All members that match.
    pub(crate) matching: usize,
    /// What root did not tell.
    pub(crate) unknown: Vec<String>,
}

pub(crate) async fn run(fleet: &Fleet, args: &Selection, out: &Out) -> Result<(), Failure> {
    out.report(&ask(fleet, args).await?)
}

/// Asks root for the members of a selection, and the platform for those that are shown.
///
/// # Errors
/// Root does not answer, or the parent is no principal.
pub(crate) async fn ask(fleet: &Fleet, args: &Selection) -> Result<Report, Failure> {
    let mut args = args.clone();
    if let Some(text) = &mut args.parent {
        *text = parent(fleet, text).await?.to_text();
    }
    let args = &args;
    let filter = filter(args, fleet.root)?;
    let bar = progress::bar(0, "members");
    let rows = fleet
        .members(&filter, |seen, all| {
            bar.set_length(all);
            bar.set_position(seen);
        })
        .await?;
    bar.finish_and_clear();
    let mut rows: Vec<MemberRow> = rows.into_iter().map(MemberRow::from).collect();
    if args.on_record && args.sort.is_live() {
        return Err(Failure::new(
            Kind::Usage,
            "`--on-record` leaves out what the members are to be sorted by",
        ));
    }
    let mut unknown = Vec::new();
    let seen = match args.on_record {
        true => None,
        false => see(fleet, &filter, &mut rows, args, &mut unknown).await?,
    };
    if seen.is_none() && args.sort.is_live() {
        return Err(Failure::new(Kind::OtherRoot, unknown.join("; "))
            .with_advice("Sort by what root has on record."));
    }
    let mut report = select(&rows, args, fleet.root)?;
    report.unknown = unknown;
    Ok(report)
}

/// Adds the live state to those rows that will be shown, to all if the order depends on it. None if
/// root does not tell it.
async fn see(
    fleet: &Fleet,
    filter: &MembersFilter,
    rows: &mut [MemberRow],
    args: &Selection,
    unknown: &mut Vec<String>,
) -> Result<Option<()>, Failure> {
    let shown = Selection {
        limit: if args.sort.is_live() { 0 } else { args.limit },
        skip: if args.sort.is_live() { 0 } else { args.skip },
        ..args.clone()
    };
    let shown = select(rows, &shown, fleet.root)?.members;
    let shown: HashSet<Principal> = shown.iter().map(|row| row.canister).collect();
    let order: Vec<Principal> = rows.iter().map(|row| row.canister).collect();
    let wanted: Vec<usize> = (0..order.len())
        .filter(|at| shown.contains(&order[*at]))
        .collect();
    let bar = progress::bar(0, "members seen");
    let live = fleet.live(filter, &order, &wanted, &bar).await;
    bar.finish_and_clear();
    let Some(mut live) = told(live, unknown)? else {
        return Ok(None);
    };
    for row in rows {
        if let Some(member) = live.remove(&row.canister) {
            row.sight = member.into();
        }
    }
    Ok(Some(()))
}

/// The filter that leaves root the least to send.
fn filter(args: &Selection, root: Principal) -> Result<MembersFilter, Failure> {
    Ok(match (&args.parent, &args.role) {
        (Some(parent), _) => MembersFilter::Parent(parent_of(parent, root)?),
        (None, Some(role)) => MembersFilter::Role(role.clone()),
        (None, None) => MembersFilter::All,
    })
}

/// A parent: a principal, or `root`.
///
/// # Errors
/// It is neither.
pub(crate) fn parent_of(text: &str, root: Principal) -> Result<Principal, Failure> {
    match text {
        "root" => Ok(root),
        text => canister(text),
    }
}

/// A parent: `root`, a principal, or `ROLE/KEY`.
///
/// # Errors
/// It is none of them, or root has no such member.
pub(crate) async fn parent(fleet: &Fleet, text: &str) -> Result<Principal, Failure> {
    match text.contains('/') {
        true => Ok(find(fleet, text).await?.canister),
        false => parent_of(text, fleet.root),
    }
}

/// A principal that a person wrote.
///
/// # Errors
/// It is none.
pub(crate) fn canister(text: &str) -> Result<Principal, Failure> {
    Principal::from_text(text)
        .map_err(|e| Failure::new(Kind::Usage, format!("`{text}` is no principal: {e}")))
}

/// The rows of a selection, sorted, and cut to a page.
///
/// # Errors
/// The parent is no principal.
pub(crate) fn select(
    rows: &[MemberRow],
    args: &Selection,
    root: Principal,
) -> Result<Report, Failure> {
    let parent = args.parent.as_deref();
    let parent = parent.map(|text| parent_of(text, root)).transpose()?;
    let wanted = |row: &&MemberRow| {
        args.role.as_ref().is_none_or(|role| row.role == *role)
            && parent.is_none_or(|parent| row.parent == parent)
            && args.release.is_none_or(|release| row.release == release)
            && args.state.is_none_or(|state| row.state == state.word())
            && args.key.as_ref().is_none_or(|text| {
                let key = row.key.as_ref();
                key.is_some_and(|key| key.contains(text.as_str()))
            })
    };
    let mut rows: Vec<&MemberRow> = rows.iter().filter(wanted).collect();
    rows.sort_by(|a, b| compare(args.sort, a, b).then_with(|| a.canister.cmp(&b.canister)));
    let limit = if args.limit == 0 {
        usize::MAX
    } else {
        args.limit
    };
    let page = rows.iter().skip(args.skip).take(limit);
    Ok(Report {
        root,
        members: page.map(|row| (*row).clone()).collect(),
        skipped: args.skip,
        matching: rows.len(),
        unknown: Vec::new(),
    })
}

fn compare(sort: Sort, a: &MemberRow, b: &MemberRow) -> Ordering {
    match sort {
        Sort::Canister => a.canister.cmp(&b.canister),
        Sort::Role => a.role.cmp(&b.role),
        Sort::Key => a.key.cmp(&b.key),
        Sort::Release => a.release.cmp(&b.release),
        Sort::State => a.state.cmp(b.state),
        Sort::Age => a.since.cmp(&b.since),
        // Members that can't be seen come first: somebody should look at them.
        Sort::Cycles => cycles(a).cmp(&cycles(b)),
        Sort::Burn => burn(b).cmp(&burn(a)),
        Sort::Days => days(a).total_cmp(&days(b)),
    }
}

fn cycles(row: &MemberRow) -> Option<Cycles> {
    row.sight.live.as_ref().map(|live| live.cycles)
}

fn burn(row: &MemberRow) -> Option<Cycles> {
    row.sight.live.as_ref().map(|live| live.burned_per_day)
}

/// The days that a member has left: endless if it burns nothing.
fn days(row: &MemberRow) -> f64 {
    let live = row.sight.live.as_ref();
    live.map_or(-1.0, |live| live.days_left.unwrap_or(f64::INFINITY))
}

/// A member by its principal, or by `ROLE/KEY`.
///
/// # Errors
/// There is no such member.
pub(crate) async fn find(fleet: &Fleet, name: &str) -> Result<MemberInfo, Failure> {
    let request = match name.split_once('/') {
        Some((role, key)) => MemberRequest::Key {
            role: role.to_string(),
            key: key.to_string(),
        },
        None => MemberRequest::Canister(canister(name)?),
    };
    let method = "canic_member";
    let answer: Result<Option<MemberInfo>, Denied> =
        fleet.query(fleet.root, method, (request,)).await?;
    answer
        .map_err(|denied| fleet.denied(method, &denied.allowed))?
        .ok_or_else(|| {
            Failure::refused(format!("the fleet has no member {name}"))
                .with_advice("`canic members` lists them; a member is PRINCIPAL or ROLE/KEY.")
        })
}

impl Text for Report {
    fn text(&self, style: &Style) -> String {
        if self.matching == 0 {
            return "no members\n".to_string() + &output::not_shown(&self.unknown, style);
        }
        let mut text = views::members_table(&self.members, self.root, style);
        let end = self.skipped + self.members.len();
        if self.members.len() < self.matching {
            text += &format!(
                "{} to {end} of {}; more with `--skip {end}` or `--limit 0`\n",
                self.skipped + 1,
                format::count(self.matching as u64, "member")
            );
        }
        text + &output::not_shown(&self.unknown, style)
    }
}

#[cfg(test)]
mod tests {
    use canic::api::MemberState;

    use super::*;

    fn member(number: u8, role: &str, release: u32) -> MemberRow {
        let member = MemberInfo {
            canister: Principal::from_slice(&[number]),
            role: role.to_string(),
            parent: Principal::anonymous(),
            key: Some(format!("key {number}")),
            state: MemberState::Active,
            release,
            module: vec![1; 32],
            since: 0,
            operation: 1,
        };
        member.into()
    }

    #[test]
    fn parents_are_shown_where_one_is_not_root() {
        let mut rows = vec![member(1, "a", 1), member(2, "a", 1)];
        let root = Principal::anonymous();
        let text = |rows: &[MemberRow]| {
            let report = select(rows, &Selection::default(), root).unwrap();
            let plain = Style {
                colour: false,
                now: 0,
            };
            report.text(&plain)
        };
        assert!(!text(&rows).contains("PARENT"), "{}", text(&rows));
        rows[1].parent = rows[0].canister;
        let lines = text(&rows);
        let lines: Vec<&str> = lines.lines().collect();
        assert!(lines[0].contains("PARENT"), "{lines:?}");
        assert!(lines[1].contains(" root "), "{lines:?}");
        let parent = rows[0].canister.to_text();
        assert!(lines[2].contains(&format!(" {parent} ")), "{lines:?}");
    }

    #[test]
    fn a_selection_is_filtered_sorted_and_cut() {
        let rows = [member(1, "a", 2), member(2, "b", 1), member(3, "a", 1)];
        let select = |args: &Selection| select(&rows, args, Principal::anonymous()).unwrap();
        let args = Selection {
            role: Some("a".to_string()),
            sort: Sort::Release,
            limit: 1,
            ..Selection::default()
        };
        let report = select(&args);
        assert_eq!((report.matching, report.members.len()), (2, 1));
        assert_eq!(report.members[0].canister, Principal::from_slice(&[3]));
        let key = Selection {
            key: Some("y 2".to_string()),
            ..Selection::default()
        };
        assert_eq!(select(&key).matching, 1);
        let retiring = Selection {
            state: Some(State::Retiring),
            ..Selection::default()
        };
        assert_eq!(select(&retiring).matching, 0);
    }
}
