//! The labels in a Candid message: which fields a record of it has.
//!
//! Candid's decoder skips a field that the expected type lacks, and reads an optional one that it
//! can't read as absent. The message's type table tells what it has.

use candid::idl_hash;

use crate::tables::wire::Header;

/// The labels of the first record type of a message that has this field, as their hashes. `None`:
/// there is none, or the message is damaged.
pub(crate) fn of_record_with(field: &str, message: &[u8]) -> Option<Vec<u32>> {
    let (header, _) = Header::read(message)?;
    let fields = header.types.record_with(idl_hash(field))?;
    Some(fields.iter().map(|(label, _)| *label).collect())
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
