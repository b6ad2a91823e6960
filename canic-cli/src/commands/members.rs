//! `canic members`: members by role, parent, key, release and state.

use std::{cmp::Ordering, collections::HashSet};

use candid::Principal;
use canic::api::MembersFilter;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::{
    commands::{
        filter::{Filter, Wanted},
        page::{cut, next_page},
        status::told,
        watch::Watch,
    },
    failure::{Failure, Kind},
    fleet::Fleet,
    output::{self, Out, Style, Text, format::Cycles, progress},
    views::{self, MemberRow},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    watch: Watch,
}

/// The members to show, and their order. The dashboard asks with the same names.
#[derive(clap::Args, Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Selection {
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) filter: Filter,
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
    /// Whether members can be sorted so, if what the platform tells is left out.
    ///
    /// # Errors
    /// They can't.
    pub(crate) fn fits(self, on_record: bool) -> Result<(), Failure> {
        if on_record && self.is_live() {
            let what = "`--on-record` leaves out what the members are to be sorted by";
            return Err(Failure::new(Kind::Usage, what).with_advice("Leave one of the two out."));
        }
        Ok(())
    }

    /// Whether the order depends on what the platform tells.
    pub(crate) fn is_live(self) -> bool {
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

pub(crate) async fn run(fleet: &Fleet, args: &Args, out: &Out) -> Result<(), Failure> {
    let ask = async || ask(fleet, &args.selection).await;
    args.watch.report(out, ask).await
}

/// Asks root for the members of a selection, and the platform for those that are shown.
///
/// # Errors
/// Root does not answer, or the parent is no principal.
async fn ask(fleet: &Fleet, args: &Selection) -> Result<Report, Failure> {
    args.sort.fits(args.on_record)?;
    let wanted = args.filter.ask(fleet).await?;
    let question = wanted.question();
    let mut rows = list(fleet, &question).await?;
    let mut unknown = Vec::new();
    if !args.on_record {
        let shown = match args.sort.is_live() {
            true => rows.iter().filter(|row| wanted.has(row)).cloned().collect(),
            false => select(&rows, args, &wanted, fleet.root).members,
        };
        let shown = shown.iter().map(|row| row.canister).collect();
        unknown = see(fleet, &question, &mut rows, &shown, args.sort).await?;
    }
    let mut report = select(&rows, args, &wanted, fleet.root);
    report.unknown = unknown;
    Ok(report)
}

/// All members of a filter, as root has them on record.
///
/// # Errors
/// Root does not answer.
pub(crate) async fn list(
    fleet: &Fleet,
    question: &MembersFilter,
) -> Result<Vec<MemberRow>, Failure> {
    let bar = progress::bar(0, "members");
    let seen = |seen, all| {
        bar.set_length(all);
        bar.set_position(seen);
    };
    let rows = fleet.members(question, seen).await?;
    bar.finish_and_clear();
    Ok(rows.into_iter().map(MemberRow::from).collect())
}

/// Adds the live state to those of the `rows` that are `shown`. `rows` has all members of the
/// question, as root lists them. The answer is what root does not tell.
///
/// # Errors
/// Root does not answer, or it does not tell what the rows are to be sorted by.
pub(crate) async fn see(
    fleet: &Fleet,
    question: &MembersFilter,
    rows: &mut [MemberRow],
    shown: &HashSet<Principal>,
    sort: Sort,
) -> Result<Vec<String>, Failure> {
    let order: Vec<Principal> = rows.iter().map(|row| row.canister).collect();
    let wanted: Vec<usize> = (0..order.len())
        .filter(|at| shown.contains(&order[*at]))
        .collect();
    let bar = progress::bar(0, "members seen");
    let live = fleet.live(question, &order, &wanted, &bar).await;
    bar.finish_and_clear();
    let mut unknown = Vec::new();
    let Some(mut live) = told(live, &mut unknown)? else {
        return match sort.is_live() {
            true => Err(Failure::new(Kind::OtherRoot, unknown.join("; "))
                .with_advice("Sort by what root has on record.")),
            false => Ok(unknown),
        };
    };
    for row in rows {
        if let Some(member) = live.remove(&row.canister) {
            row.sight = member.into();
        }
    }
    Ok(unknown)
}

/// The rows of a selection, sorted, and cut to a page.
pub(crate) fn select(
    rows: &[MemberRow],
    args: &Selection,
    wanted: &Wanted,
    root: Principal,
) -> Report {
    let mut rows: Vec<&MemberRow> = rows.iter().filter(|row| wanted.has(row)).collect();
    rows.sort_by(|a, b| compare(args.sort, a, b).then_with(|| a.canister.cmp(&b.canister)));
    let matching = rows.len();
    let page = cut(rows, args.skip, args.limit).into_iter();
    Report {
        root,
        members: page.cloned().collect(),
        skipped: args.skip,
        matching,
        unknown: Vec::new(),
    }
}

/// The order of two members.
pub(crate) fn compare(sort: Sort, a: &MemberRow, b: &MemberRow) -> Ordering {
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

impl Text for Report {
    fn text(&self, style: &Style) -> String {
        if self.matching == 0 {
            return "no members\n".to_string() + &output::not_shown(&self.unknown, style);
        }
        let shown = self.members.len();
        views::members_table(&self.members, self.root, style)
            + &next_page(self.skipped, shown, self.matching, "member")
            + &output::not_shown(&self.unknown, style)
    }
}

#[cfg(test)]
mod tests {
    use canic::api::{MemberInfo, MemberState};

    use super::*;
    use crate::commands::filter::State;

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
            let report = select(rows, &Selection::default(), &Wanted::default(), root);
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
        let select = |args: &Selection| {
            let wanted = args.filter.read(Principal::anonymous()).unwrap();
            select(&rows, args, &wanted, Principal::anonymous())
        };
        let matching = |filter: Filter| {
            let args = Selection {
                filter,
                ..Selection::default()
            };
            select(&args).matching
        };
        let args = Selection {
            filter: Filter {
                role: Some("a".to_string()),
                ..Filter::default()
            },
            sort: Sort::Release,
            limit: 1,
            ..Selection::default()
        };
        let report = select(&args);
        assert_eq!((report.matching, report.members.len()), (2, 1));
        assert_eq!(report.members[0].canister, Principal::from_slice(&[3]));
        let key = Filter {
            key: Some("y 2".to_string()),
            ..Filter::default()
        };
        assert_eq!(matching(key), 1);
        let retiring = Filter {
            state: Some(State::Retiring),
            ..Filter::default()
        };
        assert_eq!(matching(retiring), 0);
        let release = Filter {
            parent: Some("root".to_string()),
            release: Some(1),
            ..Filter::default()
        };
        assert_eq!(matching(release), 2);
    }
}
