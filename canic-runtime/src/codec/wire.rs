//! Single values of a Candid message, read by the message's own type table.
//!
//! Candid's decoder builds all types of a message before it reads a value. For a reply with many
//! types, such as that of `canister_status`, this takes ten times as long as to read a few values
//! here. Whoever gets no value from here leaves the message to that decoder.

use candid::idl_hash;

// Types as signed numbers.
const NULL: i64 = -1;
const BOOL: i64 = -2;
const NAT: i64 = -3;
const INT: i64 = -4;
const NAT8: i64 = -5;
const NAT16: i64 = -6;
const NAT32: i64 = -7;
const NAT64: i64 = -8;
const INT8: i64 = -9;
const INT16: i64 = -10;
const INT32: i64 = -11;
const INT64: i64 = -12;
const FLOAT32: i64 = -13;
const FLOAT64: i64 = -14;
const TEXT: i64 = -15;
const RESERVED: i64 = -16;
pub(super) const OPT: i64 = -18;
pub(super) const VEC: i64 = -19;
pub(super) const RECORD: i64 = -20;
pub(super) const VARIANT: i64 = -21;
const PRINCIPAL: i64 = -24;

/// Values that are skipped at most on the way to one, those within others included.
const MAX_SKIPPED: u32 = 1_000;

/// A type of a message's table.
enum Type {
    Opt(i64),
    Vec(i64),
    /// The labels as hashes, each with its type.
    Record(Vec<(u32, i64)>),
    Variant(Vec<(u32, i64)>),
}

/// A message.
pub(crate) struct Message<'a> {
    types: Vec<Type>,
    first: i64,
    values: &'a [u8],
}

/// A value of a message.
#[derive(Clone, Copy)]
pub(crate) struct Value<'a> {
    types: &'a [Type],
    ty: i64,
    /// The message from this value on.
    bytes: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads the types of a message. `None`: it is damaged, has no value, or has types of functions
    /// or services.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Bytes(bytes.strip_prefix(b"DIDL")?);
        let mut types = Vec::new();
        for _ in 0..rest.number()? {
            types.push(match rest.signed()? {
                OPT => Type::Opt(rest.signed()?),
                VEC => Type::Vec(rest.signed()?),
                RECORD => Type::Record(rest.fields()?),
                VARIANT => Type::Variant(rest.fields()?),
                _ => return None,
            });
        }
        let values = rest.number()?;
        let first = rest.signed()?;
        for _ in 1..values {
            rest.signed()?;
        }
        Some(Self {
            types,
            first,
            values: rest.0,
        })
    }

    /// The first value.
    pub(crate) fn value(&self) -> Value<'_> {
        Value {
            types: &self.types,
            ty: self.first,
            bytes: self.values,
        }
    }
}

impl<'a> Value<'a> {
    /// Fields of a record, in the order of these names. `None`: it lacks one of them.
    pub(crate) fn fields<const N: usize>(self, names: [&str; N]) -> Option<[Self; N]> {
        let wanted = names.map(idl_hash);
        let mut found = [None; N];
        self.find(&wanted, &mut found)?;
        let mut all = [self; N];
        for (value, found) in all.iter_mut().zip(found) {
            *value = found?;
        }
        Some(all)
    }

    /// Finds the fields with these labels in one walk, which ends with the last of them.
    fn find(self, wanted: &[u32], found: &mut [Option<Self>]) -> Option<()> {
        let Type::Record(fields) = self.of_table()? else {
            return None;
        };
        let mut rest = Bytes(self.bytes);
        let (mut missing, mut left) = (wanted.len(), MAX_SKIPPED);
        for (label, ty) in fields {
            if let Some(index) = wanted.iter().position(|wanted| wanted == label) {
                let (ty, bytes) = (*ty, rest.0);
                found[index] = Some(Self { ty, bytes, ..self });
                missing -= 1;
                if missing == 0 {
                    break;
                }
            }
            rest.skip(self.types, *ty, &mut left)?;
        }
        Some(())
    }

