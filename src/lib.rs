//! Annotate crates, own a fleet of Internet Computer canisters, lose none of them.
//!
//! See the README for a start.

pub use canic_macros::{query, role, root, update};
pub use canic_runtime::memory::{Memory, memory};
pub use canic_runtime::{api, config, error, fleet, stable_structures};

/// Exports the Candid interface of this canister, canic's endpoints included. Stands once, at the end of the crate.
///
/// The crate needs `candid` among its dependencies.
#[macro_export]
macro_rules! export_candid {
    () => {
        #[allow(missing_docs)]
        const _: () = {
            $crate::__private::ic_cdk::export_candid!();
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
}
