//! The vocabulary: every family of values with its name, its kind, what it means, its labels and how it is measured.
//!
//! Label values come from code or from the names of roles and endpoints, never from a caller. `docs/metrics.md` shows
//! the same table; a test compares them.

use super::{Latencies, OPERATIONS, STEPS, forms::Rows};
use crate::{endpoint::called_endpoints, platform::ic, state};
use std::sync::atomic::Ordering::Relaxed;

/// Values of one meaning.
pub(crate) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [Label],
    pub(super) help: &'static str,
    /// Tells its values.
    pub(super) measure: fn(&mut Rows),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// What tells the values of a family apart.
pub(super) struct Label {
    pub(super) name: &'static str,
    /// All values it can have. None: names of endpoints or roles.
    pub(super) words: &'static [&'static str],
}

// Words, in the order of the types that they stand for.
const CALL_OUTCOMES: &[&str] = &["ok", "error", "denied", "trap"];
const KINDS: &[&str] = &[
    "provision",
    "refill",
    "retire",
    "import_to_pool",
    "adopt",
    "move",
];
const ENDS: &[&str] = &[
    "done",
    "nothing",
    "recycled",
    "deleted",
    "untouched",
    "quarantined",
];
const STEP_WORDS: &[&str] = &[
    "create",
    "configure",
    "fund",
    "install",
    "verify",
    "sync",
    "inspect",
    "uninstall",
    "start",
    "reset",
    "drop_snapshots",
    "load_drain",
    "drain",
    "stop",
    "delete",
    "shelve",
    "search",
    "children",
];
const STEP_OUTCOMES: &[&str] = &["applied", "not_applied", "unknown"];
const POOL_STATES: &[&str] = &["ready", "claimed"];
const PURPOSES: &[&str] = &[
    "creation_fees",
    "to_pool",
    "to_members",
    "drained",
    "deleted",
];

/// Roles that are told one by one; an open root may have any number of them.
const MAX_ROLES: usize = 50;

/// Stands for the other roles. No role can have this name.
const OTHER_ROLES: &str = "(other)";

/// What every canister of a fleet measures.
pub(crate) static MEMBER: [Family; 5] = [
    Family {
        name: "canic_cycles_balance",
        kind: Kind::Gauge,
        labels: &[],
        help: "Cycles that the canister has.",
        measure: |rows| rows.add(&[], ic::whole_balance() as f64),
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
        help: "Instructions that these calls took.",
        measure: |rows| {
            for (endpoint, counters) in called_endpoints() {
                let instructions = &counters.instructions;
                rows.add(&[endpoint.name], instructions.load(Relaxed) as f64);
            }
        },
    },
];

