pub struct Fleet;
#[doc(hidden)]
#[macro_export]
macro_rules! one_root_or_role_attribute_per_crate_and_all_hooks_in_its_impl_block {
    () => {};
}
const _: () = {
    use ::canic::{__private as __canic, config as __config};
    const _: ::core::marker::PhantomData<Fleet> = ::core::marker::PhantomData;
    static ROOT: __canic::Root = __canic::Root {
        config: __config::RootConfig {
            pool: ::core::option::Option::None,
            reserve: __config::DEFAULT_RESERVE,
            budget: ::core::option::Option::None,
            roles: &[],
        },
        max_stable_gib: __canic::DEFAULT_STABLE_GIB,
        start: ::core::option::Option::None,
        args_fit: &[],
    };
    const _: bool = {
        use __canic::{
            export_candid_stands_below_all_endpoints, one_export_candid_per_crate,
        };
        export_candid_stands_below_all_endpoints! {}
        const _: () = {
            use crate::*;
            ::core::assert!(
                one_export_candid_per_crate::IS_EXPORTED,
                "no Candid interface: write `canic::export_candid!();` at the end of the crate's root file"
            );
        };
        one_export_candid_per_crate::IS_EXPORTED
    };
    ::canic::__private::refuse! {
        __canister_method_init :
        "`canister_init` is exported twice; remove `#[ic_cdk::init]`: this attribute exports it, and runs `fn init` of its `impl` block";
        __canister_method_pre_upgrade :
        "`canister_pre_upgrade` is exported twice; remove `#[ic_cdk::pre_upgrade]`: this attribute exports it, and runs `fn pre_upgrade` of its `impl` block";
        __canister_method_post_upgrade :
        "`canister_post_upgrade` is exported twice; remove `#[ic_cdk::post_upgrade]`: this attribute exports it, and runs `fn post_upgrade` of its `impl` block";
        __canister_method_inspect_message :
        "`canister_inspect_message` is exported twice; remove `#[ic_cdk::inspect_message]`: this attribute exports it, and runs `fn inspect_message` of its `impl` block";
    }
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
        root, ROOT, update canic_grant(::canic::api::GrantRequest) ->
        ::core::result::Result < ::canic::api::Granted, ::canic::api::GrantError >
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
        root, ROOT, update canic_rollout_start(::canic::api::RolloutRequest) ->
        ::core::result::Result < u32, ::canic::api::RolloutError >
    }
    ::canic::__private::serve! {
        root, ROOT, update canic_rollout_control(u32, ::canic::api::RolloutControl) ->
        ::core::result::Result < ::canic::api::RolloutInfo, ::canic::api::RolloutError >
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
        root, ROOT, query canic_releases(::canic::api::ReleasesRequest) ->
        ::core::result::Result < ::canic::api::ReleasesPage, ::canic::api::Denied >
    }
    ::canic::__private::serve! {
        root, ROOT, query canic_rollouts(::canic::api::PageRequest) ->
        ::core::result::Result < ::canic::api::RolloutsPage, ::canic::api::Denied >
    }
    ::canic::__private::serve! {
        root, ROOT, query canic_rollout(::canic::api::RolloutQuery) ->
        ::core::result::Result < ::core::option::Option < ::canic::api::RolloutPage >,
        ::canic::api::Denied >
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
