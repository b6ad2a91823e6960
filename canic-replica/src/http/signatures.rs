//! Signatures of RFC 8032, ECDSA with SHA-256, and RSA of RFC 8017 (RSASSA-PKCS1-v1_5 with
//! SHA-256), by raw public keys. All of them are public: nothing here runs in constant time.

use ic_ed25519::PublicKey;
use num_bigint::BigUint;
use p256::ecdsa::signature::Verifier;
use sha2::{Digest, Sha256};

/// The lengths of an RSA modulus, in bits.
const RSA_BITS: std::ops::RangeInclusive<u64> = 2_048..=8_192;
/// The most bits of an RSA exponent: larger ones cost time and are nowhere in use.
const RSA_EXPONENT_BITS: u64 = 33;
/// The `DigestInfo` of SHA-256 up to the digest (RFC 8017, section 9.2, note 1).
const SHA256_INFO: &[u8] =
    b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";

/// Whether this is an Ed25519 signature of `message` by the key with these 32 bytes.
pub(super) fn is_ed25519(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    PublicKey::deserialize_raw(key)
        .is_ok_and(|key| key.verify_signature(message, signature).is_ok())
}

/// Whether this is an ECDSA signature on P-256, of 64 bytes, by the key with this point.
pub(super) fn is_p256(point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    p256::ecdsa::Signature::from_slice(signature)
        .is_ok_and(|signature| verifies_p256(point, message, &signature))
}

/// The same with a signature in DER.
pub(super) fn is_p256_der(point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    p256::ecdsa::Signature::from_der(signature)
        .is_ok_and(|signature| verifies_p256(point, message, &signature))
}

fn verifies_p256(point: &[u8], message: &[u8], signature: &p256::ecdsa::Signature) -> bool {
    p256::ecdsa::VerifyingKey::from_sec1_bytes(point)
        .is_ok_and(|key| key.verify(message, signature).is_ok())
}

/// Whether this is an ECDSA signature on secp256k1, of 64 bytes, by the key with this point.
pub(super) fn is_secp256k1(point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) = k256::ecdsa::Signature::from_slice(signature) else {
        return false;
    };
    // The library takes the smaller one of the two forms of a signature only.
    let signature = signature.normalize_s().unwrap_or(signature);
    k256::ecdsa::VerifyingKey::from_sec1_bytes(point)
        .is_ok_and(|key| key.verify(message, &signature).is_ok())
}

/// Whether this is an RSA signature by the key with this modulus and exponent, both big-endian.
pub(super) fn is_rsa(modulus: &[u8], exponent: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let n = BigUint::from_bytes_be(modulus);
    let e = BigUint::from_bytes_be(exponent);
    let is_allowed = RSA_BITS.contains(&n.bits())
        && n.bit(0)
        && e.bit(0)
        && (2..=RSA_EXPONENT_BITS).contains(&e.bits());
    let length = usize::try_from(n.bits().div_ceil(8)).unwrap_or(usize::MAX);
    let s = BigUint::from_bytes_be(signature);
    if !is_allowed || signature.len() != length || s >= n {
        return false;
    }
    let padded = s.modpow(&e, &n).to_bytes_be();
    // The first byte is zero, and so not part of the number.
    padded == encoded(message, length - 1)
}

/// The encoding of a message that RSA signs (RFC 8017, section 9.2), without its first byte.
fn encoded(message: &[u8], length: usize) -> Vec<u8> {
    let hash: [u8; 32] = Sha256::digest(message).into();
    let end = [&[0], SHA256_INFO, &hash].concat();
    let mut padded = vec![1];
    padded.resize(length - end.len(), 0xff);
    padded.extend(end);
    padded
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        rand::SystemRandom,
        rsa::KeySize,
        signature::{KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaKeyPair},
    };

    use super::*;

    #[test]
    fn rsa_signatures_are_those_of_another_implementation_and_no_others() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let sign = |padding| {
            let mut signature = vec![0; pair.public_modulus_len()];
            let random = SystemRandom::new();
            pair.sign(padding, &random, b"message", &mut signature)
                .unwrap();
            signature
        };
        let signature = sign(&RSA_PKCS1_SHA256);
        // A sequence of the modulus, with a zero before it, and the exponent, in DER.
        let der = pair.public_key().as_ref();
        let (n, e) = (der[9..265].to_vec(), der[267..].to_vec());
        assert!(is_rsa(&n, &e, b"message", &signature));
        assert!(is_rsa(&[&[0], &n[..]].concat(), &e, b"message", &signature));

        assert!(!is_rsa(&n, &e, b"another message", &signature));
        assert!(!is_rsa(&n, &e, b"message", &sign(&RSA_PKCS1_SHA512)));
        for changed in [0, 100, signature.len() - 1] {
            let mut other = signature.clone();
            other[changed] ^= 1;
            assert!(!is_rsa(&n, &e, b"message", &other), "byte {changed}");
        }
        assert!(!is_rsa(
            &n,
            &e,
            b"message",
            &[&[0], &signature[..]].concat()
        ));
        assert!(!is_rsa(&n, &e, b"message", &signature[1..]));
        // The number that is larger by the modulus has the same power.
        let larger = BigUint::from_bytes_be(&signature) + BigUint::from_bytes_be(&n);
        assert!(!is_rsa(&n, &e, b"message", &larger.to_bytes_be()));
    }

    #[test]
    fn weak_or_absurd_rsa_keys_verify_nothing() {
        // With exponent 1 the padded message is its own signature.
        let n = [&[0xff; 255][..], &[0xff]].concat();
        let padded = [&[0][..], &encoded(b"message", 255)].concat();
        assert!(!is_rsa(&n, &[1], b"message", &padded));
        for (n, e) in [
            (&n[..], &[][..]),
            (&[], &[3]),
            (&n[..], &[0; 2]),
            (&n[1..], &[3]),
        ] {
            assert!(!is_rsa(n, e, b"message", &padded));
        }
        let long = [&[0xff; 1_024][..], &[0xff]].concat();
        assert!(!is_rsa(&long, &[3], b"message", &[1; 1_025]));
        assert!(!is_rsa(&n, &[3, 0, 0, 0, 1, 1], b"message", &padded));
    }

    #[test]
    fn both_forms_of_a_signature_on_secp256k1_count() {
        use k256::ecdsa::{Signature, SigningKey, signature::Signer};

        let key = SigningKey::from_slice(&[7; 32]).unwrap();
        let point = key.verifying_key().to_encoded_point(false);
        let signature: Signature = key.sign(b"message");
        let (r, s) = signature.split_scalars();
        let other = Signature::from_scalars(*r, -*s).unwrap();
        for signature in [signature, other] {
            let bytes = signature.to_bytes();
            assert!(is_secp256k1(point.as_bytes(), b"message", &bytes));
            assert!(!is_secp256k1(point.as_bytes(), b"another", &bytes));
        }
    }

    #[test]
    fn bytes_that_are_no_keys_or_signatures_verify_nothing() {
        for bytes in [&[][..], &[0; 32], &[4; 65], &[0xff; 64]] {
            assert!(!is_ed25519(bytes, b"message", bytes));
            assert!(!is_p256(bytes, b"message", bytes));
            assert!(!is_p256_der(bytes, b"message", bytes));
            assert!(!is_secp256k1(bytes, b"message", bytes));
            assert!(!is_rsa(bytes, bytes, b"message", bytes));
        }
    }
}
