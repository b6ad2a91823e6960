//! Schnorr signatures on Ed25519, with the derivation of the interface specification (section
//! "Ed25519 hierarchical key derivation").

use ic_ed25519::{DerivationIndex, DerivationPath, DerivedPrivateKey, PrivateKey};

use crate::threshold::{Path, PublicKey};

/// The key of this name at the end of a path, and its chain code.
fn derive(name: &str, path: Path<'_>) -> (DerivedPrivateKey, [u8; 32]) {
    let name = DerivationIndex(name.as_bytes().to_vec());
    let root = PrivateKey::generate_from_seed(&[42; 32]);
    let (master, _) = root.derive_subkey(&DerivationPath::new(vec![name]));
    let path = path.all().map(|index| DerivationIndex(index.to_vec()));
    master.derive_subkey(&DerivationPath::new(path.collect()))
}

/// The derived public key, 32 bytes.
pub(crate) fn public_key(name: &str, path: Path<'_>) -> PublicKey {
    let (secret, chain_code) = derive(name, path);
    (secret.public_key().serialize_raw().to_vec(), chain_code)
}

/// A signature of RFC 8032, 64 bytes.
pub(crate) fn sign(name: &str, path: Path<'_>, message: &[u8]) -> Vec<u8> {
    derive(name, path).0.sign_message(message).to_vec()
}
