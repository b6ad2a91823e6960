//! Snapshots of canisters: take, load, list, delete.

use std::sync::Arc;

use candid::{Principal, Reserved};
use ic_management_canister_types as types;
use ic_management_canister_types::OnLowWasmMemoryHookStatus as Hook;

use crate::{
    canister::{
        Canister,
        calls::Request,
        execution_state::ExecutionState,
        snapshot::{Snapshot, SnapshotCode, Upload},
        tasks::LowMemory,
    },
    execution::program_cache,
    management::{
        call::{ManagementResult, decode, origin, reply},
        installation::invalid_module,
        storage::snapshot_unpaid,
    },
    memory::Pages,
    network::Network,
    prices::{SNAPSHOT, compilation},
    reject::{Reject, RejectCode, invalid, refused},
};

/// The limit of snapshots of one canister.
const MAX_SNAPSHOTS: usize = 10;

impl Network {
    pub(crate) fn take_snapshot(&mut self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::TakeCanisterSnapshotArgs,)>(request)?;
        let id = args.canister_id;
        let now = self.time;
        self.require_controlled(id, request)?;
        let replaced = args.replace_snapshot.as_deref();
        self.check_snapshot_limit(id, replaced)?;
        let canister = self.require_canister(id)?;
        let Some(code) = canister.code.clone() else {
            return Err(refused(format!(
                "Failed to create snapshot for empty canister {id}:"
            )));
        };
        let snapshot = Snapshot {
            taken_at: now,
            version: canister.version,
            program: SnapshotCode::Taken(code),
            stable: canister.stable.clone(),
            certified_data: canister.certified_data.clone(),
            timer: Some(match canister.timer {
                Some(at) => types::CanisterTimer::Active(at),
                None => types::CanisterTimer::Inactive,
            }),
            low_memory: Some(canister.low_memory()),
            loaded: false,
            chunks: canister.chunks.clone(),
            bytes: canister.snapshot_size(),
        };
        let uninstall = args.uninstall_code == Some(true);
        let name = self.store_snapshot(id, snapshot, replaced, uninstall, request)?;
        let answer = describe(&name, &*self.snapshot(id, &name)?);
        if uninstall {
            self.uninstall(id);
            let origin = origin(request, args.sender_canister_version);
            self.require_canister_mut(id)?
                .record(now, origin, types::ChangeDetails::CodeUninstall);
        }
        reply((answer,))
    }

    pub(crate) fn load_snapshot(&mut self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::LoadCanisterSnapshotArgs,)>(request)?;
        let id = args.canister_id;
        self.require_controlled(id, request)?;
        let owner = match self.other_owner(id, &args.snapshot_id) {
            None => id,
            Some(owner) if owner.is_controller(&request.sender) => owner.id,
            Some(_) => {
                return Err(refused(format!(
                    "Only a controller of the canister that snapshot {} belongs to can load it on \
                     canister {id}. Sender: {}.",
                    hex::encode(args.snapshot_id),
                    request.sender
                )));
            }
        };
        let snapshot = self.snapshot(owner, &args.snapshot_id)?;
        let canister = self.require_canister(id)?;
        let mut draft = Canister::clone(canister);
        let baseline = self
            .charge_draft(&mut draft, SNAPSHOT, &request.sender)
            .map_err(snapshot_unpaid)?;
        let code = match &snapshot.program {
            // The timer and the hook for low memory go on; the snapshot does not reset them.
            SnapshotCode::Taken(code) => code.clone(),
            SnapshotCode::Uploaded(upload) => {
                match snapshot.timer {
                    Some(types::CanisterTimer::Active(at)) => draft.timer = Some(at),
                    Some(types::CanisterTimer::Inactive) => draft.timer = None,
                    None => {}
                }
                draft.low_memory = snapshot.low_memory.unwrap_or(draft.low_memory);
                assemble(id, upload, self.limits_method_names)?
            }
        };
        let (subnet, hash) = (canister.subnet, code.module.hash);
        let is_compiled = self.subnets[subnet].compiled.contains(&hash);
        let work = compilation(code.module.operators, is_compiled) + snapshot.bytes;
        draft.code = Some(code);
        draft.stable = snapshot.stable.clone();
        draft.certified_data.clone_from(&snapshot.certified_data);
        draft.chunks.clone_from(&snapshot.chunks);
        check_hook(&draft, &snapshot)?;
        self.check_can_grow(canister, &draft)?;
        let paid = self
            .charge_draft(&mut draft, work, &request.sender)
            .map_err(snapshot_unpaid)?;
        let details = types::LoadSnapshotRecord {
            from_canister_id: (owner != id).then_some(owner),
            snapshot_id: args.snapshot_id.clone(),
            canister_version: snapshot.version,
            taken_at_timestamp: snapshot.taken_at,
            source: snapshot.source(),
        };
        let origin = origin(request, args.sender_canister_version);
        draft.record(
            self.time,
            origin,
            types::ChangeDetails::LoadSnapshot(details),
        );
        draft.installed_at = self.time;
        self.commit_draft(draft, baseline + paid);
        self.subnets[subnet].compiled.insert(hash);
        self.mark_loaded(owner, &args.snapshot_id);
        reply(())
    }

    /// Marks a snapshot as loaded, which makes an uploaded one immutable.
    fn mark_loaded(&mut self, owner: Principal, name: &[u8]) {
        let owner = self.canister_mut(owner);
        if let Some(snapshot) = owner.and_then(|owner| owner.snapshots.get_mut(name))
            && !snapshot.loaded
        {
            Arc::make_mut(snapshot).loaded = true;
        }
    }

    pub(crate) fn list_snapshots(&mut self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::CanisterIdRecord,)>(request)?;
        let canister = self.require_snapshot_reader(args.canister_id, request)?;
        let list: Vec<_> = canister
            .snapshots
            .iter()
            .map(|(name, snapshot)| describe(name, snapshot))
            .collect();
        reply((list,))
    }

    pub(crate) fn delete_snapshot(&mut self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::DeleteCanisterSnapshotArgs,)>(request)?;
        let id = args.canister_id;
        self.require_controlled(id, request)?;
        self.snapshot(id, &args.snapshot_id)?;
        let canister = self.require_canister(id)?;
        let mut draft = Canister::clone(canister);
        draft.snapshots.remove(&args.snapshot_id);
        self.check_can_grow(canister, &draft)?;
        self.commit_draft(draft, 0);
        reply(())
    }

    /// The canister, if the caller may read its snapshots.
    pub(crate) fn require_snapshot_reader(
        &mut self,
        id: Principal,
        request: &Request,
    ) -> Result<&mut Canister, Reject> {
        let canister = self.require_canister_mut(id)?;
        if !canister.is_snapshot_visible_to(&request.sender) {
            canister.check_controller(&request.sender)?;
        }
        Ok(canister)
    }

    /// Another canister of the subnet that owns the snapshot. The snapshot's name holds the id of
    /// its owner.
    fn other_owner(&self, id: Principal, name: &[u8]) -> Option<&Canister> {
        let owner = Principal::try_from_slice(name.get(COUNTER..)?).ok()?;
        let subnet = self.canisters.get(&id)?.subnet;
        let owner = self.canisters.get(&owner)?;
        (owner.id != id && owner.subnet == subnet && owner.snapshots.contains_key(name))
            .then_some(&**owner)
    }

    /// The snapshot of a canister with this name.
    pub(crate) fn snapshot(&self, id: Principal, name: &[u8]) -> Result<Arc<Snapshot>, Reject> {
        if let Some(snapshot) = self.require_canister(id)?.snapshots.get(name) {
            return Ok(Arc::clone(snapshot));
        }
        let shown = hex::encode(name);
        Err(match self.other_owner(id, name) {
            Some(_) => refused(format!(
                "The snapshot {shown} does not belong to canister {id}."
            )),
            None => {
                let why = format!("Could not find the snapshot ID {shown} for canister {id}.");
                Reject::new(RejectCode::DestinationInvalid, 305, why)
            }
        })
    }

    /// Checks that a canister may have another snapshot, or one in place of `replaced`.
    pub(crate) fn check_snapshot_limit(
        &self,
        id: Principal,
        replaced: Option<&[u8]>,
    ) -> Result<(), Reject> {
        if let Some(replaced) = replaced {
            return self.snapshot(id, replaced).map(|_| ());
        }
        if self.require_canister(id)?.snapshots.len() >= MAX_SNAPSHOTS {
            return Err(refused(format!(
                "Canister {id} has reached the maximum number of snapshots allowed: \
                 {MAX_SNAPSHOTS}."
            )));
        }
        Ok(())
    }

    /// Stores a snapshot under a new name, if the canister can pay for the work and the memory. The
    /// memory is less if `uninstall` removes the code at the same time.
    pub(crate) fn store_snapshot(
        &mut self,
        id: Principal,
        snapshot: Snapshot,
        replaced: Option<&[u8]>,
        uninstall: bool,
        request: &Request,
    ) -> Result<Vec<u8>, Reject> {
        let canister = self.require_canister(id)?;
        let mut draft = Canister::clone(canister);
        if let Some(replaced) = replaced {
            draft.snapshots.remove(replaced);
        }
        if uninstall {
            draft.clear_code();
        }
        draft.snapshots_taken += 1;
        let name = [&draft.snapshots_taken.to_be_bytes(), id.as_slice()].concat();
        let work = SNAPSHOT + snapshot.bytes;
        draft.snapshots.insert(name.clone(), Arc::new(snapshot));
        self.check_can_grow(canister, &draft)?;
        let paid = self
            .charge_draft(&mut draft, work, &request.sender)
            .map_err(snapshot_unpaid)?;
        self.commit_draft(draft, paid);
        Ok(name)
    }
}

