//! A Candid message: its type table, and its bytes one after another.

/// The bytes before each message.
pub(super) const MAGIC: &[u8] = b"DIDL";

// Types as signed numbers: those of a table are not negative.
pub(super) const NULL: i64 = -1;
pub(super) const BOOL: i64 = -2;
pub(super) const NAT: i64 = -3;
pub(super) const INT: i64 = -4;
pub(super) const NAT8: i64 = -5;
pub(super) const NAT16: i64 = -6;
pub(super) const NAT32: i64 = -7;
pub(super) const NAT64: i64 = -8;
pub(super) const INT8: i64 = -9;
pub(super) const INT16: i64 = -10;
pub(super) const INT32: i64 = -11;
pub(super) const INT64: i64 = -12;
pub(super) const FLOAT32: i64 = -13;
pub(super) const FLOAT64: i64 = -14;
pub(super) const TEXT: i64 = -15;
pub(super) const RESERVED: i64 = -16;
pub(super) const EMPTY: i64 = -17;
pub(super) const OPT: i64 = -18;
pub(super) const VEC: i64 = -19;
pub(super) const RECORD: i64 = -20;
pub(super) const VARIANT: i64 = -21;
pub(super) const FUNC: i64 = -22;
pub(super) const SERVICE: i64 = -23;
pub(super) const PRINCIPAL: i64 = -24;

/// Values within others at most, of those that are skipped.
const MAX_DEPTH: u32 = 100;

/// The longest principal, in bytes.
const MAX_PRINCIPAL: usize = 29;

/// Candid's hash of a label.
pub(super) const fn hash(label: &str) -> u32 {
    let (bytes, mut hash, mut index) = (label.as_bytes(), 0_u32, 0);
    while index < bytes.len() {
        hash = hash.wrapping_mul(223).wrapping_add(bytes[index] as u32);
        index += 1;
    }
    hash
}

/// A field of a record, or a variant: the hash of its label, and its type.
pub(crate) type Field = (u32, i64);

/// A type of a message's table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Type {
    Opt(i64),
    Vec(i64),
    /// Its fields among all of the table.
    Record(Fields),
    Variant(Fields),
    Func,
    Service,
}

/// Fields of a table: the first one, and the one behind the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    from: usize,
    to: usize,
}

/// The type table of a message.
#[derive(Debug)]
pub(crate) struct Types {
    all: Vec<Type>,
    fields: Vec<Field>,
}

/// A message without its values.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) types: Types,
    /// The type of each value.
    pub(super) values: Vec<i64>,
}

impl Header {
    /// Reads the header of a message. `None`: it is damaged.
    ///
    /// The bytes after the header are the values.
    pub(crate) fn read<'a>(message: &'a [u8]) -> Option<(Self, Bytes<'a>)> {
        let mut rest = Bytes(message.strip_prefix(MAGIC)?);
        let types = Types::read(&mut rest)?;
        let mut values = Vec::new();
        for _ in 0..rest.number()? {
            values.push(rest.signed()?);
        }
        Some((Self { types, values }, rest))
    }
}

/// Types, and fields, of most messages.
const TYPICAL: usize = 16;

impl Types {
    fn read(rest: &mut Bytes<'_>) -> Option<Self> {
        let mut types = Self {
            all: Vec::with_capacity(TYPICAL),
            fields: Vec::with_capacity(TYPICAL),
        };
        for _ in 0..rest.number()? {
            let ty = match rest.signed()? {
                OPT => Type::Opt(rest.signed()?),
                VEC => Type::Vec(rest.signed()?),
                RECORD => Type::Record(types.read_fields(rest)?),
                VARIANT => Type::Variant(types.read_fields(rest)?),
                FUNC => {
                    rest.skip_function()?;
                    Type::Func
                }
                SERVICE => {
                    for _ in 0..rest.number()? {
                        rest.counted()?;
                        rest.signed()?;
                    }
                    Type::Service
                }
                _ => return None,
            };
            types.all.push(ty);
        }
        Some(types)
    }

    /// Fields, whose labels grow from one to the next.
    fn read_fields(&mut self, rest: &mut Bytes<'_>) -> Option<Fields> {
        let from = self.fields.len();
        for _ in 0..rest.number()? {
            let label = u32::try_from(rest.number()?).ok()?;
            let last = self.fields[from..].last();
            if last.is_some_and(|(last, _)| *last >= label) {
                return None;
            }
            self.fields.push((label, rest.signed()?));
        }
        Some(Fields {
            from,
            to: self.fields.len(),
        })
    }

