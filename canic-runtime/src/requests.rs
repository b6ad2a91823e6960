//! Requests: how one becomes an operation, and how an operation's end becomes an answer.
//!
//! Accepting takes one message and no await: policy first, then the place is taken, a pool canister claimed, cycles
//! set aside and the operation put on record, all or nothing.

use crate::{
    allocation,
    api::{
        ApproveRequest, BatchError, Denied, ImportAs, ImportError, ImportRequest, Imported,
        ModuleError, ModuleInfo, OperationId, ProvisionError, ProvisionRequest, Provisioned,
        RetireError, RetireRequest, Retired, Retirement, Source, StageRequest, StagedChunk,
    },
    books::{self, Books},
    config::{Controller, RoleConfig},
    driver,
    journal::{Clearing, End, Operation, Origin, Place, Plan, Purpose, Section, Step},
    lists,
    memory::{Cycles, Id},
    platform::ic,
    policy::{self, Facts},
    registry::{Holder, State},
    uploads,
};
use candid::Principal;

/// Requests of one batch at most.
pub(crate) const MAX_BATCH: usize = 1_000;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// Root's own code, or one of its controllers: may name a parent.
    Owner,
    /// A member: is the parent.
    Member(Principal),
}

/// Finds out who asks; strangers are turned away.
pub(crate) fn asker(caller: Principal) -> Result<Asker, Denied> {
    if ic::is_controller(caller) || caller == ic::this() {
        return Ok(Asker::Owner);
    }
    if books::with(|books| books.registry.is_member(caller)) {
        return Ok(Asker::Member(caller));
    }
    Err(Denied {
        caller,
        allowed: "controllers of root, members".to_string(),
    })
}

