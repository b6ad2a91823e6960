#[allow(clippy::needless_pass_by_value)]
fn jobs_of(owners: Vec<Option<u64>>) -> u64 {
    owners.len() as u64
}
#[doc(hidden)]
#[macro_export]
macro_rules! only_one_endpoint_is_named_jobs_of {
    () => {};
}
const _: () = {
    use ::canic::__private as __canic;
    static __ENDPOINT: __canic::Endpoint = __canic::Endpoint::new(
        "jobs_of",
        &[__canic::Allow::Controller],
        &[],
    );
    __canic::list! {
        __ENDPOINT
    }
    #[cfg_attr(target_family = "wasm", unsafe(export_name = "canister_query jobs_of"))]
    #[cfg_attr(
        not(target_family = "wasm"),
        unsafe(export_name = "canister_query.jobs_of")
    )]
    fn __endpoint() {
        __canic::entry::query(
            &__ENDPOINT,
            |argument| __canic::entry::candid_args_within(1000u32, argument),
            |(arg0,): (Vec<Option<u64>>,)| __canic::entry::reply((jobs_of(arg0),)),
        )
    }
    ::canic::__private::describe! {
        12276404327441441661 query "jobs_of"(0 : Vec < Option < u64 > >) -> (1 : u64)
    }
};
