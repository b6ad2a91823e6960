//! `canic tree`: members below their parents.

use std::collections::{BTreeMap, HashMap, HashSet};

use candid::Principal;
use canic::api::MembersFilter;
use serde::Serialize;

use crate::{
    commands::{
        filter::{Filter, Wanted},
        find,
        members::{self, Sort, compare},
        watch::Watch,
    },
    failure::Failure,
    fleet::Fleet,
    output::{self, Out, Style, Text, Tone, format},
    views::{self, MemberRow},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The member whose subtree is shown (PRINCIPAL or ROLE/KEY), or `root`
    #[arg(default_value = "root")]
    top: String,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    shape: Shape,
    /// Only what root has on record: does not ask the platform for cycles and run states
    #[arg(long)]
    on_record: bool,
    #[command(flatten)]
    watch: Watch,
}

/// How much of a tree is shown, and in which order.
#[derive(clap::Args, Clone, Copy, Debug)]
struct Shape {
    /// Levels below the top
    #[arg(long, value_name = "LEVELS")]
    depth: Option<usize>,
    /// The column to sort the children of one parent by
    #[arg(long, value_enum, default_value = "role")]
    sort: Sort,
    /// Children of one parent that are shown; 0 for all
    #[arg(long, default_value_t = 20, value_name = "ROWS")]
    limit: usize,
}

/// A subtree, from the top down. A node stands behind its parent.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) top: Principal,
    pub(crate) nodes: Vec<Node>,
    /// All members below the top.
    pub(crate) members: usize,
    /// Those that were asked for.
    pub(crate) matching: usize,
    /// What root did not tell.
    pub(crate) unknown: Vec<String>,
}

/// A member in the tree.
#[derive(Debug, Serialize)]
pub(crate) struct Node {
    /// Levels below the top: 1 for its children.
    pub(crate) depth: usize,
    #[serde(flatten)]
    pub(crate) member: MemberRow,
    /// Whether it was asked for. If not, one below it was.
    pub(crate) matches: bool,
    /// Its children.
    pub(crate) children: usize,
    /// Siblings behind it that are not shown.
    pub(crate) hidden_siblings: usize,
}

pub(crate) async fn run(fleet: &Fleet, args: &Args, out: &Out) -> Result<(), Failure> {
    let ask = async || ask(fleet, args).await;
    args.watch.report(out, ask).await
}

/// Asks root for all members, and the platform for those that are shown.
async fn ask(fleet: &Fleet, args: &Args) -> Result<Report, Failure> {
    let sort = args.shape.sort;
    sort.fits(args.on_record)?;
    let top = find::parent(fleet, &args.top).await?;
    let wanted = args.filter.ask(fleet).await?;
    let mut rows = members::list(fleet, &MembersFilter::All).await?;
    if top != fleet.root && !rows.iter().any(|row| row.canister == top) {
        return Err(Failure::refused(format!("the fleet has no member {top}"))
            .with_advice("`canic tree` shows all of them."));
    }
    let mut unknown = Vec::new();
    if !args.on_record {
        let shown = match sort.is_live() {
            true => with_ancestors(&rows, &wanted),
            false => {
                let nodes = grow(&rows, top, &wanted, args.shape).nodes;
                nodes.iter().map(|node| node.member.canister).collect()
            }
        };
        unknown = members::see(fleet, &MembersFilter::All, &mut rows, &shown, sort).await?;
    }
    let mut report = grow(&rows, top, &wanted, args.shape);
    report.unknown = unknown;
    Ok(report)
}

/// The members that are wanted, and all above them.
fn with_ancestors(rows: &[MemberRow], wanted: &Wanted) -> HashSet<Principal> {
    let parents = rows.iter().map(|row| (row.canister, row.parent));
    let parents: HashMap<Principal, Principal> = parents.collect();
    let mut kept = HashSet::new();
    for row in rows.iter().filter(|row| wanted.has(row)) {
        let mut next = Some(&row.canister);
        // What is above a member that is kept already is kept, too.
        while let Some(canister) = next.filter(|canister| kept.insert(**canister)) {
            next = parents.get(canister);
        }
    }
    kept
}

