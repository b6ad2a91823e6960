pub(crate) mod ic;
pub(crate) mod message;
