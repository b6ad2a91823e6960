//! `canic tree`: members below their parents.

use std::collections::{BTreeMap, BTreeSet};

use candid::Principal;
use canic::api::{MemberInfo, MembersFilter};
use serde::Serialize;

use crate::{
    commands::{members, status::told},
    failure::Failure,
    fleet::Fleet,
    output::{self, Out, Style, Text, Tone, format, progress},
    views::{self, MemberRow},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The member whose subtree is shown (PRINCIPAL or ROLE/KEY), or `root`
    #[arg(default_value = "root")]
    top: String,
    /// Levels below it
    #[arg(long, value_name = "LEVELS")]
    depth: Option<usize>,
    /// Children of one parent that are shown; 0 for all
    #[arg(long, default_value_t = 20, value_name = "ROWS")]
    limit: usize,
    /// Only what root has on record: does not ask the platform for cycles and run states
    #[arg(long)]
    on_record: bool,
}

/// A subtree, from the top down. A node stands behind its parent.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) top: Principal,
    pub(crate) nodes: Vec<Node>,
    /// All members below the top.
    pub(crate) members: usize,
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
    /// Its children.
    pub(crate) children: usize,
    /// Siblings behind it that are not shown.
    pub(crate) hidden_siblings: usize,
}

pub(crate) async fn run(fleet: &Fleet, args: &Args, out: &Out) -> Result<(), Failure> {
    let top = members::parent(fleet, &args.top).await?;
    let bar = progress::bar(0, "members");
    let rows = fleet
        .members(&MembersFilter::All, |seen, all| {
            bar.set_length(all);
            bar.set_position(seen);
        })
        .await?;
    bar.finish_and_clear();
    if top != fleet.root && !rows.iter().any(|row| row.canister == top) {
        return Err(Failure::refused(format!("the fleet has no member {top}")));
    }
    let order: Vec<Principal> = rows.iter().map(|row| row.canister).collect();
    let depth = args.depth.unwrap_or(usize::MAX);
    let mut report = grow(rows, top, depth, args.limit);
    if !args.on_record {
        see(fleet, &order, &mut report).await?;
    }
    out.report(&report)
}

/// Adds what the platform says of the members that are shown. `order` has all members, as root
/// lists them.
async fn see(fleet: &Fleet, order: &[Principal], report: &mut Report) -> Result<(), Failure> {
    let shown: BTreeSet<Principal> = report
        .nodes
        .iter()
        .map(|node| node.member.canister)
        .collect();
    let wanted: Vec<usize> = (0..order.len())
        .filter(|at| shown.contains(&order[*at]))
        .collect();
    let bar = progress::bar(0, "members seen");
    let live = fleet.live(&MembersFilter::All, order, &wanted, &bar).await;
    bar.finish_and_clear();
    let mut live = told(live, &mut report.unknown)?.unwrap_or_default();
    for node in &mut report.nodes {
        if let Some(seen) = live.remove(&node.member.canister) {
            node.member.sight = seen.into();
        }
    }
    Ok(())
}

/// The tree below `top`, from flat rows. A row whose parents form a circle is not below it.
fn grow(rows: Vec<MemberInfo>, top: Principal, depth: usize, limit: usize) -> Report {
    let mut children: BTreeMap<Principal, Vec<MemberRow>> = BTreeMap::new();
    for row in rows {
        children.entry(row.parent).or_default().push(row.into());
    }
    for siblings in children.values_mut() {
        siblings.sort_by(|a, b| (&a.role, &a.key).cmp(&(&b.role, &b.key)));
    }
    let limit = if limit == 0 { usize::MAX } else { limit };
    let (mut nodes, mut members) = (Vec::new(), 0);
    let mut seen = BTreeSet::from([top]);
    // Rows that are still to be visited, the next one last.
    let mut stack: Vec<(usize, bool, &MemberRow, usize)> = Vec::new();
    let push = |stack: &mut Vec<_>, parent: Principal, level: usize, shown: bool| {
        let siblings = children.get(&parent).map_or(&[][..], Vec::as_slice);
        for (index, row) in siblings.iter().enumerate().rev() {
            let is_last_shown = index + 1 == limit;
            let hidden = if is_last_shown {
                siblings.len() - limit
            } else {
                0
            };
            let is_shown = shown && index < limit && level <= depth;
            stack.push((level, is_shown, row, hidden));
        }
    };
    push(&mut stack, top, 1, true);
    while let Some((level, shown, row, hidden)) = stack.pop() {
        if !seen.insert(row.canister) {
            continue;
        }
        members += 1;
        if shown {
            nodes.push(Node {
                depth: level,
                children: children.get(&row.canister).map_or(0, Vec::len),
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
        unknown: Vec::new(),
    }
}

impl Text for Report {
    fn text(&self, style: &Style) -> String {
        let count = format::count(self.members as u64, "member");
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
    if row.state != "active" {
        line += &format!("  {}", style.paint(Tone::Warn, row.state));
    }
    if let Some(remark) = row.sight.remark() {
        line += &format!("  {}", style.paint(Tone::Warn, remark));
    }
    if node.children > 0 {
        let children = match node.children {
            1 => "1 child".to_string(),
            number => format!("{number} children"),
        };
        line += &format!("  {children}");
    }
    line + "\n"
}

#[cfg(test)]
mod tests {
    use canic::api::MemberState;

    use super::*;

    const PLAIN: Style = Style {
        colour: false,
        now: 0,
    };

    fn id(number: u8) -> Principal {
        Principal::from_slice(&[number])
    }

    fn member(number: u8, parent: u8) -> MemberInfo {
        MemberInfo {
            canister: id(number),
            role: "worker".to_string(),
            parent: id(parent),
            key: Some(format!("{number:02}")),
            state: MemberState::Active,
            release: 1,
            module: Vec::new(),
            since: 0,
            operation: 1,
        }
    }

    #[test]
    fn children_stand_below_their_parents_and_long_rows_of_them_are_cut() {
        let rows = vec![
            member(1, 0),
            member(2, 0),
            member(3, 0),
            member(4, 1),
            member(5, 4),
        ];
        let report = grow(rows, id(0), 2, 2);
        let shown: Vec<_> = report
            .nodes
            .iter()
            .map(|n| (n.depth, n.member.canister))
            .collect();
        assert_eq!(shown, [(1, id(1)), (2, id(4)), (1, id(2))]);
        assert_eq!(report.members, 5);
        let text = report.text(&PLAIN);
        assert!(
            text.ends_with("02\n  .. 1 more; show them with `--limit 0`\n"),
            "{text}"
        );
    }

    #[test]
    fn rows_in_a_circle_end() {
        let rows = vec![member(1, 2), member(2, 1)];
        assert_eq!(grow(rows.clone(), id(0), 9, 9).members, 0);
        assert_eq!(grow(rows, id(1), 9, 9).members, 1);
    }
}
