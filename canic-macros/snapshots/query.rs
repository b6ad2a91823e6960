#[allow(clippy::needless_pass_by_value)]
fn jobs_done() -> u64 {
    7
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
    #[::canic::__private::candid::candid_method(query, rename = "jobs_done")]
    fn __candid() -> u64 {
        __canic::entry::candid_only()
    }
};
