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
macro_rules! one_root_or_role_per_crate {
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
        subscribes: ::core::option::Option::None,
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
        member, MEMBER, update canic_announce(::canic::api::Announcement) ->
        ::core::result::Result < (), ::canic::api::Denied >
    }
    ::canic::__private::serve! {
        member, MEMBER, query http_request(::canic::api::HttpRequest) ->
        ::canic::api::HttpResponse
    }
};
