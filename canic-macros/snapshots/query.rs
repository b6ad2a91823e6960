#[allow(clippy::needless_pass_by_value)]
fn jobs_done() -> u64 {
    7
}
#[doc(hidden)]
#[macro_export]
macro_rules! only_one_endpoint_is_named_jobs_done {
    () => {};
}
const _: () = {
    use ::canic::__private as __canic;
    static __ENDPOINT: __canic::Endpoint = __canic::Endpoint::new(
        "jobs_done",
        &[__canic::Allow::Anyone],
        &[],
    );
    #[cfg_attr(target_family = "wasm", unsafe(export_name = "canister_query jobs_done"))]
    #[cfg_attr(
        not(target_family = "wasm"),
        unsafe(export_name = "canister_query.jobs_done")
    )]
    fn __endpoint() {
        __canic::entry::query(
            &__ENDPOINT,
            __canic::entry::no_argument,
            |(): ()| __canic::entry::reply((jobs_done(),)),
        )
    }
    ::canic::__private::describe! {
        8044244839043072489 query "jobs_done"() -> (0 : u64)
    }
};