    /// The content of an optional value: `Some(None)` if there is none.
    pub(crate) fn content(self) -> Option<Option<Self>> {
        let Type::Opt(ty) = *self.of_table()? else {
            return None;
        };
        let mut rest = Bytes(self.bytes);
        match rest.byte()? {
            0 => Some(None),
            1 => Some(Some(Self {
                ty,
                bytes: rest.0,
                ..self
            })),
            _ => None,
        }
    }

    /// The hash of a variant's label.
    pub(crate) fn label(self) -> Option<u32> {
        let Type::Variant(fields) = self.of_table()? else {
            return None;
        };
        let index = usize::try_from(Bytes(self.bytes).number()?).ok()?;
        fields.get(index).map(|(label, _)| *label)
    }

    /// A natural number. A larger one counts as the largest.
    pub(crate) fn nat(self) -> Option<u128> {
        if self.ty != NAT {
            return None;
        }
        let mut rest = Bytes(self.bytes);
        let (mut number, mut shift) = (0_u128, 0_u32);
        loop {
            let byte = rest.byte()?;
            let part = u128::from(byte & 0x7f);
            let shifted = part.checked_shl(shift).unwrap_or(0);
            number = if part == 0 || shifted >> shift.min(127) == part {
                number | shifted
            } else {
                u128::MAX
            };
            if byte & 0x80 == 0 {
                return Some(number);
            }
            shift = shift.saturating_add(7);
        }
    }

    /// The bytes of a blob.
    pub(crate) fn blob(self) -> Option<&'a [u8]> {
        let Type::Vec(NAT8) = *self.of_table()? else {
            return None;
        };
        Bytes(self.bytes).counted()
    }

    fn of_table(self) -> Option<&'a Type> {
        self.types.get(usize::try_from(self.ty).ok()?)
    }
}