/// What root measures besides.
pub(crate) static ROOT: [Family; 12] = [
    Family {
        name: "canic_operation_duration_seconds",
        kind: Kind::Histogram,
        labels: &[
            Label {
                name: "kind",
                words: KINDS,
            },
            Label {
                name: "outcome",
                words: ENDS,
            },
        ],
        help: "How long operations that ended took since they were accepted.",
        measure: |rows| OPERATIONS.with_borrow(|all| latencies(rows, all)),
    },
    Family {
        name: "canic_step_duration_seconds",
        kind: Kind::Histogram,
        labels: &[
            Label {
                name: "step",
                words: STEP_WORDS,
            },
            Label {
                name: "outcome",
                words: STEP_OUTCOMES,
            },
        ],
        help: "How long the calls of operations took until they were answered.",
        measure: |rows| STEPS.with_borrow(|all| latencies(rows, all)),
    },
    Family {
        name: "canic_operations_open",
        kind: Kind::Gauge,
        labels: &[Label {
            name: "kind",
            words: KINDS,
        }],
        help: "Operations that have not ended.",
        measure: |rows| {
            let mut open = [0_u32; KINDS.len()];
            state::with(|state| {
                for op in state.journal.open_operations() {
                    open[op.kind() as usize] += 1;
                }
            });
            for (kind, count) in KINDS.iter().zip(open) {
                rows.add(&[kind], count.into());
            }
        },
    },
    Family {
        name: "canic_operations_waiting",
        kind: Kind::Gauge,
        labels: &[],
        help: "Operations among them that wait for their turn.",
        measure: |rows| rows.add(&[], state::with(|state| state.journal.waiting()) as f64),
    },
    Family {
        name: "canic_listeners_waiting",
        kind: Kind::Gauge,
        labels: &[],
        help: "Members that have not heard yet what was announced to them.",
        measure: |rows| rows.add(&[], state::with(|state| state.outbox.waiting()) as f64),
    },
    Family {
        name: "canic_operations_oldest_seconds",
        kind: Kind::Gauge,
        labels: &[],
        help: "Age of the open operation with the lowest number; 0 if none is open.",
        measure: |rows| {
            let oldest =
                state::with(|state| Some(state.journal.open_operations().next()?.accepted));
            let age = oldest.map_or(0, |accepted| ic::now().saturating_sub(accepted));
            rows.add(&[], age as f64 / 1e9);
        },
    },
    Family {
        name: "canic_operations_quarantined",
        kind: Kind::Gauge,
        labels: &[],
        help: "Operations that could be neither finished nor undone, and wait for an operator.",
        measure: |rows| rows.add(&[], state::with(|state| state.journal.quarantined()) as f64),
    },
    Family {
        name: "canic_members",
        kind: Kind::Gauge,
        labels: &[Label {
            name: "role",
            words: &[],
        }],
        help: "Members, those being made included.",
        measure: |rows| {
            state::with(|state| {
                let mut others = state.registry.taken();
                for (name, taken) in state.registry.taken_by_role(MAX_ROLES) {
                    others -= u64::from(taken);
                    rows.add(&[name], f64::from(taken));
                }
                if state.registry.number_of_roles() > MAX_ROLES {
                    rows.add(&[OTHER_ROLES], others as f64);
                }
            });
        },
    },
    Family {
        name: "canic_pool_canisters",
        kind: Kind::Gauge,
        labels: &[Label {
            name: "state",
            words: POOL_STATES,
        }],
        help: "Canisters of the pool.",
        measure: |rows| {
            let counts = state::with(|state| [state.pool.ready(), state.pool.claimed()]);
            for (state, count) in POOL_STATES.iter().zip(counts) {
                rows.add(&[state], count as f64);
            }
        },
    },
    Family {
        name: "canic_cycles_total",
        kind: Kind::Counter,
        labels: &[Label {
            name: "purpose",
            words: PURPOSES,
        }],
        help: "Cycles spent, or come back, since root was installed.",
        measure: |rows| {
            let ledger = state::with(|state| state.head.ledger.clone());
            let cycles = [
                ledger.creation_fees,
                ledger.to_pool,
                ledger.to_members,
                ledger.drained,
                ledger.deleted,
            ];
            for (purpose, cycles) in PURPOSES.iter().zip(cycles) {
                rows.add(&[purpose], cycles.0 as f64);
            }
        },
    },
    Family {
        name: "canic_cycles_unknown",
        kind: Kind::Gauge,
        labels: &[],
        help: "Cycles sent with creations of which it is not known whether they happened.",
        measure: |rows| rows.add(&[], state::with(|state| state.head.ledger.unknown.0) as f64),
    },
    Family {
        name: "canic_cycles_available",
        kind: Kind::Gauge,
        labels: &[],
        help: "Cycles that root can spend: without its reserve and what open operations still have to send.",
        measure: |rows| rows.add(&[], state::with(|state| state.available()) as f64),
    },
];

