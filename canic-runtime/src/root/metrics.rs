//! Root's metrics: its families, beside those of every canister, and the latencies of operations.

use std::{cell::RefCell, collections::BTreeMap, thread::LocalKey};

use crate::{
    api::OperationKind,
    metrics::{Family, Kind, Label, Latencies},
    operation::{End, Job, Step, rollout::Rollout},
    platform::ic,
    root::{funding_info, runway},
    state,
};

thread_local! {
    static OPERATION_LATENCIES: RefCell<Latencies> = const { RefCell::new(Latencies::new()) };
    static STOPS: RefCell<Latencies> = const { RefCell::new(Latencies::new()) };
    static STEP_LATENCIES: RefCell<Latencies> = const { RefCell::new(Latencies::new()) };
}

/// The outcome of a step's call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepOutcome {
    Applied,
    NotApplied,
    Unknown,
}

/// Counts an operation that ended so many nanoseconds after it was accepted.
pub(crate) fn observe_operation(kind: OperationKind, end: End, nanoseconds: u64) {
    observe(
        &OPERATION_LATENCIES,
        [kind as usize, end as usize],
        nanoseconds,
    );
}

/// Counts the time for which an upgrade that ended had stopped its member.
pub(crate) fn observe_stop(job: Job, end: End, nanoseconds: u64) {
    observe(&STOPS, [job as usize, end as usize], nanoseconds);
}

/// Counts a step whose call was answered after so many nanoseconds.
pub(crate) fn observe_step(step: Step, outcome: StepOutcome, nanoseconds: u64) {
    observe(
        &STEP_LATENCIES,
        [step as usize, outcome as usize],
        nanoseconds,
    );
}

fn observe(latencies: &'static LocalKey<RefCell<Latencies>>, words: [usize; 2], nanoseconds: u64) {
    latencies.with_borrow_mut(|all| all.entry(words).or_default().observe(nanoseconds));
}

// Words, in the order of the variants that they name. An enum's value as a number is the index of
// its word.

/// The words of `OperationKind`.
const KINDS: &[&str] = &[
    "provision",
    "refill",
    "retire",
    "import_to_pool",
    "adopt",
    "move",
    "upgrade",
    "grant",
    "refuel",
];

/// The words of `End`.
const ENDS: &[&str] = &[
    "done",
    "nothing",
    "recycled",
    "deleted",
    "untouched",
    "quarantined",
    "reverted",
    "abandoned",
];

/// The words of `Job`.
const JOBS: &[&str] = &["upgrade", "look", "undo", "restore", "drop_snapshot"];

/// The words of `Phase`.
const PHASES: &[&str] = &[
    "clear", "canary", "bake", "look", "rest", "undo", "settle", "ended",
];

/// The words of `Step`.
const STEPS: &[&str] = &[
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
    "add_to_pool",
    "search",
    "retire_children",
    "locate",
    "take_snapshot",
    "find_snapshot",
    "upgrade",
    "health",
    "accept",
    "restore",
    "drop_snapshot",
    "quote",
    "balance",
    "withdraw",
    "transfer",
    "notify",
];

/// The words of [`StepOutcome`].
const STEP_OUTCOMES: &[&str] = &["applied", "not_applied", "unknown"];

const POOL_STATES: &[&str] = &["ready", "claimed"];

/// The words of a ledger's sums.
const PURPOSES: &[&str] = &[
    "creation_fees",
    "to_pool",
    "to_members",
    "drained",
    "deleted",
    "refuelled",
];

/// The words of `GrantPurpose`.
const GRANT_PURPOSES: &[&str] = &["watch", "request", "controller", "upgrade", "pool"];

/// The words of `GrantLimit`.
const GRANT_LIMITS: &[&str] = &["member", "role", "budget", "reserve"];

/// The words of `Condition`, and one for members whose look goes on.
const CONDITIONS: &[&str] = &["stopped", "frozen", "unseen", "refused", "slow"];

/// Nanoseconds after which a look without an answer is slow: a minute.
const SLOW: u64 = 60_000_000_000;

/// Nanoseconds of a day.
const DAY: u64 = 86_400_000_000_000;

/// Roles with a row of their own. An open root may have any number of roles.
const MAX_ROLES: usize = 50;

/// The label of the row that sums up the other roles. No role can have this name.
const OTHER_ROLES: &str = "(other)";

