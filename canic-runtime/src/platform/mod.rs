pub(crate) mod ic;

pub(crate) use crate::operation::call::*;
