//! Whether a request may become an operation: decided before anything is paid or claimed, from facts alone.

use crate::{
    api::{MAX_ARGUMENT, MAX_KEY, MAX_ROLE, ProvisionError},
    config::{ROOT_PARENT, RoleConfig, RootConfig},
    journal::Hash,
};
use candid::{Principal, de::IDLDeserialize};

/// Operations under way at most. More would only queue up at the platform: a subnet installs one at a time.
pub(crate) const MAX_OPEN: u32 = 50;

/// Seconds after which a request that was turned away as too many may come again.
pub(crate) const RETRY_AFTER: u64 = 10;

/// Cycles set aside for the fees of an operation's calls beside those that have a price of their own.
///
/// Root's own messages and calls cost some 20 M cycles a provision; this leaves room for retries and a rollback.
pub(crate) const FEES: u128 = 1_000_000_000;

/// A claimed canister may hold this much less than its role asks for before it is topped up: it pays for its
/// storage while it waits.
pub(crate) const TOLERANCE_PERCENT: u128 = 5;

/// What decides about a request to provision.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) root: Principal,
    pub(crate) parent: Principal,
    /// The role of the parent; none if it is no member.
    pub(crate) parent_role: Option<&'a str>,
    /// Members of the role, those being provisioned included.
    pub(crate) taken: u32,
    pub(crate) module: Option<Hash>,
    pub(crate) open: u32,
    /// Root's balance without its reserve and without what open operations still have to send.
    pub(crate) available: u128,
    /// What a ready canister of the pool holds; none if there is none.
    pub(crate) pooled: Option<u128>,
    /// The platform's fee for a new canister.
    pub(crate) creation_fee: u128,
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
            reason: crate::platform::shorten(&error.to_string()),
        }),
    }
}

/// Whether a parent may have members of a role below it.
pub(crate) fn check_parent(role: &RoleConfig, facts: &Facts<'_>) -> Result<(), ProvisionError> {
    let word = if facts.parent == facts.root {
        Some(ROOT_PARENT)
    } else {
        facts.parent_role
    };
    match word {
        Some(word) if role.parents.contains(&word) => Ok(()),
        _ => Err(ProvisionError::ParentNotAllowed {
            parent: facts.parent,
            parent_role: facts.parent_role.map(str::to_string),
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
    facts: &Facts<'_>,
) -> Result<Admitted, ProvisionError> {
    check_parent(role, facts)?;
    let Some(module) = facts.module else {
        return Err(ProvisionError::NoModule {
            role: name.to_string(),
        });
    };
    check_room(role, name, facts.taken)?;
    if facts.open >= MAX_OPEN {
        return Err(ProvisionError::Busy {
            open: facts.open,
            retry_after: RETRY_AFTER,
        });
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

/// What a canister lacks to what it should hold; nothing if the difference is small.
pub(crate) fn shortfall(held: u128, wanted: u128) -> u128 {
    let lacks = wanted.saturating_sub(held);
    if lacks <= wanted / 100 * TOLERANCE_PERCENT {
        0
    } else {
        lacks
    }
}

/// How many canisters to create for the pool now.
pub(crate) fn refill(min: u32, max: u32, ready: u64, in_pool: u64, coming: u64) -> u64 {
    let lacks = u64::from(min).saturating_sub(ready + coming);
    let room = u64::from(max).saturating_sub(in_pool + coming);
    lacks.min(room)
}
