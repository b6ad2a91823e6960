pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod paging;
