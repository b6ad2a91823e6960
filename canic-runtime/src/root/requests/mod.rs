//! Requests: how one becomes an operation, and how an operation's end becomes an answer.
//!
//! Accepting takes one message and no await: policy first, then the place is taken, a pool canister claimed, cycles
//! set aside and the operation put on record, all or nothing.

use crate::{
    api::{
        ApproveRequest, BatchError, CatchUpPage, CatchUpRequest, Denied, ImportAs, ImportError,
        ImportRequest, Imported, ModuleError, ModuleInfo, MoveError, MoveRequest, Moved,
        OperationId, OperationKind, Progress, ProvisionError, ProvisionRequest, Provisioned,
        RetireError, RetireRequest, Retired, Retirement, Source, StageRequest, StagedChunk,
    },
    config::{Controller, RoleConfig},
    operation::{
        Admission, End, Operation, Origin, Plan, Position, Purpose, Reparent, Step, Teardown,
        allocation,
        policy::{self, Busy, Facts},
    },
    platform::ic,
    root::{chunk_store, driver, queries},
    stable::record::{Cycles, Id},
    state::{
        self, State,
        registry::{Holder, MemberStatus},
    },
};
use candid::Principal;

/// Requests of one batch at most.
pub(crate) const MAX_BATCH: usize = 1_000;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Root's own code, or one of its controllers: may name a parent.
    Controller,
    /// A member: is the parent.
    Member(Principal),
}

/// Finds out who asks; strangers are turned away.
pub(crate) fn asker(caller: Principal) -> Result<Caller, Denied> {
    if ic::is_controller(caller) || caller == ic::this() {
        return Ok(Caller::Controller);
    }
    if state::with(|state| state.registry.is_member(caller)) {
        return Ok(Caller::Member(caller));
    }
    Err(Denied {
        caller,
        allowed: "controllers of root, members".to_string(),
    })
}

/// Only controllers of root, and root itself.
pub(crate) fn owner(caller: Principal) -> Result<(), Denied> {
    match asker(caller) {
        Ok(Caller::Controller) => Ok(()),
        _ => Err(Denied {
            caller,
            allowed: "controllers of root".to_string(),
        }),
    }
}

// Provision

enum Accepted {
    Existing(Provisioned),
    Operation(OperationId),
}

/// Provisions a member, and waits for it.
pub(crate) async fn provision(
    asker: Caller,
    request: ProvisionRequest,
) -> Result<Provisioned, ProvisionError> {
    match state::with(|state| accept(state, asker, request, Admission::Immediate))? {
        Accepted::Existing(member) => Ok(member),
        Accepted::Operation(id) => provisioned(id, driver::run(id).await),
    }
}

/// Accepts as many requests as there is room for, and lets them run in the background, one after the other and some at once.
pub(crate) fn provision_batch(
    asker: Caller,
    requests: Vec<ProvisionRequest>,
) -> Result<Vec<Result<OperationId, ProvisionError>>, BatchError> {
    check_batch(requests.len())?;
    let accept_one = |request| {
        let accepted = state::with(|state| accept(state, asker, request, Admission::Queued))?;
        Ok(match accepted {
            Accepted::Existing(member) => member.operation,
            Accepted::Operation(id) => id,
        })
    };
    let accepted = requests.into_iter().map(accept_one).collect();
    driver::begin_waiting();
    Ok(accepted)
}

/// How far the operations of a batch are.
pub(crate) fn progress(operations: &[OperationId]) -> Result<Progress, BatchError> {
    check_batch(operations.len())?;
    Ok(state::with(|state| queries::progress(state, operations)))
}

fn check_batch(requests: usize) -> Result<(), BatchError> {
    if requests > MAX_BATCH {
        return Err(BatchError::TooMany {
            requests: requests as u32,
            max: MAX_BATCH as u32,
        });
    }
    Ok(())
}

