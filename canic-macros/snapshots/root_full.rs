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
    ///
    /// `Fleet::hub().key("alice").provision().await?.canister`
    ///
    /// The same key always means the same member; without a key each request makes one more.
    /// An error's `retry()` tells whether to ask again.
    pub fn hub() -> other::fleet::Provision {
        other::fleet::Provision::role("hub")
    }
    /// Provisions a member of the role `worker`.
    ///
    /// `Fleet::worker().key("alice").args(args).provision().await?.canister`
    ///
    /// The same key always means the same member; without a key each request makes one more.
    /// An error's `retry()` tells whether to ask again.
    pub fn worker() -> other::fleet::ProvisionRole<worker_api::WorkerArgs> {
        other::fleet::ProvisionRole::new("worker")
    }
}
#[doc(hidden)]
#[macro_export]
macro_rules! one_root_or_role_attribute_per_crate_and_all_hooks_in_its_impl_block {
    () => {};
}
#[doc(hidden)]
#[macro_export]
macro_rules! only_one_endpoint_is_named_http_request {
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
            budget: ::core::option::Option::Some(20_000_000_000_000),
            refuel: ::core::option::Option::Some(__config::RefuelConfig {
                below: 50_000_000_000_000,
                to: 100_000_000_000_000,
                sources: &[__config::FuelSource::Cycles, __config::FuelSource::Icp],
            }),
            roles: &[
                __config::RoleConfig {
                    name: "hub",
                    max: ::core::option::Option::None,
                    max_per_parent: ::core::option::Option::None,
                    singleton: true,
                    cycles: 5_000_000_000_000,
                    parents: &["root"],
                    watches: &[],
                    watches_releases: false,
                    controllers: &[],
                    rollback: __config::Rollback::Recycle,
                    rollout: __config::DEFAULT_ROLLOUT,
                    wasm: ::core::option::Option::None,
                    fund: ::core::option::Option::None,
                },
                __config::RoleConfig {
                    name: "worker",
                    max: ::core::option::Option::Some(100),
                    max_per_parent: ::core::option::Option::None,
                    singleton: false,
                    cycles: 1_500_000_000_000,
                    parents: &["root", "hub"],
                    watches: &[],
                    watches_releases: false,
                    controllers: &[
                        __config::Controller::Parent,
                        __config::Controller::Text("ryjl3-tyaaa-aaaaa-aaaba-cai"),
                    ],
                    rollback: __config::Rollback::Delete,
                    rollout: __config::RolloutConfig {
                        plan: other::api::RolloutPlan {
                            canary: other::api::Share::Percent(5),
                            bake: 3_600,
                            concurrent: 20,
                            max_failures: __config::DEFAULT_ROLLOUT.plan.max_failures,
                            on_failure: other::api::OnFailure::Undo,
                            snapshots: __config::DEFAULT_ROLLOUT.plan.snapshots,
                            health_timeout: __config::DEFAULT_ROLLOUT
                                .plan
                                .health_timeout,
                            keep: __config::DEFAULT_ROLLOUT.plan.keep,
                        },
                        manual: true,
                    },
                    wasm: ::core::option::Option::Some(
                        ::core::include_bytes!(
                            ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/",
                            "../tests/fleet/fixtures/misfit-root/worker.wasm")
                        ),
                    ),
                    fund: ::core::option::Option::Some(__config::FundConfig {
                        below: __config::Level::Seconds(604_800),
                        to: __config::Level::Seconds(2_592_000),
                        per_day: ::core::option::Option::Some(1_000_000_000_000),
                    }),
                },
            ],
        },
        max_stable_gib: __canic::DEFAULT_STABLE_GIB,
        start: ::core::option::Option::Some(|| {
            __canic::entry::start(|| ::std::boxed::Box::pin(async {
                __canic::entry::hook_result(<Fleet>::start().await)
            }))
        }),
        args_fit: &[
            || __canic::entry::args_fit(
                "worker",
                <worker_api::WorkerArgs as __canic::candid::CandidType>::ty,
                &__canic::entry::Init {
                    definitions: &[
                        (
                            "WorkerArgs",
                            __canic::entry::ArgumentType::Record(
                                &[
                                    (
                                        __canic::entry::FieldName::Text("owner"),
                                        __canic::entry::ArgumentType::Principal,
                                    ),
                                    (
                                        __canic::entry::FieldName::Text("name"),
                                        __canic::entry::ArgumentType::Opt(
                                            &__canic::entry::ArgumentType::Text,
                                        ),
                                    ),
                                ],
                            ),
                        ),
                    ],
                    arguments: &[__canic::entry::ArgumentType::Name("WorkerArgs")],
                },
            ),
        ],
    };
    other::__private::metadata! {}
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
    other::__private::refuse! {
        __canister_method_init :
        "`canister_init` is exported twice; remove `#[ic_cdk::init]`: this attribute exports it, and runs `fn init` of its `impl` block";
        __canister_method_pre_upgrade :
        "`canister_pre_upgrade` is exported twice; remove `#[ic_cdk::pre_upgrade]`: this attribute exports it, and runs `fn pre_upgrade` of its `impl` block";
        __canister_method_post_upgrade :
        "`canister_post_upgrade` is exported twice; remove `#[ic_cdk::post_upgrade]`: this attribute exports it, and runs `fn post_upgrade` of its `impl` block";
        __canister_method_inspect_message :
        "`canister_inspect_message` is exported twice; remove `#[ic_cdk::inspect_message]`: this attribute exports it, and runs `fn inspect_message` of its `impl` block";
        __canister_method_http_request :
        "`http_request` is exported twice; remove the endpoint of ic-cdk, or `http` from this attribute";
    }
    #[unsafe(export_name = "canister_init")]
    fn canister_init() {
        __canic::entry::root::init(
            &ROOT,
            |bytes| __canic::entry::call_hook(
                bytes,
                |(arg0,): (Principal,)| __canic::entry::hook_result(<Fleet>::init(arg0)),
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
    other::__private::describe! {
        17713413547103711763 init(0 : Principal)
    }
    other::__private::serve! {
        root, ROOT, update canic_provision(other::api::ProvisionRequest) ->
        ::core::result::Result < other::api::Provisioned, other::api::ProvisionError >
    }
    other::__private::serve! {
        root, ROOT, update canic_provision_batch(::std::vec::Vec <
        other::api::ProvisionRequest >) -> ::core::result::Result < ::std::vec::Vec <
        ::core::result::Result < u64, other::api::ProvisionError >>,
        other::api::BatchError >
    }
    other::__private::serve! {
        root, ROOT, update canic_retire(other::api::RetireRequest) ->
        ::core::result::Result < other::api::Retired, other::api::RetireError >
    }
    other::__private::serve! {
        root, ROOT, update canic_move(other::api::MoveRequest) -> ::core::result::Result
        < other::api::Moved, other::api::MoveError >
    }
    other::__private::serve! {
        root, ROOT, update canic_grant(other::api::GrantRequest) ->
        ::core::result::Result < other::api::Granted, other::api::GrantError >
    }
    other::__private::serve! {
        root, ROOT, update canic_lookup(other::api::Principal) -> ::core::result::Result
        < ::core::option::Option < other::api::MemberRef >, other::api::Denied >
    }
    other::__private::serve! {
        root, ROOT, update canic_import(other::api::ImportRequest) ->
        ::core::result::Result < other::api::Imported, other::api::ImportError >
    }
    other::__private::serve! {
        root, ROOT, update canic_module_stage(other::api::StageRequest) ->
        ::core::result::Result < other::api::StagedChunk, other::api::ModuleError >
    }
    other::__private::serve! {
        root, ROOT, update canic_module_approve(other::api::ApproveRequest) ->
        ::core::result::Result < other::api::ModuleInfo, other::api::ModuleError >
    }
    other::__private::serve! {
        root, ROOT, update canic_rollout_start(other::api::RolloutRequest) ->
        ::core::result::Result < u32, other::api::RolloutError >
    }
    other::__private::serve! {
        root, ROOT, update canic_rollout_control(u32, other::api::RolloutControl) ->
        ::core::result::Result < other::api::RolloutInfo, other::api::RolloutError >
    }
    other::__private::serve! {
        root, ROOT, update canic_prune(other::api::PruneRequest) ->
        ::core::result::Result < other::api::Pruned, other::api::Denied >
    }
    other::__private::serve! {
        root, ROOT, update canic_refuel(other::api::RefuelRequest) ->
        ::core::result::Result < other::api::Refuelled, other::api::RefuelError >
    }
    other::__private::serve! {
        root, ROOT, query canic_members(other::api::MembersRequest) ->
        ::core::result::Result < other::api::MembersPage, other::api::Denied >
    }
    other::__private::serve! {
        root, ROOT, query canic_member(other::api::MemberRequest) ->
        ::core::result::Result < ::core::option::Option < other::api::MemberInfo >,
        other::api::Denied >
    }
    other::__private::serve! {
        root, ROOT, query canic_catch_up(other::api::CatchUpRequest) ->
        ::core::result::Result < other::api::CatchUpPage, other::api::Denied >
    }
    other::__private::serve! {
        root, ROOT, query canic_modules(other::api::PageRequest) ->
        ::core::result::Result < other::api::ModulesPage, other::api::Denied >
    }
    other::__private::serve! {
        root, ROOT, query canic_releases(other::api::ReleasesRequest) ->
        ::core::result::Result < other::api::ReleasesPage, other::api::Denied >
    }
    other::__private::serve! {
        root, ROOT, query canic_rollouts(other::api::PageRequest) ->
        ::core::result::Result < other::api::RolloutsPage, other::api::Denied >
    }
    other::__private::serve! {
        root, ROOT, query canic_rollout(other::api::RolloutQuery) ->
        ::core::result::Result < ::core::option::Option < other::api::RolloutPage >,
        other::api::Denied >
    }
    other::__private::serve! {
        root, ROOT, query canic_pool(other::api::PageRequest) -> ::core::result::Result <
        other::api::PoolPage, other::api::Denied >
    }
    other::__private::serve! {
        root, ROOT, query canic_operations(other::api::OperationsRequest) ->
        ::core::result::Result < other::api::OperationsPage, other::api::Denied >
    }
    other::__private::serve! {
        root, ROOT, query canic_operation(u64) -> ::core::result::Result <
        ::core::option::Option < other::api::OperationInfo >, other::api::Denied >
    }
    other::__private::serve! {
        root, ROOT, query canic_progress(::std::vec::Vec < u64 >) ->
        ::core::result::Result < other::api::Progress, other::api::BatchError >
    }
    other::__private::serve! {
        root, ROOT, query canic_funding() -> ::core::result::Result <
        other::api::FundingInfo, other::api::Denied >
    }
    other::__private::serve! {
        root, ROOT, composite_query canic_status(other::api::StatusRequest) ->
        ::core::result::Result < other::api::StatusPage, other::api::Denied >
    }
    other::__private::serve! {
        root, ROOT, query canic_metrics(other::api::PageRequest) ->
        ::core::result::Result < other::api::MetricsPage, other::api::Denied >
    }
    other::__private::serve! {
        root, ROOT, update canic_drive
    }
    other::__private::serve! {
        root, ROOT, query http_request(other::api::HttpRequest) ->
        other::api::HttpResponse
    }
};
