//! A member's side of its fleet: its identity, its directory of other members, and its calls to
//! root.
//!
//! No file of this folder names root's code or root's state, so that no member links them.

pub(crate) mod ask_root;
pub(crate) mod directory;
pub(crate) mod identity;
pub(crate) mod lookup;
pub(crate) mod subscription;
