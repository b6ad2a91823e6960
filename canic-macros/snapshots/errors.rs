impl Fleet {
    fn intt() {}
}
impl Fleet {
    /// Provisions a member of the role `worker`.
    ///
    /// `Fleet::worker().key("alice").args(args).provision().await?.canister`
    ///
    /// The same key always means the same member; without a key each request makes one more.
    /// An error's `retry()` tells whether to ask again.
    pub fn worker() -> ::canic::fleet::ProvisionRole<Args> {
        ::canic::fleet::ProvisionRole::new("worker")
    }
}
::core::compile_error! {
    "unknown option `colour`; known are `pool`, `reserve`, `budget`, `refuel`, `stable_memory`, `http`, `crate` and `role`"
}
::core::compile_error! {
    "an endpoint is a function of its own; move it out of the `impl` block"
}
::core::compile_error! {
    "`min` is above `max`, which is 1"
}
::core::compile_error! {
    "`max` is below `min`, which is 3"
}
::core::compile_error! {
    "a role of at most 0 members has none; leave the role out instead"
}
