//! Arguments and answers of the management canister.

use candid::{
    Nat, Principal,
    utils::{ArgumentDecoder, ArgumentEncoder},
};
use ic_management_canister_types as types;

use crate::{
    bounded::{decode_bounded, decode_skipping},
    canister::calls::{Origin, Request},
    reject::{Reject, RejectCode, contract, invalid},
};

/// The outcome of a management call.
pub(crate) enum Answer {
    Reply(Vec<u8>),
    /// A reply, and a refund of so many of the attached cycles.
    ReplyAndRefund(Vec<u8>, u128),
    /// The call is answered later.
    Deferred,
}

pub(crate) type ManagementResult = Result<Answer, Reject>;

/// The canister that an argument names as `canister_id` or `target_canister`, or the reason why it
/// names none.
pub(crate) fn target(payload: &[u8]) -> Result<Principal, String> {
    #[derive(candid::CandidType, candid::Deserialize)]
    struct Named {
        canister_id: Option<Principal>,
        target_canister: Option<Principal>,
        // Long blobs are read as one piece: the decoder skips values byte by byte, within a quota.
        wasm_module: Option<serde_bytes::ByteBuf>,
        arg: Option<serde_bytes::ByteBuf>,
        chunk: Option<serde_bytes::ByteBuf>,
        chunk_hashes_list: Option<Vec<types::ChunkHash>>,
    }
    let (named,): (Named,) = decode_skipping(payload, 50).map_err(undecodable)?;
    let target = named.canister_id.or(named.target_canister);
    target.ok_or_else(|| "Error decoding candid: it names no canister".into())
}

/// The origin of a change, for the history of a canister.
pub(crate) fn origin(request: &Request, sender_version: Option<u64>) -> types::ChangeOrigin {
    match request.origin {
        Origin::Callback(_) => types::ChangeOrigin::FromCanister(types::FromCanisterRecord {
            canister_id: request.sender,
            canister_version: sender_version,
        }),
        _ => types::ChangeOrigin::FromUser(types::FromUserRecord {
            user_id: request.sender,
        }),
    }
}

/// Checks that the `sender_canister_version` of a call, if there is one, is the version that its
/// caller has. An argument that cannot be decoded is refused by its method.
pub(crate) fn check_sender_version(request: &Request, actual: u64) -> Result<(), Reject> {
    #[derive(candid::CandidType, candid::Deserialize)]
    struct Versioned {
        sender_canister_version: Option<u64>,
        // Long blobs are read as one piece.
        wasm_module: Option<serde_bytes::ByteBuf>,
        arg: Option<serde_bytes::ByteBuf>,
    }
    let is_versioned = matches!(
        request.method.as_str(),
        "create_canister"
            | "update_settings"
            | "install_code"
            | "install_chunked_code"
            | "uninstall_code"
            | "take_canister_snapshot"
            | "load_canister_snapshot"
            | "provisional_create_canister_with_cycles"
    );
    if !is_versioned {
        return Ok(());
    }
    let given = match decode_skipping::<(Versioned,)>(&request.payload, 50) {
        Ok((argument,)) => argument.sender_canister_version,
        Err(_) => None,
    };
    match given {
        Some(given) if given != actual => Err(contract(format!(
            "Management canister call payload includes sender canister version {given} that does \
             not match the actual sender canister version {actual}."
        ))),
        _ => Ok(()),
    }
}

pub(crate) fn decode<A: for<'a> ArgumentDecoder<'a>>(request: &Request) -> Result<A, Reject> {
    decode_bounded(&request.payload).map_err(|error| invalid(undecodable(error)))
}

/// The text for an argument that cannot be decoded. It names all causes, and leaves the argument
/// out.
pub(super) fn undecodable(error: candid::Error) -> String {
    format!("Error decoding candid: {error:#}")
}

pub(super) fn encode(value: impl ArgumentEncoder) -> Result<Vec<u8>, Reject> {
    candid::utils::encode_args(value).map_err(|error| {
        Reject::new(
            RejectCode::SysFatal,
            101,
            format!("The answer cannot be encoded: {error}"),
        )
    })
}

pub(crate) fn reply(value: impl ArgumentEncoder) -> ManagementResult {
    encode(value).map(Answer::Reply)
}

pub(super) fn reply_and_refund(value: impl ArgumentEncoder, refund: u128) -> ManagementResult {
    encode(value).map(|reply| Answer::ReplyAndRefund(reply, refund))
}

pub(crate) fn number(value: Nat, name: &str) -> Result<u128, Reject> {
    value
        .0
        .try_into()
        .map_err(|_| invalid(format!("{name}: the number does not fit into 128 bits")))
}
