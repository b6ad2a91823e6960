//! The platform's side: the only folder that names `ic_cdk`.

pub(crate) mod calls;
pub(crate) mod ic;
pub(crate) mod management;
