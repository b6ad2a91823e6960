//! Whether a request may become an operation: decided before anything is paid or claimed, from facts alone.

use crate::{
    api::{MAX_ARGUMENT, MAX_KEY, MAX_ROLE, ProvisionError},
    config::{ROOT_PARENT, RoleConfig, RootConfig},
    operation::{Admission, Hash},
};
use candid::{Principal, de::IDLDeserialize};

/// Operations under way at most that somebody waits for. More would only queue up at the platform: a subnet installs one
/// at a time.
pub(crate) const MAX_RUNNING: u32 = 50;

/// Operations of batches under way at once. Each has at most two calls in flight, and the others leave it room.
pub(crate) const MAX_BACKGROUND: u64 = 16;

/// Operations of batches that wait for their admission at most: each costs memory and cycles that are set aside for it.
pub(crate) const MAX_WAITING: u64 = 5_000;

/// Seconds after which a request that was turned away as too many may come again.
pub(crate) const RETRY_AFTER: u64 = 10;

/// The same for one of a batch: so long do some hundred that wait before it take.
pub(crate) const RETRY_BATCH_AFTER: u64 = 120;

/// Cycles set aside for the fees of an operation's calls beside those that have a price of their own.
///
/// Root's own messages and calls cost some 20 M cycles a provision; this leaves room for retries and a rollback.
pub(crate) const FEES: u128 = 1_000_000_000;

/// A claimed canister may hold this much less than its role asks for before it is topped up: it pays for its
/// storage while it waits.
pub(crate) const TOLERANCE_PERCENT: u128 = 5;

/// What decides about a request to provision.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) root: Principal,
    pub(crate) parent: Principal,
    /// The role of the parent; none if it is no member.
    pub(crate) parent_role: Option<String>,
    /// Members of the role, those being provisioned included.
    pub(crate) taken: u32,
    /// Those of them below this parent.
    pub(crate) taken_below: u32,
    pub(crate) module: Option<Hash>,
    /// Whether too much is under way.
    pub(crate) busy: Option<Busy>,
    /// Root's balance without its reserve and without what open operations still have to send.
    pub(crate) available: u128,
    /// What a ready canister of the pool holds; none if there is none.
    pub(crate) pooled: Option<u128>,
    /// The platform's fee for a new canister.
    pub(crate) creation_fee: u128,
}

/// Too much is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy {
    /// Operations under way, or waiting.
    pub(crate) open: u32,
    /// Seconds.
    pub(crate) retry_after: u64,
}

/// Whether too much is under way for one more, given what runs while somebody waits for it and what waits for its admission.
pub(crate) fn busy(admission: Admission, running: u32, waiting: u64) -> Option<Busy> {
    let (open, max, retry_after) = match admission {
        Admission::Queued => (
            u32::try_from(waiting).unwrap_or(u32::MAX),
            MAX_WAITING,
            RETRY_BATCH_AFTER,
        ),
        Admission::Immediate | Admission::Dequeued => {
            (running, u64::from(MAX_RUNNING), RETRY_AFTER)
        }
    };
    (u64::from(open) >= max).then_some(Busy { open, retry_after })
}

/// What an admitted request may spend.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    pub(crate) module: Hash,
    /// What has to be set aside.
    pub(crate) reserve: u128,
    /// What a claimed canister lacks.
    pub(crate) shortfall: u128,
}

/// The role's limits, if the fleet has it.
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

/// Whether text can name a role: as in the attributes, a letter and then letters, digits, `_` and `-`.
pub(crate) fn is_role_name(name: &str) -> bool {
    name.len() <= MAX_ROLE
        && name != ROOT_PARENT
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-')
}

pub(crate) fn check_key(key: Option<&str>) -> Result<(), ProvisionError> {
    match key {
        Some(key) if key.is_empty() || key.len() > MAX_KEY => Err(ProvisionError::InvalidKey {
            length: key.len() as u32,
            max: MAX_KEY as u32,
        }),
        _ => Ok(()),
    }
}

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
    // Only the header with its type table is read: the values are for the member's `init` to judge.
    match IDLDeserialize::new(arg) {
        Ok(_) => Ok(()),
        Err(error) => Err(ProvisionError::InvalidArgument {
            reason: crate::operation::call::shorten(&error.to_string()),
        }),
    }
}

/// Whether a parent may have members of a role below it.
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
    check_room(role, name, facts.taken)?;
    check_room_below(role, name, facts.parent, facts.taken_below)?;
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

