//! The policy: whether root accepts a request as an operation, and the limits and prices behind
//! that.
//!
//! Policy decides from [`Facts`] alone, before root pays or claims anything.

use candid::Principal;

use crate::{
    api::{MAX_ARGUMENT, MAX_KEY, MAX_ROLE, ProvisionError},
    config::{ROOT_PARENT, RoleConfig, RootConfig},
    operation::{Admission, Hash},
    tables::{read::Misfit, wire::Header},
};

/// Running operations at most that a caller waits for. A subnet installs one canister at a time, so
/// more of them would only wait in the platform's queues.
pub(crate) const MAX_RUNNING: u32 = 50;

/// Operations that run in the background at once: batches and refills. Each has at most two calls
/// in flight, so together they leave most of root's call slots to the others.
pub(crate) const MAX_BACKGROUND: u64 = 16;

/// Provisions that fail in a row before queued ones wait for a canister of the pool. Each of them
/// would create a canister, fail, and perhaps have it deleted because the pool is full by then.
pub(crate) const MAX_FAILURES: u32 = 3;

/// Queued operations at most. Each takes heap and stable memory, and root reserves cycles for it.
pub(crate) const MAX_QUEUED: u64 = 5_000;

/// Seconds after which a caller may repeat a request that root refused at [`MAX_RUNNING`].
pub(crate) const RETRY_AFTER_SECONDS: u64 = 10;

/// Seconds after which a caller may repeat a request of a batch that root refused at
/// [`MAX_QUEUED`]: about the time in which some hundred queued operations end.
pub(crate) const RETRY_BATCH_AFTER_SECONDS: u64 = 120;

/// Cycles, beside the price of a request, that root must have for the fees of the operation's
/// calls.
///
/// Root's messages and calls cost about 20 M cycles a provision. The rest pays for retries and for
/// a rollback.
pub(crate) const FEES: u128 = 1_000_000_000;

/// The share of its role's cycles, in percent, that a claimed canister may lack before root tops it
/// up. A canister of the pool pays for its storage.
pub(crate) const TOLERANCE_PERCENT: u128 = 5;

/// The facts that decide about a request to provision.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) root: Principal,
    pub(crate) parent: Principal,
    /// The parent's role. `None`: the parent is no active member.
    pub(crate) parent_role: Option<String>,
    /// Positions taken in the role: its members, and those that open operations are to make.
    pub(crate) taken: u32,
    /// Positions of the role taken below the parent.
    pub(crate) taken_below: u32,
    /// The role's approved module.
    pub(crate) module: Option<Hash>,
    /// Set if root has as many open operations as it may.
    pub(crate) busy: Option<Busy>,
    /// Cycles of root without its reserve and without those that open operations still have to
    /// send.
    pub(crate) available: u128,
    /// Cycles of the ready canister that root would claim. `None`: the pool has none.
    pub(crate) pooled: Option<u128>,
    /// The platform's fee for a new canister, in cycles.
    pub(crate) creation_fee: u128,
}

/// The load that root refuses a request with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy {
    /// Operations that run, or are queued.
    pub(crate) open: u32,
    /// Seconds until the caller may repeat the request.
    pub(crate) retry_after: u64,
}

/// The load, if it is too high for one more operation. `running`: operations that a caller waits
/// for. `queued`: operations in the queue.
pub(crate) fn busy(admission: Admission, running: u32, queued: u64) -> Option<Busy> {
    let (open, max, retry_after) = match admission {
        Admission::Queued => (
            u32::try_from(queued).unwrap_or(u32::MAX),
            MAX_QUEUED,
            RETRY_BATCH_AFTER_SECONDS,
        ),
        Admission::Immediate | Admission::Dequeued => {
            (running, u64::from(MAX_RUNNING), RETRY_AFTER_SECONDS)
        }
    };
    (u64::from(open) >= max).then_some(Busy { open, retry_after })
}

