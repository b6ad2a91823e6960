//! What expansions of the attributes consist of where a function of the runtime won't do: exports, and what Candid reads.

/// Exports an endpoint of `$side`, whose static is `$config`; with types it is part of the Candid interface.
///
/// Candid keeps types as text and resolves them where the interface is exported: their paths must be absolute.
#[doc(hidden)]
#[macro_export]
macro_rules! serve {
    ($side:ident, $config:ident, $mode:ident $name:ident($($argument:ty)?) -> $reply:ty) => {
        $crate::serve! { $side, $config, $mode $name }
        const _: () = {
            #[$crate::__private::candid::candid_method($mode)]
            #[$crate::__private::read_already]
            fn $name($(_: $argument)?) -> $reply {}
        };
    };
    ($side:ident, $config:ident, $mode:ident $name:ident) => {
        const _: () = {
            // On the host, whose linkers dislike spaces, another name lets the crate link for its tests.
            #[cfg_attr(
                target_family = "wasm",
                unsafe(export_name = ::core::concat!("canister_", ::core::stringify!($mode), " ", ::core::stringify!($name)))
            )]
            #[cfg_attr(
                not(target_family = "wasm"),
                unsafe(export_name = ::core::concat!("canister_", ::core::stringify!($mode), ".", ::core::stringify!($name)))
            )]
            fn endpoint() {
                $crate::__private::entry::$side::$name(&$config)
            }
        };
    };
}

/// Tells Candid about an endpoint of the author's, or about `init`: its number, how it is called, then each type
/// with its index.
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
        fn candid($(_: crate::CandidTypes<$id, $n>),*) {}

        $crate::describe! { @types $id, $($argument),* }
    };
    (
        $(#[$doc:meta])*
        $id:literal $mode:ident $name:literal ($($n:literal: $argument:ty),*) -> ($($m:literal: $reply:ty),*)
    ) => {
        $(#[$doc])*
        #[$crate::__private::candid::candid_method($mode, rename = $name)]
        #[$crate::__private::read_already]
        fn candid($(_: crate::CandidTypes<$id, $n>),*) -> ($(crate::CandidTypes<$id, $m>,)*) {}

        $crate::describe! { @types $id, $($argument,)* $($reply),* }
    };
    (@types $id:literal, $($ty:ty),* $(,)?) => {
        const __CANIC_TYPES: &[fn() -> $crate::__private::candid::types::Type] = &[
            $(|| {
                use $crate::__private::entry::interface::{Known as _, Unknown as _};
                (&$crate::__private::entry::interface::Shape::<$ty>::new()).describe()
            }),*
        ];
        // Hidden by the type of this name that `export_candid!` leaves at the crate's root.
        enum CandidInterface {}
        const _: () = {
            use crate::*;
            impl $crate::__private::entry::interface::Describe<$id> for CandidInterface {
                const TYPES: &'static [fn() -> $crate::__private::candid::types::Type] = __CANIC_TYPES;
            }
        };
    };
}