/// The part of a message that is not read yet.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// Bytes behind their number.
    fn counted(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    /// A number in LEB128.
    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// A number in signed LEB128.
    pub(super) fn signed(&mut self) -> Option<i64> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            number |= i64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let unused = 64 - 7 - shift;
                return Some(number << unused >> unused);
            }
        }
        None
    }

    /// The fields of a record or variant.
    pub(super) fn fields(&mut self) -> Option<Vec<(u32, i64)>> {
        let mut fields = Vec::new();
        for _ in 0..self.number()? {
            let label = u32::try_from(self.number()?).ok()?;
            fields.push((label, self.signed()?));
        }
        Some(fields)
    }

    /// Skips a value, of those that may be skipped.
    fn skip(&mut self, types: &[Type], ty: i64, left: &mut u32) -> Option<()> {
        *left = left.checked_sub(1)?;
        match ty {
            NULL | RESERVED => {}
            BOOL | NAT8 | INT8 => drop(self.take(1)?),
            NAT16 | INT16 => drop(self.take(2)?),
            NAT32 | INT32 | FLOAT32 => drop(self.take(4)?),
            NAT64 | INT64 | FLOAT64 => drop(self.take(8)?),
            NAT | INT => while self.byte()? & 0x80 != 0 {},
            TEXT => drop(self.counted()?),
            PRINCIPAL => {
                if self.byte()? != 1 {
                    return None;
                }
                self.counted()?;
            }
            _ => self.skip_of_table(types, types.get(usize::try_from(ty).ok()?)?, left)?,
        }
        Some(())
    }

    fn skip_of_table(&mut self, types: &[Type], ty: &Type, left: &mut u32) -> Option<()> {
        match ty {
            Type::Opt(ty) => match self.byte()? {
                0 => {}
                1 => self.skip(types, *ty, left)?,
                _ => return None,
            },
            Type::Vec(NAT8) => drop(self.counted()?),
            Type::Vec(ty) => {
                for _ in 0..self.number()? {
                    self.skip(types, *ty, left)?;
                }
            }
            Type::Record(fields) => {
                for (_, ty) in fields {
                    self.skip(types, *ty, left)?;
                }
            }
            Type::Variant(fields) => {
                let index = usize::try_from(self.number()?).ok()?;
                self.skip(types, fields.get(index)?.1, left)?;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use candid::{CandidType, Encode, Int, Nat, Principal};

    use super::*;

    impl Value<'_> {
        fn field(self, name: &str) -> Option<Self> {
            self.fields([name]).map(|[value]| value)
        }
    }

    #[derive(CandidType)]
    enum Choice {
        #[allow(dead_code, reason = "its label alone matters")]
        First(Vec<Principal>),
        Second,
    }

    #[derive(CandidType)]
    struct Inner {
        choice: Choice,
        list: Vec<Option<u64>>,
        number: Nat,
    }

    #[derive(CandidType)]
    struct Outer {
        all: (bool, u16, i32, f64, Int, String, Principal, Vec<Principal>),
        first: Option<Vec<u8>>,
        inner: Inner,
        none: Option<Vec<u8>>,
        other: Choice,
    }

    fn outer() -> Outer {
        let one = Principal::from_slice(&[1, 1]);
        Outer {
            all: (
                true,
                1,
                -1,
                0.5,
                Int::from(-1_000_000),
                "text".to_string(),
                one,
                vec![one; 3],
            ),
            first: Some(vec![7; 200]),
            inner: Inner {
                choice: Choice::Second,
                list: vec![None, Some(3)],
                number: Nat::from(u64::MAX),
            },
            none: None,
            other: Choice::First(vec![one]),
        }
    }

    #[test]
    fn single_values_of_a_message_are_read() {
        let bytes = Encode!(&outer(), &"another value").unwrap();
        let message = Message::parse(&bytes).unwrap();
        let value = message.value();
        let first = value.field("first").unwrap().content().unwrap();
        assert_eq!(first.unwrap().blob(), Some(&[7; 200][..]));
        assert!(value.field("none").unwrap().content().unwrap().is_none());
        let other = value.field("other").unwrap();
        assert_eq!(other.label(), Some(idl_hash("First")));
        let inner = value.field("inner").unwrap();
        let choice = inner.field("choice").unwrap();
        assert_eq!(choice.label(), Some(idl_hash("Second")));
        let number = inner.field("number").unwrap();
        assert_eq!(number.nat(), Some(u64::MAX.into()));
        let both = value.fields(["other", "inner"]).unwrap();
        assert_eq!(both[0].label(), other.label());
        assert_eq!(both[1].field("choice").unwrap().label(), choice.label());
        assert!(value.field("unknown").is_none());
        assert!(value.fields(["other", "unknown"]).is_none());
        assert!(inner.nat().is_none() && inner.blob().is_none() && number.field("a").is_none());
    }

    #[test]
    fn natural_numbers_end_with_the_largest() {
        let largest = Nat::from(u128::MAX);
        for (number, read) in [
            (Nat::from(0_u8), 0),
            (Nat::from(1_u128 << 127), 1 << 127),
            (largest.clone(), u128::MAX),
            (largest.clone() + 1_u8, u128::MAX),
            (largest.clone() * 4_u8, u128::MAX),
            (largest.clone() * largest, u128::MAX),
        ] {
            let bytes = Encode!(&number).unwrap();
            assert_eq!(Message::parse(&bytes).unwrap().value().nat(), Some(read));
        }
    }

    #[test]
    fn a_damaged_message_has_no_such_value() {
        let bytes = Encode!(&outer()).unwrap();
        let read = |bytes: &[u8]| {
            let message = Message::parse(bytes)?;
            message.value().field("other")?.label()
        };
        let right = Some(idl_hash("First"));
        assert_eq!(read(&bytes), right);
        for length in 0..bytes.len() {
            let part = read(&bytes[..length]);
            assert!(part.is_none() || part == right, "{length} bytes");
        }
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            for damage in [0, 1, 0x7f, 0x80, 0xff] {
                bytes[at] = damage;
                read(&bytes);
            }
        }
        // A record within itself, and a vector of 2^60 values without bytes.
        for bytes in [
            &b"DIDL\x01\x6c\x01\x00\x00\x01\x00"[..],
            b"DIDL\x02\x6c\x02\x00\x01\x01\x7f\x6d\x7f\x01\x00\x80\x80\x80\x80\x80\x80\x80\x80\x10",
        ] {
            let message = Message::parse(bytes).unwrap();
            let last = message.value().field("unknown");
            assert!(last.is_none(), "{bytes:?}");
        }
    }
}
