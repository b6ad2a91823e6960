//! The authentication of agents' requests: signatures, delegations, and their expiry.

use std::fmt;

use candid::Principal;
use ic_certification::{Certificate, LookupResult};
use ic_signature_verification::verify_canister_sig;
use ic_transport_types::{
    DelegationPermissions, Envelope, EnvelopeContent, SenderInfo, SignedDelegation,
};
use serde::Deserialize;
use serde_bytes::ByteBuf;

use crate::{
    certification::keys::{BLS_PREFIX, ED25519_PREFIX},
    http::{
        answer::{Answer, Failure},
        signatures, web_authentication,
    },
    ingress::CallerInfo,
};

/// The latest expiry of a request, with a tolerance for clocks, in nanoseconds from now.
const MAX_TTL: u64 = (300 + 30) * 1_000_000_000;
const MAX_DELEGATIONS: usize = 20;
const MAX_TARGETS: usize = 1000;

/// The prefixes of public keys in DER.
const P256_KEY: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\
    \x03\x42\x00";
const SECP256K1_KEY: &[u8] =
    b"\x30\x56\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x0a\x03\x42\x00";
/// The algorithm identifiers of canister signatures and of web authentication, within a key in DER.
const CANISTER_SIGNATURE: &[u8] = b"\x30\x0c\x06\x0a\x2b\x06\x01\x04\x01\x83\xb8\x43\x01\x02";
const WEB_AUTHENTICATION: &[u8] = b"\x30\x0c\x06\x0a\x2b\x06\x01\x04\x01\x83\xb8\x43\x01\x01";

/// Checks the signature of a request, its `targets`, and its expiry at the time `now`, in
/// nanoseconds since 1970. `root_key` is in DER. The error is a 400 with the reason.
pub(super) fn authenticate(
    envelope: &Envelope<'_>,
    targets: &[Principal],
    now: u64,
    root_key: &[u8],
) -> Answer<()> {
    let content = envelope.content.as_ref();
    let anonymous = *content.sender() == Principal::anonymous();
    let is_call = matches!(content, EnvelopeContent::Call { .. });
    // Replays of anonymous reads are harmless.
    if is_call || !anonymous {
        check_expiry(content.ingress_expiry(), now)?;
    }
    let delegations = envelope.sender_delegation.as_deref().unwrap_or_default();
    match (anonymous, &envelope.sender_pubkey, &envelope.sender_sig) {
        (true, None, None) if delegations.is_empty() => Ok(()),
        (true, ..) => refuse("Signature is not allowed for the anonymous user."),
        (false, Some(key), Some(signature)) => {
            if Principal::self_authenticating(key) != *content.sender() {
                return refuse(format!(
                    "The user id '{}' does not match the public key '{}'",
                    content.sender(),
                    hex::encode(key)
                ));
            }
            let signer = resolve_delegations(key, delegations, targets, is_call, now, root_key)?;
            let mut message = b"\x0aic-request".to_vec();
            message.extend(content.to_request_id().as_slice());
            verify(signer, &message, signature, root_key)
                .or_else(|why| refuse(format!("Invalid signature: {why}")))
        }
        _ => refuse(format!("Missing signature from user: {}", content.sender())),
    }
}

fn check_expiry(expiry: u64, now: u64) -> Answer<()> {
    let latest = now.saturating_add(MAX_TTL);
    if (now..=latest).contains(&expiry) {
        return Ok(());
    }
    refuse(format!(
        "Invalid request expiry: Specified ingress_expiry not within expected range: Minimum \
         allowed expiry: {}, Maximum allowed expiry: {}, Provided expiry:        {}",
        Utc(now),
        Utc(latest),
        Utc(expiry)
    ))
}

