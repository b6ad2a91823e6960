//! canic makes a *fleet* of Internet Computer canisters from annotated crates: one canister for
//! each user, community or shard. One **root** canister pools, creates, installs, registers, funds,
//! upgrades and retires the others, its **members**. It records each step before and after its
//! call, so that no failure loses a canister or its cycles.
//!
//! # Root
//!
//! The crate of root names the **roles** of members. Each role becomes a typed function:
//!
//! ```
//! use canic::prelude::*;
//!
//! #[derive(CandidType)]
//! pub struct WorkerArgs {
//!     pub owner: Principal,
//! }
//!
//! #[canic::root(
//!     pool(min = 2, max = 10, cycles = "2T"),
//!     role(name = "worker", args = WorkerArgs, max = 1_000, cycles = "2T"),
//! )]
//! pub struct Fleet;
//!
//! /// The caller's own worker. The first call provisions it, later calls answer the same one.
//! #[canic::update(guard = is_signed_in)]
//! async fn sign_up() -> Result<Principal, ProvisionError> {
//!     let owner = msg_caller();
//!     let worker = Fleet::worker().key(owner.to_text()).args(WorkerArgs { owner });
//!     Ok(worker.provision().await?.canister)
//! }
//!
//! fn is_signed_in() -> Result<(), String> {
//!     match msg_caller() == Principal::anonymous() {
//!         true => Err("sign in first".to_string()),
//!         false => Ok(()),
//!     }
//! }
//!
//! canic::export_candid!();
//! # fn main() {}
//! ```
//!
//! # Members
//!
//! The crate of a member names its role. Its hooks are functions of an `impl` block, its data are
//! in [memories](memory()) that survive upgrades, and each endpoint says who may call it:
//!
//! ```
//! use canic::{
//!     prelude::*,
//!     stable_structures::{StableBTreeMap, StableCell},
//! };
//! use std::cell::RefCell;
//!
//! thread_local! {
//!     static OWNER: RefCell<StableCell<Principal, canic::Memory>> =
//!         RefCell::new(StableCell::init(canic::memory(0), Principal::anonymous()));
//!     static NOTES: RefCell<StableBTreeMap<String, String, canic::Memory>> =
//!         RefCell::new(StableBTreeMap::init(canic::memory(1)));
//! }
//!
//! #[derive(CandidType, Deserialize)]
//! pub struct WorkerArgs {
//!     pub owner: Principal,
//! }
//!
//! pub struct Worker;
//!
//! #[canic::role("worker")]
//! impl Worker {
//!     fn init(args: WorkerArgs) {
//!         OWNER.with_borrow_mut(|owner| owner.set(args.owner));
//!     }
//! }
//!
//! fn is_owner() -> Result<(), String> {
//!     let is_owner = OWNER.with_borrow(|owner| *owner.get() == msg_caller());
//!     is_owner.then_some(()).ok_or("only the owner writes notes".to_string())
//! }
//!
//! #[canic::update(allow(root, guard = is_owner))]
//! fn put(title: String, text: String) {
//!     NOTES.with_borrow_mut(|notes| notes.insert(title, text));
//! }
//!
//! canic::export_candid!();
//! # fn main() {}
//! ```
//!
//! # Where to look
//!
//! - [`macro@root`], [`macro@role`], [`macro@update`] and [`macro@query`]: all options and hooks
//! - [`fleet`]: what code in root and in members asks of the fleet, the same functions in both
//! - [`error`]: why a request was refused, as data; `retry()` says whether to ask again
//! - [`api`]: the Candid types of the endpoints that canic adds to root and members
//! - [`memory()`] and [`stable_structures`]: data that survive upgrades
//! - [`export_candid!`]: the last line of each canister
//!
//! The guide is in the folder `docs` of the repository, and begins with `docs/why.md`. `cargo xtask
//! docs` makes a book of it.

mod collisions;
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
/// `ic_cdk::export_candid!()`. An endpoint of canic's below it is an error; the interface lacks
/// those of ic-cdk.
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
        #[doc(hidden)]
        #[allow(dead_code, missing_docs, unreachable_pub)]
        pub mod one_export_candid_per_crate {
            // `#[canic::root]` and `#[canic::role]` assert that it is true.
            pub const IS_EXPORTED: bool = true;

            // Each endpoint implements a trait for this type, with its own types as a constant.
            pub enum Interface {}
            pub type Types<const ID: u64, const N: usize> =
                $crate::__private::entry::interface::Described<Interface, ID, N>;
        }

        // Endpoints name this macro. Below this line it is another one than above.
        macro_rules! export_candid_stands_below_all_endpoints {
            () => {
                ::core::compile_error! {
                    "the Candid interface lacks this: `canic::export_candid!();` stands above it; \
move that line to the end of the crate's root file"
                }
            };
        }

        const _: () = ::core::assert!(
            $crate::__private::is_crate_root(::core::module_path!()),
            "`canic::export_candid!();` stands in the crate's root file, not in a module"
        );
        $crate::__private::refuse! {
            get_candid_pointer: "the Candid interface is exported twice; \
remove `ic_cdk::export_candid!();`: canic's line exports every endpoint above it";
        }

        const _: fn() = {
            use $crate::__private::entry::one_canister;
            struct Canister;
            impl one_canister::HasOneCanister<Canister> for one_canister::Module {}
            one_canister::one_canister_per_module::<one_canister::Module, _>
        };

        #[allow(missing_docs)]
        const _: () = {
            // Candid's macro expects these names; the author's crate may define others by them.
            use ::std::{option::Option::Some, string::String};
            use $crate::__private::{entry::printer::List as Vec, vector as vec};

            $crate::__private::candid::export_service!($crate::__private::entry::printer);

            /// The interface as a C string, the form in which the platform's tools read it.
            #[unsafe(no_mangle)]
            pub fn get_candid_pointer() -> *mut ::core::ffi::c_char {
                $crate::__private::entry::printer::c_string(__export_service())
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

    pub use crate::{
        collisions::absent, describe, export_candid_stands_below_all_endpoints, list, metadata,
        refuse, serve, vector,
    };

    /// The module that `export_candid!` defines at the root of the author's crate hides this one.
    pub mod one_export_candid_per_crate {
        /// Whether the crate exports its interface.
        pub const IS_EXPORTED: bool = false;
    }

    /// Whether the path of a module is that of its crate.
    #[must_use]
    pub const fn is_crate_root(module_path: &str) -> bool {
        let bytes = module_path.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if bytes[at] == b':' {
                return false;
            }
            at += 1;
        }
        true
    }
}
