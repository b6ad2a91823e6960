//! System endpoints: those that canic adds to a root or a member, with their exports and Candid.

use proc_macro2::{TokenStream, TokenTree};
use quote::{format_ident, quote};

use crate::{canister_kind::CanisterKind, crate_path::CratePath, export::Mode};

/// An endpoint of the runtime.
struct SystemEndpoint {
    mode: Mode,
    name: &'static str,
    /// Argument and reply as types of `canic::api`; `None` keeps it out of the Candid interface.
    candid: Option<(TokenStream, TokenStream)>,
}

/// A list of system endpoints, each written like a method of a Candid service.
macro_rules! system_endpoints {
    ($($mode:ident $name:ident $(($($argument:tt)*) -> ($($reply:tt)*))?;)*) => {
        vec![$(
            SystemEndpoint {
                mode: Mode::$mode,
                name: stringify!($name),
                candid: system_endpoints!(@candid $(($($argument)*) ($($reply)*))?),
            }
        ),*]
    };
    (@candid) => {
        None
    };
    (@candid ($($argument:tt)*) ($($reply:tt)*)) => {
        Some((quote!($($argument)*), quote!($($reply)*)))
    };
}

/// The exports of a canister's system endpoints, and their declarations for Candid.
///
/// The path of the macro is absolute; `interface` says why.
pub(crate) fn exports(kind: CanisterKind, crate_path: &CratePath, http: bool) -> TokenStream {
    let (module, config) = (kind.module(), kind.description());
    let mut endpoints = match kind {
        CanisterKind::Root => of_root(),
        CanisterKind::Member => of_member(),
    };
    if http {
        endpoints.extend(of_http());
    }
    let exports = endpoints.into_iter().map(|endpoint| {
        let mode = format_ident!("{}", endpoint.mode.name());
        let name = format_ident!("{}", endpoint.name);
        let types = endpoint.candid.map(|(argument, reply)| {
            let argument = absolute_paths(argument, crate_path);
            let reply = absolute_paths(reply, crate_path);
            quote!((#argument) -> #reply)
        });
        quote!(#crate_path::__private::serve! { #module, #config, #mode #name #types })
    });
    exports.collect()
}

fn of_root() -> Vec<SystemEndpoint> {
    system_endpoints! {
        Update canic_provision(ProvisionRequest) -> (Result<Provisioned, ProvisionError>);
        Update canic_provision_batch(Vec<ProvisionRequest>)
            -> (Result<Vec<Result<u64, ProvisionError>>, BatchError>);
        Update canic_retire(RetireRequest) -> (Result<Retired, RetireError>);
        Update canic_move(MoveRequest) -> (Result<Moved, MoveError>);
        Update canic_grant(GrantRequest) -> (Result<Granted, GrantError>);
        Update canic_lookup(Principal) -> (Result<Option<MemberRef>, Denied>);
        Update canic_import(ImportRequest) -> (Result<Imported, ImportError>);
        Update canic_module_stage(StageRequest) -> (Result<StagedChunk, ModuleError>);
        Update canic_module_approve(ApproveRequest) -> (Result<ModuleInfo, ModuleError>);
        Update canic_rollout_start(RolloutRequest) -> (Result<u32, RolloutError>);
        Update canic_rollout_control(u32, RolloutControl)
            -> (Result<RolloutInfo, RolloutError>);
        Update canic_prune(PruneRequest) -> (Result<Pruned, Denied>);
        Query canic_members(MembersRequest) -> (Result<MembersPage, Denied>);
        Query canic_member(MemberRequest) -> (Result<Option<MemberInfo>, Denied>);
        Query canic_catch_up(CatchUpRequest) -> (Result<CatchUpPage, Denied>);
        Query canic_modules(PageRequest) -> (Result<ModulesPage, Denied>);
        Query canic_releases(ReleasesRequest) -> (Result<ReleasesPage, Denied>);
        Query canic_rollouts(PageRequest) -> (Result<RolloutsPage, Denied>);
        Query canic_rollout(RolloutQuery) -> (Result<Option<RolloutPage>, Denied>);
        Query canic_pool(PageRequest) -> (Result<PoolPage, Denied>);
        Query canic_operations(OperationsRequest) -> (Result<OperationsPage, Denied>);
        Query canic_operation(u64) -> (Result<Option<OperationInfo>, Denied>);
        Query canic_progress(Vec<u64>) -> (Result<Progress, BatchError>);
        Query canic_metrics(PageRequest) -> (Result<MetricsPage, Denied>);
        // Only root itself calls this one, to end a message.
        Update canic_drive;
    }
}

fn of_member() -> Vec<SystemEndpoint> {
    system_endpoints! {
        Query canic_identity() -> (IdentityInfo);
        Query canic_metrics(PageRequest) -> (Result<MetricsPage, Denied>);
        Update canic_sync(Identity) -> (Result<(), Denied>);
        Update canic_health() -> (Result<Health, Denied>);
        Update canic_accept() -> (Result<(), Denied>);
        Update canic_announce(Announcement) -> (Result<(), Denied>);
    }
}

fn of_http() -> Vec<SystemEndpoint> {
    system_endpoints! {
        Query http_request(HttpRequest) -> (HttpResponse);
    }
}

/// The same types with absolute paths, because Candid resolves them where the crate exports its
/// interface.
fn absolute_paths(types: TokenStream, crate_path: &CratePath) -> TokenStream {
    types
        .into_iter()
        .map(|token| match token {
            TokenTree::Ident(name) => match name.to_string().as_str() {
                "u64" => quote!(u64),
                "u32" => quote!(u32),
                "Result" => quote!(::core::result::Result),
                "Option" => quote!(::core::option::Option),
                "Vec" => quote!(::std::vec::Vec),
                _ => quote!(#crate_path::api::#name),
            },
            other => quote!(#other),
        })
        .collect()
}
