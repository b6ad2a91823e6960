//! The vocabulary of every canister: its families with names, kinds, labels, help and measures.
//!
//! A label's value comes from code or is the name of an endpoint, never a caller's word.
//! `docs/metrics.md` shows the same table; a test in `root/metrics.rs` compares them.

use std::sync::atomic::Ordering::Relaxed;

use crate::{
    endpoint::called_endpoints,
    metrics::family::{Family, Kind, Label},
    platform::ic,
};

/// The words of `CallOutcome`, in the order of its variants.
const CALL_OUTCOMES: &[&str] = &["ok", "error", "denied", "trap"];

/// The families of every canister.
pub(crate) static MEMBER: [Family; 5] = [
    Family {
        name: "canic_cycles_balance",
        kind: Kind::Gauge,
        labels: &[],
        help: "Cycles that the canister has.",
        measure: |rows| rows.add(&[], ic::total_balance() as f64),
    },
    Family {
        name: "canic_heap_bytes",
        kind: Kind::Gauge,
        labels: &[],
        help: "Bytes of the canister's heap.",
        measure: |rows| rows.add(&[], ic::heap_bytes() as f64),
    },
    Family {
        name: "canic_stable_bytes",
        kind: Kind::Gauge,
        labels: &[],
        help: "Bytes of the canister's stable memory.",
        measure: |rows| rows.add(&[], ic::stable_bytes() as f64),
    },
    Family {
        name: "canic_endpoint_calls_total",
        kind: Kind::Counter,
        labels: &[
            Label {
                name: "endpoint",
                words: &[],
            },
            Label {
                name: "outcome",
                words: CALL_OUTCOMES,
            },
        ],
        help: "Calls of endpoints that ended, by outcome.",
        measure: |rows| {
            for (endpoint, counters) in called_endpoints() {
                for (outcome, ended) in CALL_OUTCOMES.iter().zip(&counters.ended) {
                    rows.add(&[endpoint.name, outcome], ended.load(Relaxed) as f64);
                }
            }
        },
    },
    Family {
        name: "canic_endpoint_instructions_total",
        kind: Kind::Counter,
        labels: &[Label {
            name: "endpoint",
            words: &[],
        }],
        help: "Instructions that an endpoint's calls took.",
        measure: |rows| {
            for (endpoint, counters) in called_endpoints() {
                let instructions = &counters.instructions;
                rows.add(&[endpoint.name], instructions.load(Relaxed) as f64);
            }
        },
    },
];
