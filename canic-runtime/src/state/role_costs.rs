//! What the members of each role cost, and the one that has the least time left, as root's last
//! looks saw them.

use crate::{
    operation::grant,
    state::{State, funding::Condition},
};

/// The members of a role, by their last looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RoleCost {
    /// Members that root has looked at.
    pub(crate) seen: u64,
    /// Cycles that these burn a day.
    pub(crate) burned_per_day: u128,
    /// Seconds until the first of them is frozen. `None`: two weeks or more.
    pub(crate) seconds_left: Option<u64>,
    /// Members that root last saw frozen.
    pub(crate) frozen: u64,
    /// Members to which a limit refuses the cycles that they need.
    pub(crate) refused: u64,
}

impl State {
    /// What the members of a role cost. This looks at each of them.
    pub(crate) fn role_cost(&self, role: u16, now: u64) -> RoleCost {
        let now = now / 1_000_000_000;
        let mut cost = RoleCost::default();
        for canister in self.registry.of_role(role, None) {
            let Some(id) = self.registry.record_id(canister) else {
                continue;
            };
            let condition = self.funding.condition(id);
            cost.frozen += u64::from(condition == Some(Condition::Frozen));
            cost.refused += u64::from(condition == Some(Condition::Refused));
            let Some(entry) = self.funding.schedule.entry(id) else {
                continue;
            };
            if entry.burn() == 0 {
                continue;
            }
            cost.seen += 1;
            cost.burned_per_day += entry.burn();
            if condition.is_none() {
                let (looked, due) = (entry.looked.into(), entry.due.into());
                let left = seconds_left(looked, due, now);
                cost.seconds_left = cost.seconds_left.into_iter().chain(left).min();
            }
        }
        cost
    }
}

/// Seconds that a member has left, which root looks at again when half of them are over. `None`: it
/// has more than root's longest pause shows.
fn seconds_left(looked: u64, due: u64, now: u64) -> Option<u64> {
    let pause = due.saturating_sub(looked);
    // Long pauses end at a full day.
    let is_known = pause < grant::LONGEST - grant::DAY;
    is_known.then(|| (2 * pause).saturating_sub(now.saturating_sub(looked)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        root::steps::tests::{HUB, ROOT, WORKER, add_member, fleet},
        state::schedule::Entry,
    };

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_role_costs_what_its_members_burn_and_lasts_as_long_as_the_poorest() {
        let mut state = fleet();
        add_member(&mut state, HUB, "hub", ROOT, None);
        add_member(&mut state, WORKER, "worker", ROOT, None);
        let other = candid::Principal::from_slice(&[4, 1]);
        add_member(&mut state, other, "worker", ROOT, Some("other"));
        for (canister, due) in [(WORKER, 7_000), (other, 8_000)] {
            let id = state.registry.record_id(canister).expect("a member");
            let entry = Entry::new(due, 5_000, 900, 30);
            state.funding.schedule.put(id, entry);
        }
        let role = state.registry.role("worker").expect("a role").number;
        let cost = state.role_cost(role, 6_000 * SECOND);
        assert_eq!((cost.seen, cost.burned_per_day), (2, 60));
        assert_eq!(cost.seconds_left, Some(3_000));
        let hubs = state.registry.role("hub").expect("a role").number;
        assert_eq!(state.role_cost(hubs, 0).seen, 0);
    }

    #[test]
    fn a_member_that_root_looks_at_once_a_week_has_two_weeks_or_more() {
        assert_eq!(seconds_left(0, grant::LONGEST, 5), None);
        assert_eq!(
            seconds_left(0, grant::DAY, grant::DAY / 2),
            Some(3 * grant::DAY / 2)
        );
    }
}