/// Whether one more queued operation may begin. `background`: those that run in the background.
/// `ready`: canisters of the pool. `failures`: provisions that failed in a row. While provisions
/// fail, one at a time may create a canister.
pub(crate) fn may_dequeue(background: u64, ready: u64, failures: u32) -> bool {
    let is_failing = failures >= MAX_FAILURES;
    background < MAX_BACKGROUND && (!is_failing || ready > 0 || background == 0)
}

/// The module and the cycles of an admitted request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    pub(crate) module: Hash,
    /// Cycles to reserve.
    pub(crate) reserve: u128,
    /// Cycles that a claimed canister lacks.
    pub(crate) shortfall: u128,
}

/// The configuration of a role. In a fleet without configured roles each role with a module is
/// known.
pub(crate) fn role_config(
    config: &RootConfig,
    role: &str,
    has_module: bool,
) -> Result<RoleConfig, ProvisionError> {
    let named = config.roles.iter().find(|known| known.name == role);
    match named {
        Some(named) => Ok(*named),
        None if config.roles.is_empty() && has_module => Ok(RoleConfig::open("")),
        None => Err(ProvisionError::UnknownRole {
            role: role.chars().take(MAX_ROLE).collect(),
            known: config
                .roles
                .iter()
                .map(|known| known.name.to_string())
                .collect(),
        }),
    }
}

/// Whether a text can name a role. The rule is that of the attributes: a lowercase letter, then
/// lowercase letters, digits, `_` and `-`.
pub(crate) fn is_role_name(name: &str) -> bool {
    name.len() <= MAX_ROLE
        && name != ROOT_PARENT
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-')
}

/// Checks the length of a key.
pub(crate) fn check_key(key: Option<&str>) -> Result<(), ProvisionError> {
    match key {
        Some(key) if key.is_empty() || key.len() > MAX_KEY => Err(ProvisionError::InvalidKey {
            length: key.len() as u32,
            max: MAX_KEY as u32,
        }),
        _ => Ok(()),
    }
}

/// Checks that the argument of a member's `init` is short enough and begins like Candid.
pub(crate) fn check_argument(arg: &[u8]) -> Result<(), ProvisionError> {
    if arg.len() > MAX_ARGUMENT {
        return Err(ProvisionError::ArgumentTooLarge {
            length: arg.len() as u64,
            max: MAX_ARGUMENT as u64,
        });
    }
    if arg.is_empty() {
        return Ok(());
    }
    // This reads the header with its type table. The member's `init` decodes the values.
    match Header::read(arg) {
        Some(_) => Ok(()),
        None => Err(ProvisionError::InvalidArgument {
            reason: Misfit::Damaged.to_string(),
        }),
    }
}

/// Checks that a parent may have members of a role below it.
pub(crate) fn check_parent(role: &RoleConfig, facts: &Facts) -> Result<(), ProvisionError> {
    let word = if facts.parent == facts.root {
        Some(ROOT_PARENT)
    } else {
        facts.parent_role.as_deref()
    };
    match word {
        Some(word) if role.parents.contains(&word) => Ok(()),
        _ => Err(ProvisionError::ParentNotAllowed {
            parent: facts.parent,
            parent_role: facts.parent_role.clone(),
            allowed: role
                .parents
                .iter()
                .map(|parent| (*parent).to_string())
                .collect(),
        }),
    }
}

/// Decides about a request whose role is known and whose key is free.
pub(crate) fn admit(
    role: &RoleConfig,
    name: &str,
    facts: &Facts,
) -> Result<Admitted, ProvisionError> {
    check_parent(role, facts)?;
    let Some(module) = facts.module else {
        return Err(ProvisionError::NoModule {
            role: name.to_string(),
        });
    };
    check_capacity(role, name, facts.taken)?;
    check_capacity_below(role, name, facts.parent, facts.taken_below)?;
    if let Some(Busy { open, retry_after }) = facts.busy {
        return Err(ProvisionError::Busy { open, retry_after });
    }
    let shortfall = facts.pooled.map_or(0, |held| shortfall(held, role.cycles));
    let price = match facts.pooled {
        Some(_) => shortfall,
        None => facts.creation_fee + role.cycles,
    };
    let needed = price + FEES;
    if needed > facts.available {
        return Err(ProvisionError::InsufficientCycles {
            needed,
            available: facts.available,
        });
    }
    Ok(Admitted {
        module,
        reserve: price,
        shortfall,
    })
}

