//! The figures of a fleet as tables of Markdown.

use canic_fault_tests::measure::{Batch, Cost, Refill, Step, rollouts::Upgrades};

use super::{
    figures::{Bound, Build, Figures, Idle, Module, Rollouts, WithMembers},
    real::{self, Real},
    replica,
};

/// All tables.
pub(super) fn tables(figures: &Figures) -> String {
    let mut sections = vec![
        bounds(&figures.bounds),
        provisions(&figures.at),
        refill(&figures.refill),
    ];
    sections.extend(figures.at.last().map(steps));
    sections.push(sizes(&figures.at));
    sections.extend(figures.real.as_ref().map(real_members));
    sections.push(batch(&figures.batch));
    sections.push(rollouts(&figures.rollouts));
    sections.push(modules(&figures.modules));
    sections.push(idle(&figures.idle));
    sections.extend(figures.replica.as_ref().map(replica::tables));
    if !figures.builds.is_empty() {
        sections.push(builds(&figures.builds));
    }
    sections.concat()
}

/// The page that is checked in.
pub(super) fn page(tables: &str) -> String {
    format!("{INTRODUCTION}\n{}\n\n{MISSED}", tables.trim_end())
}

const MISSED: &str = "\
## Where the missed figures go

- An upgrade of root, about 10,000 instructions a member. It reads a member's row of some 45 bytes
  and its 16 bytes of the schedule (4,300 together), and builds the indexes by parent (1,500), by
  key (1,000), by role (900) and by canister (800), and the order of the looks (1,200). Fewer are to
  be had only by indexes in stable memory, which would make each lookup dearer.
- The worker, 35 KB gzipped more than its twin. 44 KB of its code are canic's: endpoints, access
  lists, the member's identity, decoding, metrics. 11 KB are `ic-cdk-timers`: its functions are
  exported, so that the linker keeps them in a worker without timers. 11 KB of data are sentences,
  and comments of the interface. Without the timers the ratio would be about 1.16.
- Real members beside written ones, with 100,000: root's heap differs by 21 %, a fresh canister and
  an upgrade by 3 %, stable memory by 2.3 % (bound 2 %). With 20,000 the heaps and the instructions
  of a fresh canister were the same. Why the larger heap grows by more is not known yet.
- The replica through the client. Most of an instance's time is the client's own: it builds an HTTP
  client for each, and starts two processes. The machine did other work during the measurement.
";

const INTRODUCTION: &str = "\
# Performance

This page holds the costs of a fleet, measured on `canic-replica`. The managed root and worker stand
beside a root and a worker written by hand with ic-cdk 0.20 alone (`benches/baseline`). That root
creates canisters, installs them and keeps a map of its members; its calls name only the fields that
they set.

`cargo xtask bench --write` measures all figures again and writes this page. `--members 10,1000`
takes less time, `--real` makes all members of the largest fleet, `--builds` times cargo as well,
and `--json` adds the figures as one line. The command fails if a bound is missed. `cargo xtask
bench real` and `cargo xtask bench replica` measure a part.

How the figures are measured:

- Requests run one after the other. A figure covers all messages until root sleeps again, timers
  included. It is the median of five requests.
- Rounds are counted until the answer.
- Fees are what root pays. They leave out its memory, the creation of canisters and the cycles sent
  to them.
- After each pool hit the pool is still as full as it should be. A refill has a table of its own.
- The first 10,000 members are canisters: root remembers as many closed operations. The others are
  only records in root, which can't tell the difference. The members of a rollout to all are
  canisters, and so are the real ones.
- A rollout upgrades 50 members at once, after one canary and without a bake, and so does the loop
  written by hand, which stops, upgrades and starts. A rollout's figures cover all of it, until its
  end; a fleet's canaries are ten of its members.
- A member is stopped from the round in which the platform stops it to that in which it starts it.
- Root keeps its indexes on the heap, so an upgrade reads all records once. Its instructions are the
  last column of the fleet's size; the platform allows 300 B for an upgrade.
- The replica is timed through the ordinary client. Its heaps are measured in turn: each message
  writes to another page than the one before. Times have goals, ratios have bounds.
- A build after a change compiles only the worker's crate again. The machine may do other work while
  builds are timed.

For orientation, these were measured on a real PocketIC:

- A root written by hand that only creates and installs takes 5 rounds, 0.86 M instructions and
  18.4 M cycles of fees for a fresh canister. To reuse an empty canister it takes 3 rounds, 0.37 M
  instructions and 12.5 M cycles. Its module has 526 KB (194 KB gzipped), its memory 3.4 MB, its
  child's memory 1.25 MB.
