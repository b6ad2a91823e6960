//! Decoding of canic's own types, by the message's type table.
//!
//! Candid's decoder takes 160 kilobytes of a canister's module, and builds all types of a message
//! before it reads a value. canic decodes its own types with this one. Authors' types stay with
//! Candid's.
//!
//! It reads what Candid's reads, and a little more: a value of a wider type fits where the value
//! itself does. An optional value that does not fit is absent, as Candid prescribes.

use std::fmt;

use candid::{Principal, Reserved};
use serde_bytes::ByteBuf;

use crate::tables::wire::{
    self, BOOL, Bytes, FLOAT64, Header, NAT, NAT8, NAT16, NAT32, NAT64, NULL, PRINCIPAL, RESERVED,
    TEXT, Type, Types,
};

/// Values that a message may hold in addition to one for each of its bytes. Some have no bytes, so
/// that a short message could hold millions of them.
const FREE_VALUES: usize = 10_000;

/// A label of a record or variant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label {
    pub(crate) hash: u32,
    pub(crate) name: &'static str,
}

/// The reason why a message is not a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// The bytes are no Candid message, or end too early.
    Damaged,
    /// The message holds more values than its length allows.
    TooMany,
    /// A value has another type. The field that it is in, if it is in one.
    Type {
        expected: &'static str,
        field: Option<&'static str>,
    },
    /// A record lacks a field.
    Lacks(&'static str),
    /// The message has fewer values.
    Fewer,
}

impl Misfit {
    fn no(expected: &'static str) -> Self {
        Self::Type {
            expected,
            field: None,
        }
    }

    /// The same, of a value in this field.
    fn within(self, name: &'static str) -> Self {
        match self {
            Self::Type {
                expected,
                field: None,
            } => Self::Type {
                expected,
                field: Some(name),
            },
            other => other,
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged => f.write_str("it is no Candid message, or not a whole one"),
            Self::TooMany => f.write_str("it holds more values than a message of its length may"),
            Self::Type {
                expected,
                field: None,
            } => write!(f, "it is no {expected}"),
            Self::Type {
                expected,
                field: Some(field),
            } => write!(f, "its field '{field}' is no {expected}"),
            Self::Lacks(field) => write!(f, "it lacks the field '{field}'"),
            Self::Fewer => f.write_str("it has too few values"),
        }
    }
}

/// A type whose values are read from messages.
pub(crate) trait Read: Sized {
    /// Reads a value, which has this type in the message.
    fn read(reader: &mut Reader<'_>, ty: i64) -> Result<Self, Misfit>;

    /// Reads so many values of one type.
    fn read_many(reader: &mut Reader<'_>, ty: i64, length: usize) -> Result<Vec<Self>, Misfit> {
        reader.left = reader.left.checked_sub(length).ok_or(Misfit::TooMany)?;
        let mut values = Vec::with_capacity(length.min(reader.rest.0.len()));
        for _ in 0..length {
            values.push(Self::read(reader, ty)?);
        }
        Ok(values)
    }

    /// The value of a field that a message lacks.
    fn absent() -> Option<Self> {
        None
    }
}

/// The values of a message.
pub(crate) trait ReadAll: Sized {
    /// Reads the values of a message, and skips those behind them.
    ///
    /// # Errors
    ///
    /// If the bytes are no message of such values.
    fn read_all(message: &[u8]) -> Result<Self, Misfit>;
}

impl ReadAll for () {
    fn read_all(message: &[u8]) -> Result<Self, Misfit> {
        values(message, &mut [])
    }
}

impl<A: Read> ReadAll for (A,) {
    fn read_all(message: &[u8]) -> Result<Self, Misfit> {
        let mut first = None;
        values(message, &mut [&mut first])?;
        Ok((first.or_else(A::absent).ok_or(Misfit::Fewer)?,))
    }
}

impl<A: Read, B: Read> ReadAll for (A, B) {
    fn read_all(message: &[u8]) -> Result<Self, Misfit> {
        let (mut first, mut second) = (None, None);
        values(message, &mut [&mut first, &mut second])?;
        let first = first.or_else(A::absent).ok_or(Misfit::Fewer)?;
        Ok((first, second.or_else(B::absent).ok_or(Misfit::Fewer)?))
    }
}

/// Reads the values of a message into slots.
#[inline(never)]
fn values(message: &[u8], slots: &mut [&mut dyn Slot]) -> Result<(), Misfit> {
    let (header, rest) = Header::read(message).ok_or(Misfit::Damaged)?;
    let mut reader = Reader {
        types: &header.types,
        rest,
        left: FREE_VALUES + message.len(),
    };
    let mut slots = slots.iter_mut();
    for ty in header.values {
        match slots.next() {
            Some(slot) => slot.fill(&mut reader, ty)?,
            None => reader.skip(ty)?,
        }
    }
    if reader.rest.0.is_empty() {
        Ok(())
    } else {
        Err(Misfit::Damaged)
    }
}

/// The place of a value that is being read.
pub(crate) trait Slot {
    /// Reads the value that comes next.
    fn fill(&mut self, reader: &mut Reader<'_>, ty: i64) -> Result<(), Misfit>;
}

impl<T: Read> Slot for Option<T> {
    fn fill(&mut self, reader: &mut Reader<'_>, ty: i64) -> Result<(), Misfit> {
        *self = Some(T::read(reader, ty)?);
        Ok(())
    }
}

/// The value of a field.
///
/// # Errors
///
/// If the message lacks it.
pub(crate) fn present<T: Read>(slot: Option<T>, name: &'static str) -> Result<T, Misfit> {
    slot.or_else(T::absent).ok_or(Misfit::Lacks(name))
}

/// Reads one value after another.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    types: &'a Types,
    rest: Bytes<'a>,
    /// Values that may still be read.
    left: usize,
}

impl<'a> Reader<'a> {
    /// Reads the fields of a record into slots in the order of `labels`, which grow as those of the
    /// message do, and skips others.
    #[inline(never)]
    pub(crate) fn record(
        &mut self,
        ty: i64,
        labels: &'static [Label],
        slots: &mut [&mut dyn Slot],
    ) -> Result<(), Misfit> {
        let Some(Type::Record(fields)) = self.types.get(ty) else {
            return Err(Misfit::no("record"));
        };
        let mut wanted = labels.iter().zip(slots).peekable();
        for (hash, ty) in self.types.fields(fields) {
            while wanted.next_if(|(label, _)| label.hash < *hash).is_some() {}
            match wanted.next_if(|(label, _)| label.hash == *hash) {
                Some((label, slot)) => {
                    let filled = slot.fill(self, *ty);
                    filled.map_err(|misfit| misfit.within(label.name))?;
                }
                None => self.skip(*ty)?,
            }
        }
        Ok(())
    }

