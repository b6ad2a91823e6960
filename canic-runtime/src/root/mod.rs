pub(crate) mod chunk_store;
pub(crate) mod delivery;
pub(crate) mod driver;
pub(crate) mod metrics;
pub(crate) mod queries;
pub(crate) mod requests;
