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
        max_stable_gib: __canic::DEFAULT_STABLE_GIB,
        start: ::core::option::Option::None,
        subscribes: ::core::option::Option::Some(__canic::entry::subscribe),
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
};
