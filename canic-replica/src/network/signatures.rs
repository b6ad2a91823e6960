//! Signatures with threshold keys, and keys derived from them, on their way to their callers.

use crate::{canister::calls::Request, network::Network, threshold::KeyId};

/// The answer of a call that the nodes of a subnet are working on.
#[derive(Clone, Hash)]
pub(crate) struct PendingSignature {
    /// The number of the subnet that holds the key.
    pub(crate) subnet: usize,
    pub(crate) key: KeyId,
    /// The call. Its cycles are those that remain after the fee.
    pub(crate) request: Request,
    /// The reply, in Candid.
    pub(crate) reply: Vec<u8>,
}

impl Network {
    /// Sends the answers that the nodes have agreed on since the last round.
    pub(crate) fn answer_signatures(&mut self) {
        for pending in std::mem::take(&mut self.signatures) {
            let PendingSignature {
                subnet,
                request,
                reply,
                ..
            } = pending;
            let (origin, sender) = (request.origin, request.sender);
            self.respond(origin, sender, Ok(reply), request.cycles, Some(subnet));
        }
    }
}