/// The tree below `top`, from flat rows. A row whose parents form a circle is not below it.
fn grow(rows: &[MemberRow], top: Principal, wanted: &Wanted, shape: Shape) -> Report {
    let mut children: BTreeMap<Principal, Vec<&MemberRow>> = BTreeMap::new();
    for row in rows {
        children.entry(row.parent).or_default().push(row);
    }
    for siblings in children.values_mut() {
        siblings.sort_by(|a, b| {
            let names = || (&a.role, &a.key).cmp(&(&b.role, &b.key));
            compare(shape.sort, a, b).then_with(names)
        });
    }
    let kept = with_ancestors(rows, wanted);
    let is_kept = |row: &MemberRow| kept.contains(&row.canister);
    let limit = if shape.limit == 0 {
        usize::MAX
    } else {
        shape.limit
    };
    let depth = shape.depth.unwrap_or(usize::MAX);
    let (mut nodes, mut members, mut matching) = (Vec::new(), 0, 0);
    let mut seen = HashSet::from([top]);
    // Rows that are still to be visited, the next one last.
    let mut stack: Vec<(usize, bool, &MemberRow, usize)> = Vec::new();
    let push = |stack: &mut Vec<_>, parent: Principal, level: usize, shown: bool| {
        let siblings = children.get(&parent).map_or(&[][..], Vec::as_slice);
        let all = siblings.iter().filter(|row| is_kept(row)).count();
        // The place of a row among those that are kept.
        let mut place = all;
        for row in siblings.iter().rev().copied() {
            place -= usize::from(is_kept(row));
            let is_shown = shown && is_kept(row) && place < limit && level <= depth;
            let hidden = if is_kept(row) && place + 1 == limit {
                all - limit
            } else {
                0
            };
            stack.push((level, is_shown, row, hidden));
        }
    };
    push(&mut stack, top, 1, true);
    while let Some((level, shown, row, hidden)) = stack.pop() {
        if !seen.insert(row.canister) {
            continue;
        }
        members += 1;
        matching += usize::from(wanted.has(row));
        if shown {
            nodes.push(Node {
                depth: level,
                children: children.get(&row.canister).map_or(0, Vec::len),
                matches: wanted.has(row),
                member: row.clone(),
                hidden_siblings: hidden,
            });
        }
        push(&mut stack, row.canister, level + 1, shown);
    }
    Report {
        top,
        nodes,
        members,
        matching,
        unknown: Vec::new(),
    }
}

impl Text for Report {
    fn text(&self, style: &Style) -> String {
        let mut count = format::count(self.members as u64, "member");
        if self.matching < self.members {
            count = format!("{} of {count}", self.matching);
        }
        let mut text = format!("{}  {count}\n", self.top);
        // A hidden sibling's line stands behind the subtree of the last shown one.
        let mut open: Vec<(usize, usize)> = Vec::new();
        for node in &self.nodes {
            close(&mut text, &mut open, node.depth);
            text += &line(node, style);
            if node.hidden_siblings > 0 {
                open.push((node.depth, node.hidden_siblings));
            }
        }
        close(&mut text, &mut open, 0);
        text + &output::not_shown(&self.unknown, style)
    }
}

/// Writes the lines about hidden siblings of subtrees that end before a node of this depth.
fn close(text: &mut String, open: &mut Vec<(usize, usize)>, depth: usize) {
    while let Some((level, hidden)) = open.pop() {
        if level < depth {
            open.push((level, hidden));
            return;
        }
        let indent = "  ".repeat(level);
        *text += &format!("{indent}.. {hidden} more; show them with `--limit 0`\n");
    }
}

fn line(node: &Node, style: &Style) -> String {
    let row = &node.member;
    let indent = "  ".repeat(node.depth);
    let release = views::release_text(row.release);
    let mut line = format!("{indent}{}  {} {release}", row.canister, row.role);
    if let Some(key) = &row.key {
        line += &format!("  {}", views::shorten(key, 40));
    }
    let unusual = Some(row.state).filter(|state| *state != "active");
    for what in unusual.into_iter().chain(row.sight.remark()) {
        let tone = if node.matches {
            Tone::Warn
        } else {
            Tone::Plain
        };
        line += &format!("  {}", style.paint(tone, what));
    }
    if node.children > 0 {
        let children = match node.children {
            1 => "1 child".to_string(),
            number => format!("{number} children"),
        };
        line += &format!("  {children}");
    }
    // It is shown for those below it.
    if !node.matches {
        line = style.paint(Tone::Faint, &line);
    }
    line + "\n"
}

