//! The labels in a Candid message: which fields a record of it has.
//!
//! Candid's decoder skips a field that the expected type lacks, and reads an optional one that it
//! can't read as absent. The message's type table tells what it has.

use candid::idl_hash;

// Constructors of types in a type table, as its bytes: -18 to -21 in signed LEB128.
const OPT: u8 = 0x6e;
const VEC: u8 = 0x6d;
const RECORD: u8 = 0x6c;
const VARIANT: u8 = 0x6b;

/// The labels of the first record type of a message that has this field, as their hashes. `None`:
/// there is none, or the type table has functions or services.
pub(crate) fn of_record_with(field: &str, message: &[u8]) -> Option<Vec<u32>> {
    let field = idl_hash(field);
    let mut table = Table(message.strip_prefix(b"DIDL")?);
    for _ in 0..table.number()? {
        match table.byte()? {
            OPT | VEC => {
                table.number()?;
            }
            constructor @ (RECORD | VARIANT) => {
                let labels = table.labels()?;
                if constructor == RECORD && labels.contains(&field) {
                    return Some(labels);
                }
            }
            _ => return None,
        }
    }
    None
}

/// The part of a type table that is not read yet.
struct Table<'a>(&'a [u8]);

impl Table<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A number in LEB128. A reference to a type is signed: its value means nothing here.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// The labels of a record or variant.
    fn labels(&mut self) -> Option<Vec<u32>> {
        let mut labels = Vec::new();
        for _ in 0..self.number()? {
            labels.push(u32::try_from(self.number()?).ok()?);
            // The field's type.
            self.number()?;
        }
        Some(labels)
    }
}

#[cfg(test)]
mod tests {
    use candid::{CandidType, Encode, Principal};

    use super::*;

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
    }

    #[derive(CandidType)]
    struct Outer {
        first: Option<Vec<u8>>,
        inner: Inner,
    }

    fn message() -> Vec<u8> {
        let inner = Inner {
            choice: Choice::Second,
            list: vec![None],
        };
        let outer = Outer { first: None, inner };
        Encode!(&outer).unwrap()
    }

    fn hashes(fields: &[&str]) -> Option<Vec<u32>> {
        let mut hashes: Vec<_> = fields.iter().map(|field| idl_hash(field)).collect();
        hashes.sort_unstable();
        Some(hashes)
    }

    #[test]
    fn a_record_is_found_by_one_of_its_fields() {
        let message = message();
        assert_eq!(
            of_record_with("inner", &message),
            hashes(&["first", "inner"])
        );
        assert_eq!(
            of_record_with("list", &message),
            hashes(&["choice", "list"])
        );
        assert_eq!(of_record_with("Second", &message), None, "a variant's");
        assert_eq!(of_record_with("second", &message), None);
    }

    #[test]
    fn a_message_that_ends_early_or_is_none_has_no_record() {
        let message = message();
        let end = message.len();
        for length in 0..end {
            of_record_with("second", &message[..length]);
        }
        for bytes in [&b""[..], b"DIDM\x00", b"DIDL", b"DIDL\xff\xff\xff\xff\xff"] {
            assert_eq!(of_record_with("inner", bytes), None, "{bytes:?}");
        }
    }
}
