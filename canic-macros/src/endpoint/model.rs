//! An endpoint that has been checked.

use syn::{ItemFn, Path, Type};

use crate::crate_path::CratePath;
use crate::system_endpoints::Mode;
use crate::values::RoleName;

/// Which attribute stands on the function.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Update,
    Query,
}

pub(super) struct Endpoint<'a> {
    pub(super) crate_path: CratePath,
    pub(super) function: &'a ItemFn,
    pub(super) mode: Mode,
    /// The name it is called by.
    pub(super) name: String,
    pub(super) hidden: bool,
    pub(super) allow: Vec<Allow>,
    /// Guards that must pass besides.
    pub(super) guards: Vec<Path>,
    pub(super) arguments: Vec<Type>,
    pub(super) decode_with: Option<Path>,
    pub(super) reply: Reply,
}

/// Who may call; any one of them is enough.
pub(super) enum Allow {
    Anyone,
    Controller,
    Root,
    Parent,
    Child,
    Member,
    Role(RoleName),
    Guard(Path),
}

/// How the reply comes about.
pub(super) enum Reply {
    /// What the function returns is a list of values already: nothing, or a tuple.
    Values,
    /// It returns the one value that is replied.
    Value,
    /// It returns a `Result`, which is replied, and counted as failed if it is an error.
    Result,
    /// It replies itself.
    Manual,
    /// A function of the author's encodes what it returns; it is given nothing if that is nothing.
    Encoded { path: Path, given: bool },
}
