pub struct Worker;
impl Worker {
    /// Provisions a member of the role `page`.
    pub fn page() -> ::canic::fleet::ProvisionRole<PageArgs> {
        ::canic::fleet::ProvisionRole::new("page")
    }
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
        start: ::core::option::Option::None,
    };
    #[unsafe(export_name = "canister_init")]
    fn canister_init() {
        __canic::entry::member::init(&MEMBER, __canic::entry::no_argument)
    }
    #[unsafe(export_name = "canister_pre_upgrade")]
    fn canister_pre_upgrade() {
        __canic::entry::member::pre_upgrade(&MEMBER, || ::core::result::Result::Ok(()))
    }
    #[unsafe(export_name = "canister_post_upgrade")]
    fn canister_post_upgrade() {
        __canic::entry::member::post_upgrade(&MEMBER, __canic::entry::no_argument)
    }
    #[unsafe(export_name = "canister_inspect_message")]
    fn canister_inspect_message() {
        __canic::entry::member::inspect_message(&MEMBER, || true)
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
};
