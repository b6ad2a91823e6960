pub struct Worker;
impl Worker {
    /// Provisions a member of the role `page`.
    ///
    /// `Worker::page().key("alice").args(args).provision().await?.canister`
    ///
    /// The same key always means the same member; without a key each request makes one more.
    /// An error's `retry()` tells whether to ask again.
    pub fn page() -> ::canic::fleet::ProvisionRole<PageArgs> {
        ::canic::fleet::ProvisionRole::new("page")
    }
}
#[doc(hidden)]
#[macro_export]
macro_rules! one_root_or_role_attribute_per_crate_and_all_hooks_in_its_impl_block {
    () => {};
}
const _: () = {
    use ::canic::__private as __canic;
    const _: ::core::marker::PhantomData<Worker> = ::core::marker::PhantomData;
    static MEMBER: __canic::Member = __canic::Member {
        role: "worker",
        max_stable_gib: __canic::DEFAULT_STABLE_GIB,
        start: ::core::option::Option::None,
        health: ::core::option::Option::None,
        subscribes: ::core::option::Option::Some(__canic::entry::subscribe),
    };
    ::canic::__private::metadata! {}
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
};
