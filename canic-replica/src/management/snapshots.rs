//! Snapshots: a canister's state, kept by the platform, to go back to.

use std::sync::Arc;

use candid::{Principal, Reserved};
use ic_management_canister_types as types;

use super::{Managed, decode, origin, reply};
use crate::canister::{Canister, Code, Program, Request, Snapshot, Upload};
use crate::cycles::{COMPILE_PER_OPERATOR, SNAPSHOT};
use crate::memory::Pages;
use crate::reject::invalid;
use crate::replica::Replica;
use crate::wasm::Module;
use crate::{Reject, RejectCode};

/// Snapshots of one canister.
const MAX_SNAPSHOTS: usize = 10;

impl Replica {
    pub(crate) fn take_snapshot(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::TakeCanisterSnapshotArgs,)>(request)?;
        let id = args.canister_id;
        let now = self.time;
        let canister = self.storing(id, request)?;
        let replaced = args.replace_snapshot.as_deref();
        check_room(canister, replaced)?;
        let Some(code) = canister.code.clone() else {
            return Err(invalid(format!(
                "Failed to create snapshot for empty canister {id}"
            )));
        };
        let bytes = canister.memory_bytes()
            - canister
                .snapshots
                .values()
                .map(|snapshot| snapshot.bytes)
                .sum::<u64>();
        self.charge_instructions(id, SNAPSHOT + bytes, request)?;
        let canister = self.canister(id)?;
        let snapshot = Snapshot {
            taken_at: now,
            version: canister.version,
            program: Program::Taken(code),
            stable: canister.stable.clone(),
            certified_data: canister.certified_data.clone(),
            timer: Some(match canister.timer {
                Some(at) => types::CanisterTimer::Active(at),
                None => types::CanisterTimer::Inactive,
            }),
            low_memory: Some(canister.low_memory()),
            chunks: canister.chunks.clone(),
            bytes,
        };
        let name = self.keep_snapshot(id, snapshot, replaced)?;
        let answer = describe(&name, &*self.snapshot(id, &name)?);
        if args.uninstall_code == Some(true) {
            self.uninstall(id);
            let origin = origin(request, args.sender_canister_version);
            self.canister(id)?
                .record(now, origin, types::ChangeDetails::CodeUninstall);
        }
        reply((answer,))
    }

    pub(crate) fn load_snapshot(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::LoadCanisterSnapshotArgs,)>(request)?;
        let id = args.canister_id;
        let now = self.time;
        self.storing(id, request)?;
        let owner = self.owner_of(id, &args.snapshot_id, request)?;
        let snapshot = self.snapshot(owner, &args.snapshot_id)?;
        let canister = self.canister(id)?;
        if !canister.callbacks.is_empty() {
            let why = format!("Canister {id} has open calls: stop it before a snapshot is loaded.");
            return Err(Reject::new(RejectCode::CanisterError, 510, why));
        }
        let (code, timer, low_memory, compilation) = match &snapshot.program {
            Program::Taken(code) => (code.clone(), None, None, 0),
            Program::Uploaded(upload) => {
                let code = assemble(id, upload)?;
                let timer = match snapshot.timer {
                    Some(types::CanisterTimer::Active(at)) => Some(at),
                    _ => None,
                };
                let compilation = code.module.operators * COMPILE_PER_OPERATOR;
                (code, timer, snapshot.low_memory, compilation)
            }
        };
        self.charge_instructions(id, SNAPSHOT + snapshot.bytes + compilation, request)?;
        let canister = self.canister(id)?;
        canister.code = Some(code);
        canister.stable = snapshot.stable.clone();
        canister.certified_data.clone_from(&snapshot.certified_data);
        canister.chunks.clone_from(&snapshot.chunks);
        canister.timer = timer;
        canister.low_memory = low_memory.unwrap_or(canister.low_memory);
        let details = types::LoadSnapshotRecord {
            from_canister_id: (owner != id).then_some(owner),
            snapshot_id: args.snapshot_id,
            canister_version: snapshot.version,
            taken_at_timestamp: snapshot.taken_at,
            source: snapshot.source(),
        };
        let origin = origin(request, args.sender_canister_version);
        canister.record(now, origin, types::ChangeDetails::LoadSnapshot(details));
        reply(())
    }

    pub(crate) fn list_snapshots(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::CanisterIdRecord,)>(request)?;
        let canister = self.seeing_snapshots(args.canister_id, request)?;
        let list: Vec<_> = canister
            .snapshots
            .iter()
            .map(|(name, snapshot)| describe(name, snapshot))
            .collect();
        reply((list,))
    }

    pub(crate) fn delete_snapshot(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::DeleteCanisterSnapshotArgs,)>(request)?;
        let canister = self.storing(args.canister_id, request)?;
        match canister.snapshots.remove(&args.snapshot_id) {
            Some(_) => reply(()),
            None => Err(no_snapshot(args.canister_id, &args.snapshot_id)),
        }
    }

    /// The canister, if the caller may read its snapshots.
    pub(crate) fn seeing_snapshots(
        &mut self,
        id: Principal,
        request: &Request,
    ) -> Result<&mut Canister, Reject> {
        let open = match &self.canister(id)?.settings.snapshot_visibility {
            types::SnapshotVisibility::Controllers => false,
            types::SnapshotVisibility::Public => true,
            types::SnapshotVisibility::AllowedViewers(viewers) => viewers.contains(&request.sender),
        };
        if open {
            self.canister(id)
        } else {
            self.storing(id, request)
        }
    }

    /// The canister that a snapshot belongs to, if it may be loaded into `id`: it says so in its name.
    fn owner_of(
        &mut self,
        id: Principal,
        name: &[u8],
        request: &Request,
    ) -> Result<Principal, Reject> {
        let owner = name.get(COUNTER..).map(Principal::try_from_slice);
        let Some(Ok(owner)) = owner.filter(|owner| owner != &Ok(id)) else {
            return Ok(id);
        };
        let subnet = self.canister(id)?.subnet;
        let found = self
            .canisters
            .get(&owner)
            .filter(|owner| owner.subnet == subnet && owner.snapshots.contains_key(name));
        match found {
            None => Err(no_snapshot(id, name)),
            Some(owner) if owner.is_controller(&request.sender) => Ok(owner.id),
            Some(_) => {
                let why = format!(
                    "Only a controller of the canister that snapshot {} belongs to can load it on canister {id}. \
                     Sender: {}.",
                    hex::encode(name),
                    request.sender
                );
                Err(Reject::new(RejectCode::CanisterReject, 406, why))
            }
        }
    }

    pub(crate) fn snapshot(&self, id: Principal, name: &[u8]) -> Result<Arc<Snapshot>, Reject> {
        let canister = self.canisters.get(&id);
        canister
            .and_then(|canister| canister.snapshots.get(name).cloned())
            .ok_or_else(|| no_snapshot(id, name))
    }

    /// Gives a snapshot a name and keeps it, if the canister can pay for its memory.
    pub(crate) fn keep_snapshot(
        &mut self,
        id: Principal,
        snapshot: Snapshot,
        replaced: Option<&[u8]>,
    ) -> Result<Vec<u8>, Reject> {
        let canister = self.canister(id)?;
        let mut draft = canister.clone();
        if let Some(replaced) = replaced {
            draft.snapshots.remove(replaced);
        }
        draft.snapshots_taken += 1;
        let name = [&draft.snapshots_taken.to_be_bytes(), id.as_slice()].concat();
        draft.snapshots.insert(name.clone(), Arc::new(snapshot));
        self.can_keep(&draft)?;
        *self.canister(id)? = draft;
        Ok(name)
    }

    /// Whether a canister would not freeze with what it stores now.
    pub(crate) fn can_keep(&self, canister: &Canister) -> Result<(), Reject> {
        let needed = canister.freezing_limit(&self.prices(canister), canister.memory_bytes());
        if canister.balance >= needed {
            return Ok(());
        }
        let why = format!(
            "Canister snapshotting failed with: `Canister {} is out of cycles: please top up the canister with at least \
             {} additional cycles`",
            canister.id,
            needed - canister.balance
        );
        Err(Reject::new(RejectCode::SysTransient, 207, why))
    }
}

