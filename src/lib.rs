//! Annotate crates, own a fleet of Internet Computer canisters, lose none of them.
//!
//! See the README for a start.

mod generated;

pub use canic_macros::{query, role, root, update};
pub use canic_runtime::memory::{Memory, memory};
pub use canic_runtime::{api, config, error, fleet, stable_structures};

/// Exports the Candid interface of this canister, canic's endpoints included.
///
/// It stands once, at the end of the crate's root file, in place of `ic_cdk::export_candid!()`. What is written below it,
/// it does not know.
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
        // What `#[canic::root]` and `#[canic::role]` look for.
        #[doc(hidden)]
        #[allow(dead_code, unreachable_pub)]
        pub const CANDID_IS_EXPORTED: bool = true;

        // What endpoints tell their types to.
        #[doc(hidden)]
        #[allow(dead_code, unreachable_pub)]
        pub enum CandidInterface {}
        #[doc(hidden)]
        #[allow(dead_code, unreachable_pub)]
        pub type CandidTypes<const ID: u64, const N: usize> =
            $crate::__private::entry::interface::Described<CandidInterface, ID, N>;

        #[allow(missing_docs)]
        const _: () = {
            // What Candid's macro takes for given, whatever the author's crate calls by these names.
            use ::std::{option::Option::Some, string::String, vec::Vec};

            $crate::__private::candid::export_service!($crate::__private::candid);

            /// The interface as a C string, in the form in which the tools of the platform read it from a module.
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

/// What nearly every canister of a fleet needs.
pub mod prelude {
    pub use crate::api::{Provisioned, Retirement, Source};
    pub use crate::error::{ProvisionError, RetireError};
    pub use crate::fleet::{self, Provision};
    pub use canic_runtime::candid::{CandidType, Deserialize, Principal};
    pub use canic_runtime::ic_cdk::api::msg_caller;
}

/// What generated code names. Not for authors.
#[doc(hidden)]
pub mod __private {
    pub use canic_runtime::config::{self, *};
    pub use canic_runtime::entry::{self, Allow, Endpoint};
    pub use canic_runtime::{candid, ic_cdk};

    pub use crate::{describe, serve};
    pub use canic_macros::read_already;

    /// Hidden by what `export_candid!` leaves at the root of the author's crate.
    pub const CANDID_IS_EXPORTED: bool = false;
}
