//! A log that only grows and is cheap to copy: the copy shares all full pieces.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Entries in a full piece.
const PIECE: usize = 256;

#[derive(Clone, Hash)]
pub(super) struct Log<T> {
    full: Vec<Arc<[T]>>,
    rest: Vec<T>,
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self {
            full: Vec::new(),
            rest: Vec::new(),
        }
    }
}

impl<T> Log<T> {
    pub(super) fn len(&self) -> u64 {
        (self.full.len() * PIECE + self.rest.len()) as u64
    }

    /// Appends an entry; answers its index.
    pub(super) fn push(&mut self, entry: T) -> u64 {
        let index = self.len();
        self.rest.push(entry);
        if self.rest.len() == PIECE {
            self.full.push(std::mem::take(&mut self.rest).into());
        }
        index
    }

    pub(super) fn get(&self, index: u64) -> Option<&T> {
        let index = usize::try_from(index).ok()?;
        match self.full.get(index / PIECE) {
            Some(piece) => piece.get(index % PIECE),
            None => self.rest.get(index - self.full.len() * PIECE),
        }
    }

    /// At most `length` entries from `start` on, with their indices.
    pub(super) fn range(&self, start: u64, length: u64) -> impl Iterator<Item = (u64, &T)> {
        let end = start.saturating_add(length).min(self.len());
        (start..end).filter_map(|index| Some((index, self.get(index)?)))
    }
}

/// On disk, a log is the list of its entries.
impl<T: Serialize> Serialize for Log<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let full = self.full.iter().flat_map(|piece| piece.iter());
        let entries: Vec<&T> = full.chain(&self.rest).collect();
        entries.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Log<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut log = Self::default();
        for entry in Vec::<T>::deserialize(deserializer)? {
            log.push(entry);
        }
        Ok(log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_keep_their_places_over_pieces_and_copies() {
        let mut log = Log::default();
        for number in 0..600_u64 {
            assert_eq!(log.push(number), number);
        }
        let mut copy = log.clone();
        copy.push(7);
        assert_eq!((log.len(), copy.len()), (600, 601));
        for index in [0, 255, 256, 511, 512, 599] {
            assert_eq!(log.get(index), Some(&index));
        }
        assert_eq!((log.get(600), copy.get(600)), (None, Some(&7)));
        let found: Vec<_> = log.range(598, u64::MAX).collect();
        assert_eq!(found, [(598, &598), (599, &599)]);
        assert_eq!(log.range(u64::MAX, 2).count(), 0);
    }
}
