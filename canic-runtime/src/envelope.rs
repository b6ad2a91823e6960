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

use minicbor::{Decode, Encode};

use crate::{
    api::Identity,
    stable::record::{self, Id},
};

const MAGIC: &[u8; 5] = b"CANIC";
const VERSION: u8 = 1;
/// Bytes before the identity: magic, version, and the identity's length.
const HEAD: usize = MAGIC.len() + 1 + 4;

/// A member's identity as a record, in the envelope and in the member's stable memory.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct IdentityRecord {
    #[n(0)]
    role: String,
    #[n(1)]
    root: Id,
    #[n(2)]
    parent: Id,
    #[n(3)]
    key: Option<String>,
    /// Whether root has ever sent the member an announcement.
    #[n(4)]
    #[cbor(default)]
    pub(crate) subscribed: bool,
    /// Whether the member is on probation: root has upgraded it, and not yet accepted the new code.
    #[n(5)]
    #[cbor(default)]
    pub(crate) probation: bool,
}

impl IdentityRecord {
    pub(crate) fn new(identity: &Identity) -> Self {
        Self {
            role: identity.role.clone(),
            root: Id(identity.root),
            parent: Id(identity.parent),
            key: identity.key.clone(),
            subscribed: false,
            probation: false,
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity {
            root: self.root.0,
            role: self.role.clone(),
            parent: self.parent.0,
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
    let identity = record::encode(record);
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
    let identity = minicbor::decode(identity)
        .map_err(|error| format!("the envelope is damaged: {}", record::reason(&error)))?;
    bytes.drain(..HEAD + length);
    Ok((Some(identity), bytes))
}

const TRUNCATED: &str = "the envelope is truncated";

#[cfg(test)]
mod tests {
    use candid::Principal;

    use super::*;

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
