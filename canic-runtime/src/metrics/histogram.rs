//! Histograms of latencies.

use std::collections::BTreeMap;

/// Upper bounds of a histogram's buckets, in seconds.
pub(super) const BOUNDS: [u32; 8] = [1, 2, 5, 10, 30, 60, 300, 3_600];

/// The rows of a histogram: one for each bucket, the one without a bound included, sum, count.
pub(super) const ROWS: usize = BOUNDS.len() + 3;

/// Histograms by two labels, each given by the index of its word in the family's [`Label`].
///
/// [`Label`]: super::family::Label
pub(crate) type Latencies = BTreeMap<[usize; 2], Histogram>;

/// Latencies of one kind, counted in buckets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    /// One bucket for each of [`BOUNDS`], and one for longer latencies. Each latency counts in one
    /// bucket only.
    pub(super) buckets: [u64; BOUNDS.len() + 1],
    nanoseconds: u64,
}

impl Histogram {
    /// Counts one latency.
    pub(crate) fn observe(&mut self, nanoseconds: u64) {
        let fits = |bound: &u32| nanoseconds <= u64::from(*bound) * 1_000_000_000;
        let bucket = BOUNDS.iter().position(fits).unwrap_or(BOUNDS.len());
        self.buckets[bucket] += 1;
        self.nanoseconds += nanoseconds;
    }

    /// The sum of all latencies.
    pub(super) fn seconds(&self) -> f64 {
        self.nanoseconds as f64 / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_counts_in_the_first_bucket_that_holds_it() {
        let mut histogram = Histogram::default();
        for nanoseconds in [
            0,
            1_000_000_000,
            1_000_000_001,
            3_600_000_000_000,
            u64::MAX / 2,
        ] {
            histogram.observe(nanoseconds);
        }
        assert_eq!(histogram.buckets, [2, 1, 0, 0, 0, 0, 0, 1, 1]);
    }
}
