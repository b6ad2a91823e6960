//! Principals of users by their names.

use candid::Principal;
use sha2::{Digest, Sha224};

/// The principal of a name, in the form of a self-authenticating one.
pub(crate) fn principal_of(name: &str) -> Principal {
    let mut bytes: [u8; 29] = [2; 29];
    bytes[..28].copy_from_slice(&Sha224::digest(name.as_bytes()));
    Principal::from_slice(&bytes)
}
