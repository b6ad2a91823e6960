//! The releases of a role: its approved modules, numbered from 1.

use minicbor::{Decode, Encode};

use crate::operation::{Hash, Release};

/// Releases before the current one whose modules root keeps, so that a rollout can be undone.
const KEPT_BEFORE: usize = 2;

/// An approved module of a role.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct ReleaseRecord {
    #[n(0)]
    pub(crate) number: u32,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) module: Hash,
    /// Time at which root approved it: nanoseconds since the epoch.
    #[n(2)]
    pub(crate) approved: u64,
}

impl From<&ReleaseRecord> for Release {
    fn from(record: &ReleaseRecord) -> Self {
        Self {
            number: record.number,
            module: record.module,
        }
    }
}

/// All releases of a role that root has not forgotten, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub(crate) struct Releases {
    /// The number that was given last.
    #[n(0)]
    last: u32,
    /// The release that new members get.
    #[n(1)]
    current: Option<u32>,
    /// The release that a rollout brings, or is to bring, to all members.
    #[n(2)]
    candidate: Option<u32>,
    #[n(3)]
    all: Vec<ReleaseRecord>,
    /// The module that root's own code contains, or contained last.
    #[cbor(n(4), with = "minicbor::bytes")]
    embedded: Option<Hash>,
}

impl Releases {
    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = &ReleaseRecord> {
        self.all.iter()
    }

    pub(crate) fn get(&self, number: u32) -> Option<&ReleaseRecord> {
        self.all.iter().find(|release| release.number == number)
    }

    /// The release with a module.
    pub(crate) fn of_module(&self, module: Hash) -> Option<&ReleaseRecord> {
        self.all.iter().find(|release| release.module == module)
    }

    pub(crate) fn current(&self) -> Option<&ReleaseRecord> {
        self.get(self.current?)
    }

    pub(crate) fn candidate(&self) -> Option<&ReleaseRecord> {
        self.get(self.candidate?)
    }

    /// Adds a module, and answers its number: the old one if the module is known.
    pub(crate) fn add(&mut self, module: Hash, now: u64) -> u32 {
        if let Some(known) = self.of_module(module) {
            return known.number;
        }
        self.last += 1;
        self.all.push(ReleaseRecord {
            number: self.last,
            module,
            approved: now,
        });
        self.last
    }

    /// The module that root's own code contained when it was last started with one.
    pub(crate) fn embedded(&self) -> Option<Hash> {
        self.embedded
    }

    /// Records the module that root's own code contains.
    pub(crate) fn set_embedded(&mut self, module: Hash) {
        self.embedded = Some(module);
    }

    /// Makes a release the current one. It is no candidate any more.
    pub(crate) fn set_current(&mut self, number: u32) {
        self.current = Some(number);
        self.candidate.take_if(|candidate| *candidate == number);
    }

    /// Sets or drops the candidate.
    pub(crate) fn set_candidate(&mut self, number: Option<u32>) {
        self.candidate = number.filter(|number| self.current != Some(*number));
    }

    /// Forgets the releases that nobody needs: kept are the current one, the candidate, the last
    /// [`KEPT_BEFORE`] before the current one, and those for which `in_use` says so.
    pub(super) fn forget(&mut self, in_use: impl Fn(&ReleaseRecord) -> bool) {
        let (current, candidate) = (self.current, self.candidate);
        let before = self.all.iter().rev().map(|release| release.number);
        let before: Vec<u32> = before
            .filter(|number| current.is_some_and(|current| *number < current))
            .take(KEPT_BEFORE)
            .collect();
        self.all.retain(|release| {
            let number = Some(release.number);
            number == current
                || number == candidate
                || before.contains(&release.number)
                || in_use(release)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(releases: &Releases) -> Vec<u32> {
        releases.all().map(|release| release.number).collect()
    }

    #[test]
    fn a_module_that_is_known_keeps_its_number() {
        let mut releases = Releases::default();
        assert_eq!(releases.add([1; 32], 5), 1);
        assert_eq!(releases.add([2; 32], 6), 2);
        assert_eq!(releases.add([1; 32], 7), 1);
        assert_eq!(releases.get(1).map(|release| release.approved), Some(5));
    }

    #[test]
    fn the_current_release_is_no_candidate() {
        let mut releases = Releases::default();
        let number = releases.add([1; 32], 0);
        releases.set_candidate(Some(number));
        assert_eq!(releases.candidate().map(|one| one.number), Some(1));
        releases.set_current(number);
        assert_eq!(releases.candidate(), None);
        releases.set_candidate(Some(number));
        assert_eq!(releases.candidate(), None);
    }

    #[test]
    fn releases_that_nobody_needs_are_forgotten_and_their_numbers_not_used_again() {
        let mut releases = Releases::default();
        for module in 1..=6 {
            releases.add([module; 32], 0);
        }
        releases.set_current(5);
        releases.set_candidate(Some(6));
        releases.forget(|release| release.number == 1);
        assert_eq!(numbers(&releases), [1, 3, 4, 5, 6]);
        assert_eq!(releases.add([2; 32], 0), 7, "its old number is gone");
    }
}