/// `admission`: whether it begins at once or waits.
fn accept(
    state: &mut State,
    asker: Caller,
    request: ProvisionRequest,
    admission: Admission,
) -> Result<Accepted, ProvisionError> {
    let role = role_config(state, &request.role)?;
    policy::check_key(request.key.as_deref())?;
    let place = place(asker, request.role, request.key, request.parent, &role);
    let facts = facts(state, &place, admission);
    policy::check_parent(&role, &facts)?;
    if let Some(answer) = holder(state, &place) {
        return answer;
    }
    policy::check_argument(&request.arg)?;
    let admitted = policy::admit(&role, &place.role, &facts)?;

    // From here on nothing can fail.
    let plan = Plan {
        module: admitted.module,
        cycles: Cycles(role.cycles),
        controllers: controllers(&role, place.parent.0),
        rollback: role.rollback.into(),
    };
    let id = state.next_operation();
    let mut op = Operation::new(
        id,
        Purpose::Provision(place.clone(), plan),
        Step::Create,
        ic::now(),
    );
    op.admission = admission;
    op.reserved = Cycles(admitted.reserve);
    op.shortfall = Cycles(admitted.shortfall);
    if admission == Admission::Immediate && state.claim(&mut op) {
        op.step = allocation::first_step(&op, ic::this());
    }
    state.registry.take(&place, id);
    state.journal.set_argument(id, request.arg);
    state.journal.put(op);
    Ok(Accepted::Operation(id))
}

/// Where the member will stand. A singleton has one key, the same for everybody.
fn place(
    asker: Caller,
    role: String,
    key: Option<String>,
    parent: Option<Principal>,
    config: &RoleConfig,
) -> Position {
    let parent = match asker {
        Caller::Controller => parent.unwrap_or_else(ic::this),
        Caller::Member(parent) => parent,
    };
    let key = if config.singleton {
        Some(SINGLETON_KEY.to_string())
    } else {
        key
    };
    Position {
        role,
        parent: Id(parent),
        key,
    }
}

/// The key of a role's only member.
pub(crate) const SINGLETON_KEY: &str = "singleton";

/// What the key already means, if it means something.
fn holder(state: &State, place: &Position) -> Option<Result<Accepted, ProvisionError>> {
    let holder = state.registry.holder(&place.role, place.key.as_deref()?)?;
    Some(match holder {
        Holder::Operation(operation) => Err(ProvisionError::Pending { operation }),
        Holder::Member(canister) => match state.registry.member(canister) {
            Some(member) if member.state == MemberStatus::Active => {
                Ok(Accepted::Existing(Provisioned {
                    canister,
                    source: Source::Existing,
                    operation: member.operation,
                }))
            }
            Some(member) => Err(ProvisionError::Pending {
                operation: member.operation,
            }),
            None => return None,
        },
    })
}

