//! The records of rollouts.

use std::collections::{BTreeMap, BTreeSet};

use ic_stable_structures::StableBTreeMap;

use crate::{
    operation::rollout::{Phase, Rollout},
    stable::{
        memory::{self, Memory},
        record,
    },
};

/// Rollouts that have ended, of which root keeps the records.
const MAX_ENDED: usize = 100;

/// All rollouts, cached on the heap: they are few, and the members are not among them.
pub(crate) struct Rollouts {
    rollouts: BTreeMap<u32, Rollout>,
    /// As bytes: an insertion answers what was there before, which nobody decodes.
    table: StableBTreeMap<u32, Vec<u8>, Memory>,
    /// The rollouts whose last change is on the heap only, until the present message ends.
    kept: BTreeSet<u32>,
}

impl Rollouts {
    /// Reads the rollouts from stable memory.
    pub(crate) fn open(id: u8) -> Self {
        let table: StableBTreeMap<u32, Vec<u8>, Memory> = StableBTreeMap::init(memory::open(id));
        Self {
            rollouts: table
                .iter()
                .map(|row| (*row.key(), record::decode(&row.value())))
                .collect(),
            table,
            kept: BTreeSet::new(),
        }
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Rollout> {
        self.rollouts.get(&id)
    }

    /// The rollouts after a number, oldest first.
    pub(crate) fn after(&self, id: Option<u32>) -> impl Iterator<Item = &Rollout> {
        let from = id.map_or(0, |id| id.saturating_add(1));
        self.rollouts.range(from..).map(|(_, rollout)| rollout)
    }

    /// The number of the next rollout.
    pub(crate) fn next_id(&self) -> u32 {
        self.rollouts.keys().next_back().map_or(1, |last| last + 1)
    }

    /// The rollouts that have not ended.
    pub(crate) fn open_ones(&self) -> impl Iterator<Item = &Rollout> {
        let all = self.rollouts.values();
        all.filter(|rollout| rollout.phase != Phase::Ended)
    }

    /// The rollout of a role that works on members.
    pub(crate) fn active_of(&self, role: u16) -> Option<&Rollout> {
        self.open_ones()
            .find(|rollout| rollout.role == role && rollout.is_active())
    }

    /// Whether no other rollout of its role began later.
    pub(crate) fn is_newest(&self, rollout: &Rollout) -> bool {
        let mut newer = self.after(Some(rollout.id));
        !newer.any(|other| other.role == rollout.role)
    }

    /// Changes a rollout that the present message is about to advance. [`Self::write_kept`] writes
    /// it if the advance does not.
    pub(crate) fn keep(&mut self, rollout: Rollout) {
        self.kept.insert(rollout.id);
        self.rollouts.insert(rollout.id, rollout);
    }

    /// Writes the rollouts that were kept and not written since.
    pub(crate) fn write_kept(&mut self) {
        while let Some(id) = self.kept.first().copied() {
            match self.rollouts.get(&id).cloned() {
                Some(rollout) => self.put(rollout),
                None => drop(self.kept.remove(&id)),
            }
        }
    }

    /// Writes a rollout, if it has changed. Beyond [`MAX_ENDED`] the oldest that have ended are
    /// forgotten.
    pub(crate) fn put(&mut self, rollout: Rollout) {
        if !self.kept.remove(&rollout.id) && self.rollouts.get(&rollout.id) == Some(&rollout) {
            return;
        }
        self.table.insert(rollout.id, record::encode(&rollout));
        let has_ended = rollout.phase == Phase::Ended;
        self.rollouts.insert(rollout.id, rollout);
        if has_ended {
            self.forget_surplus();
        }
    }

    fn forget_surplus(&mut self) {
        let ended = self.rollouts.values();
        let ended: Vec<u32> = ended
            .filter(|rollout| rollout.phase == Phase::Ended)
            .map(|rollout| rollout.id)
            .collect();
        let surplus = ended.len().saturating_sub(MAX_ENDED);
        for id in ended.into_iter().take(surplus) {
            self.rollouts.remove(&id);
            self.table.remove(&id);
        }
    }
}
