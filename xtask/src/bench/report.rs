//! The figures as tables of Markdown.

use super::fleet::{At, Figures};
use canic_fault_tests::measure::Cost;

/// All tables.
pub(super) fn tables(figures: &Figures) -> String {
    let mut report = String::new();
    let mut section = |title: &str, head: &[&str], rows: Vec<Vec<String>>| {
        report += &format!("## {title}\n\n{}\n", table(head, &rows));
    };
    section(
        "What must hold",
        &["what", "measured", "at most", ""],
        figures.bounds.iter().map(bound).collect(),
    );
    section(
        "One provision",
        &[
            "how",
            "members",
            "management calls",
            "messages",
            "rounds",
            "root's instructions",
            "fees, M cycles",
            "to by hand",
        ],
        figures.at.iter().flat_map(provisions).collect(),
    );
    let refill = &figures.refill;
    section(
        "One refill of the pool, in the background",
        &[
            "management calls",
            "messages",
            "root's instructions",
            "fees, M cycles",
        ],
        vec![vec![
            refill.management_calls.to_string(),
            refill.messages.to_string(),
            grouped(refill.instructions),
            millions(refill.fees),
        ]],
    );
    if let Some(at) = figures.at.last() {
        let title = format!(
            "Where root's instructions go, with {} members",
            grouped(at.members as u64)
        );
        section(
            &title,
            &["how", "message", "of", "times", "instructions"],
            ways(at)
                .into_iter()
                .flat_map(|(how, cost)| steps(how, cost))
                .collect(),
        );
    }
    section(
        "The size of the fleet",
        &[
            "members",
            "registry bytes a member, beyond its key",
            "one announcement: messages",
            "root's instructions",
            "the listener's",
            "root's heap, MB",
            "stable memory, MB",
            "instructions of an upgrade of root",
        ],
        figures.at.iter().map(size).collect(),
    );
    let batch = &figures.batch;
    section(
        "A batch",
        &[
            "workers",
            "failed",
            "rounds",
            "most calls in flight",
            "root's heap, MB",
            "stable memory, MB",
            "in all, MB",
        ],
        vec![vec![
            grouped(batch.workers as u64),
            batch.failed.to_string(),
            grouped(batch.rounds),
            batch.in_flight.to_string(),
            millions(batch.memory.heap.into()),
            millions(batch.memory.stable.into()),
            millions(batch.memory.total.into()),
        ]],
    );
    let module = |m: &super::fleet::Module| {
        vec![
            m.package.to_string(),
            grouped(m.bytes as u64),
            grouped(m.gzipped as u64),
        ]
    };
    section(
        "Modules",
        &["module", "bytes", "gzipped"],
        figures.modules.iter().map(module).collect(),
    );
    let idle = |i: &super::fleet::Idle| {
        vec![
            i.package.to_string(),
            millions(i.memory.heap.into()),
            millions(i.memory.stable.into()),
            millions(i.memory.total.into()),
            millions(i.burned_a_day),
        ]
    };
    section(
        "An idle worker",
        &[
            "worker",
            "heap, MB",
            "stable memory, MB",
            "in all, with the module, MB",
            "M cycles a day",
        ],
        figures.idle.iter().map(idle).collect(),
    );
    if !figures.builds.is_empty() {
        let seconds = |s: f64| format!("{s:.1}");
        let build = |b: &super::fleet::Build| {
            let (cold, again) = (seconds(b.cold_seconds), seconds(b.incremental_seconds));
            vec![b.package.to_string(), cold, again]
        };
        section(
            "Builds, on the machine at hand",
            &["worker", "cold, s", "after a change, s"],
            figures.builds.iter().map(build).collect(),
        );
    }
    report
}

/// The page that is checked in.
pub(super) fn page(tables: &str) -> String {
    format!("{INTRODUCTION}\n{}\n", tables.trim_end())
}

const INTRODUCTION: &str = "\
# Performance

What a fleet costs, measured on `canic-replica` beside a root and a worker that are written by hand with ic-cdk 0.20 alone
(`benches/baseline`): that root creates and installs, keeps a map of its members, and does nothing else; its calls name only
the fields that it sets. `cargo xtask bench --write` measures all this again and writes this page; `--members 10,1000` takes
less time, `--builds` times cargo as well, `--json` adds the figures as one line. A missed bound makes it fail.

How it is measured: one request after the other, each with all that follows until root sleeps again, timers included; the one
in the middle of five counts. Rounds are those until the answer. Fees are what root pays beside its memory and beside the
cycles that go to new canisters, their creation included. The hits are those after which the pool is still as full as it
should be; what a refill takes is a line of its own. Of the members that are there already, a thousand are canisters with an
empty module; the others are only on record in root, which can't tell the difference. What root finds by its indexes is on
its heap, so that an upgrade reads all records once: the last column of the table about the fleet's size (an upgrade may take
300 B instructions). A build after a change compiles the worker's crate again, and nothing else. Builds are timed on whatever
else the machine is doing.

