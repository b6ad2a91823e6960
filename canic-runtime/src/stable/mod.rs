pub mod memory;
pub(crate) mod record;
pub(crate) mod record_store;
