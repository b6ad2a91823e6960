//! The envelope of an install argument: root puts the member's identity before the author's
//! argument.
//!
//! ```text
//! 0       5         6                  10            10 + n
//! ├───────┼─────────┼──────────────────┼─────────────┼─────────────────────────────┤
//! │ CANIC │ 1       │ n                │ identity    │ argument                    │
//! │ magic │ version │ u32, low byte 1st│ n bytes CBOR│ Candid of the author's types│
//! ```
//!
//! No Candid message begins with this magic. So a member can tell an envelope from a plain
//! argument, and the same module can be installed by hand.

use candid::Principal;

use crate::{
    api::Identity,
    stable::{
        cbor::{Corrupt, Reader, Writer},
        memory,
    },
};

const MAGIC: &[u8; 5] = b"CANIC";
const VERSION: u8 = 1;
/// Bytes before the identity: magic, version, and the identity's length.
const HEAD: usize = MAGIC.len() + 1 + 4;

/// A member's identity as a record, in the envelope and in the member's stable memory: an array of
/// these fields in CBOR. A newer version may add some at the end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IdentityRecord {
    role: String,
    root: Principal,
    parent: Principal,
    key: Option<String>,
    /// Whether root has ever sent the member an announcement.
    pub(crate) subscribed: bool,
    /// Whether the member is on probation: root has upgraded it, and not yet accepted the new code.
    pub(crate) probation: bool,
}

/// The fields of a record that every version of canic has written.
const FIRST_FIELDS: u64 = 3;

/// The fields of a record.
const FIELDS: u32 = 6;

impl IdentityRecord {
    /// Reads the record in stable memory, if there is one.
    ///
    /// # Panics
    ///
    /// If it is damaged. The trap keeps it as it is.
    pub(crate) fn load() -> Option<Self> {
        match memory::head().map(|bytes| Self::decode(&bytes)) {
            None => None,
            Some(Ok(record)) => Some(record),
            Some(Err(Corrupt(reason))) => {
                panic!("canic: corrupt record in stable memory: {reason}")
            }
        }
    }

    /// Writes the record into stable memory.
    ///
    /// # Panics
    ///
    /// If stable memory can't grow.
    pub(crate) fn store(&self) {
        memory::set_head(&self.encode());
    }

    fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut reader = Reader::new(bytes);
        let fields = reader.array()?;
        if fields < FIRST_FIELDS {
            return Err(Corrupt::FOREIGN);
        }
        let record = Self {
            role: reader.text()?,
            root: reader.principal()?,
            parent: reader.principal()?,
            key: if fields > 3 {
                reader.optional_text()?
            } else {
                None
            },
            subscribed: fields > 4 && reader.bool()?,
            probation: fields > 5 && reader.bool()?,
        };
        // What a newer version has added must be there, too.
        for _ in FIELDS.into()..fields {
            reader.skip()?;
        }
        Ok(record)
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.array(FIELDS);
        writer.text(&self.role);
        writer.principal(self.root);
        writer.principal(self.parent);
        writer.optional_text(self.key.as_deref());
        writer.bool(self.subscribed);
        writer.bool(self.probation);
        writer.0
    }

    pub(crate) fn new(identity: &Identity) -> Self {
        Self {
            role: identity.role.clone(),
            root: identity.root,
            parent: identity.parent,
            key: identity.key.clone(),
            subscribed: false,
            probation: false,
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity {
            root: self.root,
            role: self.role.clone(),
            parent: self.parent,
            key: self.key.clone(),
        }
    }
}

/// Puts an argument into an envelope.
pub(crate) fn seal(identity: &Identity, argument: &[u8]) -> Vec<u8> {
    seal_record(&IdentityRecord::new(identity), argument)
}

/// The envelope of an upgrade, without an argument.
pub(crate) fn seal_upgrade(identity: &Identity, probation: bool) -> Vec<u8> {
    let record = IdentityRecord {
        probation,
        ..IdentityRecord::new(identity)
    };
    seal_record(&record, &[])
}

fn seal_record(record: &IdentityRecord, argument: &[u8]) -> Vec<u8> {
    let identity = record.encode();
    let mut sealed = Vec::with_capacity(HEAD + identity.len() + argument.len());
    sealed.extend_from_slice(MAGIC);
    sealed.push(VERSION);
    sealed.extend_from_slice(&(identity.len() as u32).to_le_bytes());
    sealed.extend_from_slice(&identity);
    sealed.extend_from_slice(argument);
    sealed
}

