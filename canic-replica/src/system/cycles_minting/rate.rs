//! The exchange rate of ICP, and its certification.

use candid::{CandidType, Deserialize};
use ic_certification::{HashTree, fork, labeled, leaf, pruned};
use serde::Serialize;
use serde_bytes::ByteBuf;

use crate::system::{
    cycles_minting::{CyclesMinting, XDR_PERMYRIAD_PER_ICP},
    message::{Env, encode},
};

const DAY: u64 = 86_400;

#[derive(CandidType, Deserialize)]
struct Rate {
    timestamp_seconds: u64,
    xdr_permyriad_per_icp: u64,
}

#[derive(CandidType)]
pub(super) struct CertifiedRate {
    data: Rate,
    hash_tree: ByteBuf,
    certificate: ByteBuf,
}

/// The rate of this time, in seconds since 1970.
fn rate(timestamp_seconds: u64) -> Rate {
    Rate {
        timestamp_seconds,
        xdr_permyriad_per_icp: XDR_PERMYRIAD_PER_ICP,
    }
}

impl CyclesMinting {
    /// The average rate, which is that of one day, and the present rate.
    fn tree(&self) -> Result<[HashTree; 2], String> {
        let average = encode((rate(self.rate_at / DAY * DAY),))?;
        let present = encode((rate(self.rate_at),))?;
        Ok([
            labeled("AVERAGE_ICP_XDR_CONVERSION_RATE", leaf(average)),
            labeled("ICP_XDR_CONVERSION_RATE", leaf(present)),
        ])
    }

    pub(in crate::system) fn certified_data(&self) -> Vec<u8> {
        let digest = |[average, present]: [HashTree; 2]| fork(average, present).digest().to_vec();
        self.tree().map_or_else(|_| Vec::new(), digest)
    }

    pub(super) fn certified_rate(&self, env: &Env<'_>) -> Result<CertifiedRate, String> {
        let [average, present] = self.tree()?;
        let mut bytes = Vec::new();
        let mut serializer = serde_cbor::Serializer::new(&mut bytes);
        serializer
            .self_describe()
            .and_then(|()| fork(pruned(average.digest()), present).serialize(&mut serializer))
            .map_err(|error| error.to_string())?;
        Ok(CertifiedRate {
            data: rate(self.rate_at),
            hash_tree: bytes.into(),
            certificate: env.certificate.unwrap_or_default().to_vec().into(),
        })
    }
}
