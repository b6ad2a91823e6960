//! The platform: the Internet Computer, reached by the functions of this folder alone.
//!
//! No other folder names `ic_cdk` or `ic_cdk_timers`. `ic` is the canister's own view of the
//! platform, `message` the present message, `calls` the calls within the fleet, `management` those
//! to the management canister, `settings` the settings of a canister, `awaits` the answers that are
//! outstanding.

pub(crate) mod awaits;
pub(crate) mod calls;
pub(crate) mod ic;
pub(crate) mod management;
pub(crate) mod message;
mod settings;
