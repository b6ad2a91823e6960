#![doc = include_str!("../README.md")]

mod generated;

pub use canic_macros::{query, role, root, update};
pub use canic_runtime::{
    api, config, error, fleet,
    memory::{Memory, memory},
    stable_structures,
};

/// Exports the Candid interface of this canister, canic's endpoints included.
///
/// The author writes it once, at the end of the crate's root file, in place of
/// `ic_cdk::export_candid!()`. The interface lacks endpoints that are defined below it.
///
/// ```
/// use canic::prelude::*;
///
/// #[canic::role("worker")]
/// pub struct Worker;
///
/// #[canic::query]
/// fn greet() -> String {
///     "hello".to_string()
/// }
///
/// canic::export_candid!();
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_candid {
    () => {
        // `#[canic::root]` and `#[canic::role]` assert that it is true.
        #[doc(hidden)]
        #[allow(dead_code, unreachable_pub)]
        pub const CANDID_IS_EXPORTED: bool = true;

        // Each endpoint implements a trait for this type, with its own types as a constant.
        #[doc(hidden)]
        #[allow(dead_code, unreachable_pub)]
        pub enum CandidInterface {}
        #[doc(hidden)]
        #[allow(dead_code, unreachable_pub)]
        pub type CandidTypes<const ID: u64, const N: usize> =
            $crate::__private::entry::interface::Described<CandidInterface, ID, N>;

        const _: fn() = {
            use $crate::__private::entry::one_canister;
            struct Canister;
            impl one_canister::HasOneCanister<Canister> for one_canister::Module {}
            one_canister::one_canister_per_module::<one_canister::Module, _>
        };

        #[allow(missing_docs)]
        const _: () = {
            // Candid's macro expects these names; the author's crate may define others by them.
            use ::std::{option::Option::Some, string::String, vec::Vec};

            $crate::__private::candid::export_service!($crate::__private::candid);

            /// The interface as a C string, the form in which the platform's tools read it.
            #[unsafe(no_mangle)]
            pub fn get_candid_pointer() -> *mut ::core::ffi::c_char {
                let interface: Vec<u8> = String::into_bytes(__export_service());
                match ::std::ffi::CString::new(interface).ok() {
                    Some(interface) => interface.into_raw(),
                    // Candid's text has no zero byte.
                    _ => ::core::ptr::null_mut(),
                }
            }
        };
    };
}

/// The names that nearly every canister of a fleet needs.
pub mod prelude {
    pub use canic_runtime::{
        candid::{CandidType, Deserialize, Principal},
        ic_cdk::api::msg_caller,
    };

    pub use crate::{
        api::{Provisioned, Retirement, Source},
        error::{ProvisionError, RetireError},
        fleet::{self, Provision},
    };
}

/// The names that generated code uses. Not for authors.
#[doc(hidden)]
pub mod __private {
    pub use canic_macros::read_already;
    pub use canic_runtime::{
        candid,
        config::{DEFAULT_STABLE_GIB, Member, Root},
        entry::{self, Allow, Endpoint},
        ic_cdk,
    };

    pub use crate::{describe, serve};

    /// The constant that `export_candid!` defines at the root of the author's crate hides this one.
    pub const CANDID_IS_EXPORTED: bool = false;
}