/// Checks that a role may have one more member.
pub(crate) fn check_capacity(
    role: &RoleConfig,
    name: &str,
    taken: u32,
) -> Result<(), ProvisionError> {
    let max = if role.singleton { Some(1) } else { role.max };
    match max {
        Some(max) if taken >= max => Err(ProvisionError::RoleFull {
            role: name.to_string(),
            max,
        }),
        _ => Ok(()),
    }
}

/// Checks that a parent may have one more member of a role below it.
pub(crate) fn check_capacity_below(
    role: &RoleConfig,
    name: &str,
    parent: Principal,
    taken: u32,
) -> Result<(), ProvisionError> {
    match role.max_per_parent {
        Some(max) if taken >= max => Err(ProvisionError::ParentFull {
            parent,
            role: name.to_string(),
            max,
        }),
        _ => Ok(()),
    }
}

/// The cycles that a canister lacks, or 0 within [`TOLERANCE_PERCENT`] of those it is to have.
pub(crate) fn shortfall(held: u128, required: u128) -> u128 {
    let lacking = required.saturating_sub(held);
    if lacking <= required / 100 * TOLERANCE_PERCENT {
        0
    } else {
        lacking
    }
}

/// The number of ready canisters that the pool is to have: the recent demand, within its limits.
pub(crate) fn target(min: u32, max: u32, demand: u32) -> u32 {
    demand.clamp(min, max.max(min))
}

