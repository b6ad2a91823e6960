//! The floors of each crate, from the top down.
//!
//! A room is a file or folder right below `src`. It may import rooms of lower floors; rooms of one
//! floor may import each other as long as there is no circle. `lib` declares modules and
//! re-exports, so everything is below it.

/// The rooms of each floor, from the top down.
pub(super) type Floors = &'static [&'static [&'static str]];

/// The floors of a crate; none if its order follows from its imports.
pub(super) fn of(package: &str) -> Option<Floors> {
    match package {
        "canic-runtime" => Some(RUNTIME),
        "canic-replica" => Some(REPLICA),
        "canic-macros" => Some(MACROS),
        "canic-cli" => Some(CLI),
        _ => None,
    }
}

const RUNTIME: Floors = &[
    &["lib"],
    &["entry"],
    &["root"],
    &["metrics"],
    &["endpoint", "fleet"],
    &["state", "member"],
    &["platform"],
    &["operation"],
    &[
        "api",
        "codec",
        "config",
        "envelope",
        "error",
        "membership",
        "stable",
        "tables",
    ],
];

const REPLICA: Floors = &[
    &["lib", "main"],
    &["launcher"],
    &["start"],
    &["candid_interface", "client", "http"],
    &["replica"],
    &["rounds"],
    &["management"],
    &["network"],
    &["execution"],
    &["certification"],
    &["canister"],
    &[
        "faults",
        "ingress",
        "prices",
        "system",
        "threshold",
        "trace",
        "wasm",
    ],
    &[
        "bounded",
        "memory",
        "reject",
        "state_file",
        "stored",
        "subnets",
    ],
];

const MACROS: Floors = &[
    &["lib"],
    &["candid_table", "endpoint", "role", "root", "table_read"],
    &["role_fns"],
    &["values"],
    &["hooks", "system_endpoints"],
    &["export", "fields", "options", "signature"],
    &["canister_kind", "crate_path", "diag", "interface", "source"],
];

const CLI: Floors = &[
    &["main"],
    &["cli"],
    &["dashboard"],
    &["commands"],
    &["gate", "live", "medic", "staging"],
    &["fleet", "module", "project", "views"],
    &["connection"],
    &["output"],
    &["failure"],
];