/// Opens an envelope. A plain argument comes back as it is.
///
/// # Errors
///
/// If the envelope is truncated or damaged, or if its version is not this module's.
pub(crate) fn open(mut bytes: Vec<u8>) -> Result<(Option<IdentityRecord>, Vec<u8>), String> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Ok((None, bytes));
    };
    let (version, rest) = rest.split_first().ok_or(TRUNCATED)?;
    if *version != VERSION {
        return Err(format!(
            "the envelope has version {version}, this module knows {VERSION}"
        ));
    }
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(TRUNCATED)?;
    let length = u32::from_le_bytes(*length) as usize;
    let identity = rest.get(..length).ok_or(TRUNCATED)?;
    let identity = IdentityRecord::decode(identity)
        .map_err(|Corrupt(reason)| format!("the envelope is damaged: {reason}"))?;
    bytes.drain(..HEAD + length);
    Ok((Some(identity), bytes))
}

const TRUNCATED: &str = "the envelope is truncated";

#[cfg(test)]
mod tests {
    use candid::Principal;
    use minicbor::{Decode, Encode};
    use proptest::prelude::*;

    use super::*;
    use crate::stable::record::{self, Id};

    /// The record as every version of canic with minicbor wrote it; members keep it through
    /// upgrades.
    #[derive(Debug, PartialEq, Encode, Decode)]
    struct DerivedRecord {
        #[n(0)]
        role: String,
        #[n(1)]
        root: Id,
        #[n(2)]
        parent: Id,
        #[n(3)]
        key: Option<String>,
        #[n(4)]
        #[cbor(default)]
        subscribed: bool,
        #[n(5)]
        #[cbor(default)]
        probation: bool,
        /// A field of a newer version.
        #[n(6)]
        more: Option<Vec<(u64, Option<String>)>>,
    }

    proptest! {
        #[test]
        fn a_record_is_the_cbor_that_its_fields_numbers_say(
            role in ".{0,300}", key in prop::option::of(".{0,40}"),
            ids in prop::array::uniform2(prop::collection::vec(any::<u8>(), 0..30)),
            flags: [bool; 2],
            more in prop::option::of(prop::collection::vec(any::<(u64, Option<String>)>(), 0..3)),
        ) {
            let [root, parent] = ids.map(|bytes| Principal::from_slice(&bytes));
            let [subscribed, probation] = flags;
            let record = IdentityRecord {
                role: role.clone(), root, parent, key: key.clone(), subscribed, probation,
            };
            let mut derived = DerivedRecord {
                role, root: Id(root), parent: Id(parent), key, subscribed, probation, more,
            };
            let bytes = record::encode(&derived);
            prop_assert_eq!(IdentityRecord::decode(&bytes), Ok(record.clone()));
            for end in 0..bytes.len() {
                prop_assert!(IdentityRecord::decode(&bytes[..end]).is_err(), "cut at {}", end);
            }
            derived.more = None;
            prop_assert_eq!(record.encode(), record::encode(&derived));
            prop_assert_eq!(record::decode::<DerivedRecord>(&record.encode()), derived);
        }

        #[test]
        fn any_bytes_are_a_record_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = IdentityRecord::decode(&bytes);
            // An array of seven, the last of any kind.
            let record = IdentityRecord::new(&identity()).encode();
            let _ = IdentityRecord::decode(&[&[0x87], &record[1..], &bytes].concat());
        }
    }

    fn identity() -> Identity {
        Identity {
            root: Principal::from_slice(&[1, 1]),
            role: "worker".to_string(),
            parent: Principal::from_slice(&[2, 1]),
            key: Some("alice".to_string()),
        }
    }

    #[test]
    fn a_sealed_envelope_opens() {
        let sealed = seal(&identity(), b"DIDL\0\0");
        let (record, argument) = open(sealed).unwrap();
        assert_eq!(record.unwrap().identity(), identity());
        assert_eq!(argument, b"DIDL\0\0");
    }

    #[test]
    fn a_plain_argument_is_left_alone() {
        assert_eq!(open(b"DIDL\0\0".to_vec()), Ok((None, b"DIDL\0\0".to_vec())));
        assert_eq!(open(Vec::new()), Ok((None, Vec::new())));
    }

    #[test]
    fn a_damaged_envelope_is_an_error_wherever_it_is_cut_or_changed() {
        let sealed = seal(&identity(), b"");
        for end in MAGIC.len()..sealed.len() {
            assert!(open(sealed[..end].to_vec()).is_err(), "cut at {end}");
        }
        let mut newer = sealed;
        newer[MAGIC.len()] = VERSION + 1;
        assert!(open(newer).unwrap_err().contains("version 2"));
    }
}