/// Only controllers of root, and root itself.
pub(crate) fn owner(caller: Principal) -> Result<(), Denied> {
    match asker(caller) {
        Ok(Asker::Owner) => Ok(()),
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
    asker: Asker,
    request: ProvisionRequest,
) -> Result<Provisioned, ProvisionError> {
    match books::with(|books| accept(books, asker, request))? {
        Accepted::Existing(member) => Ok(member),
        Accepted::Operation(id) => provisioned(id, driver::run(id).await),
    }
}

/// Accepts as many requests as there is room for, and lets them run in the background.
pub(crate) fn provision_batch(
    asker: Asker,
    requests: Vec<ProvisionRequest>,
) -> Result<Vec<Result<OperationId, ProvisionError>>, BatchError> {
    if requests.len() > MAX_BATCH {
        return Err(BatchError::TooMany {
            requests: requests.len() as u32,
            max: MAX_BATCH as u32,
        });
    }
    let accept_one = |request| match books::with(|books| accept(books, asker, request))? {
        Accepted::Existing(member) => Ok(member.operation),
        Accepted::Operation(id) => {
            driver::spawn(id);
            Ok(id)
        }
    };
    Ok(requests.into_iter().map(accept_one).collect())
}

fn accept(
    books: &mut Books,
    asker: Asker,
    request: ProvisionRequest,
) -> Result<Accepted, ProvisionError> {
    let role = role_config(books, &request.role)?;
    policy::check_key(request.key.as_deref())?;
    let place = place(asker, request.role, request.key, request.parent, &role);
    let facts = facts(books, &place);
    policy::check_parent(&role, &facts)?;
    if let Some(answer) = holder(books, &place) {
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
    let id = books.next_operation();
    let mut op = Operation::new(
        id,
        Purpose::Provision(place.clone(), plan),
        Step::Create,
        ic::now(),
    );
    op.reserved = Cycles(admitted.reserve);
    op.shortfall = Cycles(admitted.shortfall);
    if books.claim(&mut op) {
        op.step = allocation::first_step(&op, ic::this());
    }
    books.registry.take(&place, id);
    books.journal.set_argument(id, request.arg);
    books.journal.put(op);
    Ok(Accepted::Operation(id))
}

/// Where the member will stand. A singleton has one key, the same for everybody.
fn place(
    asker: Asker,
    role: String,
    key: Option<String>,
    parent: Option<Principal>,
    config: &RoleConfig,
) -> Place {
    let parent = match asker {
        Asker::Owner => parent.unwrap_or_else(ic::this),
        Asker::Member(parent) => parent,
    };
    let key = if config.singleton {
        Some(SINGLETON_KEY.to_string())
    } else {
        key
    };
    Place {
        role,
        parent: Id(parent),
        key,
    }
}

/// The key of a role's only member.
pub(crate) const SINGLETON_KEY: &str = "singleton";

/// What the key already means, if it means something.
fn holder(books: &Books, place: &Place) -> Option<Result<Accepted, ProvisionError>> {
    let holder = books.registry.holder(&place.role, place.key.as_deref()?)?;
    Some(match holder {
        Holder::Operation(operation) => Err(ProvisionError::Pending { operation }),
        Holder::Member(canister) => match books.registry.member(canister) {
            Some(member) if member.state == State::Active => Ok(Accepted::Existing(Provisioned {
                canister,
                source: Source::Existing,
                operation: member.operation,
            })),
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

pub(crate) fn role_of(books: &Books, canister: Principal) -> Option<String> {
    let member = books.registry.member(canister)?;
    Some(books.registry.role_name(member.role).to_string())
}

/// The limits of a role, if the fleet has it.
fn role_config(books: &Books, role: &str) -> Result<RoleConfig, ProvisionError> {
    let known = books.registry.role(role);
    let has_module = known.is_some_and(|role| role.module.is_some());
    policy::role_config(books.config, role, has_module)
}

/// What decides about a place, as it stands now.
fn facts(books: &Books, place: &Place) -> Facts {
    let known = books.registry.role(&place.role);
    Facts {
        root: ic::this(),
        parent: place.parent.0,
        parent_role: parent_role(books, place.parent.0),
        taken: known.as_ref().map_or(0, |role| role.taken),
        module: known.and_then(|role| role.module),
        open: books.open_operations(),
        available: books.available(),
        pooled: books.pool.first_ready().map(|entry| entry.cycles.0),
        creation_fee: ic::creation_fee(),
    }
}

/// The role of a member that may get children: one that lives.
fn parent_role(books: &Books, parent: Principal) -> Option<String> {
    let member = books.registry.member(parent)?;
    (member.state == State::Active).then(|| books.registry.role_name(member.role).to_string())
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
pub(crate) async fn retire(asker: Asker, request: RetireRequest) -> Result<Retired, RetireError> {
    let id = books::with(|books| accept_retirement(books, asker, &request))?;
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
                Some(Clearing::Recycle) => Retirement::Recycle,
                _ => Retirement::Delete,
            },
        }),
        None => Err(RetireError::Pending { operation: id }),
    }
}

fn accept_retirement(
    books: &mut Books,
    asker: Asker,
    request: &RetireRequest,
) -> Result<OperationId, RetireError> {
    let canister = request.canister;
    if let Some(op) = quarantined(books, canister) {
        if let Asker::Member(caller) = asker {
            return Err(denied_retirement(caller));
        }
        return Ok(clear_quarantined(books, op, request.how));
    }
    let Some(member) = books.registry.member(canister) else {
        return Err(RetireError::NotAMember { canister });
    };
    if let Asker::Member(caller) = asker
        && member.parent.0 != caller
    {
        return Err(denied_retirement(caller));
    }
    if member.state != State::Active {
        return Err(RetireError::Pending {
            operation: member.operation,
        });
    }
    let subtree = request.subtree == Some(true);
    if !subtree {
        if let Some(child) = books.registry.children(canister, None).next() {
            return Err(RetireError::HasChildren { child });
        }
        if let Some(operation) = books.coming_below(canister) {
            return Err(RetireError::Pending { operation });
        }
    }
    let open = books.open_operations();
    if open >= policy::MAX_OPEN {
        let retry_after = policy::RETRY_AFTER;
        return Err(RetireError::Busy { open, retry_after });
    }
    Ok(books.retire(canister, member, request.how.into(), subtree, ic::now()))
}

fn quarantined(books: &Books, canister: Principal) -> Option<Operation> {
    let holder = books.journal.holder(canister)?;
    (holder.end == Some(End::Quarantined)).then_some(holder)
}

fn denied_retirement(caller: Principal) -> RetireError {
    RetireError::Denied(Denied {
        caller,
        allowed: "controllers of root, the member's parent".to_string(),
    })
}

/// A quarantined operation held no place any more; what is left is to clear its canister.
fn clear_quarantined(books: &mut Books, mut op: Operation, how: Retirement) -> OperationId {
    op.purpose = Purpose::ImportToPool;
    op.clearing = Some(how.into());
    op.go(Step::Inspect);
    op.end = None;
    op.drains = 0;
    op.calls = 0;
    op.reset = false;
    op.not_before = 0;
    let id = op.id;
    books.journal.put(op);
    id
}

// Import

/// Brings a canister into the fleet, and waits for it.
pub(crate) async fn import(request: ImportRequest) -> Result<Imported, ImportError> {
    let id = books::with(|books| accept_import(books, &request))?;
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
            max: books::with(|books| books.config.pool.as_ref().map_or(0, |pool| pool.max)),
        }),
        Some(_) => Err(ImportError::NotControlled {
            operation: id,
            reason,
        }),
        None => Err(ImportError::Pending { operation: id }),
    }
}

