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
        start: ::core::option::Option::None,
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
    #[cfg_attr(
        target_family = "wasm",
        unsafe(export_name = "canister_update canic_provision")
    )]
    #[cfg_attr(
        not(target_family = "wasm"),
        unsafe(export_name = "canister_update.canic_provision")
    )]
    fn canic_provision() {
        __canic::entry::root::canic_provision(&ROOT)
    }
    #[::canic::__private::candid::candid_method(update, rename = "canic_provision")]
    fn canic_provision_candid(
        _: ::canic::api::ProvisionRequest,
    ) -> ::core::result::Result<
        ::canic::api::Provisioned,
        ::canic::api::ProvisionError,
    > {
        __canic::entry::candid_only()
    }
    #[cfg_attr(
        target_family = "wasm",
        unsafe(export_name = "canister_update canic_provision_batch")
    )]
    #[cfg_attr(
        not(target_family = "wasm"),
        unsafe(export_name = "canister_update.canic_provision_batch")
    )]
    fn canic_provision_batch() {
        __canic::entry::root::canic_provision_batch(&ROOT)
    }
    #[::canic::__private::candid::candid_method(
        update,
        rename = "canic_provision_batch"
    )]
    fn canic_provision_batch_candid(
        _: ::std::vec::Vec<::canic::api::ProvisionRequest>,
    ) -> ::core::result::Result<
        ::std::vec::Vec<::core::result::Result<u64, ::canic::api::ProvisionError>>,
        ::canic::api::BatchError,
    > {
        __canic::entry::candid_only()
    }
    #[cfg_attr(
        target_family = "wasm",
        unsafe(export_name = "canister_update canic_retire")
    )]
    #[cfg_attr(
        not(target_family = "wasm"),
        unsafe(export_name = "canister_update.canic_retire")
    )]
    fn canic_retire() {
        __canic::entry::root::canic_retire(&ROOT)
    }
    #[::canic::__private::candid::candid_method(update, rename = "canic_retire")]
    fn canic_retire_candid(
        _: ::canic::api::RetireRequest,
    ) -> ::core::result::Result<::canic::api::Retired, ::canic::api::RetireError> {
        __canic::entry::candid_only()
    }
    #[cfg_attr(
        target_family = "wasm",
        unsafe(export_name = "canister_update canic_import")
    )]
    #[cfg_attr(
        not(target_family = "wasm"),
        unsafe(export_name = "canister_update.canic_import")
    )]
    fn canic_import() {
        __canic::entry::root::canic_import(&ROOT)
    }
    #[::canic::__private::candid::candid_method(update, rename = "canic_import")]
    fn canic_import_candid(
        _: ::canic::api::ImportRequest,
    ) -> ::core::result::Result<::canic::api::Imported, ::canic::api::ImportError> {
        __canic::entry::candid_only()
    }
    #[cfg_attr(
        target_family = "wasm",
        unsafe(export_name = "canister_update canic_module_stage")
    )]
    #[cfg_attr(
        not(target_family = "wasm"),
        unsafe(export_name = "canister_update.canic_module_stage")
    )]
    fn canic_module_stage() {
        __canic::entry::root::canic_module_stage(&ROOT)
    }
    #[::canic::__private::candid::candid_method(update, rename = "canic_module_stage")]
    fn canic_module_stage_candid(
        _: ::canic::api::StageRequest,
    ) -> ::core::result::Result<::canic::api::StagedChunk, ::canic::api::ModuleError> {
        __canic::entry::candid_only()
    }
    #[cfg_attr(
        target_family = "wasm",
        unsafe(export_name = "canister_update canic_module_approve")
    )]
    #[cfg_attr(
        not(target_family = "wasm"),
        unsafe(export_name = "canister_update.canic_module_approve")
    )]
    fn canic_module_approve() {
        __canic::entry::root::canic_module_approve(&ROOT)
    }
    #[::canic::__private::candid::candid_method(update, rename = "canic_module_approve")]
    fn canic_module_approve_candid(
        _: ::canic::api::ApproveRequest,
    ) -> ::core::result::Result<::canic::api::ModuleInfo, ::canic::api::ModuleError> {
        __canic::entry::candid_only()
    }
    #[cfg_attr(
        target_family = "wasm",
        unsafe(export_name = "canister_update canic_prune")
    )]
    #[cfg_attr(
        not(target_family = "wasm"),
        unsafe(export_name = "canister_update.canic_prune")
    )]
    fn canic_prune() {
        __canic::entry::root::canic_prune(&ROOT)
    }
    #[::canic::__private::candid::candid_method(update, rename = "canic_prune")]
    fn canic_prune_candid(
        _: ::canic::api::PruneRequest,
    ) -> ::core::result::Result<::canic::api::Pruned, ::canic::api::Denied> {
        __canic::entry::candid_only()
    }
    #[cfg_attr(
        target_family = "wasm",
        unsafe(export_name = "canister_query canic_members")
    )]
    #[cfg_attr(
        not(target_family = "wasm"),
        unsafe(export_name = "canister_query.canic_members")
    )]
    fn canic_members() {
        __canic::entry::root::canic_members(&ROOT)
    }
    #[::canic::__private::candid::candid_method(query, rename = "canic_members")]
    fn canic_members_candid(
        _: ::canic::api::MembersRequest,
    ) -> ::core::result::Result<::canic::api::MembersPage, ::canic::api::Denied> {
        __canic::entry::candid_only()
    }
    #[cfg_attr(
        target_family = "wasm",
        unsafe(export_name = "canister_query canic_member")
    )]
    #[cfg_attr(
        not(target_family = "wasm"),
        unsafe(export_name = "canister_query.canic_member")
    )]
    fn canic_member() {
        __canic::entry::root::canic_member(&ROOT)
    }
    #[::canic::__private::candid::candid_method(query, rename = "canic_member")]
    fn canic_member_candid(
        _: ::canic::api::MemberRequest,
    ) -> ::core::result::Result<
        ::core::option::Option<::canic::api::MemberInfo>,
        ::canic::api::Denied,
    > {
        __canic::entry::candid_only()
    }
    #[cfg_attr(
        target_family = "wasm",
        unsafe(export_name = "canister_query canic_modules")
    )]
    #[cfg_attr(
        not(target_family = "wasm"),
        unsafe(export_name = "canister_query.canic_modules")
    )]
    fn canic_modules() {
        __canic::entry::root::canic_modules(&ROOT)
    }
    #[::canic::__private::candid::candid_method(query, rename = "canic_modules")]
    fn canic_modules_candid(
        _: ::canic::api::PageRequest,
    ) -> ::core::result::Result<::canic::api::ModulesPage, ::canic::api::Denied> {
        __canic::entry::candid_only()
    }
    #[cfg_attr(
        target_family = "wasm",
        unsafe(export_name = "canister_query canic_pool")
    )]
    #[cfg_attr(
        not(target_family = "wasm"),
        unsafe(export_name = "canister_query.canic_pool")
    )]
    fn canic_pool() {
        __canic::entry::root::canic_pool(&ROOT)
    }
    #[::canic::__private::candid::candid_method(query, rename = "canic_pool")]
    fn canic_pool_candid(
        _: ::canic::api::PageRequest,
    ) -> ::core::result::Result<::canic::api::PoolPage, ::canic::api::Denied> {
        __canic::entry::candid_only()
    }
    #[cfg_attr(
        target_family = "wasm",
        unsafe(export_name = "canister_query canic_operations")
    )]
    #[cfg_attr(
        not(target_family = "wasm"),
        unsafe(export_name = "canister_query.canic_operations")
    )]
    fn canic_operations() {
        __canic::entry::root::canic_operations(&ROOT)
    }
    #[::canic::__private::candid::candid_method(query, rename = "canic_operations")]
    fn canic_operations_candid(
        _: ::canic::api::OperationsRequest,
    ) -> ::core::result::Result<::canic::api::OperationsPage, ::canic::api::Denied> {
        __canic::entry::candid_only()
    }
    #[cfg_attr(
        target_family = "wasm",
        unsafe(export_name = "canister_query canic_operation")
    )]
    #[cfg_attr(
        not(target_family = "wasm"),
        unsafe(export_name = "canister_query.canic_operation")
    )]
    fn canic_operation() {
        __canic::entry::root::canic_operation(&ROOT)
    }
    #[::canic::__private::candid::candid_method(query, rename = "canic_operation")]
    fn canic_operation_candid(
        _: u64,
    ) -> ::core::result::Result<
        ::core::option::Option<::canic::api::OperationInfo>,
        ::canic::api::Denied,
    > {
        __canic::entry::candid_only()
    }
    #[cfg_attr(
        target_family = "wasm",
        unsafe(export_name = "canister_query canic_metrics")
    )]
    #[cfg_attr(
        not(target_family = "wasm"),
        unsafe(export_name = "canister_query.canic_metrics")
    )]
    fn canic_metrics() {
        __canic::entry::root::canic_metrics(&ROOT)
    }
    #[::canic::__private::candid::candid_method(query, rename = "canic_metrics")]
    fn canic_metrics_candid(
        _: ::canic::api::PageRequest,
    ) -> ::core::result::Result<::canic::api::MetricsPage, ::canic::api::Denied> {
        __canic::entry::candid_only()
    }
    #[cfg_attr(
        target_family = "wasm",
        unsafe(export_name = "canister_update canic_drive")
    )]
    #[cfg_attr(
        not(target_family = "wasm"),
        unsafe(export_name = "canister_update.canic_drive")
    )]
    fn canic_drive() {
        __canic::entry::root::canic_drive(&ROOT)
    }
};
