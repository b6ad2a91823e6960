//! The figures of the replica as tables of Markdown.

use super::{Figures, Time, heaps, ring::Ring};
use crate::bench::report::{grouped, section};

/// All tables.
pub(in crate::bench) fn tables(figures: &Figures) -> String {
    let mut sections = vec![times(figures), sizes(&figures.heaps)];
    sections.extend(figures.ring.as_ref().map(ring));
    sections.concat()
}

fn times(figures: &Figures) -> String {
    let row = |what: &str, ms: f64, goal: Option<f64>| {
        let goal = goal.map(|goal| (goal.to_string(), if ms <= goal { "held" } else { "missed" }));
        let (goal, word) = goal.unwrap_or_default();
        vec![what.to_string(), format!("{ms:.3}"), goal, word.to_string()]
    };
    let small = figures.times.iter();
    let mut rows: Vec<_> = small
        .map(|Time { what, ms, goal }| row(what, *ms, Some(*goal)))
        .collect();
    if let Some(forks) = &figures.forks {
        rows.extend([
            row(
                "a fork of an instance with 1 GB of heaps",
                forks.fork_ms,
                Some(20.0),
            ),
            row(
                "the first update in such a fork",
                forks.first_update_ms,
                None,
            ),
            row("the next update of its origin", forks.next_update_ms, None),
        ]);
    }
    section(
        "The replica, through the client, on the machine of these measurements",
        &["median of", "ms", "goal", ""],
        rows,
    )
}

fn sizes(rows: &[heaps::Row]) -> String {
    let heads = heaps::HEAPS.map(|kilobytes| format!("{} MB, ms", kilobytes / 1_000));
    let mut head = vec!["median with a heap of"];
    head.extend(heads.iter().map(String::as_str));
    head.push("ratio");
    let row = |row: &heaps::Row| {
        let mut cells = vec![row.what.to_string()];
        cells.extend(row.ms.iter().map(|ms| format!("{ms:.3}")));
        cells.push(format!("{:.2} ×", row.ratio()));
        cells
    };
    section(
        "The replica with large heaps",
        &head,
        rows.iter().map(row).collect(),
    )
}

fn ring(ring: &Ring) -> String {
    section(
        "The replica with 1,000 canisters that call each other in a ring",
        &[
            "messages",
            "rounds",
            "messages a second",
            "an idle round, ms",
            "one without canisters, ms",
        ],
        vec![vec![
            grouped(ring.messages),
            grouped(ring.rounds),
            grouped(ring.messages_a_second as u64),
            format!("{:.3}", ring.idle_round_ms),
            format!("{:.3}", ring.empty_round_ms),
        ]],
    )
}