    /// A type of the table. `None`: the number stands for another type, or for none.
    pub(super) fn get(&self, ty: i64) -> Option<Type> {
        self.all.get(usize::try_from(ty).ok()?).copied()
    }

    pub(super) fn fields(&self, Fields { from, to }: Fields) -> &[Field] {
        &self.fields[from..to]
    }

    /// The fields of the first record that has one with this label. `None`: there is no such
    /// record.
    pub(crate) fn record_with(&self, label: u32) -> Option<&[Field]> {
        let mut records = self.all.iter().filter_map(|ty| match ty {
            Type::Record(fields) => Some(self.fields(*fields)),
            _ => None,
        });
        let has_label = |fields: &&[Field]| fields.iter().any(|(other, _)| *other == label);
        records.find(has_label)
    }
}

/// The part of a message that is not read yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// Bytes of a fixed number.
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// Bytes behind their number.
    pub(super) fn counted(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    /// The bytes of a principal.
    pub(super) fn principal(&mut self) -> Option<&'a [u8]> {
        if self.byte()? != 1 {
            return None;
        }
        self.counted().filter(|bytes| bytes.len() <= MAX_PRINCIPAL)
    }

    /// A number in LEB128.
    pub(super) fn number(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0, 0);
        while shift < 63 {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
            shift += 7;
        }
        None
    }

    /// A number in signed LEB128.
    fn signed(&mut self) -> Option<i64> {
        let (mut number, mut shift) = (0, 0);
        while shift < 63 {
            let byte = self.byte()?;
            number |= i64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                let unused = 64 - shift;
                return Some(number << unused >> unused);
            }
        }
        None
    }

    /// A natural number of any length. A larger one than the largest counts as the largest.
    pub(super) fn nat(&mut self) -> Option<u128> {
        let (mut number, mut shift) = (0_u128, 0_u32);
        loop {
            let byte = self.byte()?;
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

    /// Skips the type of a function: arguments, results, and annotations.
    fn skip_function(&mut self) -> Option<()> {
        for _ in 0..2 {
            for _ in 0..self.number()? {
                self.signed()?;
            }
        }
        self.counted().map(drop)
    }

    /// Skips a value, and all within it: not more than may be skipped, and not deeper.
    pub(super) fn skip(
        &mut self,
        types: &Types,
        ty: i64,
        left: &mut usize,
        depth: u32,
    ) -> Option<()> {
        *left = left.checked_sub(1)?;
        let depth = depth + 1;
        if depth > MAX_DEPTH {
            return None;
        }
        match ty {
            NULL | RESERVED => {}
            BOOL | NAT8 | INT8 => drop(self.take(1)?),
            NAT16 | INT16 => drop(self.take(2)?),
            NAT32 | INT32 | FLOAT32 => drop(self.take(4)?),
            NAT64 | INT64 | FLOAT64 => drop(self.take(8)?),
            NAT | INT => while self.byte()? & 0x80 != 0 {},
            TEXT => drop(self.counted()?),
            PRINCIPAL => drop(self.principal()?),
            _ => match types.get(ty)? {
                Type::Opt(inner) => match self.byte()? {
                    0 => {}
                    1 => self.skip(types, inner, left, depth)?,
                    _ => return None,
                },
                Type::Vec(NAT8) => drop(self.counted()?),
                Type::Vec(inner) => {
                    for _ in 0..self.number()? {
                        self.skip(types, inner, left, depth)?;
                    }
                }
                Type::Record(fields) => {
                    for (_, ty) in types.fields(fields) {
                        self.skip(types, *ty, left, depth)?;
                    }
                }
                Type::Variant(fields) => {
                    let index = usize::try_from(self.number()?).ok()?;
                    let (_, ty) = types.fields(fields).get(index)?;
                    self.skip(types, *ty, left, depth)?;
                }
                Type::Service => drop(self.principal()?),
                Type::Func => {
                    if self.byte()? != 1 {
                        return None;
                    }
                    self.principal()?;
                    self.counted()?;
                }
            },
        }
        Some(())
    }
}
