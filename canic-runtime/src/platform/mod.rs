pub(crate) mod ic;