/// The number of canisters to create for the pool now. `in_flight`: canisters on their way into it.
pub(crate) fn refill(target: u32, max: u32, ready: u64, in_pool: u64, in_flight: u64) -> u64 {
    let lacking = u64::from(target).saturating_sub(ready + in_flight);
    let capacity = u64::from(max).saturating_sub(in_pool + in_flight);
    lacking.min(capacity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DEFAULT_RESERVE, DEFAULT_ROLLOUT, Rollback};

    const ROOT: Principal = Principal::from_slice(&[1, 1]);
    const HUB: Principal = Principal::from_slice(&[2, 1]);
    const T: u128 = 1_000_000_000_000;
    const FEE: u128 = T / 2;

    const WORKER: RoleConfig = RoleConfig {
        name: "worker",
        max: Some(3),
        max_per_parent: Some(2),
        singleton: false,
        cycles: 2 * T,
        parents: &[ROOT_PARENT],
        watches: &[],
        watches_releases: false,
        controllers: &[],
        rollback: Rollback::Recycle,
        rollout: DEFAULT_ROLLOUT,
        wasm: None,
        fund: None,
    };

    fn facts() -> Facts {
        Facts {
            root: ROOT,
            parent: ROOT,
            parent_role: None,
            taken: 0,
            taken_below: 0,
            module: Some([7; 32]),
            busy: None,
            available: 100 * T,
            pooled: None,
            creation_fee: FEE,
        }
    }

    fn admit(facts: &Facts) -> Result<Admitted, ProvisionError> {
        super::admit(&WORKER, "worker", facts)
    }

    #[test]
    fn a_fresh_canister_costs_its_creation_and_its_first_cycles() {
        let admitted = admit(&facts()).unwrap();
        assert_eq!((admitted.reserve, admitted.shortfall), (2 * T + FEE, 0));
    }

    #[test]
    fn a_canister_of_the_pool_costs_its_shortfall() {
        let poor = admit(&Facts {
            pooled: Some(T),
            ..facts()
        })
        .unwrap();
        assert_eq!((poor.reserve, poor.shortfall), (T, T));
        let nearly = Facts {
            pooled: Some(2 * T - 2 * T / 100 * TOLERANCE_PERCENT),
            ..facts()
        };
        assert_eq!(admit(&nearly).unwrap().reserve, 0);
    }

    #[test]
    fn a_request_is_refused_one_cycle_below_its_price() {
        let needed = 2 * T + FEE + FEES;
        assert!(
            admit(&Facts {
                available: needed,
                ..facts()
            })
            .is_ok()
        );
        assert_eq!(
            admit(&Facts {
                available: needed - 1,
                ..facts()
            }),
            Err(ProvisionError::InsufficientCycles {
                needed,
                available: needed - 1
            })
        );
    }

    #[test]
    fn a_role_with_all_positions_taken_is_full() {
        assert!(
            admit(&Facts {
                taken: 2,
                ..facts()
            })
            .is_ok()
        );
        assert_eq!(
            admit(&Facts {
                taken: 3,
                ..facts()
            }),
            Err(ProvisionError::RoleFull {
                role: "worker".to_string(),
                max: 3
            })
        );
    }

    #[test]
    fn a_singleton_is_full_with_one_member() {
        let singleton = RoleConfig {
            singleton: true,
            max: None,
            ..WORKER
        };
        assert!(check_capacity(&singleton, "worker", 0).is_ok());
        assert!(check_capacity(&singleton, "worker", 1).is_err());
    }

    #[test]
    fn a_role_accepts_only_the_parents_that_it_names() {
        let below_hub = Facts {
            parent: HUB,
            parent_role: Some("hub".to_string()),
            ..facts()
        };
        assert!(matches!(
            admit(&below_hub),
            Err(ProvisionError::ParentNotAllowed { .. })
        ));
        let hubs = RoleConfig {
            parents: &["hub"],
            ..WORKER
        };
        assert!(check_parent(&hubs, &below_hub).is_ok());
        assert!(check_parent(&hubs, &facts()).is_err());
        // A canister that is no member has no role.
        assert!(
            check_parent(
                &hubs,
                &Facts {
                    parent: HUB,
                    ..facts()
                }
            )
            .is_err()
        );
    }

    #[test]
    fn a_role_without_a_module_is_refused_and_so_is_a_request_to_a_busy_root() {
        let no_module = admit(&Facts {
            module: None,
            ..facts()
        });
        assert_eq!(
            no_module,
            Err(ProvisionError::NoModule {
                role: "worker".to_string()
            })
        );
        let (open, retry_after) = (MAX_RUNNING, RETRY_AFTER_SECONDS);
        let busy = admit(&Facts {
            busy: Some(Busy { open, retry_after }),
            ..facts()
        });
        assert_eq!(busy, Err(ProvisionError::Busy { open, retry_after }));
    }

    #[test]
    fn running_and_queued_operations_have_separate_limits() {
        let max = MAX_QUEUED;
        assert_eq!(busy(Admission::Immediate, MAX_RUNNING - 1, max), None);
        let full = busy(Admission::Immediate, MAX_RUNNING, 0).map(|busy| busy.open);
        assert_eq!(full, Some(MAX_RUNNING));
        assert_eq!(busy(Admission::Queued, MAX_RUNNING, max - 1), None);
        let full = busy(Admission::Queued, 0, max).map(|busy| busy.retry_after);
        assert_eq!(full, Some(RETRY_BATCH_AFTER_SECONDS));
    }

    #[test]
    fn queued_operations_create_one_canister_at_a_time_while_provisions_fail() {
        assert!(may_dequeue(MAX_BACKGROUND - 1, 0, MAX_FAILURES - 1));
        assert!(!may_dequeue(MAX_BACKGROUND, 9, 0));
        for (background, ready, may) in [(0, 0, true), (1, 0, false), (1, 1, true)] {
            assert_eq!(may_dequeue(background, ready, MAX_FAILURES), may);
        }
        assert!(!may_dequeue(MAX_BACKGROUND, 1, MAX_FAILURES));
    }

    #[test]
    fn a_parent_has_its_own_limit_beside_that_of_the_role() {
        let below = |taken_below| {
            admit(&Facts {
                taken_below,
                taken: 2,
                ..facts()
            })
        };
        assert!(below(1).is_ok());
        let full = ProvisionError::ParentFull {
            parent: ROOT,
            role: "worker".to_string(),
            max: 2,
        };
        assert_eq!(below(2), Err(full));
    }

    #[test]
    fn an_open_fleet_knows_roles_by_their_modules_and_a_closed_one_by_its_config() {
        static ROLES: [RoleConfig; 1] = [WORKER];
        let config = |roles| RootConfig {
            pool: None,
            reserve: DEFAULT_RESERVE,
            budget: None,
            refuel: None,
            roles,
        };
        assert!(role_config(&config(&ROLES), "worker", false).is_ok());
        assert!(role_config(&config(&ROLES), "other", true).is_err());
        assert!(role_config(&config(&[]), "other", true).is_ok());
        assert!(role_config(&config(&[]), "other", false).is_err());
    }

    #[test]
    fn keys_and_arguments_are_bounded_and_arguments_are_candid() {
        assert!(check_key(None).is_ok());
        assert!(check_key(Some(&"k".repeat(MAX_KEY))).is_ok());
        assert!(check_key(Some(&"k".repeat(MAX_KEY + 1))).is_err());
        assert!(check_key(Some("")).is_err());
        assert!(check_argument(b"").is_ok());
        assert!(check_argument(&candid::encode_one("hello").unwrap()).is_ok());
        assert!(matches!(
            check_argument(b"hello"),
            Err(ProvisionError::InvalidArgument { .. })
        ));
        assert!(matches!(
            check_argument(b"DIDL\x01"),
            Err(ProvisionError::InvalidArgument { .. })
        ));
        let large = vec![0; MAX_ARGUMENT + 1];
        assert!(matches!(
            check_argument(&large),
            Err(ProvisionError::ArgumentTooLarge { .. })
        ));
        let just_right = candid::encode_one(vec![0u8; MAX_ARGUMENT - 12]).unwrap();
        assert_eq!(just_right.len(), MAX_ARGUMENT, "with its header");
        assert!(check_argument(&just_right).is_ok());
    }

    #[test]
    fn role_names_follow_the_rule_of_the_attributes() {
        for good in ["a", "worker", "user-shard_2"] {
            assert!(is_role_name(good), "{good}");
        }
        for bad in [
            "",
            "root",
            "Worker",
            "2nd",
            "-a",
            "wörker",
            "a b",
            &"a".repeat(MAX_ROLE + 1),
        ] {
            assert!(!is_role_name(bad), "{bad}");
        }
    }

    #[test]
    fn the_pools_target_follows_demand_within_its_limits() {
        let targets = [0, 2, 3, 9, 10, 11, 1_000].map(|demand| target(3, 10, demand));
        assert_eq!(targets, [3, 3, 3, 9, 10, 10, 10]);
        assert_eq!(target(0, 0, 5), 0);
    }

    #[test]
    fn the_pool_is_refilled_to_its_target_and_never_beyond_max() {
        for (target, max) in [(0, 0), (0, 5), (2, 10), (3, 3), (10, 10)] {
            for ready in 0..12 {
                for claimed in 0..12 {
                    for in_flight in 0..12 {
                        let more = refill(target, max, ready, ready + claimed, in_flight);
                        assert!(more == 0 || ready + claimed + in_flight + more <= u64::from(max));
                        assert!(more == 0 || ready + in_flight + more <= u64::from(target));
                        let has_capacity = ready + claimed + in_flight < u64::from(max);
                        let is_short = ready + in_flight < u64::from(target);
                        assert_eq!(more > 0, has_capacity && is_short);
                    }
                }
            }
        }
    }
}