pub(crate) fn check_room(role: &RoleConfig, name: &str, taken: u32) -> Result<(), ProvisionError> {
    let max = if role.singleton { Some(1) } else { role.max };
    match max {
        Some(max) if taken >= max => Err(ProvisionError::RoleFull {
            role: name.to_string(),
            max,
        }),
        _ => Ok(()),
    }
}

/// Whether a parent may have one more member of a role below it.
pub(crate) fn check_room_below(
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

/// What a canister lacks to what it should hold; nothing if the difference is small.
pub(crate) fn shortfall(held: u128, wanted: u128) -> u128 {
    let lacks = wanted.saturating_sub(held);
    if lacks <= wanted / 100 * TOLERANCE_PERCENT {
        0
    } else {
        lacks
    }
}

/// How many ready canisters the pool is to have: as many as were wanted lately, within its limits.
pub(crate) fn target(min: u32, max: u32, demand: u32) -> u32 {
    demand.clamp(min, max.max(min))
}

/// How many canisters to create for the pool now, so that it has a number of ready ones.
pub(crate) fn refill(target: u32, max: u32, ready: u64, in_pool: u64, coming: u64) -> u64 {
    let lacks = u64::from(target).saturating_sub(ready + coming);
    let room = u64::from(max).saturating_sub(in_pool + coming);
    lacks.min(room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DEFAULT_RESERVE, Rollback};

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
        controllers: &[],
        rollback: Rollback::Recycle,
        wasm: None,
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
    fn a_fresh_canister_costs_its_creation_and_what_it_starts_with() {
        let admitted = admit(&facts()).unwrap();
        assert_eq!((admitted.reserve, admitted.shortfall), (2 * T + FEE, 0));
    }

    #[test]
    fn a_pool_canister_costs_what_it_lacks() {
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
    fn nothing_is_admitted_that_root_cannot_pay_for_to_the_last_cycle() {
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
    fn a_full_role_counts_those_being_provisioned() {
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
    fn a_singleton_is_full_with_one() {
        let singleton = RoleConfig {
            singleton: true,
            max: None,
            ..WORKER
        };
        assert!(check_room(&singleton, "worker", 0).is_ok());
        assert!(check_room(&singleton, "worker", 1).is_err());
    }

    #[test]
    fn only_the_named_parents_may_be_parents() {
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
        // A stranger that calls itself a parent has no role.
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
    fn a_role_without_a_module_and_too_much_under_way_are_refused() {
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
        let (open, retry_after) = (MAX_RUNNING, RETRY_AFTER);
        let busy = admit(&Facts {
            busy: Some(Busy { open, retry_after }),
            ..facts()
        });
        assert_eq!(busy, Err(ProvisionError::Busy { open, retry_after }));
    }

    #[test]
    fn who_waits_and_who_is_waited_for_have_room_of_their_own() {
        let max = MAX_WAITING;
        assert_eq!(busy(Admission::Immediate, MAX_RUNNING - 1, max), None);
        let full = busy(Admission::Immediate, MAX_RUNNING, 0).map(|busy| busy.open);
        assert_eq!(full, Some(MAX_RUNNING));
        assert_eq!(busy(Admission::Queued, MAX_RUNNING, max - 1), None);
        let full = busy(Admission::Queued, 0, max).map(|busy| busy.retry_after);
        assert_eq!(full, Some(RETRY_BATCH_AFTER));
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
    fn an_open_fleet_knows_whatever_has_a_module_and_a_closed_one_its_roles_only() {
        static ROLES: [RoleConfig; 1] = [WORKER];
        let config = |roles| RootConfig {
            pool: None,
            reserve: DEFAULT_RESERVE,
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
    fn role_names_are_those_of_the_attributes() {
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
        for (min, max) in [(0, 0), (0, 5), (2, 10), (3, 3), (10, 10)] {
            for ready in 0..12 {
                for claimed in 0..12 {
                    for coming in 0..12 {
                        let more = refill(min, max, ready, ready + claimed, coming);
                        assert!(more == 0 || ready + claimed + coming + more <= u64::from(max));
                        assert!(more == 0 || ready + coming + more <= u64::from(min));
                        let room = ready + claimed + coming < u64::from(max);
                        let short = ready + coming < u64::from(min);
                        assert_eq!(more > 0, room && short);
                    }
                }
            }
        }
    }
}
