//! Decoding of arguments and replies, and the types that these can have, with messages for the
//! author.

use candid::{
    CandidType,
    types::Type,
    utils::{ArgumentDecoder, decode_args_with_config},
};
use serde::de::DeserializeOwned;

use crate::{
    codec::quota::{Quota, Tries},
    tables::{
        read::{Read, ReadAll},
        write::{Unencodable, Values},
    },
};

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
pub trait CandidValues {
    /// Their types.
    const TYPES: &'static [fn() -> Type];

    /// Appends the values to a message.
    ///
    /// # Errors
    ///
    /// If a value is of a type that has no values.
    fn serialize(&self, serializer: &mut Values) -> Result<(), Unencodable>;
}

/// Implements both for tuples of up to 16 values, the longest that Candid supports.
macro_rules! tuples {
    () => {
        impl CandidArguments for () {}
        impl CandidValues for () {
            const TYPES: &'static [fn() -> Type] = &[];

            fn serialize(&self, _: &mut Values) -> Result<(), Unencodable> {
                Ok(())
            }
        }
    };
    ($first:ident $($rest:ident)*) => {
        impl<$first: CandidArgument, $($rest: CandidArgument),*> CandidArguments
            for ($first, $($rest),*)
        {
        }
        impl<$first: CandidValue, $($rest: CandidValue),*> CandidValues for ($first, $($rest),*) {
            const TYPES: &'static [fn() -> Type] = &[$first::ty, $($rest::ty),*];

            fn serialize(&self, serializer: &mut Values) -> Result<(), Unencodable> {
                #[expect(non_snake_case, reason = "a value is named after its type")]
                let ($first, $($rest),*) = self;
                $first.idl_serialize(&mut *serializer)?;
                $($rest.idl_serialize(&mut *serializer)?;)*
                Ok(())
            }
        }
        tuples!($($rest)*);
    };
}

tuples!(A B C D E F G H I J K L M N O P);

/// A message without values.
const NO_VALUES: &[u8] = b"DIDL\0\0";

/// Decodes Candid arguments. An empty message has no arguments.
///
/// # Errors
///
/// If the bytes are no Candid message of these types, or if decoding them costs more than `quota`.
pub(crate) fn decode_args<A: CandidArguments>(bytes: &[u8], quota: Quota) -> Result<A, String> {
    let mut tries = Tries::first(bytes, quota);
    loop {
        match decode_args_with_config(tries.bytes, &tries.config) {
            Ok(values) => return Ok(values),
            Err(failure) => tries.after(&failure)?,
        }
    }
}

/// Decodes arguments of canic's own types. An empty message has no arguments.
///
/// # Errors
///
/// If the bytes are no Candid message of these types.
pub(crate) fn read_args<A: ReadAll>(bytes: &[u8]) -> Result<A, String> {
    let bytes = if bytes.is_empty() { NO_VALUES } else { bytes };
    A::read_all(bytes).map_err(|misfit| format!("the argument does not fit: {misfit}"))
}

/// Decodes the one value of a reply, of a type of canic's own.
///
/// # Errors
///
/// If the bytes are no Candid message of this type.
pub(crate) fn read_reply<T: Read>(bytes: &[u8]) -> Result<T, String> {
    let value = ReadAll::read_all(bytes).map(|(value,)| value);
    value.map_err(|misfit| format!("the reply does not fit: {misfit}"))
}