/// Bytes of a snapshot's name that number it; the rest is its canister's.
const COUNTER: usize = 8;

impl Snapshot {
    pub(crate) fn source(&self) -> types::SnapshotSource {
        match self.program {
            Program::Taken(_) => types::SnapshotSource::TakenFromCanister(Reserved),
            Program::Uploaded(_) => types::SnapshotSource::MetadataUpload(Reserved),
        }
    }
}

/// Whether there is room for one more snapshot.
pub(crate) fn check_room(canister: &Canister, replaced: Option<&[u8]>) -> Result<(), Reject> {
    let id = canister.id;
    match replaced {
        Some(replaced) if !canister.snapshots.contains_key(replaced) => {
            Err(no_snapshot(id, replaced))
        }
        None if canister.snapshots.len() >= MAX_SNAPSHOTS => Err(invalid(format!(
            "Canister {id} has reached the maximum number of snapshots allowed: {MAX_SNAPSHOTS}."
        ))),
        _ => Ok(()),
    }
}

/// Makes a program of what was uploaded, if that fits together.
fn assemble(id: Principal, upload: &Upload) -> Result<Code, Reject> {
    let module = Module::load(&upload.module).map_err(|why| {
        let why = format!("Error from Canister {id}: Canister's Wasm module is not valid: {why}");
        Reject::new(RejectCode::CanisterError, 505, why)
    })?;
    let kinds = |globals: &[_]| {
        globals
            .iter()
            .map(std::mem::discriminant)
            .collect::<Vec<_>>()
    };
    if kinds(&upload.globals) != kinds(&module.initial_globals) {
        return Err(invalid(
            "The globals of the snapshot are not those of its Wasm module.",
        ));
    }
    if !module.holds(upload.heap.size) {
        return Err(invalid(
            "The Wasm memory of the snapshot has a size that its Wasm module does not allow.",
        ));
    }
    Ok(Code {
        heap: upload.heap.rebase(&Pages::default(), &module.initial),
        globals: upload.globals.clone(),
        module,
    })
}

fn describe(name: &[u8], snapshot: &Snapshot) -> types::Snapshot {
    types::Snapshot {
        id: name.to_vec(),
        taken_at_timestamp: snapshot.taken_at,
        total_size: snapshot.bytes,
    }
}

fn no_snapshot(id: Principal, name: &[u8]) -> Reject {
    let name = hex::encode(name);
    let why = format!("Could not find the snapshot ID {name} for canister {id}.");
    Reject::new(RejectCode::DestinationInvalid, 305, why)
}
