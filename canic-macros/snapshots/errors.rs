impl Fleet {
    fn intt() {}
}
impl Fleet {
    /// Provisions a member of the role `worker`.
    pub fn worker() -> ::canic::fleet::ProvisionRole<Args> {
        ::canic::fleet::ProvisionRole::new("worker")
    }
}
::core::compile_error! {
    "unknown option `colour`; known are `pool`, `reserve`, `budget`, `stable_memory`, `http`, `crate` and `role`"
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
