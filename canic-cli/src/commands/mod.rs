//! The commands. Each has a function that asks, and a report that is made from the answers.

pub(crate) mod author;
pub(crate) mod check;
pub(crate) mod costs;
pub(crate) mod filter;
pub(crate) mod find;
pub(crate) mod fund;
pub(crate) mod lists;
pub(crate) mod local;
pub(crate) mod logs;
pub(crate) mod medic;
pub(crate) mod members;
pub(crate) mod metrics;
pub(crate) mod page;
pub(crate) mod plan;
pub(crate) mod pool;
pub(crate) mod provision;
pub(crate) mod release;
pub(crate) mod retire;
pub(crate) mod rollout;
pub(crate) mod status;
pub(crate) mod tree;
pub(crate) mod watch;
