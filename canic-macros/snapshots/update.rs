#[allow(clippy::needless_pass_by_value)]
/// Does a job.
async fn work(job: Job) -> Result<Receipt, WorkError> {
    job.run().await
}
#[doc(hidden)]
#[macro_export]
macro_rules! only_one_endpoint_is_named_work {
    () => {};
}
const _: () = {
    use ::canic::__private as __canic;
    static __ENDPOINT: __canic::Endpoint = __canic::Endpoint::new(
        "work",
        &[
            __canic::Allow::Root,
            __canic::Allow::Role("hub"),
            __canic::Allow::Guard(is_friend),
        ],
        &[is_open],
    );
    #[cfg_attr(target_family = "wasm", unsafe(export_name = "canister_update work"))]
    #[cfg_attr(
        not(target_family = "wasm"),
        unsafe(export_name = "canister_update.work")
    )]
    fn __endpoint() {
        __canic::entry::update_async(
            &__ENDPOINT,
            |argument| __canic::entry::candid_args(argument),
            |(arg0,): (Job,)| async move {
                __canic::entry::reply_result(work(arg0).await)
            },
        )
    }
    ::canic::__private::describe! {
        #[doc = r" Does a job."] 1532362021606261941 update "work"(0 : Job) -> (1 :
        Result < Receipt, WorkError >)
    }
};
