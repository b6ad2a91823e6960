//! The certificate of a canister's certified data.

use std::time::Duration;

use candid::Principal;
use ic_certification::{Certificate, Delegation, HashTree, LookupResult, SubtreeLookupResult};
use ic_verify_bls_signature::verify_bls_signature;

use crate::certification::keys::BLS_PREFIX;

/// The greatest distance between the time of a certificate and now, as the specification proposes.
const MAX_AGE: Duration = Duration::from_secs(300);

/// The certified data of a canister, verified by the root key, in DER. `now` is the time of the
/// instance, in nanoseconds since 1970.
pub(super) fn certified_data<'a>(
    certificate: &'a Certificate,
    canister: Principal,
    root_key: &[u8],
    now: u64,
) -> Result<&'a [u8], String> {
    check_time(&certificate.tree, now)?;
    match &certificate.delegation {
        None => check_signature(certificate, root_key)?,
        Some(delegation) => {
            let subnet_key = subnet_key(delegation, canister, root_key)?;
            check_signature(certificate, &subnet_key)?;
        }
    }
    let path = [
        b"canister".as_slice(),
        canister.as_slice(),
        b"certified_data",
    ];
    lookup(&certificate.tree, &path)
        .ok_or_else(|| format!("the certificate does not reveal the certified data of {canister}"))
}

fn check_time(tree: &HashTree, now: u64) -> Result<(), String> {
    let time = lookup(tree, &[b"time"])
        .and_then(natural)
        .ok_or("the certificate has no time")?;
    if u128::from(time.abs_diff(now)) > MAX_AGE.as_nanos() {
        return Err(format!(
            "the certificate is of {time}, but it is {now} (nanoseconds since 1970)"
        ));
    }
    Ok(())
}

/// The key of the subnet to which the root key delegates, if that subnet hosts the canister.
fn subnet_key(
    delegation: &Delegation,
    canister: Principal,
    root_key: &[u8],
) -> Result<Vec<u8>, String> {
    let certificate: Certificate = serde_cbor::from_slice(&delegation.certificate)
        .map_err(|e| format!("the delegation is not a certificate in CBOR: {e}"))?;
    if certificate.delegation.is_some() {
        return Err("the delegation of the certificate has a delegation itself".to_owned());
    }
    check_signature(&certificate, root_key)?;
    let subnet = delegation.subnet_id.as_slice();
    let is_hosted = ranges(&certificate.tree, subnet)?
        .iter()
        .any(|(first, last)| (*first..=*last).contains(&canister));
    if !is_hosted {
        return Err(format!(
            "the certificate is of a subnet that does not host {canister}"
        ));
    }
    lookup(&certificate.tree, &[b"subnet", subnet, b"public_key"])
        .map(<[u8]>::to_vec)
        .ok_or_else(|| "the delegation has no public key".to_owned())
}

/// The canister ids of a subnet, in either of the two places where a state tree has them.
fn ranges(tree: &HashTree, subnet: &[u8]) -> Result<Vec<(Principal, Principal)>, String> {
    let mut leaves = Vec::new();
    match tree.lookup_subtree([b"canister_ranges".as_slice(), subnet]) {
        SubtreeLookupResult::Found(shards) => {
            for path in shards.list_paths() {
                if let LookupResult::Found(leaf) = shards.lookup_path(&path) {
                    leaves.push(leaf.to_vec());
                }
            }
        }
        _ => leaves
            .extend(lookup(tree, &[b"subnet", subnet, b"canister_ranges"]).map(<[u8]>::to_vec)),
    }
    let mut ranges = Vec::new();
    for leaf in leaves {
        let shard: Vec<(Principal, Principal)> = serde_cbor::from_slice(&leaf)
            .map_err(|e| format!("the canister ranges of the delegation: {e}"))?;
        ranges.extend(shard);
    }
    Ok(ranges)
}

/// Checks the signature of a certificate by a key in DER.
fn check_signature(certificate: &Certificate, key: &[u8]) -> Result<(), String> {
    let key = key
        .strip_prefix(BLS_PREFIX)
        .ok_or("the key of the subnet is no BLS12-381 key in DER")?;
    let mut message = b"\x0dic-state-root".to_vec();
    message.extend(certificate.tree.digest());
    verify_bls_signature(&certificate.signature, &message, key)
        .map_err(|()| "the signature of the certificate is not that of its subnet".to_owned())
}

fn lookup<'a>(tree: &'a HashTree, path: &[&[u8]]) -> Option<&'a [u8]> {
    match tree.lookup_path(path) {
        LookupResult::Found(leaf) => Some(leaf),
        _ => None,
    }
}

/// A number in unsigned LEB128.
fn natural(bytes: &[u8]) -> Option<u64> {
    let mut number: u64 = 0;
    for (index, byte) in bytes.iter().enumerate() {
        let bits = u64::from(byte & 0x7f);
        let shift = u32::try_from(index).ok()?.checked_mul(7)?;
        number |= bits.checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
