#[allow(clippy::needless_pass_by_value)]
async fn jobs((a, b): (u8, u8), _: u64) -> Vec<u8> {
    vec![a, b]
}
#[doc(hidden)]
#[macro_export]
macro_rules! only_one_endpoint_has_the_name_in_hex_6a6f62732d6f66 {
    () => {};
}
const _: () = {
    use ::canic::__private as __canic;
    static __ENDPOINT: __canic::Endpoint = __canic::Endpoint::new(
        "jobs-of",
        &[__canic::Allow::Anyone],
        &[],
    );
    #[cfg_attr(
        target_family = "wasm",
        unsafe(export_name = "canister_composite_query jobs-of")
    )]
    #[cfg_attr(
        not(target_family = "wasm"),
        unsafe(export_name = "canister_composite_query.jobs.2d.of")
    )]
    fn __endpoint() {
        __canic::entry::query_async(
            &__ENDPOINT,
            |argument| ::core::result::Result::Ok(read(argument.bytes())),
            |(arg0, arg1): ((u8, u8), u64)| async move {
                __canic::entry::reply_bytes(write(jobs(arg0, arg1).await))
            },
        )
    }
};
