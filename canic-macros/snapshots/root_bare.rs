pub struct Fleet;
#[doc(hidden)]
#[macro_export]
macro_rules! one_root_or_role_per_crate {
    () => {};
}
const _: () = {
    use ::canic::{__private as __canic, config as __config};
    const _: ::core::marker::PhantomData<Fleet> = ::core::marker::PhantomData;
    static ROOT: __canic::Root = __canic::Root {
        config: __config::RootConfig {
            pool: ::core::option::Option::None,
            reserve: __config::DEFAULT_RESERVE,
            roles: &[],
        },
        max_stable_gib: __canic::DEFAULT_STABLE_GIB,
        start: ::core::option::Option::None,
        args_fit: &[],
    };
    use __canic::CANDID_IS_EXPORTED;
    const _: bool = CANDID_IS_EXPORTED;
    const _: () = {
        use crate::*;
        ::core::assert!(
            CANDID_IS_EXPORTED,
            "no Candid interface: write `canic::export_candid!();` at the end of the crate's root file"
        );
    };
    #[unsafe(export_name = "canister_init")]
    fn canister_init() {
        __canic::entry::root::init(&ROOT, __canic::entry::no_argument)
    }
    #[unsafe(export_name = "canister_pre_upgrade")]
    fn canister_pre_upgrade() {
        __canic::entry::root::pre_upgrade(&ROOT, || ::core::result::Result::Ok(()))
    }
    #[unsafe(export_name = "canister_post_upgrade")]
    fn canister_post_upgrade() {
        __canic::entry::root::post_upgrade(&ROOT, __canic::entry::no_argument)
    }
    #[unsafe(export_name = "canister_inspect_message")]
    fn canister_inspect_message() {
        __canic::entry::root::inspect_message(&ROOT, || true)
    }
    ::canic::__private::serve! {
        root, ROOT, update canic_provision(::canic::api::ProvisionRequest) ->
        ::core::result::Result < ::canic::api::Provisioned, ::canic::api::ProvisionError
        >
    }
    ::canic::__private::serve! {
        root, ROOT, update canic_provision_batch(::std::vec::Vec <
        ::canic::api::ProvisionRequest >) -> ::core::result::Result < ::std::vec::Vec <
        ::core::result::Result < u64, ::canic::api::ProvisionError >>,
        ::canic::api::BatchError >
    }
    ::canic::__private::serve! {
        root, ROOT, update canic_retire(::canic::api::RetireRequest) ->
        ::core::result::Result < ::canic::api::Retired, ::canic::api::RetireError >
    }
    ::canic::__private::serve! {
        root, ROOT, update canic_move(::canic::api::MoveRequest) ->
        ::core::result::Result < ::canic::api::Moved, ::canic::api::MoveError >
    }
    ::canic::__private::serve! {
        root, ROOT, update canic_lookup(::canic::api::Principal) ->
        ::core::result::Result < ::core::option::Option < ::canic::api::MemberRef >,
        ::canic::api::Denied >
    }
    ::canic::__private::serve! {
        root, ROOT, update canic_import(::canic::api::ImportRequest) ->
        ::core::result::Result < ::canic::api::Imported, ::canic::api::ImportError >
    }
    ::canic::__private::serve! {
        root, ROOT, update canic_module_stage(::canic::api::StageRequest) ->
        ::core::result::Result < ::canic::api::StagedChunk, ::canic::api::ModuleError >
    }
    ::canic::__private::serve! {
        root, ROOT, update canic_module_approve(::canic::api::ApproveRequest) ->
        ::core::result::Result < ::canic::api::ModuleInfo, ::canic::api::ModuleError >
    }
    ::canic::__private::serve! {
        root, ROOT, update canic_prune(::canic::api::PruneRequest) ->
        ::core::result::Result < ::canic::api::Pruned, ::canic::api::Denied >
    }
    ::canic::__private::serve! {
        root, ROOT, query canic_members(::canic::api::MembersRequest) ->
        ::core::result::Result < ::canic::api::MembersPage, ::canic::api::Denied >
    }
    ::canic::__private::serve! {
        root, ROOT, query canic_member(::canic::api::MemberRequest) ->
        ::core::result::Result < ::core::option::Option < ::canic::api::MemberInfo >,
        ::canic::api::Denied >
    }
    ::canic::__private::serve! {
        root, ROOT, query canic_catch_up(::canic::api::CatchUpRequest) ->
        ::core::result::Result < ::canic::api::CatchUpPage, ::canic::api::Denied >
    }
    ::canic::__private::serve! {
        root, ROOT, query canic_modules(::canic::api::PageRequest) ->
        ::core::result::Result < ::canic::api::ModulesPage, ::canic::api::Denied >
    }
    ::canic::__private::serve! {
        root, ROOT, query canic_pool(::canic::api::PageRequest) -> ::core::result::Result
        < ::canic::api::PoolPage, ::canic::api::Denied >
    }
    ::canic::__private::serve! {
        root, ROOT, query canic_operations(::canic::api::OperationsRequest) ->
        ::core::result::Result < ::canic::api::OperationsPage, ::canic::api::Denied >
    }
    ::canic::__private::serve! {
        root, ROOT, query canic_operation(u64) -> ::core::result::Result <
        ::core::option::Option < ::canic::api::OperationInfo >, ::canic::api::Denied >
    }
    ::canic::__private::serve! {
        root, ROOT, query canic_progress(::std::vec::Vec < u64 >) ->
        ::core::result::Result < ::canic::api::Progress, ::canic::api::BatchError >
    }
    ::canic::__private::serve! {
        root, ROOT, query canic_metrics(::canic::api::PageRequest) ->
        ::core::result::Result < ::canic::api::MetricsPage, ::canic::api::Denied >
    }
    ::canic::__private::serve! {
        root, ROOT, update canic_drive
    }
};