/// Root, and whom the role names; sorted, each once.
fn controllers(role: &RoleConfig, parent: Principal) -> Vec<Id> {
    let named = role
        .controllers
        .iter()
        .filter_map(|controller| match controller {
            Controller::Parent => Some(parent),
            Controller::Text(text) => Principal::from_text(text).ok(),
        });
    let mut all: Vec<Id> = named.chain([ic::this()]).map(Id).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The limits of a role, if the fleet has it.
fn role_config(state: &State, role: &str) -> Result<RoleConfig, ProvisionError> {
    let known = state.registry.role(role);
    let has_module = known.is_some_and(|role| role.module.is_some());
    policy::role_config(state.config, role, has_module)
}

/// What decides about a place, as it stands now. Who waits for its admission can't count on a canister of the pool.
fn facts(state: &State, place: &Position, admission: Admission) -> Facts {
    let known = state.registry.role(&place.role);
    let pooled = match admission {
        Admission::Queued => None,
        Admission::Immediate | Admission::Dequeued => {
            state.pool.first_ready().map(|entry| entry.cycles.0)
        }
    };
    Facts {
        root: ic::this(),
        parent: place.parent.0,
        parent_role: parent_role(state, place.parent.0),
        taken: known.as_ref().map_or(0, |role| role.taken),
        module: known.as_ref().and_then(|role| role.module),
        taken_below: known.as_ref().map_or(0, |role| {
            state.registry.taken_below(place.parent.0, role.number)
        }),
        busy: policy::busy(admission, state.running(), state.journal.waiting()),
        available: state.available(),
        pooled,
        creation_fee: ic::creation_fee(),
    }
}

/// Whether too much is under way for what somebody waits for.
fn busy_now(state: &State) -> Option<Busy> {
    policy::busy(
        Admission::Immediate,
        state.running(),
        state.journal.waiting(),
    )
}

/// The role of a member that may get children: one that lives.
fn parent_role(state: &State, parent: Principal) -> Option<String> {
    let member = state.registry.member(parent)?;
    matches!(member.state, MemberStatus::Active | MemberStatus::Moving)
        .then(|| state.registry.role_name(member.role).to_string())
}

fn provisioned(id: OperationId, op: Option<Operation>) -> Result<Provisioned, ProvisionError> {
    let Some(op) = op else {
        return Err(ProvisionError::Pending { operation: id });
    };
    let reason = op.failure.clone().unwrap_or_default();
    match (op.end, op.canister()) {
        (Some(End::Done), Some(canister)) => Ok(Provisioned {
            canister,
            source: op.source.map_or(Source::Fresh, Source::from),
            operation: id,
        }),
        (Some(End::Nothing), _) => Err(ProvisionError::CreateFailed {
            operation: id,
            reason,
        }),
        (Some(End::Quarantined), canister) => Err(ProvisionError::Quarantined {
            operation: id,
            canister,
            reason,
        }),
        (Some(end), _) => match end.rolled_back() {
            Some(rolled_back) => Err(ProvisionError::InstallFailed {
                operation: id,
                reason,
                rolled_back,
            }),
            None => Err(ProvisionError::Pending { operation: id }),
        },
        (None, _) => Err(ProvisionError::Pending { operation: id }),
    }
}

// Retire

/// Ends a member, and waits for it.
pub(crate) async fn retire(asker: Caller, request: RetireRequest) -> Result<Retired, RetireError> {
    let id = state::with(|state| accept_retirement(state, asker, &request))?;
    let Some(op) = driver::run(id).await else {
        return Err(RetireError::Pending { operation: id });
    };
    match op.end {
        Some(End::Quarantined) => Err(RetireError::Quarantined {
            operation: id,
            reason: op.failure.unwrap_or_default(),
        }),
        Some(_) => Ok(Retired {
            operation: id,
            how: match op.clearing {
                Some(Teardown::Recycle) => Retirement::Recycle,
                _ => Retirement::Delete,
            },
        }),
        None => Err(RetireError::Pending { operation: id }),
    }
}

fn accept_retirement(
    state: &mut State,
    asker: Caller,
    request: &RetireRequest,
) -> Result<OperationId, RetireError> {
    let canister = request.canister;
    if let Some(op) = quarantined(state, canister) {
        if let Caller::Member(caller) = asker {
            return Err(denied_retirement(caller));
        }
        return Ok(clear_quarantined(state, op, request.how));
    }
    let Some(member) = state.registry.member(canister) else {
        return Err(RetireError::NotAMember { canister });
    };
    if let Caller::Member(caller) = asker
        && member.parent.0 != caller
    {
        return Err(denied_retirement(caller));
    }
    if member.state != MemberStatus::Active {
        return Err(RetireError::Pending {
            operation: member.operation,
        });
    }
    let subtree = request.subtree == Some(true);
    if !subtree {
        if let Some(child) = state.registry.children(canister, None).next() {
            return Err(RetireError::HasChildren { child });
        }
        if let Some(operation) = state.journal.below(canister) {
            return Err(RetireError::Pending { operation });
        }
    }
    if let Some(Busy { open, retry_after }) = busy_now(state) {
        return Err(RetireError::Busy { open, retry_after });
    }
    Ok(state.retire(canister, member, request.how.into(), subtree, ic::now()))
}

fn quarantined(state: &State, canister: Principal) -> Option<Operation> {
    let holder = state.journal.holder(canister)?;
    (holder.end == Some(End::Quarantined)).then_some(holder)
}

fn denied_retirement(caller: Principal) -> RetireError {
    RetireError::Denied(not_the_parent(caller))
}

fn not_the_parent(caller: Principal) -> Denied {
    Denied {
        caller,
        allowed: "controllers of root, the member's parent".to_string(),
    }
}

/// A quarantined operation held no place any more; what is left is to clear its canister.
fn clear_quarantined(state: &mut State, mut op: Operation, how: Retirement) -> OperationId {
    op.purpose = Purpose::ImportToPool;
    op.clearing = Some(how.into());
    op.go(Step::Inspect);
    op.end = None;
    op.drains = 0;
    op.calls = 0;
    op.reset = false;
    op.not_before = 0;
    let id = op.id;
    state.journal.put(op);
    id
}

/// What concerns a member.
pub(crate) fn catch_up(caller: Principal, request: CatchUpRequest) -> Result<CatchUpPage, Denied> {
    match asker(caller) {
        Ok(Caller::Member(member)) => Ok(state::with(|state| state.catch_up(member, request))),
        Ok(Caller::Controller) | Err(_) => Err(Denied {
            caller,
            allowed: "members".to_string(),
        }),
    }
}

// Move

/// Puts a member below another parent, and waits for it.
pub(crate) async fn move_member(asker: Caller, request: MoveRequest) -> Result<Moved, MoveError> {
    let operation = match state::with(|state| accept_move(state, asker, request))? {
        Moving::Stands(operation) => return Ok(Moved { operation }),
        Moving::Operation(id) => id,
    };
    let op = driver::run(operation).await;
    let reason = |op: Operation| op.failure.unwrap_or_default();
    match op {
        Some(op) if op.end == Some(End::Done) => Ok(Moved { operation }),
        Some(op) if op.end.is_some() => Err(MoveError::Failed {
            operation,
            reason: reason(op),
        }),
        Some(_) | None => Err(MoveError::Pending { operation }),
    }
}

enum Moving {
    /// It stands there already.
    Stands(OperationId),
    Operation(OperationId),
}

fn accept_move(
    state: &mut State,
    asker: Caller,
    MoveRequest { canister, parent }: MoveRequest,
) -> Result<Moving, MoveError> {
    let Some(member) = state.registry.member(canister) else {
        return Err(MoveError::NotAMember { canister });
    };
    let from = member.parent.0;
    if let Caller::Member(caller) = asker
        && from != caller
    {
        return Err(MoveError::Denied(not_the_parent(caller)));
    }
    if member.state != MemberStatus::Active {
        let operation = member.operation;
        return Err(MoveError::Pending { operation });
    }
    if from == parent {
        return Ok(Moving::Stands(member.operation));
    }
    // One after the other: what two of them would make together, neither could see.
    if let Some(operation) = state.journal.moving() {
        return Err(MoveError::Pending { operation });
    }
    if state.is_within(parent, canister) {
        return Err(MoveError::BelowItself { parent });
    }
    let name = state.registry.role_name(member.role).to_string();
    let role = role_config(state, &name).map_err(MoveError::Refused)?;
    let place = Position {
        role: name,
        parent: Id(parent),
        key: member.key,
    };
    let facts = facts(state, &place, Admission::Immediate);
    policy::check_parent(&role, &facts).map_err(MoveError::Refused)?;
    policy::check_room_below(&role, &place.role, parent, facts.taken_below)
        .map_err(MoveError::Refused)?;
    if let Some(Busy { open, retry_after }) = facts.busy {
        return Err(MoveError::Busy { open, retry_after });
    }

    let named = |id: &Id| {
        let keeps = |controller: &Controller| matches!(controller, Controller::Text(text) if *text == id.0.to_text());
        id.0 == ic::this() || role.controllers.iter().any(keeps)
    };
    let reparent = Reparent {
        from: member.parent,
        leaves: Some(member.parent).filter(|id| !named(id)),
        controllers: Vec::new(),
    };
    let step = if role.controllers.contains(&Controller::Parent) {
        Step::Verify
    } else {
        Step::AddToPool
    };
    let id = state.next_operation();
    let purpose = Purpose::Move(place, reparent);
    let mut op = Operation::new(id, purpose, step, ic::now());
    op.canister = Some(Id(canister));
    state.registry.take_below(parent, member.role);
    state.registry.set_state(canister, MemberStatus::Moving, id);
    state.journal.put(op);
    Ok(Moving::Operation(id))
}

// Import

/// Brings a canister into the fleet, and waits for it.
pub(crate) async fn import(request: ImportRequest) -> Result<Imported, ImportError> {
    let id = state::with(|state| accept_import(state, &request))?;
    let Some(op) = driver::run(id).await else {
        return Err(ImportError::Pending { operation: id });
    };
    let reason = op.failure.unwrap_or_default();
    match op.end {
        Some(End::Done) => Ok(Imported { operation: id }),
        Some(End::Quarantined) => Err(ImportError::Quarantined {
            operation: id,
            reason,
        }),
        Some(_) if matches!(op.purpose, Purpose::Adopt(..)) && op.held.0 > 0 => {
            Err(ImportError::WrongModule {
                operation: id,
                reason,
            })
        }
        // It was seen, and there was no place for it.
        Some(_) if op.held.0 > 0 => Err(ImportError::PoolFull {
            max: state::with(|state| state.config.pool.as_ref().map_or(0, |pool| pool.max)),
        }),
        Some(_) => Err(ImportError::NotControlled {
            operation: id,
            reason,
        }),
        None => Err(ImportError::Pending { operation: id }),
    }
}

fn accept_import(state: &mut State, request: &ImportRequest) -> Result<OperationId, ImportError> {
    let canister = request.canister;
    let holder = state.journal.holder(canister);
    if let Some(op) = holder.filter(|op| op.end.is_none()) {
        return Err(ImportError::Pending { operation: op.id });
    }
    if state.knows(canister) {
        return Err(ImportError::AlreadyKnown { canister });
    }
    if let Some(Busy { open, retry_after }) = busy_now(state) {
        return Err(ImportError::Busy { open, retry_after });
    }
    let (purpose, step) = match &request.import_as {
        ImportAs::Pool => {
            let max = state.config.pool.as_ref().map_or(0, |pool| pool.max);
            let coming =
                state.refills_in_flight() + state.journal.open_of(OperationKind::ImportToPool);
            if state.pool.len() + coming >= u64::from(max) {
                return Err(ImportError::PoolFull { max });
            }
            (Purpose::ImportToPool, Step::Inspect)
        }
        ImportAs::Member { role, key, parent } => {
            let (place, plan) =
                adoption(state, role, key.as_deref(), *parent).map_err(ImportError::Refused)?;
            (Purpose::Adopt(place, plan), Step::Verify)
        }
    };
    let id = state.next_operation();
    let mut op = Operation::new(id, purpose, step, ic::now());
    op.canister = Some(Id(canister));
    op.source = Some(Origin::Imported);
    match &op.purpose {
        Purpose::Adopt(place, _) => state.registry.take(place, id),
        _ => op.clearing = Some(Teardown::Recycle),
    }
    state.journal.put(op);
    Ok(id)
}

/// The same policy as for a new member, but that nothing is paid.
fn adoption(
    state: &State,
    role: &str,
    key: Option<&str>,
    parent: Option<Principal>,
) -> Result<(Position, Plan), ProvisionError> {
    let config = role_config(state, role)?;
    policy::check_key(key)?;
    let place = place(
        Caller::Controller,
        role.to_string(),
        key.map(str::to_string),
        parent,
        &config,
    );
    match holder(state, &place) {
        Some(Err(error)) => return Err(error),
        Some(Ok(
            Accepted::Existing(Provisioned { operation, .. }) | Accepted::Operation(operation),
        )) => {
            return Err(ProvisionError::Pending { operation });
        }
        None => {}
    }
    let facts = Facts {
        available: u128::MAX,
        pooled: Some(u128::MAX),
        ..facts(state, &place, Admission::Immediate)
    };
    let admitted = policy::admit(&config, role, &facts)?;
    let plan = Plan {
        module: admitted.module,
        cycles: Cycles(0),
        controllers: controllers(&config, place.parent.0),
        rollback: config.rollback.into(),
    };
    Ok((place, plan))
}

// Modules

/// Keeps a piece of a module, in stable memory and in root's chunk store.
pub(crate) async fn stage(request: StageRequest) -> Result<StagedChunk, ModuleError> {
    let hash = state::with(|state| state.modules.stage(request.chunk))?;
    chunk_store::ensure(&[hash])
        .await
        .map_err(|failure| ModuleError::UploadFailed {
            reason: failure.reason,
        })?;
    Ok(StagedChunk {
        hash: hash.to_vec(),
        chunks: state::with(|state| state.modules.pieces()),
    })
}

/// Approves a module that was staged.
pub(crate) fn approve(request: &ApproveRequest) -> Result<ModuleInfo, ModuleError> {
    state::with(|state| {
        let roles = state.config.roles;
        let known = if roles.is_empty() {
            policy::is_role_name(&request.role)
        } else {
            roles.iter().any(|role| role.name == request.role)
        };
        if !known {
            return Err(ModuleError::UnknownRole {
                role: request.role.chars().take(crate::api::MAX_ROLE).collect(),
                known: roles.iter().map(|role| role.name.to_string()).collect(),
            });
        }
        let hash = state.modules.assemble(request)?;
        state.registry.set_module(&request.role, hash);
        forget_unused_modules(state);
        Ok(queries::module_info(state, &request.role, hash))
    })
}

/// Approves what was built into root; in `canister_init` and after each upgrade.
pub(crate) fn approve_embedded() {
    state::with(|state| {
        for role in state.config.roles {
            if let Some(wasm) = role.wasm {
                let hash = state.modules.embed(wasm);
                state.registry.set_module(role.name, hash);
            }
        }
        forget_unused_modules(state);
    });
}

/// A module is needed while a role has it approved or an open operation is to install it.
fn forget_unused_modules(state: &mut State) {
    let approved = state.registry.roles().filter_map(|(_, role)| role.module);
    let planned = state
        .journal
        .open_operations()
        .filter_map(|op| op.plan().map(|plan| plan.module));
    let needed: std::collections::BTreeSet<_> = approved.chain(planned).collect();
    state.modules.retain(|hash| needed.contains(&hash));
}