/// Checks that the state of the hook for low memory in an uploaded snapshot fits the memory and the
/// settings.
fn check_hook(draft: &Canister, snapshot: &Snapshot) -> Result<(), Reject> {
    let (SnapshotCode::Uploaded(_), Some(status)) = (&snapshot.program, snapshot.low_memory) else {
        return Ok(());
    };
    let short = draft.low_memory() != LowMemory::Enough;
    if short == (status != LowMemory::Enough) {
        return Ok(());
    }
    Err(invalid(format!(
        "Hook status ({:?}) of uploaded snapshot is inconsistent with the canister's state (hook \
         condition satisfied: {short}).",
        Some(hook_status(status))
    )))
}

/// The length of the counter in a snapshot's name, in bytes. The rest is the id of its canister.
const COUNTER: usize = 8;

impl Snapshot {
    pub(crate) fn source(&self) -> types::SnapshotSource {
        match self.program {
            SnapshotCode::Taken(_) => types::SnapshotSource::TakenFromCanister(Reserved),
            SnapshotCode::Uploaded(_) => types::SnapshotSource::MetadataUpload(Reserved),
        }
    }
}

/// The state of uploaded code, if module, heap and globals fit together.
fn assemble(
    id: Principal,
    upload: &Upload,
    limits_method_names: bool,
) -> Result<ExecutionState, Reject> {
    let program = program_cache::load(&upload.module).map_err(|why| invalid_module(id, &why))?;
    let module = Arc::clone(&program.module);
    if limits_method_names {
        module
            .check_method_names()
            .map_err(|why| invalid_module(id, &why))?;
    }
    let kinds = |globals: &[_]| {
        globals
            .iter()
            .map(std::mem::discriminant)
            .collect::<Vec<_>>()
    };
    if kinds(&upload.globals) != kinds(&module.initial_globals) {
        return Err(invalid(
            "Wasm exported globals of canister module and snapshot metadata do not match.",
        ));
    }
    if !program.holds(upload.heap.size) {
        return Err(invalid(
            "The Wasm memory of the snapshot has a size that its Wasm module does not allow.",
        ));
    }
    Ok(ExecutionState {
        native: None,
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

/// The state of the hook for low memory as a Candid value.
pub(crate) fn hook_status(status: LowMemory) -> Hook {
    match status {
        LowMemory::Enough => Hook::ConditionNotSatisfied,
        LowMemory::Ready => Hook::Ready,
        LowMemory::Executed => Hook::Executed,
    }
}
