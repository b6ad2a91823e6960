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

/// The units of cost that the values of an argument may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quota {
    /// None: in proportion to the bytes.
    units: Option<usize>,
    /// What moves the limit; empty where nothing does.
    advice: &'static str,
}

impl Quota {
    /// The quota of an argument that no option moves.
    pub(crate) const ARGUMENT: Self = Self {
        units: None,
        advice: "",
    };

    /// The quota of an endpoint's argument; `units` are those of its option `decoding_quota`.
    pub(crate) const fn of_endpoint(units: Option<usize>) -> Self {
        Self {
            units,
            advice: "; the option `decoding_quota` of the endpoint's attribute moves it",
        }
    }
}

/// The tries to decode a message: two at most.
///
/// The first one is strict, and enough for nearly all messages. It also counts what a message does
/// not hold, such as fields that the type has and the message has not, and it counts a skipped
/// value 50 times. If it fails for the cost, a walk through the message counts what it holds. The
/// second try then only limits what Candid skips, which it may do more than once.
pub(super) struct Tries<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) config: DecoderConfig,
    quota: Quota,
    limit: usize,
}

impl<'a> Tries<'a> {
    /// The first try. An empty message has no values.
    pub(super) fn first(bytes: &'a [u8], quota: Quota) -> Self {
        let in_proportion = BASE.saturating_add(bytes.len().saturating_mul(PER_BYTE));
        let limit = quota.units.unwrap_or(in_proportion);
        let mut config = DecoderConfig::new();
        config
            .set_decoding_quota(limit)
            .set_skipping_quota(limit)
            // Not the whole message in hexadecimal digits, which is the default on the host.
            .set_full_error_message(false);
        Self {
            bytes: if bytes.is_empty() { b"DIDL\0\0" } else { bytes },
            config,
            quota,
            limit,
        }
    }

    /// Goes on to the second try.
    ///
    /// # Errors
    ///
    /// If the message does not fit, or if its values cost too much.
    pub(super) fn after(&mut self, failure: &candid::Error) -> Result<(), String> {
        let mut reason = reason(failure);
        if is_cost(&reason) && self.config.decoding_quota.take().is_some() {
            match self.walk() {
                Ok(()) => return Ok(()),
                Err(failure) => reason = self::reason(&failure),
            }
        }
        let Quota { advice, .. } = self.quota;
        if is_cost(&reason) {
            let (limit, length) = (self.limit, self.bytes.len());
            reason = format!(
                "decoding it costs more than {limit} of Candid's units, the limit for its {length} \
                 bytes{advice}"
            );
        }
        Err(format!("the argument does not fit: {reason}"))
    }

    /// Walks through all values of the message as if nobody wanted any, so that only what it holds
    /// counts.
    fn walk(&self) -> candid::Result<()> {
        IDLDeserialize::new_with_config(self.bytes, &self.config)?.done()
    }
}

/// A failure with all of its causes, the last one at the end.
fn reason(failure: &candid::Error) -> String {
    format!("{failure:#}")
}

/// Whether a message failed for its cost. Candid has no variant for that.
fn is_cost(reason: &str) -> bool {
    reason.ends_with("cost exceeds the limit")
}

#[cfg(test)]
mod tests;
