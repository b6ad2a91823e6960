//! What a native canister sees of a message, and what it does.

use candid::{
    Principal,
    utils::{ArgumentDecoder, ArgumentEncoder},
};

use crate::{bounded::decode_bounded, reject::RejectCode};

/// The surroundings of a message.
pub(crate) struct Env<'a> {
    /// The canister itself.
    pub(crate) id: Principal,
    pub(crate) version: u64,
    /// The time, in nanoseconds since 1970.
    pub(crate) now: u64,
    pub(crate) caller: Principal,
    /// The canister's balance, in cycles.
    pub(crate) balance: u128,
    /// Attached cycles that may still be accepted.
    pub(crate) available: u128,
    pub(crate) is_replicated: bool,
    /// The certificate of the certified data, in queries.
    pub(crate) certificate: Option<&'a [u8]>,
}

/// A message.
pub(crate) enum Input<'a> {
    /// A call of a method.
    Call { method: &'a str, argument: &'a [u8] },
    /// The answer to a call of the canister's own: the reply, or the reject.
    Answer {
        job: u64,
        result: Result<&'a [u8], (RejectCode, &'a str)>,
    },
    /// The message that worked on a job trapped.
    Cleanup { job: u64 },
}

/// What a message does besides the change of the canister's state, in this order.
#[derive(Default)]
pub(crate) struct Effects {
    /// Attached cycles that it accepts.
    pub(crate) accepted: u128,
    /// Cycles that it mints into its own balance.
    pub(crate) minted: u128,
    pub(crate) call: Option<OutgoingCall>,
    pub(crate) reply: Option<Vec<u8>>,
}

/// A call that the canister makes.
pub(crate) struct OutgoingCall {
    pub(crate) callee: Principal,
    pub(crate) method: &'static str,
    pub(crate) argument: Vec<u8>,
    pub(crate) cycles: u128,
    /// The job that goes on with the answer.
    pub(crate) job: u64,
}

impl Effects {
    /// Only a reply.
    pub(super) fn reply(value: impl ArgumentEncoder) -> Result<Self, String> {
        Ok(Self {
            reply: Some(encode(value)?),
            ..Self::default()
        })
    }

    /// Only a call.
    pub(super) fn call(
        callee: Principal,
        method: &'static str,
        argument: impl ArgumentEncoder,
        cycles: u128,
        job: u64,
    ) -> Result<Self, String> {
        Ok(Self {
            call: Some(OutgoingCall {
                callee,
                method,
                argument: encode(argument)?,
                cycles,
                job,
            }),
            ..Self::default()
        })
    }
}

/// The message of a trap for a method that the module exports and the code does not know.
pub(super) fn unknown_method(method: &str) -> String {
    format!("the method {method} has no native code")
}

pub(super) fn decode<A: for<'a> ArgumentDecoder<'a>>(argument: &[u8]) -> Result<A, String> {
    decode_bounded(argument).map_err(|error| format!("failed to decode call arguments: {error:#}"))
}

pub(super) fn encode(value: impl ArgumentEncoder) -> Result<Vec<u8>, String> {
    candid::utils::encode_args(value).map_err(|error| format!("failed to encode: {error:#}"))
}
