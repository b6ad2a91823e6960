pub(crate) mod identity;
pub(crate) mod lookup;
pub(crate) mod subscription;
