//! One hash over an instance's state, so that two runs can be compared.

use sha2::{Digest, Sha256};

use crate::Replica;
use crate::canister::{Canister, Number, Status};
use crate::memory::{PAGE, Page};

impl Replica {
    /// SHA-256 over what the canisters are: their memories, globals, cycles, timers, settings, and how
    /// many messages wait, are under execution or expect an answer, though not what these contain. The same inputs
    /// give the same hash.
    pub fn state_hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for number in [self.time, self.round, self.next_event] {
            hash.update(number.to_be_bytes());
        }
        for (subnet, outcall) in self.outcalls.keys() {
            hash.update((*subnet as u64).to_be_bytes());
            hash.update(outcall.to_be_bytes());
        }
        for canister in self.canisters.values() {
            hash_canister(&mut hash, canister);
        }
        hash.finalize().into()
    }
}

fn hash_canister(hash: &mut Sha256, canister: &Canister) {
    hash.update(canister.id.as_slice());
    hash.update(canister.balance.to_be_bytes());
    for controller in &canister.settings.controllers {
        hash.update(controller.as_slice());
    }
    hash.update([match canister.status {
        Status::Running => 1,
        Status::Stopping(_) => 2,
        Status::Stopped => 3,
    }]);
    let numbers = [
        canister.version,
        canister.timer.unwrap_or(0),
        canister.total_changes,
        canister.last_number,
        canister.inputs.len() as u64,
        canister.contexts.len() as u64,
        canister.callbacks.len() as u64,
        canister.chunks.len() as u64,
        canister.snapshots.len() as u64,
        canister.stable.size,
        canister.installs_again,
    ];
    for number in numbers {
        hash.update(number.to_be_bytes());
    }
    hash.update(&canister.certified_data);
    hash_pages(hash, canister.stable.written());
    if let Some(code) = &canister.code {
        hash.update(code.module.hash);
        hash.update(code.heap.size.to_be_bytes());
        hash_pages(hash, code.heap.changed());
        for number in &code.globals {
            match number {
                Number::I32(value) => hash.update(value.to_be_bytes()),
                Number::I64(value) => hash.update(value.to_be_bytes()),
                Number::F32(bits) => hash.update(bits.to_be_bytes()),
                Number::F64(bits) => hash.update(bits.to_be_bytes()),
                Number::V128(bits) => hash.update(bits.to_be_bytes()),
            }
        }
    }
}

fn hash_pages<'a>(hash: &mut Sha256, pages: impl Iterator<Item = (usize, &'a Page)>) {
    for (index, page) in pages {
        hash.update(((index * PAGE) as u64).to_be_bytes());
        hash.update(page);
    }
}
