#[allow(clippy::needless_pass_by_value, clippy::unused_async)]
impl Fleet {
    fn init(owner: Principal) {}
    async fn start() {}
    fn inspect_message() -> bool {
        true
    }
}
impl Fleet {
    /// Provisions a member of the role `hub`.
    pub fn hub() -> other::fleet::Provision {
        other::fleet::Provision::role("hub")
    }
    /// Provisions a member of the role `worker`.
    pub fn worker() -> other::fleet::ProvisionRole<worker_api::WorkerArgs> {
        other::fleet::ProvisionRole::new("worker")
    }
}
#[doc(hidden)]
#[macro_export]
macro_rules! one_root_or_role_per_crate {
    () => {};
}
const _: () = {
    use other::{__private as __canic, config as __config};
    const _: ::core::marker::PhantomData<Fleet> = ::core::marker::PhantomData;
    static ROOT: __canic::Root = __canic::Root {
        config: __config::RootConfig {
            pool: ::core::option::Option::Some(__config::PoolConfig {
                min: 2,
                max: 10,
                cycles: 1_000_000_000_000,
            }),
            reserve: 5_000_000_000_000,
            roles: &[
                __config::RoleConfig {
                    name: "hub",
                    max: ::core::option::Option::None,
                    singleton: true,
                    cycles: 5_000_000_000_000,
                    parents: &["root"],
                    controllers: &[],
                    rollback: __config::Rollback::Recycle,
                    wasm: ::core::option::Option::None,
                },
                __config::RoleConfig {
                    name: "worker",
                    max: ::core::option::Option::Some(100),
                    singleton: false,
                    cycles: 1_500_000_000_000,
                    parents: &["root", "hub"],
                    controllers: &[
                        __config::Controller::Parent,
                        __config::Controller::Text("ryjl3-tyaaa-aaaaa-aaaba-cai"),
                    ],
                    rollback: __config::Rollback::Delete,
                    wasm: ::core::option::Option::None,
                },
            ],
        },
        start: ::core::option::Option::Some(|| __canic::entry::start(<Fleet>::start())),
    };
    #[unsafe(export_name = "canister_init")]
    fn canister_init() {
        __canic::entry::root::init(
            &ROOT,
            |bytes| __canic::entry::call_hook(
                bytes,
                |(arg0,): (Principal,)| <Fleet>::init(arg0),
            ),
        )
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
        __canic::entry::root::inspect_message(&ROOT, || <Fleet>::inspect_message())
    }
    #[other::__private::candid::candid_method(init)]
    fn candid_init(_: Principal) {
        __canic::entry::candid_only()
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
    #[other::__private::candid::candid_method(update, rename = "canic_provision")]
    fn canic_provision_candid(
        _: other::api::ProvisionRequest,
    ) -> ::core::result::Result<other::api::Provisioned, other::api::ProvisionError> {
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
    #[other::__private::candid::candid_method(update, rename = "canic_provision_batch")]
    fn canic_provision_batch_candid(
        _: ::std::vec::Vec<other::api::ProvisionRequest>,
    ) -> ::core::result::Result<
        ::std::vec::Vec<::core::result::Result<u64, other::api::ProvisionError>>,
        other::api::BatchError,
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
    #[other::__private::candid::candid_method(update, rename = "canic_retire")]
    fn canic_retire_candid(
        _: other::api::RetireRequest,
    ) -> ::core::result::Result<other::api::Retired, other::api::RetireError> {
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
    #[other::__private::candid::candid_method(update, rename = "canic_import")]
    fn canic_import_candid(
        _: other::api::ImportRequest,
    ) -> ::core::result::Result<other::api::Imported, other::api::ImportError> {
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
    #[other::__private::candid::candid_method(update, rename = "canic_module_stage")]
    fn canic_module_stage_candid(
        _: other::api::StageRequest,
    ) -> ::core::result::Result<other::api::StagedChunk, other::api::ModuleError> {
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
    #[other::__private::candid::candid_method(update, rename = "canic_module_approve")]
    fn canic_module_approve_candid(
        _: other::api::ApproveRequest,
    ) -> ::core::result::Result<other::api::ModuleInfo, other::api::ModuleError> {
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
    #[other::__private::candid::candid_method(update, rename = "canic_prune")]
    fn canic_prune_candid(
        _: other::api::PruneRequest,
    ) -> ::core::result::Result<other::api::Pruned, other::api::Denied> {
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
    #[other::__private::candid::candid_method(query, rename = "canic_members")]
    fn canic_members_candid(
        _: other::api::MembersRequest,
    ) -> ::core::result::Result<other::api::MembersPage, other::api::Denied> {
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
    #[other::__private::candid::candid_method(query, rename = "canic_member")]
    fn canic_member_candid(
        _: other::api::MemberRequest,
    ) -> ::core::result::Result<
        ::core::option::Option<other::api::MemberInfo>,
        other::api::Denied,
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
    #[other::__private::candid::candid_method(query, rename = "canic_modules")]
    fn canic_modules_candid(
        _: other::api::PageRequest,
    ) -> ::core::result::Result<other::api::ModulesPage, other::api::Denied> {
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
    #[other::__private::candid::candid_method(query, rename = "canic_pool")]
    fn canic_pool_candid(
        _: other::api::PageRequest,
    ) -> ::core::result::Result<other::api::PoolPage, other::api::Denied> {
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
    #[other::__private::candid::candid_method(query, rename = "canic_operations")]
    fn canic_operations_candid(
        _: other::api::OperationsRequest,
    ) -> ::core::result::Result<other::api::OperationsPage, other::api::Denied> {
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
    #[other::__private::candid::candid_method(query, rename = "canic_operation")]
    fn canic_operation_candid(
        _: u64,
    ) -> ::core::result::Result<
        ::core::option::Option<other::api::OperationInfo>,
        other::api::Denied,
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
    #[other::__private::candid::candid_method(query, rename = "canic_metrics")]
    fn canic_metrics_candid(
        _: other::api::PageRequest,
    ) -> ::core::result::Result<other::api::MetricsPage, other::api::Denied> {
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
    #[cfg_attr(
        target_family = "wasm",
        unsafe(export_name = "canister_query http_request")
    )]
    #[cfg_attr(
        not(target_family = "wasm"),
        unsafe(export_name = "canister_query.http_request")
    )]
    fn http_request() {
        __canic::entry::root::http_request(&ROOT)
    }
    #[other::__private::candid::candid_method(query, rename = "http_request")]
    fn http_request_candid(_: other::api::HttpRequest) -> other::api::HttpResponse {
        __canic::entry::candid_only()
    }
};
