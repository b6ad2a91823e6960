//! The inspection of ingress: which calls the access lists refuse before they cost anything.
//!
//! The platform inspects a message in an execution of its own, which keeps nothing and in which
//! most of the system interface traps. So no guard runs here, and an endpoint whose access list has
//! a guard is not listed. Such a caller learns the guard's reason from the call.
//!
//! No expansion sees all endpoints of a crate. Each that is to be listed has a constructor. The
//! linker collects the constructors of all modules, and `canister_init` and `canister_post_upgrade`
//! run them, so that the list is whole before the first message.

use std::cell::Cell;

use crate::{
    endpoint::{
        Endpoint,
        access::{self, Verdict},
    },
    membership,
    platform::message,
};

thread_local! {
    static LAST_LISTED: Cell<Option<&'static Endpoint>> = const { Cell::new(None) };
}

/// Lists an endpoint. A second time it changes nothing.
pub fn list(endpoint: &'static Endpoint) {
    endpoint
        .listed_before
        .get_or_init(|| LAST_LISTED.replace(Some(endpoint)));
}

/// Lists all endpoints that are to be listed, by running the module's constructors.
///
/// The linker would call them at the start of every export, but not where some code calls them by
/// itself. This function is inlined, so that only canisters have such code, and no other module
/// that links this crate.
#[inline(always)]
pub(crate) fn list_all() {
    #[cfg(target_family = "wasm")]
    {
        unsafe extern "C" {
            fn __wasm_call_ctors();
        }
        // SAFETY: the linker defines this function in every module. It calls the functions in
        // `.init_array`, which take no argument. Rust's own code has none there; those of canic
        // may run again.
        unsafe { __wasm_call_ctors() }
    }
}

/// Whether the access list of a method's endpoint refuses the caller of this ingress message,
/// whatever root would answer about him.
pub(crate) fn refuses(method: &str) -> bool {
    listed().any(|endpoint| {
        endpoint.name == method
            && access::check(endpoint.allow, message::caller(), membership::cached)
                == Verdict::Denied
    })
}

fn listed() -> impl Iterator<Item = &'static Endpoint> {
    std::iter::successors(LAST_LISTED.get(), |endpoint| {
        endpoint.listed_before.get().copied().flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::access::Allow;

    #[test]
    fn each_endpoint_is_listed_once() {
        static ONE: Endpoint = Endpoint::new("one", &[Allow::Controller], &[]);
        static TWO: Endpoint = Endpoint::new("two", &[Allow::Controller], &[]);
        for endpoint in [&ONE, &TWO, &ONE, &TWO] {
            list(endpoint);
        }
        let names: Vec<_> = listed().map(|endpoint| endpoint.name).collect();
        assert_eq!(names, ["two", "one"]);
    }
}
