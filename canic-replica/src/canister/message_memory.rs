//! The memory of a canister's messages.
//!
//! A call with a guaranteed answer reserves room for the longest answer, at its caller until the
//! answer arrives, and at its callee until the callee has answered. All other messages count their
//! bytes while they wait in a queue. As on the platform, this memory is paid for and counts in the
//! freezing threshold. Ingress messages are free of it.

use crate::{
    canister::{
        Canister,
        calls::{CallContext, Callback, Input, Origin, Request, Response},
    },
    prices::MAX_RESPONSE,
};

/// The platform's structures around the payloads of a request and of a response, in bytes
/// (`dfinity/ic`, `rs/types/types/src/messages/inter_canister.rs`).
const REQUEST_FRAME: u64 = 176;
const RESPONSE_FRAME: u64 = 144;
/// The reservation for a guaranteed answer, in bytes.
const RESERVATION: u64 = MAX_RESPONSE + RESPONSE_FRAME;
/// The guaranteed answers that all canisters of a subnet can reserve: 15 GiB (`dfinity/ic`,
/// `rs/config/src/execution_environment.rs`, `SUBNET_GUARANTEED_RESPONSE_MESSAGE_MEMORY_CAPACITY`).
pub(crate) const SUBNET_RESERVATIONS: u64 = (15 << 30) / RESERVATION;

/// The message memory of a request with `payload` bytes of name and argument. A guaranteed answer
/// (deadline 0) is reserved with it; a longer request counts in full.
pub(crate) fn of_request(deadline: u64, payload: u64) -> u64 {
    let bytes = REQUEST_FRAME + payload;
    match deadline {
        0 => bytes.max(RESERVATION),
        _ => bytes,
    }
}

/// Whether a callee owes a guaranteed answer to such a request.
fn is_guaranteed(origin: Origin, deadline: u64) -> bool {
    matches!(origin, Origin::Callback(_)) && deadline == 0
}

impl Canister {
    /// The memory of its messages, in bytes.
    pub(crate) fn message_memory(&self) -> u64 {
        debug_assert_eq!(self.reservations, self.count_reservations());
        self.input_queues.bytes() + self.reservations * RESERVATION
    }

    /// The number of reserved answers, counted anew.
    fn count_reservations(&self) -> u64 {
        let outgoing = self.callbacks.values().map(Callback::reservations);
        let incoming = self.contexts.values().map(CallContext::reservations);
        outgoing.sum::<u64>() + incoming.sum::<u64>()
    }
}

impl Callback {
    /// The answers that are reserved for the call: one or none.
    pub(super) fn reservations(&self) -> u64 {
        u64::from(self.deadline == 0 && !self.answered)
    }
}

impl CallContext {
    /// The answers that are reserved for the request: one or none.
    pub(super) fn reservations(&self) -> u64 {
        u64::from(!self.responded && is_guaranteed(self.origin, self.deadline))
    }
}

impl Input {
    /// The message memory of a message that waits in an input queue, in bytes.
    pub(super) fn memory(&self) -> u64 {
        match self {
            Self::Request(request) => request.memory(),
            Self::Response(response) => RESPONSE_FRAME + response.payload_bytes(),
        }
    }
}

impl Request {
    /// The reservation for its answer while its callee executes it, in bytes.
    pub(crate) fn reservation(&self) -> u64 {
        u64::from(is_guaranteed(self.origin, self.deadline)) * RESERVATION
    }

    fn memory(&self) -> u64 {
        let payload = (self.method.len() + self.payload.len()) as u64;
        match self.origin {
            Origin::Callback(_) => of_request(self.deadline, payload),
            Origin::Ingress(_) | Origin::System => 0,
        }
    }
}

impl Response {
    /// The bytes of the reply; of a reject, those of its message and its code.
    pub(crate) fn payload_bytes(&self) -> u64 {
        let bytes = match &self.result {
            Ok(reply) => reply.len(),
            Err(reject) => 1 + reject.text().len(),
        };
        bytes as u64
    }
}

#[cfg(test)]
mod tests {
    use candid::Principal;

    use super::*;
    use crate::{
        canister::input_queues::{InputQueues, Source},
        reject::{Reject, RejectCode},
    };

    const ID: Principal = Principal::from_slice(&[1]);

    fn request(origin: Origin, deadline: u64, payload: usize) -> Input {
        Input::Request(Request {
            origin,
            payload: vec![0; payload],
            deadline,
            ..Request::of_system(ID, ID, "name".into(), 0)
        })
    }

    fn response(result: Result<Vec<u8>, Reject>) -> Input {
        Input::Response(Response {
            to: ID,
            callback: 1,
            refund: 0,
            result,
            fault_checked: false,
        })
    }

    #[test]
    fn waiting_messages_count_as_on_the_platform() {
        let call = Origin::Callback(1);
        let reject = Reject::bare(RejectCode::CanisterReject, "no");
        let cases = [
            (request(Origin::Ingress([0; 32]), 0, 5), 0),
            (request(call, 0, 5), RESERVATION),
            (request(call, 0, 3 << 20), 176 + 4 + (3 << 20)),
            (request(call, 7, 5), 176 + 4 + 5),
            (response(Ok(vec![0; 9])), 144 + 9),
            (response(Err(reject)), 144 + 1 + 2),
        ];
        let mut queues = InputQueues::default();
        let mut sum = 0;
        for (input, bytes) in cases {
            queues.push(Source::LocalSubnet(ID), input);
            sum += bytes;
            assert_eq!(queues.bytes(), sum);
        }
        while queues.pop().is_some() {}
        assert_eq!(queues.bytes(), 0);
    }
}
