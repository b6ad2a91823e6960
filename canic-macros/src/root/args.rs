//! The options of `#[canic::root]`, as they are written.

use proc_macro2::TokenStream;

use super::rollout::{self, RolloutArgs};
use crate::{
    crate_path::CratePath,
    diag::Errors,
    options::{OptionNames, Options, Spanned},
    role_fns::RoleFnArgs,
    values::{
        Controllers, Count, Cycles, Flag, Gibibytes, Level, ModuleValue, PathValue, Text, Texts,
        Watches,
    },
};

pub(super) struct RootArgs {
    pub(super) crate_path: CratePath,
    pub(super) pool: Option<Spanned<PoolArgs>>,
    pub(super) roles: Vec<Spanned<RoleArgs>>,
    pub(super) reserve: Option<Spanned<Cycles>>,
    pub(super) budget: Option<Spanned<BudgetArgs>>,
    pub(super) refuel: Option<Spanned<RefuelArgs>>,
    pub(super) stable_memory: Option<Spanned<Gibibytes>>,
    pub(super) http: Option<Spanned<Flag>>,
}

pub(super) struct PoolArgs {
    pub(super) min: Option<Spanned<Count>>,
    pub(super) max: Option<Spanned<Count>>,
    pub(super) max_is_missing: bool,
    pub(super) cycles: Option<Spanned<Cycles>>,
}

pub(super) struct BudgetArgs {
    pub(super) per_day: Option<Spanned<Cycles>>,
    pub(super) per_day_is_missing: bool,
}

pub(super) struct FundArgs {
    pub(super) below: Option<Spanned<Level>>,
    pub(super) to: Option<Spanned<Level>>,
    pub(super) per_day: Option<Spanned<Cycles>>,
    /// The first of `below` and `to` that the author left out.
    pub(super) missing: Option<&'static str>,
}

pub(super) struct RefuelArgs {
    pub(super) below: Option<Spanned<Cycles>>,
    pub(super) to: Option<Spanned<Cycles>>,
    pub(super) is_incomplete: bool,
    pub(super) from: Option<Spanned<Texts>>,
}

pub(super) struct RoleArgs {
    pub(super) role_fn: RoleFnArgs,
    pub(super) max: Option<Spanned<Count>>,
    pub(super) max_per_parent: Option<Spanned<Count>>,
    pub(super) singleton: Option<Spanned<Flag>>,
    pub(super) cycles: Option<Spanned<Cycles>>,
    pub(super) parents: Option<Spanned<Texts>>,
    pub(super) watches: Option<Spanned<Watches>>,
    pub(super) controllers: Option<Spanned<Controllers>>,
    pub(super) rollback: Option<Spanned<Text>>,
    pub(super) rollout: Option<Spanned<RolloutArgs>>,
    pub(super) wasm: Option<Spanned<ModuleValue>>,
    pub(super) fund: Option<Spanned<FundArgs>>,
}

pub(crate) const ROOT: OptionNames = OptionNames {
    unique: &[
        "pool",
        "reserve",
        "budget",
        "refuel",
        "stable_memory",
        "http",
        "crate",
    ],
    repeatable: &["role"],
};
pub(crate) const POOL: OptionNames = OptionNames {
    unique: &["min", "max", "cycles"],
    repeatable: &[],
};
pub(crate) const BUDGET: OptionNames = OptionNames {
    unique: &["per_day"],
    repeatable: &[],
};
pub(crate) const FUND: OptionNames = OptionNames {
    unique: &["below", "to", "per_day"],
    repeatable: &[],
};
pub(crate) const REFUEL: OptionNames = OptionNames {
    unique: &["below", "to", "from"],
    repeatable: &[],
};
pub(crate) const ROLE: OptionNames = OptionNames {
    unique: &[
        "name",
        "max",
        "max_per_parent",
        "singleton",
        "cycles",
        "parents",
        "watches",
        "controllers",
        "rollback",
        "rollout",
        "wasm",
        "fund",
        "args",
    ],
    repeatable: &[],
};

impl RootArgs {
    pub(super) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let options = Options::parse(tokens, &ROOT, errors);
        let crate_path = options.single::<PathValue>("crate", errors);
        Self {
            crate_path: CratePath::new(crate_path.map(|path| path.value.0)),
            pool: options.list(
                "pool",
                "pool(min = 2, max = 10, cycles = \"1T\")",
                PoolArgs::parse,
                errors,
            ),
            roles: options
                .lists("role", "role(name = \"worker\", max = 100)", errors)
                .into_iter()
                .map(|list| list.map(|tokens| RoleArgs::parse(tokens, errors)))
                .collect(),
            reserve: options.single("reserve", errors),
            budget: options.list(
                "budget",
                "budget(per_day = \"20T\")",
                BudgetArgs::parse,
                errors,
            ),
            refuel: options.list(
                "refuel",
                "refuel(below = \"50T\", to = \"100T\")",
                RefuelArgs::parse,
                errors,
            ),
            stable_memory: options.single("stable_memory", errors),
            http: options.single("http", errors),
        }
    }
}

impl PoolArgs {
    fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let options = Options::parse(tokens, &POOL, errors);
        Self {
            min: options.single("min", errors),
            max: options.single("max", errors),
            max_is_missing: options.is_missing("max"),
            cycles: options.single("cycles", errors),
        }
    }
}

impl BudgetArgs {
    fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let options = Options::parse(tokens, &BUDGET, errors);
        Self {
            per_day: options.single("per_day", errors),
            per_day_is_missing: options.is_missing("per_day"),
        }
    }
}

impl FundArgs {
    fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let options = Options::parse(tokens, &FUND, errors);
        Self {
            below: options.single("below", errors),
            to: options.single("to", errors),
            per_day: options.single("per_day", errors),
            missing: ["below", "to"]
                .into_iter()
                .find(|name| options.is_missing(name)),
        }
    }
}

impl RefuelArgs {
    fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let options = Options::parse(tokens, &REFUEL, errors);
        Self {
            below: options.single("below", errors),
            to: options.single("to", errors),
            is_incomplete: options.is_missing("below") || options.is_missing("to"),
            from: options.single("from", errors),
        }
    }
}

impl RoleArgs {
    fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let options = Options::parse(tokens, &ROLE, errors);
        Self {
            role_fn: RoleFnArgs::parse(&options, errors),
            max: options.single("max", errors),
            max_per_parent: options.single("max_per_parent", errors),
            singleton: options.single("singleton", errors),
            cycles: options.single("cycles", errors),
            parents: options.single("parents", errors),
            watches: options.single("watches", errors),
            controllers: options.single("controllers", errors),
            rollback: options.single("rollback", errors),
            rollout: options.list("rollout", rollout::EXAMPLE, RolloutArgs::parse, errors),
            wasm: options.single("wasm", errors),
            fund: options.list(
                "fund",
                "fund(below = \"7d\", to = \"30d\")",
                FundArgs::parse,
                errors,
            ),
        }
    }
}
