//! Decoding of arguments, and Candid's bounds on arguments and replies, with messages for the
//! author.

use candid::{
    CandidType, DecoderConfig,
    utils::{ArgumentDecoder, decode_args_with_config},
};
use serde::de::DeserializeOwned;

/// One argument of an endpoint or hook.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be an argument of a canister's function",
    label = "Candid can't decode it; for a type of your own: `#[derive(CandidType, Deserialize)]`"
)]
pub trait CandidArgument: CandidType + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: CandidType + DeserializeOwned> CandidArgument for T {}

/// The value that an endpoint replies, or the types of a `Result`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be replied by a canister's function",
    label = "Candid can't encode it; for a type of your own: `#[derive(CandidType)]`"
)]
pub trait CandidValue: CandidType {}

#[diagnostic::do_not_recommend]
impl<T: CandidType> CandidValue for T {}

/// All arguments of an endpoint or hook.
pub trait CandidArguments: for<'a> ArgumentDecoder<'a> {}

/// All values of a reply.
pub trait CandidValues: candid::utils::ArgumentEncoder {}

/// Implements both for tuples of up to 16 values, the longest that Candid supports.
macro_rules! tuples {
    () => {
        impl CandidArguments for () {}
        impl CandidValues for () {}
    };
    ($first:ident $($rest:ident)*) => {
        impl<$first: CandidArgument, $($rest: CandidArgument),*> CandidArguments
            for ($first, $($rest),*)
        {
        }
        impl<$first: CandidValue, $($rest: CandidValue),*> CandidValues for ($first, $($rest),*) {}
        tuples!($($rest)*);
    };
}

tuples!(A B C D E F G H I J K L M N O P);

/// The limit on the work that Candid spends on values it skips: the same as in ic-cdk.
const SKIPPING_QUOTA: usize = 10_000;

/// Decodes Candid arguments. An empty message has no arguments.
///
/// # Errors
///
/// If the bytes are no Candid message of these types.
pub(crate) fn decode_args<A: CandidArguments>(bytes: Vec<u8>) -> Result<A, String> {
    let bytes: &[u8] = if bytes.is_empty() {
        b"DIDL\0\0"
    } else {
        &bytes
    };
    let mut config = DecoderConfig::new();
    config.set_skipping_quota(SKIPPING_QUOTA);
    decode_args_with_config(bytes, &config)
        .map_err(|error| format!("the argument does not fit: {error}"))
}
