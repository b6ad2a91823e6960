//! Rules for `fund(..)` of a role and `budget(..)` of root, one function for each.

use super::{
    args::{BudgetArgs, FundArgs, RoleArgs},
    model::Fund,
};
use crate::{
    diag::Errors,
    options::Spanned,
    values::{Cycles, Level},
};

/// The smallest grant of root, in cycles: see `operation::grant` of the runtime.
const MIN_GRANT: u128 = 100_000_000_000;

/// The longest time, in seconds: ten years of 365 days.
const MAX_SECONDS: u64 = 3_650 * 86_400;

/// The largest amount, in cycles: a million T.
const MAX_CYCLES: u128 = 1_000_000_000_000_000_000;

pub(super) fn check(args: &Spanned<FundArgs>, errors: &mut Errors) -> Option<Fund> {
    has_both_levels(args, errors);
    for level in [&args.below, &args.to].into_iter().flatten() {
        is_possible(level, errors);
    }
    levels_are_of_one_kind(args, errors);
    below_is_below_to(args, errors);
    day_fits_a_grant(args, errors);
    Some(Fund {
        below: args.below.as_ref()?.value,
        to: args.to.as_ref()?.value,
        per_day: args.per_day.as_ref().map(|cycles| cycles.0),
    })
}

fn has_both_levels(args: &Spanned<FundArgs>, errors: &mut Errors) {
    if let Some(name) = args.missing {
        errors.report(
            args,
            format!(
                "`{name}` is missing: `fund(below = \"7d\", to = \"30d\")` grants a member that \
                 has cycles for less than 7 days as many as it needs for 30"
            ),
        );
    }
}

fn is_possible(level: &Spanned<Level>, errors: &mut Errors) {
    match level.value {
        Level::Seconds(0) | Level::Cycles(0) => errors.report(
            level,
            "nobody has less than nothing; for a role without grants leave `fund` out",
        ),
        Level::Seconds(seconds) if seconds > MAX_SECONDS => {
            errors.report(level, "this is more than ten years, \"3650d\"");
        }
        Level::Cycles(cycles) if cycles > MAX_CYCLES => {
            errors.report(level, "this is more than \"1000000T\"");
        }
        Level::Seconds(_) | Level::Cycles(_) => {}
    }
}

fn levels_are_of_one_kind(args: &FundArgs, errors: &mut Errors) {
    if let (Some(below), Some(to)) = (&args.below, &args.to) {
        let word = |level: Level| match level {
            Level::Seconds(_) => "a time",
            Level::Cycles(_) => "an amount of cycles",
        };
        let (lower, upper) = (word(below.value), word(to.value));
        if lower != upper {
            errors.report_conflict(
                (
                    to,
                    format!("`to` is {upper}, and `below` is {lower}; write both alike"),
                ),
                (below, format!("`below` is {lower} here")),
            );
        }
    }
}

fn below_is_below_to(args: &FundArgs, errors: &mut Errors) {
    if let (Some(below), Some(to)) = (&args.below, &args.to)
        && match (below.value, to.value) {
            (Level::Seconds(below), Level::Seconds(to)) => below >= to,
            (Level::Cycles(below), Level::Cycles(to)) => below >= to,
            _ => false,
        }
    {
        errors.report_conflict(
            (
                below,
                "`below` must be less than `to`: a grant brings a member from one to the other",
            ),
            (to, "`to` is here"),
        );
    }
}

/// The least that one grant has, for the levels of a role.
fn least_grant(args: &FundArgs) -> u128 {
    match (
        args.below.as_ref().map(|it| it.value),
        args.to.as_ref().map(|it| it.value),
    ) {
        (Some(Level::Cycles(below)), Some(Level::Cycles(to))) => {
            to.saturating_sub(below).max(MIN_GRANT)
        }
        _ => MIN_GRANT,
    }
}

fn day_fits_a_grant(args: &FundArgs, errors: &mut Errors) {
    if let Some(per_day) = &args.per_day {
        fits_a_grant(per_day, least_grant(args), errors);
    }
}

fn fits_a_grant(per_day: &Spanned<Cycles>, grant: u128, errors: &mut Errors) {
    if per_day.0 < grant {
        errors.report(
            per_day,
            format!("a day must have room for one grant, which has {grant} cycles at least"),
        );
    }
}

pub(super) fn budget(
    args: &Spanned<BudgetArgs>,
    roles: &[Spanned<RoleArgs>],
    errors: &mut Errors,
) -> Option<u128> {
    budget_has_amount(args, errors);
    let per_day = args.per_day.as_ref()?;
    let grants = roles.iter().filter_map(|role| role.fund.as_ref());
    let largest = grants.map(|fund| least_grant(fund)).max();
    fits_a_grant(per_day, largest.unwrap_or(MIN_GRANT), errors);
    for role in roles {
        if let Some(limit) = role.fund.as_ref().and_then(|fund| fund.per_day.as_ref()) {
            role_is_within_budget(limit, per_day, errors);
        }
    }
    Some(per_day.0)
}

fn budget_has_amount(args: &Spanned<BudgetArgs>, errors: &mut Errors) {
    if args.per_day_is_missing {
        errors.report(
            args,
            "a budget needs an amount: `budget(per_day = \"20T\")`",
        );
    }
}

fn role_is_within_budget(role: &Spanned<Cycles>, budget: &Spanned<Cycles>, errors: &mut Errors) {
    if role.0 > budget.0 {
        errors.report_conflict(
            (
                role,
                "one role can't get more in a day than the budget of all roles",
            ),
            (budget, "the budget is here"),
        );
    }
}
