//! Signatures with threshold keys, and keys derived from them, on their way to their callers.

use serde::{Deserialize, Serialize};

use crate::{canister::calls::Request, threshold::KeyId};

/// The answer of a call that the nodes of a subnet are working on.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(crate) struct PendingSignature {
    /// The number of the subnet that holds the key.
    pub(crate) subnet: usize,
    pub(crate) key: KeyId,
    /// The call. Its cycles are those that remain after the fee.
    pub(crate) request: Request,
    /// The reply, in Candid.
    pub(crate) reply: Vec<u8>,
}
