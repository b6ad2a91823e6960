//! Candid messages: their encoding, their decoding, and pages of lists.

pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod paging;
