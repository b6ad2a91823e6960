//! The envelope in which root sends a member's install argument: who the member is, and then the author's own bytes.
//!
//! It begins with a magic that no Candid message has, so that a member can tell it from a plain argument: the same
//! module installs by hand too.

use crate::{api::Membership, stable::record, stable::record::Id};
use minicbor::{Decode, Encode};

const MAGIC: &[u8; 5] = b"CANIC";
const VERSION: u8 = 1;

/// What the envelope says.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Address {
    #[n(0)]
    pub(crate) role: String,
    #[n(1)]
    root: Id,
    #[n(2)]
    parent: Id,
    #[n(3)]
    key: Option<String>,
    /// Whether root has ever announced something to the member.
    #[n(4)]
    #[cbor(default)]
    pub(crate) listens: bool,
}

impl Address {
    pub(crate) fn new(role: &str, membership: &Membership) -> Self {
        Self {
            role: role.to_string(),
            root: Id(membership.root),
            parent: Id(membership.parent),
            key: membership.key.clone(),
            listens: false,
        }
    }

    pub(crate) fn membership(&self) -> Membership {
        Membership {
            root: self.root.0,
            parent: self.parent.0,
            key: self.key.clone(),
        }
    }
}

/// Puts an argument into an envelope: magic, version, the length of the address in four bytes, the address, the argument.
pub(crate) fn seal(role: &str, membership: &Membership, argument: &[u8]) -> Vec<u8> {
    let address = record::encode(&Address::new(role, membership));
    let mut sealed = Vec::with_capacity(MAGIC.len() + 5 + address.len() + argument.len());
    sealed.extend_from_slice(MAGIC);
    sealed.push(VERSION);
    sealed.extend_from_slice(&(address.len() as u32).to_le_bytes());
    sealed.extend_from_slice(&address);
    sealed.extend_from_slice(argument);
    sealed
}

/// Opens an envelope. A plain argument comes back as it is.
pub(crate) fn open(mut bytes: Vec<u8>) -> Result<(Option<Address>, Vec<u8>), String> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Ok((None, bytes));
    };
    let (version, rest) = rest.split_first().ok_or("the envelope ends early")?;
    if *version != VERSION {
        return Err(format!(
            "the envelope has version {version}, this module knows {VERSION}"
        ));
    }
    let (length, rest) = rest
        .split_first_chunk::<4>()
        .ok_or("the envelope ends early")?;
    let length = u32::from_le_bytes(*length) as usize;
    let address = rest.get(..length).ok_or("the envelope ends early")?;
    let address =
        minicbor::decode(address).map_err(|error| format!("the envelope is damaged: {error}"))?;
    bytes.drain(..MAGIC.len() + 5 + length);
    Ok((Some(address), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candid::Principal;

    fn membership() -> Membership {
        Membership {
            root: Principal::from_slice(&[1, 1]),
            parent: Principal::from_slice(&[2, 1]),
            key: Some("alice".to_string()),
        }
    }

    #[test]
    fn what_is_sealed_opens() {
        let sealed = seal("worker", &membership(), b"DIDL\0\0");
        let (address, argument) = open(sealed).unwrap();
        let address = address.unwrap();
        assert_eq!(
            (address.role.as_str(), address.membership()),
            ("worker", membership())
        );
        assert_eq!(argument, b"DIDL\0\0");
    }

    #[test]
    fn a_plain_argument_is_left_alone() {
        assert_eq!(open(b"DIDL\0\0".to_vec()), Ok((None, b"DIDL\0\0".to_vec())));
        assert_eq!(open(Vec::new()), Ok((None, Vec::new())));
    }

    #[test]
    fn a_damaged_envelope_is_an_error_wherever_it_is_cut_or_changed() {
        let sealed = seal("worker", &membership(), b"");
        for end in MAGIC.len()..sealed.len() {
            assert!(open(sealed[..end].to_vec()).is_err(), "cut at {end}");
        }
        let mut newer = sealed;
        newer[MAGIC.len()] = VERSION + 1;
        assert!(open(newer).unwrap_err().contains("version 2"));
    }
}