/// The key to which a chain of delegations leads.
fn resolve_delegations<'a>(
    key: &'a [u8],
    delegations: &'a [SignedDelegation],
    targets: &[Principal],
    is_call: bool,
    now: u64,
    root_key: &[u8],
) -> Answer<&'a [u8]> {
    if delegations.len() > MAX_DELEGATIONS {
        return refuse(format!(
            "Invalid delegation: Chain of delegations is too long: got {} delegations, but at most \
             {MAX_DELEGATIONS} are allowed.",
            delegations.len()
        ));
    }
    let mut keys = vec![key];
    for SignedDelegation {
        delegation,
        signature,
    } in delegations
    {
        let signer = keys[keys.len() - 1];
        if keys.contains(&delegation.pubkey.as_slice()) {
            return refuse(format!(
                "Invalid delegation: Chain of delegations contains at least one cycle: first \
                 repeating public key encountered {}",
                hex::encode(&delegation.pubkey)
            ));
        }
        if delegation.expiration < now {
            return refuse(format!(
                "Invalid delegation expiry: Specified sender delegation has expired:\n\
                 Provided expiry:    {}\nLocal replica time: {}",
                Utc(delegation.expiration),
                Utc(now)
            ));
        }
        if let Some(allowed) = &delegation.targets {
            if allowed.len() > MAX_TARGETS {
                return refuse(format!(
                    "Invalid delegation: Delegation target error: Expected at most {MAX_TARGETS} \
                     elements but got {}",
                    allowed.len()
                ));
            }
            if let Some(other) = targets.iter().find(|target| !allowed.contains(target)) {
                return refuse(format!(
                    "Canister '{other}' is not one of the delegation targets."
                ));
            }
        }
        if is_call && matches!(delegation.permissions, Some(DelegationPermissions::Queries)) {
            return refuse("a delegation permits queries only");
        }
        verify(signer, &delegation.signable(), signature, root_key)
            .or_else(|why| refuse(format!("Invalid delegation: {why}")))?;
        keys.push(&delegation.pubkey);
    }
    Ok(keys[keys.len() - 1])
}

/// Verifies a signature by a key in DER.
fn verify(key: &[u8], message: &[u8], signature: &[u8], root_key: &[u8]) -> Result<(), String> {
    type IsSignature = fn(&[u8], &[u8], &[u8]) -> bool;
    let curves: [(&[u8], IsSignature); 3] = [
        (ED25519_PREFIX, signatures::is_ed25519),
        (P256_KEY, signatures::is_p256),
        (SECP256K1_KEY, signatures::is_secp256k1),
    ];
    for (prefix, is_signature) in curves {
        if let Some(point) = key.strip_prefix(prefix) {
            return match is_signature(point, message, signature) {
                true => Ok(()),
                false => Err("Invalid basic signature: it is not that of the public key".into()),
            };
        }
    }
    if wrapped_key(key, CANISTER_SIGNATURE).is_some() {
        return verify_canister_signature(message, signature, key, root_key)
            .map_err(|why| format!("Invalid canister signature: {why}"));
    }
    if let Some(cose) = wrapped_key(key, WEB_AUTHENTICATION) {
        return web_authentication::verify(cose, message, signature)
            .map_err(|why| format!("Invalid web authentication signature: {why}"));
    }
    Err(format!(
        "Invalid public key: no supported algorithm: {}",
        hex::encode(key)
    ))
}

/// The key within DER whose algorithm has this identifier.
fn wrapped_key<'a>(der: &'a [u8], identifier: &[u8]) -> Option<&'a [u8]> {
    let (content, []) = der_content(der, 0x30)? else {
        return None;
    };
    let (bits, []) = der_content(content.strip_prefix(identifier)?, 0x03)? else {
        return None;
    };
    // The number of unused bits comes first.
    bits.strip_prefix(&[0])
}