#[cfg(test)]
mod tests {
    use canic::api::{MemberInfo, MemberState};

    use super::*;

    const PLAIN: Style = Style {
        colour: false,
        now: 0,
    };

    fn id(number: u8) -> Principal {
        Principal::from_slice(&[number])
    }

    fn member(number: u8, parent: u8) -> MemberRow {
        let member = MemberInfo {
            canister: id(number),
            role: "worker".to_string(),
            parent: id(parent),
            key: Some(format!("{number:02}")),
            state: MemberState::Active,
            release: 1,
            module: Vec::new(),
            since: 0,
            operation: 1,
        };
        member.into()
    }

    fn shape(depth: usize, limit: usize) -> Shape {
        Shape {
            depth: Some(depth),
            sort: Sort::Role,
            limit,
        }
    }

    fn nodes(report: &Report) -> Vec<(usize, Principal, bool)> {
        let nodes = report.nodes.iter();
        nodes
            .map(|node| (node.depth, node.member.canister, node.matches))
            .collect()
    }

    /// 1 to 3 below the top, 4 below 1, 5 below 4.
    fn family() -> Vec<MemberRow> {
        vec![
            member(1, 0),
            member(2, 0),
            member(3, 0),
            member(4, 1),
            member(5, 4),
        ]
    }

    #[test]
    fn children_stand_below_their_parents_and_long_rows_of_them_are_cut() {
        let report = grow(&family(), id(0), &Wanted::default(), shape(2, 2));
        let shown = nodes(&report);
        assert_eq!(
            shown,
            [(1, id(1), true), (2, id(4), true), (1, id(2), true)]
        );
        assert_eq!((report.members, report.matching), (5, 5));
        let text = report.text(&PLAIN);
        assert!(
            text.ends_with("02\n  .. 1 more; show them with `--limit 0`\n"),
            "{text}"
        );
    }

    #[test]
    fn what_is_above_a_member_that_was_asked_for_stays_visible() {
        let rows = family();
        let wanted = |filter: Filter| filter.read(id(0)).unwrap();
        let fifth = wanted(Filter {
            key: Some("05".to_string()),
            ..Filter::default()
        });
        let report = grow(&rows, id(0), &fifth, shape(9, 9));
        let shown = nodes(&report);
        assert_eq!(
            shown,
            [(1, id(1), false), (2, id(4), false), (3, id(5), true)]
        );
        assert_eq!((report.members, report.matching), (5, 1));
        let text = report.text(&PLAIN);
        assert!(text.contains("  1 of 5 members\n"), "{text}");
        // Of a parent's children only those are counted and cut that are shown.
        let children = wanted(Filter {
            parent: Some("root".to_string()),
            ..Filter::default()
        });
        let report = grow(&rows, id(0), &children, shape(9, 2));
        assert_eq!(nodes(&report), [(1, id(1), true), (1, id(2), true)]);
        assert_eq!(report.nodes[1].hidden_siblings, 1);
        let none = wanted(Filter {
            role: Some("hub".to_string()),
            ..Filter::default()
        });
        let report = grow(&rows, id(0), &none, shape(9, 9));
        assert_eq!((nodes(&report).len(), report.matching), (0, 0));
    }

    #[test]
    fn siblings_are_sorted_as_members_are() {
        let mut rows = family();
        rows[2].release = 0;
        let by_release = Shape {
            sort: Sort::Release,
            ..shape(1, 1)
        };
        let report = grow(&rows, id(0), &Wanted::default(), by_release);
        assert_eq!(nodes(&report), [(1, id(3), true)]);
    }

    #[test]
    fn rows_in_a_circle_end() {
        let rows = vec![member(1, 2), member(2, 1)];
        let members = |top| grow(&rows, id(top), &Wanted::default(), shape(9, 9)).members;
        assert_eq!((members(0), members(1)), (0, 1));
    }
}
