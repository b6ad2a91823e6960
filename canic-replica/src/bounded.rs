//! Bounded decoding of Candid, for arguments from untrusted callers.

use candid::utils::ArgumentDecoder;

/// Decodes Candid with a limit of work per byte.
pub(crate) fn decode_bounded<A: for<'a> ArgumentDecoder<'a>>(bytes: &[u8]) -> candid::Result<A> {
    decode_skipping(bytes, 0)
}

/// Decodes Candid of which the decoder skips values, with a quota per byte.
pub(crate) fn decode_skipping<A: for<'a> ArgumentDecoder<'a>>(
    bytes: &[u8],
    skipped_per_byte: usize,
) -> candid::Result<A> {
    const SKIPPING_QUOTA: usize = 10_000;
    /// The quota of every argument, and the quota per byte of it.
    const BASE_QUOTA: usize = 1_000_000;
    const QUOTA_PER_BYTE: usize = 50;
    let mut config = candid::DecoderConfig::new();
    config.set_skipping_quota(SKIPPING_QUOTA + skipped_per_byte * bytes.len());
    config.set_decoding_quota(BASE_QUOTA + QUOTA_PER_BYTE * bytes.len());
    // The full message would repeat the argument.
    config.set_full_error_message(false);
    candid::utils::decode_args_with_config(bytes, &config)
}
