//! Records in stable memory: CBOR with numbered fields.

use std::{borrow::Cow, convert::Infallible};

use candid::Principal;
use ic_stable_structures::{Storable, storable::Bound};

/// A record of a stable map. Its fields are numbered, so a newer version can add some and still
/// read the records of an older one.
pub(crate) struct Record<T>(pub(crate) T);

impl<T> Storable for Record<T>
where
    T: minicbor::Encode<()> + for<'a> minicbor::Decode<'a, ()>,
{
    const BOUND: Bound = Bound::Unbounded;

    fn to_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Owned(encode(&self.0))
    }

    fn into_bytes(self) -> Vec<u8> {
        encode(&self.0)
    }

    fn from_bytes(bytes: Cow<'_, [u8]>) -> Self {
        Self(decode(&bytes))
    }
}

/// Decodes a record.
///
/// # Panics
///
/// If canic did not write these bytes. The trap keeps them as they are.
pub(crate) fn decode<T: for<'a> minicbor::Decode<'a, ()>>(bytes: &[u8]) -> T {
    match minicbor::decode(bytes) {
        Ok(value) => value,
        Err(error) => corrupt(reason(&error)),
    }
}

/// Refuses bytes in stable memory that canic did not write. The trap keeps them as they are.
pub(crate) fn corrupt(why: &str) -> ! {
    panic!("canic: corrupt record in stable memory: {why}")
}

/// Why bytes are no record. The decoder's own texts would take some kilobytes of Wasm.
pub(crate) fn reason(error: &minicbor::decode::Error) -> &'static str {
    if error.is_end_of_input() {
        "it ends too early"
    } else {
        "it is not what canic writes"
    }
}

/// Encodes a record.
pub(crate) fn encode(value: &impl minicbor::Encode<()>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_into(value, &mut bytes);
    bytes
}

/// Appends a record.
pub(crate) fn encode_into(value: &impl minicbor::Encode<()>, bytes: &mut Vec<u8>) {
    if minicbor::encode(value, Buffer(bytes)).is_err() {
        unreachable!("writing to a buffer can't fail");
    }
}

/// The bytes of a record. Most writes are of one to three bytes, and the platform charges a copy as
/// much as a hundred bytes that are pushed alone.
struct Buffer<'a>(&'a mut Vec<u8>);

impl minicbor::encode::Write for Buffer<'_> {
    type Error = Infallible;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        if bytes.len() > 8 {
            self.0.extend_from_slice(bytes);
        } else {
            for byte in bytes {
                self.0.push(*byte);
            }
        }
        Ok(())
    }
}

/// A principal, in CBOR a byte string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id(pub(crate) Principal);

impl<C> minicbor::Encode<C> for Id {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(self.0.as_slice())?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Id {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let at = d.position();
        match Principal::try_from_slice(d.bytes()?) {
            Ok(principal) => Ok(Self(principal)),
            Err(_) => Err(minicbor::decode::Error::message("not a principal").at(at)),
        }
    }
}

/// An amount of cycles, in CBOR an array of two numbers: the high and the low 64 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cycles(pub(crate) u128);

impl<C> minicbor::Encode<C> for Cycles {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(2)?
            .u64((self.0 >> 64) as u64)?
            .u64(self.0 as u64)?
            .ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Cycles {
    fn decode(d: &mut minicbor::Decoder<'b>, c: &mut C) -> Result<Self, minicbor::decode::Error> {
        let [high, low] = <[u64; 2]>::decode(d, c)?;
        Ok(Self(u128::from(high) << 64 | u128::from(low)))
    }
}
