//! The assertion of versions: a canister that supports version 2 must not answer by version 1.

use std::slice;

use candid::Principal;
use ic_certification::{Certificate, LookupResult};

use crate::{ingress::EffectivePrincipal, replica::Replica};

/// The metadata section that lists the versions.
const SECTION: &[u8] = b"supported_certificate_versions";

/// Checks that the canister does not say that it supports a version above 1. A section that can't
/// be read is an error, too.
pub(super) fn check_downgrade(replica: &Replica, canister: Principal) -> Result<(), String> {
    let path = vec![
        b"canister".to_vec(),
        canister.as_slice().to_vec(),
        b"metadata".to_vec(),
        SECTION.to_vec(),
    ];
    let effective = EffectivePrincipal::Canister(canister);
    let certificate = replica
        .read_state(Principal::anonymous(), effective, slice::from_ref(&path))
        .map_err(|e| format!("the metadata supported_certificate_versions can't be read: {e:?}"))?;
    let certificate: Certificate = serde_cbor::from_slice(&certificate)
        .map_err(|e| format!("the certificate of the metadata is no CBOR: {e}"))?;
    match certificate.tree.lookup_path(&path) {
        LookupResult::Absent => Ok(()),
        LookupResult::Found(versions) if !lists_version_2(versions) => Ok(()),
        LookupResult::Found(_) => Err(
            "the response is certified by version 1, though the canister supports version 2"
                .to_owned(),
        ),
        _ => Err("the metadata supported_certificate_versions is not revealed".to_owned()),
    }
}

fn lists_version_2(versions: &[u8]) -> bool {
    versions
        .split(|byte| *byte == b',')
        .any(|version| version.trim_ascii() == b"2")
}
