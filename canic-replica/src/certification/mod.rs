//! The certified state: after each round, a subnet signs the root of a hash tree of its public
//! state. The root subnet certifies the key of the subnet.

pub(crate) mod certificate;
pub(crate) mod keys;
pub(crate) mod topology;
pub(crate) mod tree;
