//! Metrics: one vocabulary for root and members, with bounded labels.
//!
//! Counters live on the heap and begin anew with every upgrade, as Prometheus expects of a process that restarts.
//! What an update that traps had counted is rolled back with it; traps after an await are counted by the cleanup.

use crate::{api::Metric, platform::ic};
use std::{cell::RefCell, collections::BTreeMap};

/// One endpoint's counters.
#[derive(Clone, Copy, Default)]
pub(crate) struct EndpointCounters {
    pub(crate) calls: u64,
    pub(crate) denied: u64,
    pub(crate) errors: u64,
    pub(crate) traps: u64,
    pub(crate) instructions: u64,
}

type Labelled = BTreeMap<(&'static str, &'static str), u64>;

thread_local! {
    static ENDPOINTS: RefCell<BTreeMap<&'static str, EndpointCounters>> = const { RefCell::new(BTreeMap::new()) };
    static OPERATIONS: RefCell<Labelled> = const { RefCell::new(BTreeMap::new()) };
    static STEPS: RefCell<Labelled> = const { RefCell::new(BTreeMap::new()) };
}

pub(crate) fn endpoint(name: &'static str, count: impl FnOnce(&mut EndpointCounters)) {
    ENDPOINTS.with_borrow_mut(|endpoints| count(endpoints.entry(name).or_default()));
}

/// Counts an operation that ended.
pub(crate) fn operation(kind: &'static str, outcome: &'static str) {
    OPERATIONS.with_borrow_mut(|counts| *counts.entry((kind, outcome)).or_default() += 1);
}

/// Counts a step that came back.
pub(crate) fn step(step: &'static str, outcome: &'static str) {
    STEPS.with_borrow_mut(|counts| *counts.entry((step, outcome)).or_default() += 1);
}

/// A value without labels.
pub(crate) fn plain(name: &str, value: f64) -> Metric {
    Metric {
        name: name.to_string(),
        labels: Vec::new(),
        value,
    }
}

/// A value with one label.
pub(crate) fn labelled(name: &str, label: (&str, &str), value: f64) -> Metric {
    Metric {
        name: name.to_string(),
        labels: vec![(label.0.to_string(), label.1.to_string())],
        value,
    }
}

/// What every canister of a fleet measures.
pub(crate) fn common() -> Vec<Metric> {
    let mut metrics = vec![
        plain("canic_cycles_balance", ic::whole_balance() as f64),
        plain("canic_heap_bytes", ic::heap_bytes() as f64),
        plain("canic_stable_bytes", ic::stable_bytes() as f64),
    ];
    ENDPOINTS.with_borrow(|endpoints| {
        type Column = (&'static str, fn(&EndpointCounters) -> u64);
        let columns: [Column; 5] = [
            ("canic_endpoint_calls_total", |counters| counters.calls),
            ("canic_endpoint_denied_total", |counters| counters.denied),
            ("canic_endpoint_errors_total", |counters| counters.errors),
            ("canic_endpoint_traps_total", |counters| counters.traps),
            ("canic_endpoint_instructions_total", |counters| {
                counters.instructions
            }),
        ];
        for (name, column) in columns {
            for (endpoint, counters) in endpoints {
                metrics.push(labelled(
                    name,
                    ("endpoint", endpoint),
                    column(counters) as f64,
                ));
            }
        }
    });
    metrics
}

/// What operations and their steps did.
pub(crate) fn operations() -> Vec<Metric> {
    let rows = |name: &'static str, what: &'static str, counts: &Labelled| -> Vec<Metric> {
        let row = |(&(kind, outcome), &count): (&(&str, &str), &u64)| Metric {
            name: name.to_string(),
            labels: vec![
                (what.to_string(), kind.to_string()),
                ("outcome".to_string(), outcome.to_string()),
            ],
            value: count as f64,
        };
        counts.iter().map(row).collect()
    };
    let mut metrics =
        OPERATIONS.with_borrow(|counts| rows("canic_operations_total", "kind", counts));
    metrics.extend(STEPS.with_borrow(|counts| rows("canic_steps_total", "step", counts)));
    metrics
}

/// Metrics as Prometheus reads them.
pub(crate) fn prometheus(metrics: &[Metric], now: u64) -> Result<Vec<u8>, String> {
    let mut encoder = ic_metrics_encoder::MetricsEncoder::new(Vec::new(), (now / 1_000_000) as i64);
    let mut rest = metrics;
    while let Some(first) = rest.first() {
        let family = rest
            .iter()
            .take_while(|metric| metric.name == first.name)
            .count();
        let (rows, others) = rest.split_at(family);
        rest = others;
        let written = if first.name.ends_with("_total") {
            write_family(encoder.counter_vec(&first.name, &first.name), rows)
        } else {
            write_family(encoder.gauge_vec(&first.name, &first.name), rows)
        };
        written.map_err(|error| error.to_string())?;
    }
    Ok(encoder.into_inner())
}

fn write_family(
    builder: std::io::Result<ic_metrics_encoder::LabeledMetricsBuilder<'_, Vec<u8>>>,
    rows: &[Metric],
) -> std::io::Result<()> {
    let mut builder = builder?;
    for row in rows {
        let labels: Vec<(&str, &str)> = row
            .labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        builder = builder.value(&labels, row.value)?;
    }
    Ok(())
}
