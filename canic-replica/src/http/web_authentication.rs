//! Signatures of web authentication (passkeys): public keys in COSE, wrapped in DER, and signatures
//! of an authenticator over a challenge. Interface specification, section "Web Authentication".

use serde::Deserialize;
use serde_bytes::ByteBuf;
use serde_cbor::Value;
use sha2::{Digest, Sha256};

use crate::http::signatures;

/// The tag of self-describing CBOR, with which a signature begins.
const SELF_DESCRIBED: &[u8] = b"\xd9\xd9\xf7";

/// The algorithms that the interface specification allows: the numbers in COSE are those of RFC
/// 9053 and RFC 8812.
enum PublicKey {
    /// A point on P-256, uncompressed.
    Ecdsa(Vec<u8>),
    /// Modulus and exponent.
    Rsa(Vec<u8>, Vec<u8>),
    /// A point on Ed25519.
    EdDsa(Vec<u8>),
}

#[derive(Deserialize)]
struct Signature {
    authenticator_data: ByteBuf,
    client_data_json: String,
    signature: ByteBuf,
}

#[derive(Deserialize)]
struct ClientData {
    challenge: String,
}

/// Verifies a signature of `message`; `key` is in COSE. The error is the reason.
pub(super) fn verify(key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), String> {
    let key = parse_key(key)?;
    let body = signature
        .strip_prefix(SELF_DESCRIBED)
        .ok_or("the signature is no self-describing CBOR")?;
    let signature: Signature = serde_cbor::from_slice(body)
        .map_err(|e| format!("the signature is not that of an authenticator: {e}"))?;
    let client: ClientData = serde_json::from_str(&signature.client_data_json)
        .map_err(|e| format!("the client data are invalid: {e}"))?;
    if client.challenge.trim_end_matches('=') != base64url(message) {
        return Err("the challenge is not the signed message".into());
    }
    let mut signed = signature.authenticator_data.into_vec();
    signed.extend(Sha256::digest(&signature.client_data_json));
    let signature = &signature.signature;
    let verified = match key {
        PublicKey::Ecdsa(point) => signatures::is_p256_der(&point, &signed, signature),
        PublicKey::EdDsa(point) => signatures::is_ed25519(&point, &signed, signature),
        PublicKey::Rsa(n, e) => signatures::is_rsa(&n, &e, &signed, signature),
    };
    match verified {
        true => Ok(()),
        false => Err("it is not that of the key".into()),
    }
}

fn parse_key(cose: &[u8]) -> Result<PublicKey, String> {
    let Ok(Value::Map(fields)) = serde_cbor::from_slice::<Value>(cose) else {
        return Err("the key is no map in CBOR".into());
    };
    let number = |label: i128| match fields.get(&Value::Integer(label)) {
        Some(Value::Integer(number)) => Some(*number),
        _ => None,
    };
    let bytes = |label: i128| match fields.get(&Value::Integer(label)) {
        Some(Value::Bytes(bytes)) => Ok(bytes.clone()),
        _ => Err(format!("the key has no bytes at {label}")),
    };
    // Labels: 1 is the type of the key, 3 the algorithm, -1 the curve.
    match (number(1), number(3), number(-1)) {
        (Some(2), Some(-7), Some(1)) => {
            Ok(PublicKey::Ecdsa([vec![4], bytes(-2)?, bytes(-3)?].concat()))
        }
        (Some(3), Some(-257), _) => Ok(PublicKey::Rsa(bytes(-1)?, bytes(-2)?)),
        (Some(1), Some(-8), Some(6)) => Ok(PublicKey::EdDsa(bytes(-2)?)),
        other => Err(format!(
            "keys of web authentication with type, algorithm and curve {other:?} are not allowed"
        )),
    }
}

/// The encoding of RFC 4648, section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = (0..3).fold(0, |group: usize, index| {
            group << 8 | usize::from(chunk.get(index).copied().unwrap_or(0))
        });
        for digit in 0..=chunk.len() {
            text.push(char::from(DIGITS[group >> (18 - 6 * digit) & 63]));
        }
    }
    text
}
