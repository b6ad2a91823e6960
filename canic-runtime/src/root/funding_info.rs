//! The answer of `canic_funding`: root, the roles, the grants of the last days, and what was
//! refused.

use crate::{
    api::{FundingDay, FundingInfo, Level, RefusedGrant, RoleFunding},
    operation::{Moment, grant},
    root::runway,
    state::{
        State,
        funding::{Day, Refused},
        role_costs::RoleCost,
    },
};

/// A role whose poorest member has less than so many days left is at [`Level::Warn`]. The watch
/// itself lets a member go down to half of its role's `below`.
const WARN_DAYS: f64 = 3.0;

/// A role whose poorest member has less than so many days left is at [`Level::Critical`].
const CRITICAL_DAYS: f64 = 1.0;

const SECOND: u64 = 1_000_000_000;

/// What the fleet costs, and how long its cycles last.
pub(crate) fn funding(state: &State, moment: &Moment) -> FundingInfo {
    let now = moment.now;
    let root = runway::root_funding(state, moment);
    let roles: Vec<RoleFunding> = roles(state, now).collect();
    let worst = roles.iter().map(|role| role.level).max();
    FundingInfo {
        level: worst.unwrap_or(Level::Ok).max(root.level),
        root,
        roles,
        days: state.funding.days(now).map(day).collect(),
        refused: state.funding.refusals().map(refused).collect(),
        budget: state.config.budget,
        charged_today: state.funding.charged_today(now),
    }
}

/// The roles that have members. This looks at each member of those that are taken.
pub(crate) fn roles(state: &State, now: u64) -> impl Iterator<Item = RoleFunding> {
    let roles = state.registry.roles().filter(|(_, role)| role.taken > 0);
    roles.map(move |(name, role)| {
        let cost = state.role_cost(role.number, now);
        role_funding(name, role.taken.into(), cost)
    })
}

fn role_funding(name: &str, members: u64, cost: RoleCost) -> RoleFunding {
    let days_left = cost
        .seconds_left
        .map(|seconds| seconds as f64 / grant::DAY as f64);
    RoleFunding {
        role: name.to_string(),
        level: level(&cost, days_left),
        members,
        seen: cost.seen,
        burned_per_day: cost.burned_per_day,
        days_left,
        frozen: cost.frozen,
        refused: cost.refused,
    }
}

fn level(cost: &RoleCost, days_left: Option<f64>) -> Level {
    let lasts_less = |days: f64| days_left.is_some_and(|left| left < days);
    if cost.frozen > 0 || lasts_less(CRITICAL_DAYS) {
        Level::Critical
    } else if cost.refused > 0 || lasts_less(WARN_DAYS) {
        Level::Warn
    } else {
        Level::Ok
    }
}

fn day((number, day): (u32, &Day)) -> FundingDay {
    let granted = day.granted.iter();
    FundingDay {
        day: u64::from(number) * grant::DAY * SECOND,
        granted: granted
            .map(|(purpose, cycles)| (*purpose, cycles.0))
            .collect(),
        grants: day.grants,
        refusals: day.refusals,
    }
}

fn refused(refused: &Refused) -> RefusedGrant {
    RefusedGrant {
        at: refused.at,
        canister: refused.canister.0,
        purpose: refused.purpose,
        cycles: refused.cycles.0,
        limit: refused.limit,
        left: refused.left.0,
        retry_at: refused.retry_at,
        times: refused.times,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level_of(change: impl FnOnce(&mut RoleCost)) -> Level {
        let mut cost = RoleCost::default();
        change(&mut cost);
        role_funding("worker", 1, cost).level
    }

    #[test]
    fn the_level_of_a_role_is_that_of_its_poorest_member() {
        let day = grant::DAY;
        assert_eq!(level_of(|_| ()), Level::Ok);
        assert_eq!(
            level_of(|cost| cost.seconds_left = Some(3 * day)),
            Level::Ok
        );
        assert_eq!(
            level_of(|cost| cost.seconds_left = Some(3 * day - 1)),
            Level::Warn
        );
        assert_eq!(
            level_of(|cost| cost.seconds_left = Some(day - 1)),
            Level::Critical
        );
        assert_eq!(level_of(|cost| cost.refused = 1), Level::Warn);
        assert_eq!(level_of(|cost| cost.frozen = 1), Level::Critical);
    }
}
