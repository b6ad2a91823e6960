//! The checked model of an endpoint.

use syn::{ItemFn, Path, Type};

use crate::{crate_path::CratePath, export::Mode, values::RoleName};

/// The attribute on the function.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Update,
    Query,
}

pub(super) struct Endpoint<'a> {
    pub(super) crate_path: CratePath,
    pub(super) function: &'a ItemFn,
    pub(super) mode: Mode,
    /// The exported name.
    pub(super) name: String,
    pub(super) hidden: bool,
    pub(super) allow: Vec<Allow>,
    /// Guards that must pass in addition to `allow`.
    pub(super) guards: Vec<Path>,
    pub(super) arguments: Vec<Type>,
    pub(super) decode: Decode,
    pub(super) reply: Reply,
}

impl Endpoint<'_> {
    /// Whether the inspection of ingress can refuse a caller: if the access list alone decides
    /// about him, and if ingress can call the endpoint as an update.
    pub(super) fn is_inspected(&self) -> bool {
        let passes = |allow: &Allow| matches!(allow, Allow::Anyone | Allow::Guard(_));
        self.mode != Mode::CompositeQuery && !self.allow.iter().any(passes)
    }
}

/// The way in which the message becomes the function's arguments.
pub(super) enum Decode {
    Candid,
    /// Candid, up to this many units of cost.
    CandidWithin(u32),
    /// A function of the author's decodes the bytes.
    With(Path),
}

/// Callers that the endpoint allows; a caller passes if one of them matches.
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

/// The way in which the function's return value becomes the reply.
pub(super) enum Reply {
    /// The return value is a list of values already: nothing, or a tuple.
    Values,
    /// The return value is the one value of the reply.
    Value,
    /// The return value is a `Result`, which is replied; an error counts as a failed call.
    Result,
    /// The function replies itself.
    Manual,
    /// A function of the author's encodes the return value; it takes no argument if there is none.
    Encoded { path: Path, takes_value: bool },
}
