#[allow(clippy::needless_pass_by_value, clippy::unused_async)]
impl Worker {
    fn init(args: WorkerArgs) -> Result<(), String> {
        keep(args)
    }
    fn pre_upgrade() {}
    fn post_upgrade() {}
    async fn start() {}
    fn inspect_message() -> bool {
        true
    }
    async fn heartbeat() {}
    fn on_low_wasm_memory() {}
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
    use ::canic::__private as __canic;
    const _: ::core::marker::PhantomData<Worker> = ::core::marker::PhantomData;
    static MEMBER: __canic::Member = __canic::Member {
        role: "worker",
        max_stable_gib: __canic::DEFAULT_STABLE_GIB,
        start: ::core::option::Option::Some(|| {
            __canic::entry::start(|| ::std::boxed::Box::pin(async {
                __canic::entry::hook_result(<Worker>::start().await)
            }))
        }),
        health: ::core::option::Option::None,
        subscribes: ::core::option::Option::None,
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
        __canister_method_heartbeat :
        "`canister_heartbeat` is exported twice; remove `#[ic_cdk::heartbeat]`: this attribute exports it, and runs `fn heartbeat` of its `impl` block";
        __canister_method_on_low_wasm_memory :
        "`canister_on_low_wasm_memory` is exported twice; remove `#[ic_cdk::on_low_wasm_memory]`: this attribute exports it, and runs `fn on_low_wasm_memory` of its `impl` block";
        __canister_method_http_request :
        "`http_request` is exported twice; remove the endpoint of ic-cdk, or `http` from this attribute";
    }
    #[unsafe(export_name = "canister_init")]
    fn canister_init() {
        __canic::entry::member::init(
            &MEMBER,
            |bytes| __canic::entry::call_hook(
                bytes,
                |(arg0,): (WorkerArgs,)| __canic::entry::hook_result(
                    <Worker>::init(arg0),
                ),
            ),
        )
    }
    #[unsafe(export_name = "canister_pre_upgrade")]
    fn canister_pre_upgrade() {
        __canic::entry::member::pre_upgrade(
            &MEMBER,
            || __canic::entry::hook_result(<Worker>::pre_upgrade()),
        )
    }
    #[unsafe(export_name = "canister_post_upgrade")]
    fn canister_post_upgrade() {
        __canic::entry::member::post_upgrade(
            &MEMBER,
            |bytes| __canic::entry::call_hook(
                bytes,
                |(): ()| __canic::entry::hook_result(<Worker>::post_upgrade()),
            ),
        )
    }
    #[unsafe(export_name = "canister_inspect_message")]
    fn canister_inspect_message() {
        __canic::entry::member::inspect_message(&MEMBER, || <Worker>::inspect_message())
    }
    #[unsafe(export_name = "canister_heartbeat")]
    fn canister_heartbeat() {
        __canic::entry::heartbeat_async(<Worker>::heartbeat())
    }
    #[unsafe(export_name = "canister_on_low_wasm_memory")]
    fn canister_on_low_wasm_memory() {
        __canic::entry::on_low_wasm_memory(<Worker>::on_low_wasm_memory)
    }
    ::canic::__private::describe! {
        17713413547103711763 init(0 : WorkerArgs)
    }
    ::canic::__private::serve! {
        member, MEMBER, query canic_identity() -> ::canic::api::IdentityInfo
    }
    ::canic::__private::serve! {
        member, MEMBER, query canic_metrics(::canic::api::PageRequest) ->
        ::core::result::Result < ::canic::api::MetricsPage, ::canic::api::Denied >
    }
    ::canic::__private::serve! {
        member, MEMBER, update canic_sync(::canic::api::Identity) ->
        ::core::result::Result < (), ::canic::api::Denied >
    }
    ::canic::__private::serve! {
        member, MEMBER, update canic_health() -> ::core::result::Result <
        ::canic::api::Health, ::canic::api::Denied >
    }
    ::canic::__private::serve! {
        member, MEMBER, update canic_accept() -> ::core::result::Result < (),
        ::canic::api::Denied >
    }
    ::canic::__private::serve! {
        member, MEMBER, update canic_announce(::canic::api::Announcement) ->
        ::core::result::Result < (), ::canic::api::Denied >
    }
    ::canic::__private::serve! {
        member, MEMBER, query http_request(::canic::api::HttpRequest) ->
        ::canic::api::HttpResponse
    }
};
