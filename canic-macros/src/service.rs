//! The endpoints that a canister serves because it is a root or a member: their exports and their Candid.

use proc_macro2::{TokenStream, TokenTree};
use quote::{format_ident, quote};

use crate::crate_path::CratePath;
use crate::hooks::Side;

/// How an endpoint is called.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    Update,
    Query,
    CompositeQuery,
}

impl Mode {
    /// As the platform and Candid spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Query => "query",
            Self::CompositeQuery => "composite_query",
        }
    }

    /// The symbol of an endpoint's export.
    pub(crate) fn symbol(self, endpoint: &str) -> String {
        format!("canister_{} {endpoint}", self.name())
    }
}

/// An endpoint of the runtime.
pub(crate) struct Served {
    mode: Mode,
    name: &'static str,
    /// Its arguments and what it replies, as types of `canic::api`; an endpoint without is not part of the Candid
    /// interface.
    candid: Option<(TokenStream, TokenStream)>,
}

fn served(mode: Mode, name: &'static str, arguments: TokenStream, reply: TokenStream) -> Served {
    Served {
        mode,
        name,
        candid: Some((arguments, reply)),
    }
}

/// What a root serves.
#[rustfmt::skip]
pub(crate) fn root() -> Vec<Served> {
    use Mode::{Query, Update};
    vec![
        served(Update, "canic_provision", quote!(ProvisionRequest), quote!(Result<Provisioned, ProvisionError>)),
        served(Update, "canic_provision_batch", quote!(Vec<ProvisionRequest>), quote!(Result<Vec<Result<u64, ProvisionError>>, BatchError>)),
        served(Update, "canic_retire", quote!(RetireRequest), quote!(Result<Retired, RetireError>)),
        served(Update, "canic_move", quote!(MoveRequest), quote!(Result<Moved, MoveError>)),
        served(Update, "canic_lookup", quote!(Principal), quote!(Result<Option<MemberRef>, Denied>)),
        served(Update, "canic_import", quote!(ImportRequest), quote!(Result<Imported, ImportError>)),
        served(Update, "canic_module_stage", quote!(StageRequest), quote!(Result<StagedChunk, ModuleError>)),
        served(Update, "canic_module_approve", quote!(ApproveRequest), quote!(Result<ModuleInfo, ModuleError>)),
        served(Update, "canic_prune", quote!(PruneRequest), quote!(Result<Pruned, Denied>)),
        served(Query, "canic_members", quote!(MembersRequest), quote!(Result<MembersPage, Denied>)),
        served(Query, "canic_member", quote!(MemberRequest), quote!(Result<Option<MemberInfo>, Denied>)),
        served(Query, "canic_catch_up", quote!(CatchUpRequest), quote!(Result<CatchUpPage, Denied>)),
        served(Query, "canic_modules", quote!(PageRequest), quote!(Result<ModulesPage, Denied>)),
        served(Query, "canic_pool", quote!(PageRequest), quote!(Result<PoolPage, Denied>)),
        served(Query, "canic_operations", quote!(OperationsRequest), quote!(Result<OperationsPage, Denied>)),
        served(Query, "canic_operation", quote!(u64), quote!(Result<Option<OperationInfo>, Denied>)),
        served(Query, "canic_progress", quote!(Vec<u64>), quote!(Result<Progress, BatchError>)),
        served(Query, "canic_metrics", quote!(PageRequest), quote!(Result<MetricsPage, Denied>)),
        // Root calls this one itself, to end a message: nobody else has a use for it.
        Served { mode: Update, name: "canic_drive", candid: None },
    ]
}

/// What a member serves.
#[rustfmt::skip]
pub(crate) fn member() -> Vec<Served> {
    use Mode::{Query, Update};
    vec![
        served(Query, "canic_identity", quote!(), quote!(IdentityInfo)),
        served(Query, "canic_metrics", quote!(PageRequest), quote!(Result<MetricsPage, Denied>)),
        served(Update, "canic_sync", quote!(Identity), quote!(Result<(), Denied>)),
        served(Update, "canic_announce", quote!(Announcement), quote!(Result<(), Denied>)),
    ]
}

/// What either serves besides, where `http` is given.
pub(crate) fn http() -> Vec<Served> {
    vec![served(
        Mode::Query,
        "http_request",
        quote!(HttpRequest),
        quote!(HttpResponse),
    )]
}

/// The exports of endpoints, and what tells Candid about them.
///
/// As to the path of the macro, see `interface`.
pub(crate) fn endpoints(
    side: &Side,
    crate_path: &CratePath,
    served: impl IntoIterator<Item = Served>,
) -> TokenStream {
    let Side { module, config } = side;
    let endpoints = served.into_iter().map(|Served { mode, name, candid }| {
        let (mode, name) = (format_ident!("{}", mode.name()), format_ident!("{name}"));
        let types = candid.map(|(arguments, reply)| {
            let arguments = absolute(arguments, crate_path);
            let reply = absolute(reply, crate_path);
            quote!((#arguments) -> #reply)
        });
        quote!(#crate_path::__private::serve! { #module, #config, #mode #name #types })
    });
    endpoints.collect()
}

/// Candid's types are resolved where the interface is exported, which is elsewhere: every path must be absolute.
fn absolute(types: TokenStream, crate_path: &CratePath) -> TokenStream {
    types
        .into_iter()
        .map(|token| match token {
            TokenTree::Ident(name) => match name.to_string().as_str() {
                "u64" => quote!(u64),
                "Result" => quote!(::core::result::Result),
                "Option" => quote!(::core::option::Option),
                "Vec" => quote!(::std::vec::Vec),
                _ => quote!(#crate_path::api::#name),
            },
            other => quote!(#other),
        })
        .collect()
}