    /// Reads which variant comes next: its index among the labels, and the type of its content.
    #[inline(never)]
    pub(crate) fn variant(
        &mut self,
        ty: i64,
        labels: &'static [u32],
    ) -> Result<(usize, i64), Misfit> {
        let Some(Type::Variant(fields)) = self.types.get(ty) else {
            return Err(Misfit::no("variant"));
        };
        let index = self.rest.number().and_then(|index| index.try_into().ok());
        let field = index.and_then(|index: usize| self.types.fields(fields).get(index));
        let (hash, ty) = field.ok_or(Misfit::Damaged)?;
        let index = labels.iter().position(|label| label == hash);
        Ok((index.ok_or(Misfit::no("variant that is known here"))?, *ty))
    }

    /// Skips a value.
    fn skip(&mut self, ty: i64) -> Result<(), Misfit> {
        let skipped = self.rest.skip(self.types, ty, &mut self.left, 0);
        skipped.ok_or(if self.left == 0 {
            Misfit::TooMany
        } else {
            Misfit::Damaged
        })
    }

    /// Reads a value of a type that is not in the table.
    fn primitive<T>(
        &mut self,
        ty: i64,
        expected: i64,
        name: &'static str,
        read: impl FnOnce(&mut Bytes<'a>) -> Option<T>,
    ) -> Result<T, Misfit> {
        if ty != expected {
            return Err(Misfit::no(name));
        }
        read(&mut self.rest).ok_or(Misfit::Damaged)
    }

    #[inline(never)]
    fn list(&mut self, ty: i64) -> Result<(i64, usize), Misfit> {
        let Some(Type::Vec(inner)) = self.types.get(ty) else {
            return Err(Misfit::no("vec"));
        };
        let length = self.rest.number().ok_or(Misfit::Damaged)?;
        Ok((inner, length.try_into().map_err(|_| Misfit::Damaged)?))
    }

    #[inline(never)]
    fn blob(&mut self, ty: i64) -> Result<&'a [u8], Misfit> {
        match self.types.get(ty) {
            Some(Type::Vec(NAT8)) => self.rest.counted().ok_or(Misfit::Damaged),
            _ => Err(Misfit::no("blob")),
        }
    }

    #[inline(never)]
    fn text(&mut self, ty: i64) -> Result<&'a str, Misfit> {
        self.primitive(ty, TEXT, "text", |rest| {
            str::from_utf8(rest.counted()?).ok()
        })
    }

    #[inline(never)]
    fn number(&mut self, ty: i64) -> Result<u128, Misfit> {
        self.primitive(ty, NAT, "nat", Bytes::nat)
    }
}

