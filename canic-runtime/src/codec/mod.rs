//! Candid messages: their encoding, their decoding and its bound, and pages of lists.

pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod paging;
pub(crate) mod quota;