- An existing toolkit takes 6 calls of root (8 and 9 rounds from its pool), and N + 9 calls in the
  whole system for N members. That is 116 M cycles and 12.7 M instructions at 1 member, 1,357 M
  cycles and 32 M instructions at 100. Its worker has 1,869 KB (550 KB gzipped) and occupies 178 MB;
  its root has 3,902 KB (1,567 KB gzipped) and occupies 233 MB.
";

pub(super) fn bounds(bounds: &[Bound]) -> String {
    let number = |n: f64| {
        if n.fract() == 0.0 {
            n.to_string()
        } else {
            format!("{n:.2}")
        }
    };
    let row = |bound: &Bound| {
        let word = if bound.is_held() {
            "held"
        } else {
            "**missed**"
        };
        vec![
            bound.what.clone(),
            number(bound.measured),
            number(bound.at_most),
            word.to_string(),
        ]
    };
    section(
        "Bounds",
        &["figure", "measured", "at most", ""],
        bounds.iter().map(row).collect(),
    )
}

fn provisions(at: &[WithMembers]) -> String {
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
            "ratio to by hand",
        ],
        at.iter().flat_map(provision).collect(),
    )
}

fn provision(at: &WithMembers) -> [Vec<String>; 4] {
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
    [
        row(fresh, Some(by_hand.1)),
        row(by_hand, None),
        row(hit, Some(reuse.1)),
        row(reuse, None),
    ]
}

/// The ways to provision a canister.
fn ways(at: &WithMembers) -> [(&'static str, &Cost); 4] {
    [
        ("fresh", &at.fresh),
        ("fresh, by hand", &at.fresh_by_hand),
        ("pool hit", &at.pool_hit),
        ("reuse, by hand", &at.reused_by_hand),
    ]
}

fn refill(refill: &Refill) -> String {
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
    )
}

fn steps(at: &WithMembers) -> String {
    let row = |how: &str, step: &Step| {
        vec![
            how.to_string(),
            format!("{:?}", step.kind).to_lowercase(),
            format!("`{}`", step.method),
            step.messages.to_string(),
            grouped(step.instructions),
        ]
    };
    let members = grouped(at.members as u64);
    section(
        &format!("Root's instructions by message, with {members} members"),
        &["how", "message", "of", "times", "instructions"],
        ways(at)
            .into_iter()
            .flat_map(|(how, cost)| cost.steps.iter().map(move |step| row(how, step)))
            .collect(),
    )
}

fn sizes(at: &[WithMembers]) -> String {
    let signed = |n: i64| {
        let sign = if n < 0 { "-" } else { "" };
        format!("{sign}{}", grouped(n.unsigned_abs()))
    };
    let row = |at: &WithMembers| {
        let bytes = at.registry_bytes.map(|bytes| format!("{bytes:.0}"));
        vec![
            grouped(at.members as u64),
            bytes.unwrap_or("too few members".to_string()),
            at.announcement.messages.to_string(),
            signed(at.announcement.root),
            signed(at.announcement.subscriber),
            millions(at.memory.heap.into()),
            millions(at.memory.stable.into()),
            grouped(at.upgrade),
        ]
    };
    section(
        "The size of the fleet",
        &[
            "members",
            "registry bytes per member, without its key",
            "one subscriber: messages",
            "root's instructions",
            "the subscriber's",
            "root's heap, MB",
            "stable memory, MB",
            "instructions of an upgrade of root",
        ],
        at.iter().map(row).collect(),
    )
}

/// A fleet of which all members are canisters.
pub(super) fn real_members(real: &Real) -> String {
    let real::Growth {
        seconds,
        messages,
        rounds,
        fees,
        creation,
        host,
        fresh,
    } = &real.growth;
    let members = grouped(real.members as u64);
    let gigabytes = |bytes: u64| format!("{:.2}", bytes as f64 / 1e9);
    let growth = section(
        &format!("{members} real canisters, by batches"),
        &[
            "minutes",
            "messages",
            "rounds",
            "fees a member, M cycles",
            "creation a member, M cycles",
            "the host's memory, GB",
            "root's heap, MB",
            "root's stable memory, MB",
            "an upgrade of root, s",
            "root's instructions of the next one",
        ],
        vec![vec![
            format!("{:.1}", seconds / 60.0),
            grouped(*messages),
            grouped(*rounds),
            millions(fees / real.members as u128),
            millions(creation / real.members as u128),
            host.map_or("unknown".to_string(), gigabytes),
            millions(real.real.memory.heap.into()),
            millions(real.real.memory.stable.into()),
            format!("{:.2}", real.real.upgrade_seconds),
            grouped(fresh.instructions),
        ]],
    );
    let row = |(what, real, written): (&str, u64, u64)| {
        let ratio = format!("{:.3} ×", real as f64 / written as f64);
        vec![what.to_string(), grouped(real), grouped(written), ratio]
    };
    let both = section(
        &format!(
            "{members} members after an upgrade of root: real ones, and ones that are written"
        ),
        &["figure", "real", "written", "ratio"],
        real.pairs().map(row).into(),
    );
    growth + &both
}

