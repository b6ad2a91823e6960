//! Macros that the attributes' expansions call, for code that no function of the runtime can hold.
//!
//! They export endpoints, and declare them for Candid.

/// Exports a system endpoint of `$kind`, the module of `entry`; `$config` is the canister's static.
///
/// With types the endpoint is part of the Candid interface. Candid keeps types as text and resolves
/// them where the crate exports the interface: their paths must be absolute.
#[doc(hidden)]
#[macro_export]
macro_rules! serve {
    ($kind:ident, $config:ident, $mode:ident $name:ident($($argument:ty),*) -> $reply:ty) => {
        $crate::serve! { $kind, $config, $mode $name }
        const _: () = {
            #[$crate::__private::candid::candid_method($mode)]
            #[$crate::__private::read_already]
            fn $name($(_: $argument),*) -> $reply {}
        };
    };
    ($kind:ident, $config:ident, $mode:ident $name:ident) => {
        const _: () = {
            // Linkers of the host reject spaces. There another name lets the crate link for its
            // tests.
            #[cfg_attr(
                target_family = "wasm",
                unsafe(export_name = ::core::concat!(
                    "canister_",
                    ::core::stringify!($mode),
                    " ",
                    ::core::stringify!($name)
                ))
            )]
            #[cfg_attr(
                not(target_family = "wasm"),
                unsafe(export_name = ::core::concat!(
                    "canister_",
                    ::core::stringify!($mode),
                    ".",
                    ::core::stringify!($name)
                ))
            )]
            fn endpoint() {
                $crate::__private::entry::$kind::$name(&$config)
            }
        };
    };
}

/// Lists an endpoint for the inspection of ingress, by a constructor; `endpoint::inspection` of the
/// runtime says how.
#[doc(hidden)]
#[macro_export]
macro_rules! list {
    ($endpoint:ident) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            extern "C" fn list() {
                $crate::__private::entry::list(&$endpoint)
            }
            #[used]
            #[unsafe(link_section = ".init_array")]
            static CONSTRUCTOR: extern "C" fn() = list;
        };
    };
}

/// Writes what a canister tells of itself into its module: its crate and that crate's version, and
/// the layout of stable memory that it knows. `state/metadata.rs` of the runtime reads it.
///
/// The statics become custom sections, which a running canister does not have in its memory.
#[doc(hidden)]
#[macro_export]
macro_rules! metadata {
    () => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            use ::core::primitive::{str, u8};

            const CRATE: &str = ::core::concat!(
                ::core::env!("CARGO_PKG_NAME"),
                " ",
                ::core::env!("CARGO_PKG_VERSION")
            );
            #[unsafe(link_section = "icp:public canic:crate")]
            static _CRATE: [u8; CRATE.len()] = $crate::__private::entry::metadata::bytes(CRATE);

            use $crate::__private::entry::metadata::LAYOUT;
            #[unsafe(link_section = "icp:public canic:layout")]
            static _LAYOUT: [u8; LAYOUT.len()] = $crate::__private::entry::metadata::bytes(LAYOUT);
        };
    };
}

/// Declares an endpoint of the author's, or `init`, for Candid.
///
/// The arguments are its number and mode, then each type with its index.
#[doc(hidden)]
#[macro_export]
#[expect(
    clippy::crate_in_macro_def,
    reason = "the root of the author's crate is meant"
)]
macro_rules! describe {
    ($id:literal init ($($n:literal: $argument:ty),*)) => {
        #[$crate::__private::candid::candid_method(init)]
        #[$crate::__private::read_already]
        fn candid($(_: crate::one_export_candid_per_crate::Types<$id, $n>),*) {}

        $crate::describe! { @types $id, $($argument),* }
    };
    (
        $(#[$doc:meta])*
        $id:literal $mode:ident $name:literal
            ($($n:literal: $argument:ty),*) -> ($($m:literal: $reply:ty),*)
    ) => {
        $(#[$doc])*
        #[$crate::__private::candid::candid_method($mode, rename = $name)]
        #[$crate::__private::read_already]
        fn candid(
            $(_: crate::one_export_candid_per_crate::Types<$id, $n>),*
        ) -> ($(crate::one_export_candid_per_crate::Types<$id, $m>,)*) {}

        $crate::describe! { @types $id, $($argument,)* $($reply),* }
    };
    (@types $id:literal, $($ty:ty),* $(,)?) => {
        use $crate::__private::export_candid_stands_below_all_endpoints;
        export_candid_stands_below_all_endpoints! {}

        const __CANIC_TYPES: &[fn() -> $crate::__private::candid::types::Type] = &[
            $(|| {
                use $crate::__private::entry::interface::{Known as _, Unknown as _};
                (&$crate::__private::entry::interface::Shape::<$ty>::new()).describe()
            }),*
        ];
        // The module of this name that `export_candid!` defines at the crate's root hides this one.
        mod one_export_candid_per_crate {
            pub enum Interface {}
        }
        const _: () = {
            use crate::*;
            impl $crate::__private::entry::interface::Describe<$id>
                for one_export_candid_per_crate::Interface
            {
                const TYPES: &'static [fn() -> $crate::__private::candid::types::Type] =
                    __CANIC_TYPES;
            }
        };
    };
}

/// `vec!`, for Candid's macro: with code that is not inlined.
#[doc(hidden)]
#[macro_export]
macro_rules! vector {
    ($($item:expr),* $(,)?) => {
        $crate::__private::entry::printer::vector([$($item),*])
    };
}

/// Nothing, if the interface is exported below this endpoint, root or role.
///
/// `export_candid!` defines another macro of this name for the text below it. There the name has
/// two meanings, which is an error at both sites.
#[doc(hidden)]
#[macro_export]
macro_rules! export_candid_stands_below_all_endpoints {
    () => {};
}
