//! Candid from strangers: how much work a few bytes may cause.

use candid::utils::ArgumentDecoder;

/// Decodes Candid, with bounds on what a few bytes may make us do.
pub(crate) fn decode_bounded<A: for<'a> ArgumentDecoder<'a>>(bytes: &[u8]) -> candid::Result<A> {
    const SKIPPING_QUOTA: usize = 10_000;
    /// Work that every argument may cause, and work per byte of it.
    const BASE_QUOTA: usize = 1_000_000;
    const QUOTA_PER_BYTE: usize = 50;
    let mut config = candid::DecoderConfig::new();
    config.set_skipping_quota(SKIPPING_QUOTA);
    config.set_decoding_quota(BASE_QUOTA + QUOTA_PER_BYTE * bytes.len());
    candid::utils::decode_args_with_config(bytes, &config)
}
