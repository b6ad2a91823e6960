//! Decoding of records and variants, by code that exists once for all types.

use std::{fmt, mem};

pub(crate) use canic_macros::TableDeserialize as Deserialize;
pub(crate) use serde::de::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

/// The place of a field that is being read.
pub(crate) trait Slot<'de, A: MapAccess<'de>> {
    /// Reads the value that comes next. The place is empty.
    fn fill(&mut self, map: &mut A) -> Result<(), A::Error>;
}

impl<'de, A: MapAccess<'de>, T: Deserialize<'de>> Slot<'de, A> for Option<T> {
    fn fill(&mut self, map: &mut A) -> Result<(), A::Error> {
        // An assignment would bring the code that drops an earlier value.
        mem::forget(self.replace(map.next_value()?));
        Ok(())
    }
}

/// Reads the fields of a record, 64 at most, into slots in the order of `names`, and skips others.
#[inline(never)]
pub(crate) fn read<'de, A: MapAccess<'de>>(
    mut map: A,
    names: &'static [&'static str],
    slots: &mut [&mut dyn Slot<'de, A>],
) -> Result<(), A::Error> {
    let mut full = 0_u64;
    while let Some(index) = map.next_key_seed(FieldName(names))? {
        let Some(slot) = slots.get_mut(index) else {
            map.next_value::<IgnoredAny>()?;
            continue;
        };
        if full >> index & 1 == 1 {
            return Err(A::Error::duplicate_field(names[index]));
        }
        full |= 1 << index;
        slot.fill(&mut map)?;
    }
    Ok(())
}

/// The value of a field.
///
/// # Errors
///
/// If the message lacks it.
pub(crate) fn present<T, E: Error>(slot: Option<T>, name: &'static str) -> Result<T, E> {
    slot.ok_or_else(|| E::missing_field(name))
}

/// Bytes that Candid writes as a blob.
pub(crate) struct Blob<T>(pub(crate) T);

impl<'de, T: serde_bytes::Deserialize<'de>> Deserialize<'de> for Blob<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_bytes::deserialize(deserializer).map(Self)
    }
}

/// Reads the name of a field as its index, or as one too large for any.
struct FieldName(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for FieldName {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for FieldName {
    type Value = usize;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("field identifier")
    }

    fn visit_u64<E: Error>(self, index: u64) -> Result<usize, E> {
        Ok(usize::try_from(index).unwrap_or(usize::MAX))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        Ok(index(self.0, name).unwrap_or(usize::MAX))
    }
}

/// Reads the name of a variant as its index.
pub(crate) struct VariantName(pub(crate) &'static [&'static str]);

impl<'de> DeserializeSeed<'de> for VariantName {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for VariantName {
    type Value = usize;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("variant identifier")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        index(self.0, name).ok_or_else(|| E::unknown_variant(name, self.0))
    }
}

fn index(names: &[&str], name: &str) -> Option<usize> {
    names.iter().position(|other| *other == name)
}