fn accept_import(books: &mut Books, request: &ImportRequest) -> Result<OperationId, ImportError> {
    let canister = request.canister;
    let holder = books.journal.holder(canister);
    if let Some(op) = holder.filter(|op| op.end.is_none()) {
        return Err(ImportError::Pending { operation: op.id });
    }
    if books.knows(canister) {
        return Err(ImportError::AlreadyKnown { canister });
    }
    let open = books.open_operations();
    if open >= policy::MAX_OPEN {
        let retry_after = policy::RETRY_AFTER;
        return Err(ImportError::Busy { open, retry_after });
    }
    let (purpose, step) = match &request.import_as {
        ImportAs::Pool => {
            let max = books.config.pool.as_ref().map_or(0, |pool| pool.max);
            let incoming =
                |op: &Operation| matches!(op.purpose, Purpose::ImportToPool | Purpose::Refill);
            let coming = books
                .journal
                .list(Section::Open, None)
                .filter(incoming)
                .count() as u64;
            if books.pool.len() + coming >= u64::from(max) {
                return Err(ImportError::PoolFull { max });
            }
            (Purpose::ImportToPool, Step::Inspect)
        }
        ImportAs::Member { role, key, parent } => {
            let (place, plan) =
                adoption(books, role, key.as_deref(), *parent).map_err(ImportError::Refused)?;
            (Purpose::Adopt(place, plan), Step::Verify)
        }
    };
    let id = books.next_operation();
    let mut op = Operation::new(id, purpose, step, ic::now());
    op.canister = Some(Id(canister));
    op.source = Some(Origin::Imported);
    match &op.purpose {
        Purpose::Adopt(place, _) => books.registry.take(place, id),
        _ => op.clearing = Some(Clearing::Recycle),
    }
    books.journal.put(op);
    Ok(id)
}

/// The same policy as for a new member, but that nothing is paid.
fn adoption(
    books: &Books,
    role: &str,
    key: Option<&str>,
    parent: Option<Principal>,
) -> Result<(Place, Plan), ProvisionError> {
    let config = role_config(books, role)?;
    policy::check_key(key)?;
    let place = place(
        Asker::Owner,
        role.to_string(),
        key.map(str::to_string),
        parent,
        &config,
    );
    match holder(books, &place) {
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
        ..facts(books, &place)
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
    let hash = books::with(|books| books.modules.stage(request.chunk))?;
    uploads::ensure(&[hash])
        .await
        .map_err(|failure| ModuleError::UploadFailed {
            reason: failure.reason,
        })?;
    Ok(StagedChunk {
        hash: hash.to_vec(),
        chunks: books::with(|books| books.modules.pieces()),
    })
}

/// Approves a module that was staged.
pub(crate) fn approve(request: &ApproveRequest) -> Result<ModuleInfo, ModuleError> {
    books::with(|books| {
        let roles = books.config.roles;
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
        let hash = books.modules.assemble(request)?;
        books.registry.set_module(&request.role, hash);
        forget_unused_modules(books);
        Ok(lists::module_info(books, &request.role, hash))
    })
}

/// Approves what was built into root; in `canister_init` and after each upgrade.
pub(crate) fn approve_embedded() {
    books::with(|books| {
        for role in books.config.roles {
            if let Some(wasm) = role.wasm {
                let hash = books.modules.embed(wasm);
                books.registry.set_module(role.name, hash);
            }
        }
        forget_unused_modules(books);
    });
}

/// A module is needed while a role has it approved or an open operation is to install it.
fn forget_unused_modules(books: &mut Books) {
    let approved = books.registry.roles().filter_map(|(_, role)| role.module);
    let planned = books
        .journal
        .list(Section::Open, None)
        .filter_map(|op| op.plan().map(|plan| plan.module));
    let needed: std::collections::BTreeSet<_> = approved.chain(planned).collect();
    books.modules.retain(|hash| needed.contains(&hash));
}
