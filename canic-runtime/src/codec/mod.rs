//! Candid messages: their encoding, their decoding and its bound, the labels of their records,
//! single values of them, and pages of lists. Also accounts at ledgers.

pub(crate) mod account;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod labels;
pub(crate) mod paging;
pub(crate) mod quota;