fn latencies(rows: &mut Rows, all: &Latencies) {
    for (words, histogram) in all {
        rows.add_histogram(*words, histogram);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{OperationKind, PageRequest},
        config::RootConfig,
        operation::{End, Position, Step},
        stable::memory,
    };
    use candid::Principal;
    use minicbor::Decode;
    use std::fmt::Debug;

    /// Names of a type's variants, as they count: `LoadDrain` is `load_drain`.
    fn names<T: Debug>(variants: impl IntoIterator<Item = T>) -> Vec<String> {
        let snake = |variant: T| {
            let name = format!("{variant:?}");
            let parts = name.char_indices().map(|(at, letter)| {
                let gap = if at > 0 && letter.is_uppercase() {
                    "_"
                } else {
                    ""
                };
                format!("{gap}{}", letter.to_lowercase())
            });
            parts.collect()
        };
        variants.into_iter().map(snake).collect()
    }

    /// All variants of a type that is a number on record.
    fn all<T: for<'b> Decode<'b, ()>>() -> impl Iterator<Item = T> {
        (0..24_u8).map_while(|number| minicbor::decode(&[number]).ok())
    }

    #[test]
    fn every_step_end_and_kind_has_its_word() {
        assert_eq!(names(all::<Step>()), STEP_WORDS);
        assert_eq!(names(all::<End>()), ENDS);
        let kinds = [
            OperationKind::Provision,
            OperationKind::Refill,
            OperationKind::Retire,
            OperationKind::ImportToPool,
            OperationKind::Adopt,
            OperationKind::Move,
        ];
        assert_eq!(names(kinds), KINDS);
    }

    /// The table of `docs/metrics.md`.
    fn table(families: &[Family]) -> String {
        let label = |label: &Label| match label.words {
            [] => format!("`{}`", label.name),
            words => format!("`{}`: {}", label.name, words.join(", ")),
        };
        let row = |family: &Family| {
            let labels: Vec<String> = match family.labels {
                [] => vec!["none".to_string()],
                labels => labels.iter().map(label).collect(),
            };
            format!(
                "| `{}` | {} | {} | {} |\n",
                family.name,
                format!("{:?}", family.kind).to_lowercase(),
                labels.join("; "),
                family.help,
            )
        };
        let rows: String = families.iter().map(row).collect();
        format!("| name | kind | labels | meaning |\n|---|---|---|---|\n{rows}")
    }

    #[test]
    fn the_documentation_has_the_same_tables() {
        let docs = include_str!("../../../docs/metrics.md");
        for families in [&MEMBER[..], &ROOT[..]] {
            let table = table(families);
            assert!(docs.contains(&table), "docs/metrics.md lacks:\n\n{table}");
        }
    }

    #[test]
    fn an_open_roots_roles_are_told_up_to_a_number_and_the_others_together() {
        static CONFIG: RootConfig = RootConfig {
            pool: None,
            reserve: 0,
            roles: &[],
        };
        memory::forget();
        memory::open(memory::META);
        state::open(&CONFIG);
        state::with(|state| {
            for number in 0..MAX_ROLES + 3 {
                let mut place = Position::sample(Principal::anonymous());
                place.role = format!("role-{number}");
                state.registry.take(&place, 1);
            }
        });
        let members = ROOT.iter().find(|family| family.name == "canic_members");
        let families = || members.into_iter();
        let request = PageRequest {
            after: None,
            limit: 1_000,
        };
        let rows = super::super::page(families(), request).metrics;
        assert_eq!(rows.len(), MAX_ROLES + 1);
        assert!(rows[..MAX_ROLES].iter().all(|row| row.value == 1.0));
        let others = &rows[MAX_ROLES];
        assert_eq!(
            (others.labels[0].1.as_str(), others.value),
            (OTHER_ROLES, 3.0)
        );
        assert!(!crate::operation::policy::is_role_name(OTHER_ROLES));
    }

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        for family in MEMBER.iter().chain(&ROOT) {
            let Family {
                name, kind, help, ..
            } = family;
            assert!(name.starts_with("canic_"), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(
                help.ends_with('.') && !help.contains(['\n', '|']),
                "{name}: {help}"
            );
        }
    }
}
