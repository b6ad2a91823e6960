//! The bound on the work of decoding a message, in proportion to its bytes.
//!
//! The values of some types have no bytes: `null`, `reserved`, empty records. A message of 13 bytes
//! can hold 64 million of them, and decoding these would take a canister's whole limit of
//! instructions. So the values that a message holds must not cost more, in Candid's own units, than
//! its length allows.

use candid::{DecoderConfig, de::IDLDeserialize};

/// Units of cost that a message may have, whatever its length. A value without bytes costs 4 or
/// more, so it may hold 25,000 of them.
const BASE: usize = 100_000;

/// Units of cost that each byte adds. Values of ordinary types cost from 1 to 60 a byte; the
/// dearest are vectors of variants without content, each within records of its own.
const PER_BYTE: usize = 64;

/// The units of cost that the values of a message may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quota {
    /// None: in proportion to the message's bytes.
    pub(crate) units: Option<usize>,
    /// What moves the limit, for the caller of an endpoint; empty where nothing does.
    pub(crate) advice: &'static str,
}

impl Quota {
    /// The quota that no option moves.
    pub(crate) const FIXED: Self = Self {
        units: None,
        advice: "",
    };

    fn limit(self, bytes: &[u8]) -> usize {
        self.units
            .unwrap_or(BASE.saturating_add(bytes.len().saturating_mul(PER_BYTE)))
    }

    /// The configuration of the first try: strict, and enough for nearly all messages.
    ///
    /// It also counts what the message does not hold, such as fields that the type has and the
    /// message has not, and it counts a skipped value 50 times.
    pub(super) fn first_try(self, bytes: &[u8]) -> DecoderConfig {
        let mut config = self.second_try(bytes);
        config.set_decoding_quota(self.limit(bytes));
        config
    }

    /// The configuration of the second try, for a message whose values are known to be within the
    /// limit: what is left to bound are values that Candid skips more than once.
    fn second_try(self, bytes: &[u8]) -> DecoderConfig {
        let mut config = DecoderConfig::new();
        config
            .set_skipping_quota(self.limit(bytes))
            // The whole message in hexadecimal digits, which is the default on the host.
            .set_full_error_message(false);
        config
    }

    /// The configuration with which a failed try is repeated.
    ///
    /// # Errors
    ///
    /// If the message does not fit, or if its values cost too much.
    pub(super) fn after_failure(
        self,
        bytes: &[u8],
        tried: &DecoderConfig,
        failure: &candid::Error,
    ) -> Result<DecoderConfig, String> {
        if !is_cost(failure) {
            return Err(reason(failure));
        }
        if tried.decoding_quota.is_none() {
            return Err(self.too_costly(bytes));
        }
        let config = self.second_try(bytes);
        match walk(bytes, &config) {
            Ok(()) => Ok(config),
            Err(failure) if is_cost(&failure) => Err(self.too_costly(bytes)),
            Err(failure) => Err(reason(&failure)),
        }
    }

    fn too_costly(self, bytes: &[u8]) -> String {
        let (limit, length, advice) = (self.limit(bytes), bytes.len(), self.advice);
        format!(
            "decoding it costs more than {limit} of Candid's units, the limit for its {length} \
             bytes{advice}"
        )
    }
}

/// Walks through all values of a message as if nobody wanted any, so that only what the message
/// holds counts.
fn walk(bytes: &[u8], config: &DecoderConfig) -> candid::Result<()> {
    IDLDeserialize::new_with_config(bytes, config)?.done()
}

/// Whether a message failed for its cost. Candid has no variant for that.
fn is_cost(failure: &candid::Error) -> bool {
    match failure {
        candid::Error::Custom(error) => error
            .root_cause()
            .to_string()
            .ends_with("cost exceeds the limit"),
        _ => false,
    }
}

/// A failure with all of its causes.
fn reason(failure: &candid::Error) -> String {
    format!("{failure:#}")
}

#[cfg(test)]
mod tests;
