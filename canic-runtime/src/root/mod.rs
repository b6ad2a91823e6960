//! Root: its requests, the loop that drives operations, and its background work.

pub(crate) mod alarm;
pub(crate) mod background;
pub(crate) mod chunk_store;
pub(crate) mod delivery;
pub(crate) mod driver;
pub(crate) mod funding;
pub(crate) mod funding_info;
pub(crate) mod metrics;
pub(crate) mod pace;
pub(crate) mod queries;
pub(crate) mod refill;
pub(crate) mod refuel;
pub(crate) mod requests;
pub(crate) mod rollout;
pub(crate) mod rollout_info;
pub(crate) mod runway;
pub(crate) mod status;
pub(crate) mod steps;
pub(crate) mod upgrades;