/// Numbers of a fixed length, lowest byte first.
macro_rules! numbers {
    ($($type:ty, $number:ident, $name:literal;)*) => {$(
        impl Read for $type {
            fn read(reader: &mut Reader<'_>, ty: i64) -> Result<Self, Misfit> {
                reader.primitive(ty, $number, $name, |rest| {
                    rest.array().map(<$type>::from_le_bytes)
                })
            }
        }
    )*};
}

numbers! {
    u16, NAT16, "nat16";
    u32, NAT32, "nat32";
    u64, NAT64, "nat64";
    f64, FLOAT64, "float64";
}

impl Read for u8 {
    fn read(reader: &mut Reader<'_>, ty: i64) -> Result<Self, Misfit> {
        reader.primitive(ty, NAT8, "nat8", Bytes::byte)
    }

    fn read_many(reader: &mut Reader<'_>, ty: i64, length: usize) -> Result<Vec<Self>, Misfit> {
        let bytes = reader.primitive(ty, NAT8, "nat8", |rest| rest.take(length))?;
        Ok(bytes.to_vec())
    }
}

/// A larger number than the largest counts as the largest.
impl Read for u128 {
    fn read(reader: &mut Reader<'_>, ty: i64) -> Result<Self, Misfit> {
        reader.number(ty)
    }
}

impl Read for bool {
    fn read(reader: &mut Reader<'_>, ty: i64) -> Result<Self, Misfit> {
        reader.primitive(ty, BOOL, "bool", |rest| match rest.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        })
    }
}

impl Read for () {
    fn read(_: &mut Reader<'_>, ty: i64) -> Result<Self, Misfit> {
        match ty {
            NULL | RESERVED => Ok(()),
            _ => Err(Misfit::no("null")),
        }
    }

    fn absent() -> Option<Self> {
        Some(())
    }
}

impl Read for Reserved {
    fn read(reader: &mut Reader<'_>, ty: i64) -> Result<Self, Misfit> {
        reader.skip(ty).map(|()| Self)
    }

    fn absent() -> Option<Self> {
        Some(Self)
    }
}

impl Read for String {
    fn read(reader: &mut Reader<'_>, ty: i64) -> Result<Self, Misfit> {
        reader.text(ty).map(str::to_string)
    }
}

impl Read for ByteBuf {
    fn read(reader: &mut Reader<'_>, ty: i64) -> Result<Self, Misfit> {
        reader.blob(ty).map(Self::from)
    }
}

impl Read for Principal {
    fn read(reader: &mut Reader<'_>, ty: i64) -> Result<Self, Misfit> {
        reader.primitive(ty, PRINCIPAL, "principal", |rest| {
            rest.principal().map(Self::from_slice)
        })
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(reader: &mut Reader<'_>, ty: i64) -> Result<Self, Misfit> {
        let (inner, length) = reader.list(ty)?;
        T::read_many(reader, inner, length)
    }
}

/// A value that does not fit is absent.
impl<T: Read> Read for Option<T> {
    fn read(reader: &mut Reader<'_>, ty: i64) -> Result<Self, Misfit> {
        let ty = match reader.types.get(ty) {
            Some(Type::Opt(inner)) => match reader.rest.byte() {
                Some(0) => return Ok(None),
                Some(1) => inner,
                _ => return Err(Misfit::Damaged),
            },
            None if matches!(ty, NULL | RESERVED) => return Ok(None),
            _ => ty,
        };
        let before = reader.rest;
        match T::read(reader, ty) {
            Ok(value) => Ok(Some(value)),
            Err(Misfit::Type { .. } | Misfit::Lacks(_)) => {
                reader.rest = before;
                reader.skip(ty).map(|()| None)
            }
            Err(misfit) => Err(misfit),
        }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<A: Read, B: Read> Read for (A, B) {
    fn read(reader: &mut Reader<'_>, ty: i64) -> Result<Self, Misfit> {
        const LABELS: &[Label] = &[Label { hash: 0, name: "0" }, Label { hash: 1, name: "1" }];
        let (mut first, mut second) = (None, None);
        reader.record(ty, LABELS, &mut [&mut first, &mut second])?;
        Ok((present(first, "0")?, present(second, "1")?))
    }
}

impl<T: Read, E: Read> Read for Result<T, E> {
    fn read(reader: &mut Reader<'_>, ty: i64) -> Result<Self, Misfit> {
        const LABELS: &[u32] = &[wire::hash("Ok"), wire::hash("Err")];
        Ok(match reader.variant(ty, LABELS)? {
            (0, ty) => Ok(T::read(reader, ty)?),
            (_, ty) => Err(E::read(reader, ty)?),
        })
    }
}
