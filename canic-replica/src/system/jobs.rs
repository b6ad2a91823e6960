//! The jobs of a native canister that wait for answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Jobs by number. A callback names its job; a job that is taken and not put back is done.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(super) struct Jobs<J> {
    last: u64,
    open: BTreeMap<u64, J>,
}

impl<J> Default for Jobs<J> {
    fn default() -> Self {
        Self {
            last: 0,
            open: BTreeMap::new(),
        }
    }
}

impl<J> Jobs<J> {
    /// Adds a job that waits for an answer; answers its number.
    pub(super) fn add(&mut self, job: J) -> u64 {
        self.last += 1;
        self.open.insert(self.last, job);
        self.last
    }

    /// Takes the job that an answer is for.
    ///
    /// # Errors
    /// The message of a trap: there is no such job.
    pub(super) fn take(&mut self, number: u64) -> Result<J, String> {
        let job = self.open.remove(&number);
        job.ok_or_else(|| format!("there is no job {number}"))
    }

    /// Drops a job whose message trapped.
    pub(super) fn drop_job(&mut self, number: u64) {
        self.open.remove(&number);
    }
}
