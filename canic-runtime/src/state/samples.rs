//! Samples of root's balance, one a day at most: what leaves root a day, whatever for.
//!
//! In stable memory a sample is a CBOR array under its time:
//!
//! ```text
//! 0 balance   1 received
//! ```

use std::collections::BTreeMap;

use ic_stable_structures::StableBTreeMap;
use minicbor::{Decode, Encode};

use crate::stable::{
    memory::{self, Memory},
    record::{Cycles, Record},
};

/// Nanoseconds between two samples at least: a day.
pub(crate) const DAY: u64 = 86_400_000_000_000;

/// Nanoseconds for which root keeps samples, and the one before.
const KEPT: u64 = 30 * DAY;

/// Root's cycles at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Sample {
    /// Cycles that root could spend, its reserve included.
    #[n(0)]
    pub(crate) balance: Cycles,
    /// Cycles that root had received until then, as far as its ledger knows.
    #[n(1)]
    pub(crate) received: Cycles,
}

/// The samples of the last days, cached on the heap.
pub(crate) struct Samples {
    samples: BTreeMap<u64, Sample>,
    table: StableBTreeMap<u64, Record<Sample>, Memory>,
}

impl Samples {
    /// Reads the samples from stable memory.
    pub(crate) fn open(id: u8) -> Self {
        let table: StableBTreeMap<u64, Record<Sample>, Memory> =
            StableBTreeMap::init(memory::open(id));
        Self {
            samples: table
                .iter()
                .map(|row| (*row.key(), row.value().0))
                .collect(),
            table,
        }
    }

    /// When the next sample may be taken: nanoseconds since the epoch. 0: there is none yet.
    pub(crate) fn due(&self) -> u64 {
        self.samples.keys().next_back().map_or(0, |at| at + DAY)
    }

    /// Adds a sample, if one is due, and forgets those older than 30 days, but for the last
    /// of them.
    pub(crate) fn take(&mut self, now: u64, sample: Sample) {
        if now < self.due() {
            return;
        }
        self.samples.insert(now, sample);
        self.table.insert(now, Record(sample));
        let old = now.saturating_sub(KEPT);
        while self
            .samples
            .keys()
            .nth(1)
            .is_some_and(|second| *second <= old)
            && let Some((at, _)) = self.samples.pop_first()
        {
            self.table.remove(&at);
        }
    }

    /// Cycles that leave root a day: the mean between the first sample and `now`. `None`: these are
    /// less than a day apart.
    ///
    /// A time in which root's balance grew by more than root knows of tells nothing: somebody
    /// deposited cycles.
    pub(crate) fn spent_per_day(&self, now: u64, sample: Sample) -> Option<u128> {
        let all = self.samples.iter().map(|(at, sample)| (*at, *sample));
        let mut all = all.chain([(now, sample)]);
        let (mut at, mut before) = all.next()?;
        let (mut spent, mut time) = (0_u128, 0_u64);
        for (next_at, next) in all {
            let received = next.received.0.saturating_sub(before.received.0);
            if let Some(out) = (before.balance.0 + received).checked_sub(next.balance.0) {
                spent += out;
                time += next_at.saturating_sub(at);
            }
            (at, before) = (next_at, next);
        }
        let days = u128::from(time);
        (time >= DAY).then(|| spent.saturating_mul(u128::from(DAY)) / days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: u128 = 1_000_000_000_000;

    fn sample(balance: u128, received: u128) -> Sample {
        Sample {
            balance: Cycles(balance),
            received: Cycles(received),
        }
    }

    fn samples() -> Samples {
        memory::forget();
        Samples::open(1)
    }

    #[test]
    fn the_mean_of_all_days_counts_what_root_received() {
        let mut all = samples();
        all.take(DAY, sample(100 * T, 0));
        assert_eq!(all.spent_per_day(DAY + DAY / 2, sample(90 * T, 0)), None);
        all.take(2 * DAY, sample(99 * T, 0));
        // A refuel of 50 T, and 3 T were spent.
        assert_eq!(
            all.spent_per_day(3 * DAY, sample(146 * T, 50 * T)),
            Some(2 * T)
        );
    }

    #[test]
    fn a_day_on_which_somebody_deposited_cycles_does_not_count() {
        let mut all = samples();
        all.take(DAY, sample(100 * T, 0));
        all.take(2 * DAY, sample(500 * T, 0));
        assert_eq!(all.spent_per_day(3 * DAY, sample(497 * T, 0)), Some(3 * T));
    }

    #[test]
    fn there_is_one_sample_a_day_for_thirty_days_and_stable_memory_has_them() {
        let mut all = samples();
        for half_day in 0..100_u64 {
            let spent = u128::from(half_day) * T;
            all.take(DAY + half_day * DAY / 2, sample(1_000 * T - spent, 0));
        }
        assert_eq!(all.samples.len(), 31);
        assert_eq!(all.due(), 51 * DAY);
        assert_eq!(Samples::open(1).samples, all.samples);
    }

    #[test]
    fn samples_of_each_week_are_those_of_thirty_days_and_the_one_before() {
        let mut all = samples();
        for week in 1..=20_u64 {
            all.take(week * 7 * DAY, sample(100 * T, 0));
        }
        let kept: Vec<u64> = all.samples.keys().map(|at| at / DAY).collect();
        assert_eq!(kept, [105, 112, 119, 126, 133, 140]);
    }
}