fn batch(batch: &Batch) -> String {
    section(
        "A batch",
        &[
            "workers",
            "failed",
            "rounds",
            "calls in flight, at most",
            "root's heap, MB",
            "stable memory, MB",
            "total, MB",
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
    )
}

pub(super) fn rollouts(rollouts: &Rollouts) -> String {
    let row = |of: String, cost: &Upgrades| {
        vec![
            of,
            grouped(cost.members as u64),
            cost.failed.to_string(),
            format!("{:.2}", cost.calls_a_member()),
            format!("{:.2}", cost.messages as f64 / cost.members as f64),
            grouped(cost.instructions_a_member() as u64),
            grouped(cost.rounds),
            cost.stopped.to_string(),
            cost.longest_stopped.to_string(),
            millions(cost.heap.into()),
        ]
    };
    let some = rollouts.canaries.iter().map(|(members, cost)| {
        let members = grouped(*members as u64);
        row(format!("canaries in a fleet of {members}"), cost)
    });
    let whole = [
        ("all members", &rollouts.plain),
        ("all, with snapshots", &rollouts.with_snapshots),
        ("all, by hand", &rollouts.by_hand),
        ("all members", &rollouts.large),
    ];
    let whole = whole.map(|(of, cost)| row(of.to_string(), cost));
    section(
        "Rollouts",
        &[
            "upgrades of",
            "members",
            "failed",
            "management calls a member",
            "messages",
            "root's instructions",
            "rounds",
            "stopped for rounds, median",
            "most",
            "growth of root's heap, MB",
        ],
        some.chain(whole).collect(),
    )
}

fn modules(modules: &[Module]) -> String {
    let row = |module: &Module| {
        vec![
            module.package.to_string(),
            grouped(module.bytes as u64),
            grouped(module.gzipped as u64),
        ]
    };
    section(
        "Modules",
        &["module", "bytes", "gzipped"],
        modules.iter().map(row).collect(),
    )
}

fn idle(workers: &[Idle]) -> String {
    let row = |idle: &Idle| {
        vec![
            idle.package.to_string(),
            millions(idle.memory.heap.into()),
            millions(idle.memory.stable.into()),
            millions(idle.memory.total.into()),
            millions(idle.burned_a_day),
        ]
    };
    section(
        "An idle worker",
        &[
            "worker",
            "heap, MB",
            "stable memory, MB",
            "total with the module, MB",
            "M cycles per day",
        ],
        workers.iter().map(row).collect(),
    )
}

fn builds(builds: &[Build]) -> String {
    let seconds = |s: f64| format!("{s:.1}");
    let row = |build: &Build| {
        vec![
            build.package.to_string(),
            seconds(build.cold_seconds),
            seconds(build.incremental_seconds),
        ]
    };
    section(
        "Builds on the machine of these measurements",
        &["worker", "cold, s", "after a change, s"],
        builds.iter().map(row).collect(),
    )
}

pub(super) fn section(title: &str, head: &[&str], rows: Vec<Vec<String>>) -> String {
    format!("## {title}\n\n{}\n", table(head, &rows))
}

/// A table of Markdown. Columns of numbers are aligned to the right, which also reads well as plain
/// text.
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

/// A number with a comma before each three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let parts: Vec<_> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|part| String::from_utf8_lossy(part))
        .collect();
    parts.join(",")
}

fn millions(number: u128) -> String {
    format!("{:.2}", number as f64 / 1e6)
}

#[test]
fn the_page_that_is_checked_in_begins_with_the_introduction() {
    let page = include_str!("../../../../docs/performance.md");
    assert!(page.starts_with(&format!("{INTRODUCTION}\n## Bounds\n")));
}

#[test]
fn numbers_are_grouped() {
    let all = [0, 999, 1_000, 1_234_567].map(grouped);
    assert_eq!(all, ["0", "999", "1,000", "1,234,567"]);
}

#[test]
fn a_table_aligns_numbers_to_the_right() {
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
