//! Rules for the option `refuel(..)`, one function for each.

use syn::LitStr;

use super::{
    args::RefuelArgs,
    duplicates::no_duplicates,
    model::{FuelSource, Refuel},
};
use crate::{
    diag::{Errors, suggestion},
    options::Spanned,
    values::{Cycles, Texts},
};

/// The reserve of a root that names none, in cycles: the runtime's `DEFAULT_RESERVE`.
const DEFAULT_RESERVE: u128 = 1_000_000_000_000;

/// The smallest refuel, in cycles: the runtime's `MIN_CYCLES`.
const MIN_REFUEL: u128 = 100_000_000_000;

pub(super) fn check(
    args: &Spanned<RefuelArgs>,
    reserve: Option<&Spanned<Cycles>>,
    errors: &mut Errors,
) -> Option<Refuel> {
    refuel_has_both_bounds(args, errors);
    below_is_less_than_to(args, errors);
    refuel_is_worth_its_fee(args, errors);
    below_is_above_reserve(args, reserve, errors);
    let from = sources(args.from.as_ref(), errors);
    Some(Refuel {
        below: args.below.as_ref()?.0,
        to: args.to.as_ref()?.0,
        from: from?,
    })
}

fn refuel_has_both_bounds(args: &Spanned<RefuelArgs>, errors: &mut Errors) {
    if args.is_incomplete {
        errors.report(
            args,
            "a refuel needs both bounds: `refuel(below = \"50T\", to = \"100T\")`",
        );
    }
}

fn below_is_less_than_to(args: &RefuelArgs, errors: &mut Errors) {
    if let (Some(below), Some(to)) = (&args.below, &args.to)
        && below.0 >= to.0
    {
        errors.report_conflict(
            (
                below,
                "root would refuel down: `below` must be less than `to`",
            ),
            (to, "root refuels up to this"),
        );
    }
}

fn refuel_is_worth_its_fee(args: &RefuelArgs, errors: &mut Errors) {
    if let (Some(below), Some(to)) = (&args.below, &args.to)
        && below.0 < to.0
        && to.0 - below.0 < MIN_REFUEL
    {
        errors.report(
            to,
            "each refuel costs a fee: leave \"100B\" or more between `below` and `to`",
        );
    }
}

/// At its reserve root starts nothing that costs, so a refuel there is too late.
fn below_is_above_reserve(
    args: &RefuelArgs,
    reserve: Option<&Spanned<Cycles>>,
    errors: &mut Errors,
) {
    let Some(below) = &args.below else { return };
    match reserve {
        Some(reserve) if below.0 <= reserve.0 => errors.report_conflict(
            (
                below,
                "root refuels too late: `below` must be above `reserve`",
            ),
            (reserve, "root starts nothing below this"),
        ),
        None if below.0 <= DEFAULT_RESERVE => errors.report(
            below,
            "root refuels too late: `below` must be above `reserve`, which is \"1T\" unless it is \
             given",
        ),
        _ => {}
    }
}

fn sources(from: Option<&Spanned<Texts>>, errors: &mut Errors) -> Option<Vec<FuelSource>> {
    let Some(from) = from else {
        return Some(vec![FuelSource::Cycles]);
    };
    if from.0.is_empty() {
        errors.report(
            from,
            "a refuel without a source; leave `from` out for `from(\"cycles\")`",
        );
    }
    no_duplicates(&from.0, "source", LitStr::value, errors);
    let sources: Vec<_> = from.0.iter().map(|word| source(word, errors)).collect();
    sources.into_iter().collect()
}

fn source(word: &LitStr, errors: &mut Errors) -> Option<FuelSource> {
    match word.value().as_str() {
        "cycles" => Some(FuelSource::Cycles),
        "icp" => Some(FuelSource::Icp),
        other => {
            errors.report(
                word,
                format!(
                    "unknown source `{other}`; {}",
                    suggestion(other, &["cycles", "icp"])
                ),
            );
            None
        }
    }
}
