//! The options of `#[canic::root]`, as they are written.

use proc_macro2::TokenStream;

use crate::crate_path::CratePath;
use crate::diag::Errors;
use crate::options::{Given, Known, Options};
use crate::role_fns::HandleArgs;
use crate::values::{Controllers, Count, Cycles, Flag, Gibibytes, PathValue, Text, Texts};

pub(super) struct RootArgs {
    pub(super) crate_path: CratePath,
    pub(super) pool: Option<Given<PoolArgs>>,
    pub(super) roles: Vec<Given<RoleArgs>>,
    pub(super) reserve: Option<Given<Cycles>>,
    pub(super) stable_memory: Option<Given<Gibibytes>>,
    pub(super) http: Option<Given<Flag>>,
}

pub(super) struct PoolArgs {
    pub(super) min: Option<Given<Count>>,
    pub(super) max: Option<Given<Count>>,
    pub(super) lacks_max: bool,
    pub(super) cycles: Option<Given<Cycles>>,
}

pub(super) struct RoleArgs {
    pub(super) handle: HandleArgs,
    pub(super) max: Option<Given<Count>>,
    pub(super) max_per_parent: Option<Given<Count>>,
    pub(super) singleton: Option<Given<Flag>>,
    pub(super) cycles: Option<Given<Cycles>>,
    pub(super) parents: Option<Given<Texts>>,
    pub(super) watches: Option<Given<Texts>>,
    pub(super) controllers: Option<Given<Controllers>>,
    pub(super) rollback: Option<Given<Text>>,
    pub(super) wasm: Option<Given<Text>>,
}

const ROOT: Known = Known {
    once: &["pool", "reserve", "stable_memory", "http", "crate"],
    repeated: &["role"],
};
const POOL: Known = Known {
    once: &["min", "max", "cycles"],
    repeated: &[],
};
const ROLE: Known = Known {
    once: &[
        "name",
        "max",
        "max_per_parent",
        "singleton",
        "cycles",
        "parents",
        "watches",
        "controllers",
        "rollback",
        "wasm",
        "args",
    ],
    repeated: &[],
};

impl RootArgs {
    pub(super) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let options = Options::parse(tokens, &ROOT, errors);
        let crate_path = options.one::<PathValue>("crate", errors);
        Self {
            crate_path: CratePath::new(crate_path.map(|path| path.value.0)),
            pool: options
                .lists("pool", "pool(min = 2, max = 10, cycles = \"1T\")", errors)
                .into_iter()
                .next()
                .map(|list| list.map(|tokens| PoolArgs::parse(tokens, errors))),
            roles: options
                .lists("role", "role(name = \"worker\", max = 100)", errors)
                .into_iter()
                .map(|list| list.map(|tokens| RoleArgs::parse(tokens, errors)))
                .collect(),
            reserve: options.one("reserve", errors),
            stable_memory: options.one("stable_memory", errors),
            http: options.one("http", errors),
        }
    }
}

impl PoolArgs {
    fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let options = Options::parse(tokens, &POOL, errors);
        Self {
            min: options.one("min", errors),
            max: options.one("max", errors),
            lacks_max: options.lack("max"),
            cycles: options.one("cycles", errors),
        }
    }
}

impl RoleArgs {
    fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let options = Options::parse(tokens, &ROLE, errors);
        Self {
            handle: HandleArgs::parse(&options, errors),
            max: options.one("max", errors),
            max_per_parent: options.one("max_per_parent", errors),
            singleton: options.one("singleton", errors),
            cycles: options.one("cycles", errors),
            parents: options.one("parents", errors),
            watches: options.one("watches", errors),
            controllers: options.one("controllers", errors),
            rollback: options.one("rollback", errors),
            wasm: options.one("wasm", errors),
        }
    }
}
