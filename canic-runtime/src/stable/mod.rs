//! Stable memory: its layout, records in CBOR, and stores of records.

pub(crate) mod blocks;
pub(crate) mod cbor;
pub mod memory;
pub(crate) mod record;
pub(crate) mod record_store;
