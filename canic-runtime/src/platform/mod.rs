//! The platform: the Internet Computer, reached by the functions of this folder alone.
//!
//! No other folder names `ic_cdk` or `ic_cdk_timers`. `ic` is the canister's own view of the
//! platform, `message` the present message, `calls` the calls within the fleet, `management` those
//! to the management canister, `ledgers` those to ledgers, `live` that for live states, `answers`
//! what calls of operations are answered, `settings` the settings of a canister, `awaits` the
//! answers that are outstanding.

mod answers;
pub(crate) mod awaits;
pub(crate) mod calls;
pub(crate) mod ic;
mod ledgers;
pub(crate) mod live;
pub(crate) mod management;
pub(crate) mod message;
mod settings;
