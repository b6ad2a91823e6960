//! The reply of an endpoint, as the author's function returned it.

use std::marker::PhantomData;

use crate::{
    codec::{
        decode::{CandidValue, CandidValues},
        encode::{encode, encode_values},
    },
    platform::message,
    tables::write::Unencodable,
};

/// The reply of an endpoint.
#[derive(Debug)]
pub struct Reply {
    /// None: the author's function has replied itself.
    pub(super) bytes: Option<Vec<u8>>,
    /// Whether the author's function returned an `Err`.
    pub(super) failed: bool,
}

/// A reply of these values, encoded as Candid.
pub fn reply<R: CandidValues>(values: R) -> Reply {
    encoded(encode_values(&values), false)
}

/// A reply of this result, encoded as Candid; an `Err` counts as an error of the endpoint.
pub fn reply_result<T: CandidValue, E: CandidValue>(result: Result<T, E>) -> Reply {
    let failed = result.is_err();
    encoded(encode(&result), failed)
}

/// A reply of bytes that are encoded already.
#[must_use]
pub fn reply_bytes(bytes: Vec<u8>) -> Reply {
    Reply {
        bytes: Some(bytes),
        failed: false,
    }
}

/// What a function returns that replies itself: the type of its reply, and no value.
#[diagnostic::on_unimplemented(
    message = "with `manual_reply` nobody replies with the `{Self}` that the function returns",
    label = "return `PhantomData<T>`, where `T` is the type that the function replies itself; \
             or remove `manual_reply`"
)]
pub trait RepliedByHand {}

#[diagnostic::do_not_recommend]
impl<T> RepliedByHand for PhantomData<T> {}

/// No reply: the author's function has replied itself.
#[must_use]
pub fn reply_manually<T: RepliedByHand>(_: T) -> Reply {
    Reply {
        bytes: None,
        failed: false,
    }
}

fn encoded(bytes: Result<Vec<u8>, Unencodable>, failed: bool) -> Reply {
    match bytes {
        Ok(bytes) => Reply {
            bytes: Some(bytes),
            failed,
        },
        // A type of the author's failed to encode: as in ic-cdk, that ends the message.
        Err(error) => message::trap(format!("the answer can't be encoded: {error}")),
    }
}