/// The content of a value in DER with this tag, and what follows the value.
fn der_content(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (length, rest) = der.strip_prefix(&[tag])?.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => {
            let (bytes, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*bytes)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// The information about the sender of a request, without a look at its signature.
pub(super) fn sender_info_as_given(info: &SenderInfo) -> Answer<CallerInfo> {
    let signer = Principal::try_from_slice(&info.signer)
        .or_else(|_| refuse("the signer of the sender info is no principal"))?;
    Ok(CallerInfo {
        data: info.info.clone(),
        signer,
    })
}

/// The information about the sender of a request, if the canister behind its key signed it. The
/// root key is in DER.
pub(super) fn verify_sender_info(
    envelope: &Envelope<'_>,
    info: &SenderInfo,
    root_key: &[u8],
) -> Answer<CallerInfo> {
    let key = envelope.sender_pubkey.as_deref().unwrap_or_default();
    let signer = wrapped_key(key, CANISTER_SIGNATURE).and_then(|key| {
        let (length, rest) = key.split_first()?;
        rest.get(..usize::from(*length))
    });
    let Some(signer) = signer.filter(|signer| **signer == info.signer) else {
        return refuse("the signer of the sender info is not the canister of the public key");
    };
    let signer = Principal::try_from_slice(signer)
        .or_else(|_| refuse("the signer of the sender info is no principal"))?;
    let message = [b"\x0eic-sender-info".as_slice(), &info.info].concat();
    verify_canister_signature(&message, &info.sig, key, root_key)
        .or_else(|why| refuse(format!("Invalid signature of the sender info: {why}")))?;
    Ok(CallerInfo {
        data: info.info.clone(),
        signer,
    })
}

/// Verifies a canister signature; both keys are in DER. The error is the reason.
pub(super) fn verify_canister_signature(
    message: &[u8],
    signature: &[u8],
    key: &[u8],
    root_key: &[u8],
) -> Result<(), String> {
    let root_key = root_key
        .strip_prefix(BLS_PREFIX)
        .ok_or("the root key is no BLS12-381 key in DER")?;
    verify_canister_sig(message, signature, key, root_key)?;
    check_subnet_type(signature)
}

/// Canisters of cloud engines cannot sign (interface specification 0.60, "Canister signatures").
fn check_subnet_type(signature: &[u8]) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Signature {
        certificate: ByteBuf,
    }
    let parse = |bytes: &[u8]| {
        serde_cbor::from_slice::<Certificate>(bytes)
            .map_err(|e| format!("the signature has an invalid certificate: {e}"))
    };
    let signature: Signature =
        serde_cbor::from_slice(signature).map_err(|e| format!("the signature is invalid: {e}"))?;
    let Some(delegation) = parse(&signature.certificate)?.delegation else {
        return Ok(());
    };
    let tree = parse(&delegation.certificate)?.tree;
    let subnet = delegation.subnet_id.as_slice();
    match tree.lookup_path([b"subnet".as_slice(), subnet, b"type"]) {
        LookupResult::Found(b"cloud_engine") => {
            Err("canisters of a cloud engine cannot sign".into())
        }
        LookupResult::Found(_) => Ok(()),
        _ => Err("the type of the signing canister's subnet is not certified".into()),
    }
}

/// A time, in nanoseconds since 1970, as the platform writes it.
struct Utc(u64);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanoseconds) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        // The proleptic Gregorian calendar, in years that begin in March: 400 of them have 146,097
        // days. 1970-01-01 is day 719,468 since the March of the year 0.
        let day = days + 719_468;
        let (era, day) = (day / 146_097, day % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = era * 400 + year + u64::from(month <= 2);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
        )?;
        match nanoseconds {
            0 => write!(f, " UTC"),
            ns if ns % 1_000_000 == 0 => write!(f, ".{:03} UTC", ns / 1_000_000),
            ns if ns % 1_000 == 0 => write!(f, ".{:06} UTC", ns / 1_000),
            ns => write!(f, ".{ns:09} UTC"),
        }
    }
}

fn refuse<T>(why: impl Into<String>) -> Answer<T> {
    Err(Failure::bad_request(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_platform_does() {
        let cases = [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400_000_000_000, "2000-02-29 00:00:00 UTC"),
            (951_868_799_000_000_000, "2000-02-29 23:59:59 UTC"),
            (
                1_620_328_630_000_000_001,
                "2021-05-06 19:17:10.000000001 UTC",
            ),
            (1_746_103_080_005_000_000, "2025-05-01 12:38:00.005 UTC"),
            (1_746_103_080_000_285_000, "2025-05-01 12:38:00.000285 UTC"),
            (u64::MAX, "2554-07-21 23:34:33.709551615 UTC"),
        ];
        for (time, text) in cases {
            assert_eq!(Utc(time).to_string(), text);
        }
    }
}
