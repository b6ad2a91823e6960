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
        start: ::core::option::Option::Some(|| __canic::entry::start(<Worker>::start())),
    };
    #[unsafe(export_name = "canister_init")]
    fn canister_init() {
        __canic::entry::member::init(
            &MEMBER,
            |bytes| __canic::entry::call_hook(
                bytes,
                |(arg0,): (WorkerArgs,)| <Worker>::init(arg0),
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
            |bytes| __canic::entry::call_hook(bytes, |(): ()| <Worker>::post_upgrade()),
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
    #[::canic::__private::candid::candid_method(init)]
    fn candid_init(_: WorkerArgs) {
        __canic::entry::candid_only()
    }
    #[cfg_attr(target_family = "wasm", unsafe(export_name = "canister_query canic_env"))]
    #[cfg_attr(
        not(target_family = "wasm"),
        unsafe(export_name = "canister_query.canic_env")
    )]
    fn canic_env() {
        __canic::entry::member::canic_env(&MEMBER)
    }
    #[::canic::__private::candid::candid_method(query, rename = "canic_env")]
    fn canic_env_candid() -> ::canic::api::Env {
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
        __canic::entry::member::canic_metrics(&MEMBER)
    }
    #[::canic::__private::candid::candid_method(query, rename = "canic_metrics")]
    fn canic_metrics_candid(
        _: ::canic::api::PageRequest,
    ) -> ::core::result::Result<::canic::api::MetricsPage, ::canic::api::Denied> {
        __canic::entry::candid_only()
    }
    #[cfg_attr(
        target_family = "wasm",
        unsafe(export_name = "canister_update canic_sync")
    )]
    #[cfg_attr(
        not(target_family = "wasm"),
        unsafe(export_name = "canister_update.canic_sync")
    )]
    fn canic_sync() {
        __canic::entry::member::canic_sync(&MEMBER)
    }
    #[::canic::__private::candid::candid_method(update, rename = "canic_sync")]
    fn canic_sync_candid(
        _: ::canic::api::SyncRequest,
    ) -> ::core::result::Result<(), ::canic::api::Denied> {
        __canic::entry::candid_only()
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
        __canic::entry::member::http_request(&MEMBER)
    }
    #[::canic::__private::candid::candid_method(query, rename = "http_request")]
    fn http_request_candid(_: ::canic::api::HttpRequest) -> ::canic::api::HttpResponse {
        __canic::entry::candid_only()
    }
};
