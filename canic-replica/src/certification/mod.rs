//! The certified state: after a round, each subnet signs the root of a tree of what it lets the world
//! know, with a key that the root subnet vouches for.

pub(crate) mod certificate;
pub(crate) mod keys;
pub(crate) mod topology;
pub(crate) mod tree;
