//! Functions of ic-cdk's macros that would export a name of canic's a second time.
//!
//! Only the linker sees the exported name. But ic-cdk's macros name the function that they export
//! after the author's, so an expansion can look for that name: in its own module, and at the root
//! of the crate. What it finds hides a stand-in of the same name.

/// Refuses each function of these names that stands beside the expansion or at the crate's root.
///
/// The first error has the sentence. The second one is there for its note, with the function.
#[doc(hidden)]
#[macro_export]
#[expect(
    clippy::crate_in_macro_def,
    reason = "the root of the author's crate is meant"
)]
macro_rules! refuse {
    ($($name:ident: $message:literal;)*) => {
        const _: () = {
            use $crate::__private::absent::size::{$($name),*};
            const _: () = {
                use crate::*;
                const _: () = {
                    use self::*;
                    // A function has no size, its stand-in has one.
                    $(const _: () =
                        ::core::assert!(::core::mem::size_of_val(&$name) > 0, $message);)*
                };
            };
        };
        const _: () = {
            use $crate::__private::absent::call::{$($name),*};
            const _: () = {
                use crate::*;
                const _: () = {
                    use self::*;
                    // Only the stand-in can be called in a constant.
                    $(const _: () = { let _ = $name(); };)*
                };
            };
        };
    };
}

macro_rules! absent {
    ($($name:ident)*) => {
        /// Stand-ins for functions that an author's crate should not have.
        pub mod absent {
            /// Constants, which have a size.
            #[allow(non_upper_case_globals)]
            pub mod size {
                $(
                    /// No such function.
                    pub const $name: u8 = 0;
                )*
            }

            /// Functions that a constant can call.
            pub mod call {
                $(
                    /// No such function.
                    pub const fn $name() {}
                )*
            }
        }
    };
}

absent! {
    get_candid_pointer
    __canister_method_init
    __canister_method_pre_upgrade
    __canister_method_post_upgrade
    __canister_method_inspect_message
    __canister_method_heartbeat
    __canister_method_on_low_wasm_memory
    __canister_method_http_request
}
