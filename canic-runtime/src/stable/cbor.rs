//! The few forms of CBOR that a member's one record has, read and written by hand.
//!
//! Root's many records go through minicbor, which would take 14 KB of Wasm in every member. Only
//! what an upgrade of root reads of all of them is read here as well, because that takes a third of
//! the instructions.

use candid::Principal;

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt(pub(crate) &'static str);

impl Corrupt {
    pub(crate) const TOO_SHORT: Self = Self("it ends too early");
    pub(crate) const FOREIGN: Self = Self("it is not what canic writes");
}

// Major types: the upper three bits of an item's first byte.
const NUMBER: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;

// Simple values, as whole items.
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;

/// Reads items one after the other. What follows the last one that is read is ignored.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The length of an array, whose items come next.
    pub(crate) fn array(&mut self) -> Result<u64, Corrupt> {
        self.head_of(ARRAY)
    }

    pub(crate) fn text(&mut self) -> Result<String, Corrupt> {
        self.str().map(str::to_string)
    }

    pub(crate) fn optional_text(&mut self) -> Result<Option<String>, Corrupt> {
        self.optional(Self::text)
    }

    pub(crate) fn principal(&mut self) -> Result<Principal, Corrupt> {
        Principal::try_from_slice(self.bytes()?).map_err(|_| Corrupt::FOREIGN)
    }

    /// A text, where it lies.
    pub(crate) fn str(&mut self) -> Result<&'a str, Corrupt> {
        let length = self.head_of(TEXT)?;
        str::from_utf8(self.take(length)?).map_err(|_| Corrupt::FOREIGN)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Corrupt> {
        let length = self.head_of(BYTES)?;
        self.take(length)
    }

    pub(crate) fn number(&mut self) -> Result<u64, Corrupt> {
        self.head_of(NUMBER)
    }

    /// An item that may be missing.
    pub(crate) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Corrupt>,
    ) -> Result<Option<T>, Corrupt> {
        if self.0.first() == Some(&NULL) {
            self.0 = &self.0[1..];
            return Ok(None);
        }
        read(self).map(Some)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Corrupt> {
        match self.take(1)? {
            [FALSE] => Ok(false),
            [TRUE] => Ok(true),
            _ => Err(Corrupt::FOREIGN),
        }
    }

    /// Skips an item of any type, with all that it holds.
    pub(crate) fn skip(&mut self) -> Result<(), Corrupt> {
        let mut items = 1_u64;
        while items > 0 {
            let (major, number) = self.head()?;
            let within = match major {
                BYTES | TEXT => {
                    self.take(number)?;
                    0
                }
                ARRAY => number,
                MAP => number.saturating_mul(2),
                TAG => 1,
                _ => 0,
            };
            items = (items - 1).saturating_add(within);
        }
        Ok(())
    }

    fn head_of(&mut self, wanted: u8) -> Result<u64, Corrupt> {
        let (major, number) = self.head()?;
        if major == wanted {
            Ok(number)
        } else {
            Err(Corrupt::FOREIGN)
        }
    }

    /// An item's major type and its number: a length, a value or a tag.
    #[inline(always)]
    fn head(&mut self) -> Result<(u8, u64), Corrupt> {
        let (first, rest) = self.0.split_first().ok_or(Corrupt::TOO_SHORT)?;
        self.0 = rest;
        let number = match first & 0x1f {
            small @ 0..24 => u64::from(small),
            width @ 24..28 => self.wide_number(width)?,
            // Of a length that only the item's end tells: canic writes none.
            _ => return Err(Corrupt::FOREIGN),
        };
        Ok((first >> 5, number))
    }

    /// A number that follows the first byte of its item.
    #[inline(never)]
    fn wide_number(&mut self, width: u8) -> Result<u64, Corrupt> {
        let bytes = self.take(1 << (width - 24))?;
        let all = bytes.iter();
        Ok(all.fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    #[inline(always)]
    fn take(&mut self, length: u64) -> Result<&'a [u8], Corrupt> {
        let length = usize::try_from(length).map_err(|_| Corrupt::TOO_SHORT)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Corrupt::TOO_SHORT)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// Writes items one after the other.
#[derive(Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    /// Begins an array of so many items.
    pub(crate) fn array(&mut self, length: u32) {
        self.head(ARRAY, length);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.head(TEXT, text.len() as u32);
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn optional_text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.0.push(NULL),
        }
    }

    pub(crate) fn principal(&mut self, principal: Principal) {
        let bytes = principal.as_slice();
        self.head(BYTES, bytes.len() as u32);
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.0.push(if value { TRUE } else { FALSE });
    }

    /// The shortest form of a head, as minicbor writes it.
    fn head(&mut self, major: u8, number: u32) {
        let (width, bytes) = match number {
            0..24 => (number as u8, 0),
            24..0x100 => (24, 1),
            0x100..0x1_0000 => (25, 2),
            _ => (26, 4),
        };
        self.0.push(major << 5 | width);
        self.0.extend_from_slice(&number.to_be_bytes()[4 - bytes..]);
    }
}
