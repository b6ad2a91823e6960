//! What a fleet costs by its attributes and modules, before it is deployed: the platform's prices
//! of 2026 for a subnet of 13 nodes, as `docs/costs.md` has them.

use serde::Serialize;

use crate::{output::format::Cycles, project::attributes::Plan};

/// Creating a canister.
pub(crate) const CREATION: u128 = 500_000_000_000;

/// A canister's base fee, a second.
const BASE: u128 = 10_000;

/// A GiB of memory, a second.
const STORAGE: u128 = 317_500;

/// Receiving an update from outside, and executing it.
const MESSAGE: u128 = 1_200_000 + 5_000_000;

/// A byte of such an update.
const BYTE: u128 = 2_000;

const DAY: u128 = 86_400;

/// Bytes of a small member without its module: heap, stable memory, history.
const SMALL: u64 = 3 << 19;

/// The module of a member that is not built yet is taken for so large.
const MODULE: u64 = 1 << 19;

/// Cycles that so many bytes cost a day, besides the base fee.
pub(crate) fn memory_per_day(bytes: u64) -> u128 {
    (DAY * STORAGE * u128::from(bytes)) >> 30
}

/// Cycles that a canister with so many bytes of memory costs a day at rest.
fn rest_per_day(bytes: u64) -> u128 {
    DAY * BASE + memory_per_day(bytes)
}

/// Cycles of the messages that carry so many bytes to root, in chunks.
pub(crate) fn upload(bytes: u64, chunk: u64) -> u128 {
    MESSAGE * u128::from(bytes.div_ceil(chunk)) + BYTE * u128::from(bytes)
}

/// A part of the plan with its price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PlanRow {
    /// `pool`, `role`, `grants` or `budget`.
    pub(crate) part: &'static str,
    /// The role, of a role and its grants.
    pub(crate) role: Option<String>,
    /// Canisters at least and at most; none: the plan has no limit.
    pub(crate) least: u64,
    pub(crate) most: Option<u64>,
    /// Cycles a day of one canister at rest; of grants, of all together at most.
    pub(crate) per_day: Cycles,
    /// Cycles that a new canister takes: its creation, and what it starts with.
    pub(crate) once: Option<Cycles>,
}

impl PlanRow {
    /// Cycles a day at least: those of canisters that there always are.
    pub(crate) fn least_per_day(&self) -> u128 {
        self.per_day.0.saturating_mul(self.least.into())
    }

    /// Cycles a day at most; none without a limit.
    pub(crate) fn most_per_day(&self) -> Option<u128> {
        let canisters = u128::from(self.most?);
        Some(self.per_day.0.saturating_mul(canisters))
    }
}

/// The prices of a plan. `module` tells the bytes of a role's module, if it is built.
pub(crate) fn prices(plan: &Plan, module: impl Fn(&str) -> Option<u64>) -> Vec<PlanRow> {
    let mut rows = Vec::new();
    if let Some(pool) = &plan.pool {
        rows.push(PlanRow {
            part: "pool",
            role: None,
            least: pool.min,
            most: pool.max,
            per_day: Cycles(rest_per_day(0)),
            once: Some(Cycles(CREATION + pool.cycles)),
        });
    }
    for role in &plan.roles {
        let bytes = SMALL + module(&role.name).unwrap_or(MODULE);
        rows.push(PlanRow {
            part: "role",
            role: Some(role.name.clone()),
            least: 0,
            most: role.max,
            per_day: Cycles(rest_per_day(bytes)),
            once: Some(Cycles(CREATION + role.cycles)),
        });
        if let Some(granted) = role.granted_per_day {
            rows.push(grants("grants", Some(role.name.clone()), granted));
        }
    }
    rows.extend(plan.budget.map(|budget| grants("budget", None, budget)));
    rows
}

fn grants(part: &'static str, role: Option<String>, per_day: u128) -> PlanRow {
    PlanRow {
        part,
        role,
        least: 0,
        most: Some(1),
        per_day: Cycles(per_day),
        once: None,
    }
}

/// What the plan costs a day at most: its canisters, and the grants of the budget, or of all roles
/// without one. None: something has no limit.
pub(crate) fn most_per_day(rows: &[PlanRow]) -> Option<u128> {
    let has_budget = rows.iter().any(|row| row.part == "budget");
    let counted = rows
        .iter()
        .filter(|row| !(has_budget && row.part == "grants"));
    counted.map(PlanRow::most_per_day).sum()
}

#[cfg(test)]
mod tests {
    use canic_fleet_tests::costs;

    use super::*;
    use crate::project::attributes::{PlannedRole, Pool};

    #[test]
    fn prices_are_those_of_the_page_about_costs() {
        for mib in [0, 2, 100, 10_240] {
            let page = costs::rest_per_day(u128::from(mib) << 20, 13);
            assert_eq!(rest_per_day(mib << 20), page, "{mib} MiB");
        }
        assert_eq!(upload(1_000, 1_000), costs::update(1_000, 0, 13));
        assert_eq!(CREATION, costs::creation(13));
        assert_eq!(upload(3_000, 1_024), 3 * MESSAGE + 3_000 * BYTE);
    }

    #[test]
    fn a_plan_costs_what_its_parts_cost() {
        const T: u128 = 1_000_000_000_000;
        let role = |name: &str, max, granted_per_day| PlannedRole {
            name: name.to_string(),
            max,
            cycles: T,
            granted_per_day,
        };
        let plan = Plan {
            pool: Some(Pool {
                min: 2,
                max: Some(10),
                cycles: 2 * T,
            }),
            roles: vec![
                role("hub", Some(3), None),
                role("worker", Some(100), Some(5 * T)),
            ],
            budget: None,
        };
        let rows = prices(&plan, |name| (name == "hub").then_some(1 << 20));
        let parts: Vec<&str> = rows.iter().map(|row| row.part).collect();
        assert_eq!(parts, ["pool", "role", "role", "grants"]);
        assert_eq!(rows[0].least_per_day(), 2 * 864_000_000);
        assert_eq!(rows[0].once, Some(Cycles(5 * T / 2)));
        assert_eq!(rows[1].per_day.0, rest_per_day(5 << 19));
        assert_eq!(rows[2].per_day.0, rest_per_day(2 << 20));
        let canisters =
            10 * rest_per_day(0) + 3 * rest_per_day(5 << 19) + 100 * rest_per_day(2 << 20);
        assert_eq!(most_per_day(&rows), Some(canisters + 5 * T));
        // A budget limits what the roles may get together.
        let with_budget = Plan {
            budget: Some(T),
            ..plan.clone()
        };
        let rows = prices(&with_budget, |name| (name == "hub").then_some(1 << 20));
        assert_eq!(most_per_day(&rows), Some(canisters + T));
        let endless = Plan {
            roles: vec![role("hub", None, None)],
            ..plan
        };
        assert_eq!(most_per_day(&prices(&endless, |_| None)), None);
    }
}