/// Calls this with the newest rollout of each role, if it has not ended, and the role's name. A
/// label's values are unique so.
fn of_open_rollouts(mut each: impl FnMut(&str, &Rollout)) {
    state::with(|state| {
        let mut newest: BTreeMap<u16, &Rollout> = BTreeMap::new();
        newest.extend(state.rollouts.open_ones().map(|one| (one.role, one)));
        for (role, rollout) in newest.into_iter().take(MAX_ROLES) {
            each(state.registry.role_name(role), rollout);
        }
    });
}

/// The families of root, beside those of every canister.
pub(crate) static ROOT: [Family; 24] = [
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
        help: "Time from an operation's acceptance to its end.",
        measure: |rows| OPERATION_LATENCIES.with_borrow(|all| rows.add_histograms(all)),
    },
    Family {
        name: "canic_step_duration_seconds",
        kind: Kind::Histogram,
        labels: &[
            Label {
                name: "step",
                words: STEPS,
            },
            Label {
                name: "outcome",
                words: STEP_OUTCOMES,
            },
        ],
        help: "Time from the call of a step to its answer.",
        measure: |rows| STEP_LATENCIES.with_borrow(|all| rows.add_histograms(all)),
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
        name: "canic_operations_queued",
        kind: Kind::Gauge,
        labels: &[],
        help: "Open operations that are queued and have not begun.",
        measure: |rows| {
            rows.add(
                &[],
                state::with(|state| state.journal.queued_count()) as f64,
            )
        },
    },
    Family {
        name: "canic_subscribers_pending",
        kind: Kind::Gauge,
        labels: &[],
        help: "Subscribers that have not acknowledged all changes.",
        measure: |rows| {
            rows.add(
                &[],
                state::with(|state| state.outbox.subscribers_pending()) as f64,
            )
        },
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
        help: "Operations that root could neither finish nor undo, and that wait for an operator.",
        measure: |rows| {
            rows.add(
                &[],
                state::with(|state| state.journal.quarantined_count()) as f64,
            )
        },
    },
    Family {
        name: "canic_members",
        kind: Kind::Gauge,
        labels: &[Label {
            name: "role",
            words: &[],
        }],
        help: "Members, those being provisioned included.",
        measure: |rows| {
            state::with(|state| {
                let mut others = state.registry.taken();
                for (name, taken) in state.registry.taken_by_role(MAX_ROLES) {
                    others -= u64::from(taken);
                    rows.add(&[name], f64::from(taken));
                }
                if state.registry.role_count() > MAX_ROLES {
                    rows.add(&[OTHER_ROLES], others as f64);
                }
            });
        },
    },
    Family {
        name: "canic_release_members",
        kind: Kind::Gauge,
        labels: &[
            Label {
                name: "role",
                words: &[],
            },
            Label {
                name: "release",
                words: &[],
            },
        ],
        help: "Members by the release that they have, of each release that root knows.",
        measure: |rows| {
            state::with(|state| {
                for (name, _) in state.registry.taken_by_role(MAX_ROLES) {
                    let Some(role) = state.registry.role(name) else {
                        continue;
                    };
                    for release in role.releases.all() {
                        let members = state.registry.count_on_release(role.number, release.number);
                        rows.add(&[name, &release.number.to_string()], f64::from(members));
                    }
                }
            });
        },
    },
    Family {
        name: "canic_rollout_phase",
        kind: Kind::Gauge,
        labels: &[
            Label {
                name: "role",
                words: &[],
            },
            Label {
                name: "phase",
                words: PHASES,
            },
        ],
        help: "1 for the phase of each rollout that has not ended.",
        measure: |rows| {
            of_open_rollouts(|role, rollout| {
                rows.add(&[role, PHASES[rollout.phase as usize]], 1.0);
            });
        },
    },
    Family {
        name: "canic_rollout_paused",
        kind: Kind::Gauge,
        labels: &[Label {
            name: "role",
            words: &[],
        }],
        help: "1 if the rollout, which has not ended, waits for a controller, or else 0.",
        measure: |rows| {
            of_open_rollouts(|role, rollout| {
                rows.add(&[role], f64::from(u8::from(rollout.pause.is_some())));
            });
        },
    },
    Family {
        name: "canic_rollout_failures",
        kind: Kind::Gauge,
        labels: &[Label {
            name: "role",
            words: &[],
        }],
        help: "Members that the rollout, which has not ended, failed to upgrade.",
        measure: |rows| {
            of_open_rollouts(|role, rollout| rows.add(&[role], f64::from(rollout.failed)));
        },
    },
    Family {
        name: "canic_upgrade_stopped_seconds",
        kind: Kind::Histogram,
        labels: &[
            Label {
                name: "job",
                words: JOBS,
            },
            Label {
                name: "outcome",
                words: ENDS,
            },
        ],
        help: "Time for which an operation of a rollout stopped its member.",
        measure: |rows| STOPS.with_borrow(|all| rows.add_histograms(all)),
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
            let counts =
                state::with(|state| [state.pool.ready_count(), state.pool.claimed_count()]);
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
        help: "Cycles that root spent, or got back, since it was installed.",
        measure: |rows| {
            let ledger = state::with(|state| state.head.ledger);
            let cycles = [
                ledger.creation_fees,
                ledger.to_pool,
                ledger.to_members,
                ledger.drained,
                ledger.deleted,
                ledger.refuelled,
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
        help: "Cycles sent with creations whose outcome root does not know.",
        measure: |rows| rows.add(&[], state::with(|state| state.head.ledger.unknown.0) as f64),
    },
    Family {
        name: "canic_cycles_available",
        kind: Kind::Gauge,
        labels: &[],
        help: "Cycles that root can spend: \
               its balance less its reserve and the cycles reserved by open operations.",
        measure: |rows| {
            rows.add(
                &[],
                state::with(|state| state.available(ic::balance())) as f64,
            )
        },
    },
    Family {
        name: "canic_granted_cycles",
        kind: Kind::Gauge,
        labels: &[Label {
            name: "purpose",
            words: GRANT_PURPOSES,
        }],
        help: "Cycles granted in the last 30 days, today included.",
        measure: |rows| {
            let mut sums = [0.0; GRANT_PURPOSES.len()];
            state::with(|state| {
                let days = state.funding.days(ic::now());
                for (purpose, cycles) in days.flat_map(|(_, day)| &day.granted) {
                    sums[*purpose as usize] += cycles.0 as f64;
                }
            });
            for (purpose, sum) in GRANT_PURPOSES.iter().zip(sums) {
                rows.add(&[purpose], sum);
            }
        },
    },
    Family {
        name: "canic_budget_charged_cycles",
        kind: Kind::Gauge,
        labels: &[],
        help: "Cycles charged against the budget of all grants since midnight in UTC.",
        measure: |rows| {
            let now = ic::now();
            rows.add(
                &[],
                state::with(|state| state.funding.charged_today(now)) as f64,
            )
        },
    },
    Family {
        name: "canic_canisters_refused",
        kind: Kind::Gauge,
        labels: &[Label {
            name: "limit",
            words: GRANT_LIMITS,
        }],
        help: "Canisters to which a limit refused a grant in the last 24 hours, 100 at most.",
        measure: |rows| {
            let since = ic::now().saturating_sub(DAY);
            let mut counts = [0.0; GRANT_LIMITS.len()];
            state::with(|state| {
                let recent = state.funding.refusals().filter(|it| it.at >= since);
                recent.for_each(|refused| counts[refused.limit as usize] += 1.0);
            });
            for (limit, count) in GRANT_LIMITS.iter().zip(counts) {
                rows.add(&[limit], count);
            }
        },
    },
    Family {
        name: "canic_members_unwell",
        kind: Kind::Gauge,
        labels: &[Label {
            name: "condition",
            words: CONDITIONS,
        }],
        help: "Members that root last saw in this condition; slow: that it waits to see.",
        measure: |rows| {
            let now = ic::now();
            let mut counts = [0.0; CONDITIONS.len()];
            state::with(|state| {
                let all = state.funding.conditions();
                all.for_each(|(_, condition)| counts[condition as usize] += 1.0);
                let [.., slow] = &mut counts;
                *slow = state.funding.slow(now, SLOW) as f64;
            });
            for (condition, count) in CONDITIONS.iter().zip(counts) {
                rows.add(&[condition], count);
            }
        },
    },
    Family {
        name: "canic_role_days_left",
        kind: Kind::Gauge,
        labels: &[Label {
            name: "role",
            words: &[],
        }],
        help: "Days until the first member of a role is frozen. \
               It is missing if all members have two weeks or more.",
        measure: |rows| {
            state::with(|state| {
                for role in funding_info::roles(state, ic::now()).take(MAX_ROLES) {
                    if let Some(days) = role.days_left {
                        rows.add(&[&role.role], days);
                    }
                }
            });
        },
    },
    Family {
        name: "canic_root_days_left",
        kind: Kind::Gauge,
        labels: &[],
        help: "Days until root is at its reserve, at the rate of the last 30 days. \
               It is missing until root has watched itself for a day.",
        measure: |rows| {
            let moment = ic::moment();
            let funding = state::with(|state| runway::root_funding(state, &moment));
            if let Some(days) = funding.days_left {
                rows.add(&[], days);
            }
        },
    },
    Family {
        name: "canic_funding_level",
        kind: Kind::Gauge,
        labels: &[],
        help: "How urgent root's need of cycles is: 0 ok, 1 warn, 2 critical.",
        measure: |rows| {
            let moment = ic::moment();
            let funding = state::with(|state| runway::root_funding(state, &moment));
            rows.add(&[], f64::from(funding.level as u8));
        },
    },
];

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use candid::Principal;
    use minicbor::Decode;

    use super::*;
    use crate::{
        api::{GrantLimit, GrantPurpose, PageRequest},
        config::RootConfig,
        metrics::{self, MEMBER},
        operation::{Position, policy, rollout::Phase},
        stable::memory,
        state::funding::Condition,
    };

    /// The words of a type's variants: `load_drain` for `LoadDrain`.
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

    /// All variants of a type whose record is one number.
    fn all<T: for<'b> Decode<'b, ()>>() -> impl Iterator<Item = T> {
        // Numbers from 24 on take a second byte.
        (0..64_u8)
            .map_while(|number| minicbor::decode(&crate::stable::record::encode(&number)).ok())
    }

    #[test]
    fn every_step_end_and_kind_has_its_word() {
        assert_eq!(names(all::<Step>()), STEPS);
        assert_eq!(names(all::<End>()), ENDS);
        assert_eq!(names(all::<Job>()), JOBS);
        assert_eq!(names(all::<Phase>()), PHASES);
        let kinds = [
            OperationKind::Provision,
            OperationKind::Refill,
            OperationKind::Retire,
            OperationKind::ImportToPool,
            OperationKind::Adopt,
            OperationKind::Move,
            OperationKind::Upgrade,
            OperationKind::Grant,
            OperationKind::Refuel,
        ];
        assert_eq!(names(kinds), KINDS);
        assert_eq!(names(all::<GrantPurpose>()), GRANT_PURPOSES);
        assert_eq!(names(all::<GrantLimit>()), GRANT_LIMITS);
        let conditions = [
            Condition::Stopped,
            Condition::Frozen,
            Condition::Unseen,
            Condition::Refused,
        ];
        assert_eq!(names(conditions), CONDITIONS[..4]);
    }

    /// The table of these families as `docs/metrics.md` has it.
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
    fn roles_have_rows_of_their_own_up_to_a_limit_and_the_others_share_one() {
        static CONFIG: RootConfig = RootConfig {
            pool: None,
            reserve: 0,
            budget: None,
            refuel: None,
            roles: &[],
        };
        memory::forget();
        memory::open(memory::META);
        state::open(&CONFIG);
        state::with(|state| {
            for number in 0..MAX_ROLES + 3 {
                let mut position = Position::sample(Principal::anonymous());
                position.role = format!("role-{number}");
                state.registry.take_position(&position, 1);
            }
        });
        let members = ROOT.iter().find(|family| family.name == "canic_members");
        let families = || members.into_iter();
        let request = PageRequest {
            after: None,
            limit: 1_000,
        };
        let rows = metrics::page(families(), request).metrics;
        assert_eq!(rows.len(), MAX_ROLES + 1);
        assert!(rows[..MAX_ROLES].iter().all(|row| row.value == 1.0));
        let others = &rows[MAX_ROLES];
        assert_eq!(
            (others.labels[0].1.as_str(), others.value),
            (OTHER_ROLES, 3.0)
        );
        assert!(!policy::is_role_name(OTHER_ROLES));
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