For orientation, measured on a real PocketIC: a root written by hand that only creates and installs takes 5 rounds, 0.86 M
instructions and 18.4 M cycles of fees for a fresh canister; 3 rounds, 0.37 M instructions and 12.5 M cycles to reuse an
empty one. Its module has 526 KB (194 KB gzipped), its memory 3.4 MB, its child's 1.25 MB. An existing toolkit takes 6 calls
of root (8 and 9 rounds from its pool), N + 9 calls in the whole system for N members, 116 M cycles at 1 member and 1,357 M
at 100, 12.7 M and 32 M instructions; its worker has 1,869 KB (550 KB gzipped) and occupies 178 MB, its root 3,902 KB (1,567
KB) and 233 MB.
";

fn ways(at: &At) -> [(&'static str, &Cost); 4] {
    [
        ("fresh", &at.fresh),
        ("fresh, by hand", &at.fresh_by_hand),
        ("pool hit", &at.pool_hit),
        ("reuse, by hand", &at.reused_by_hand),
    ]
}

fn provisions(at: &At) -> Vec<Vec<String>> {
    let row = |(how, cost): (&str, &Cost), by_hand: Option<&Cost>| {
        let ratio = |other: &Cost| cost.instructions as f64 / other.instructions as f64;
        vec![
            how.to_string(),
            grouped(at.members as u64),
            cost.management_calls.to_string(),
            cost.messages.to_string(),
            cost.rounds.to_string(),
            grouped(cost.instructions),
            millions(cost.fees),
            by_hand.map_or(String::new(), |other| format!("{:.2} ×", ratio(other))),
        ]
    };
    let [fresh, by_hand, hit, reuse] = ways(at);
    vec![
        row(fresh, Some(by_hand.1)),
        row(by_hand, None),
        row(hit, Some(reuse.1)),
        row(reuse, None),
    ]
}

fn steps(how: &str, cost: &Cost) -> Vec<Vec<String>> {
    let row = |step: &canic_fault_tests::measure::Step| {
        vec![
            how.to_string(),
            format!("{:?}", step.kind).to_lowercase(),
            format!("`{}`", step.method),
            step.messages.to_string(),
            grouped(step.instructions),
        ]
    };
    cost.steps.iter().map(row).collect()
}

fn size(at: &At) -> Vec<String> {
    let bytes = at
        .registry_bytes
        .map_or("too few to tell".to_string(), |b| format!("{b:.0}"));
    let told = &at.announcement;
    let signed = |n: i64| {
        format!(
            "{}{}",
            if n < 0 { "-" } else { "" },
            grouped(n.unsigned_abs())
        )
    };
    vec![
        grouped(at.members as u64),
        bytes,
        told.messages.to_string(),
        signed(told.root),
        signed(told.listener),
        millions(at.memory.heap.into()),
        millions(at.memory.stable.into()),
        grouped(at.upgrade),
    ]
}

fn bound(bound: &super::fleet::Bound) -> Vec<String> {
    let word = if bound.held() { "held" } else { "**missed**" };
    let number = |n: f64| {
        if n.fract() == 0.0 {
            n.to_string()
        } else {
            format!("{n:.2}")
        }
    };
    vec![
        bound.what.clone(),
        number(bound.measured),
        number(bound.at_most),
        word.to_string(),
    ]
}

/// Columns of numbers are set to the right, so that they also read well where Markdown is not rendered.
fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([head[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let is_number = |column: usize| {
        rows.iter().all(|row| {
            row[column].is_empty()
                || row[column].starts_with(|c: char| c.is_ascii_digit() || c == '-')
        })
    };
    let line = |cells: Vec<String>| {
        let cells = cells.into_iter().enumerate().map(|(column, cell)| {
            let width = width(column);
            if is_number(column) {
                format!("{cell:>width$}")
            } else {
                format!("{cell:<width$}")
            }
        });
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = (0..head.len()).map(|column| {
        let dashes = "-".repeat(width(column) + 1);
        if is_number(column) {
            format!("{dashes}:|")
        } else {
            format!("{dashes}-|")
        }
    });
    let mut table = line(head.iter().map(|cell| (*cell).to_string()).collect());
    table += &format!("|{}\n", rule.collect::<String>());
    for row in rows {
        table += &line(row.clone());
    }
    table
}

/// With a comma before each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let parts: Vec<_> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|p| String::from_utf8_lossy(p))
        .collect();
    parts.join(",")
}

fn millions(number: u128) -> String {
    format!("{:.2}", number as f64 / 1e6)
}

#[test]
fn numbers_are_grouped() {
    let all = [0, 999, 1_000, 1_234_567].map(grouped);
    assert_eq!(all, ["0", "999", "1,000", "1,234,567"]);
}

#[test]
fn a_table_sets_numbers_to_the_right() {
    let rows = [
        ["a".to_string(), "1".to_string()],
        ["bcd".to_string(), "20".to_string()],
    ];
    let table = table(&["of", "n"], &rows.map(Vec::from));
    assert_eq!(
        table,
        "| of  |  n |\n|-----|---:|\n| a   |  1 |\n| bcd | 20 |\n"
    );
}
