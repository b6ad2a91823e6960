//! Root's lifecycle and endpoints.

use candid::{CandidType, Principal};

use crate::{
    api::{
        ApproveRequest, BatchError, CatchUpRequest, Denied, FundingInfo, GrantError, GrantRequest,
        Identity, ImportError, ImportRequest, MemberRequest, MembersRequest, ModuleError,
        MoveError, MoveRequest, OperationId, OperationsRequest, PageRequest, ProvisionError,
        ProvisionRequest, PruneRequest, Pruned, RefuelError, RefuelRequest, ReleasesRequest,
        RetireError, RetireRequest, RolloutControl, RolloutError, RolloutId, RolloutInfo,
        RolloutQuery, RolloutRequest, StageRequest, StatusPage, StatusRequest,
    },
    config::{ROOT_PARENT, Root},
    endpoint::inspection,
    entry::{
        hooks::{self, lifecycle, may_be_called},
        serve, upgrade,
    },
    fleet::{self, RootCalls},
    membership::{self, Cached, Fleet},
    metrics::{self, Family, http},
    platform::{
        ic::{self, Level},
        message,
    },
    root::{
        alarm, background, driver, funding_info,
        metrics::ROOT,
        queries,
        requests::{
            self,
            caller::{self, Caller},
        },
        rollout_info, status,
    },
    stable::memory,
    state::{self, State},
    tables::read::ReadAll,
};

// Lifecycle

/// `canister_init`: opens root's state and approves the embedded modules, then runs the author's
/// hook and `start`, then drives operations and refills the pool.
pub fn init(root: &'static Root, hook: impl FnOnce(Vec<u8>) -> Result<(), String>) {
    inspection::list_all();
    lifecycle("init", || begin(root, hook));
}

/// `canister_post_upgrade`: the same; root goes on with operations that the upgrade interrupted.
pub fn post_upgrade(root: &'static Root, hook: impl FnOnce(Vec<u8>) -> Result<(), String>) {
    inspection::list_all();
    lifecycle("post_upgrade", || begin(root, hook));
}

fn begin(
    root: &'static Root,
    hook: impl FnOnce(Vec<u8>) -> Result<(), String>,
) -> Result<(), String> {
    for fits in root.args_fit {
        fits()?;
    }
    memory::may_grow_to(root.max_stable_gib);
    memory::open(memory::META);
    state::open(&root.config);
    membership::set_fleet(Fleet {
        identity: || {
            Some(Identity {
                root: ic::this(),
                role: ROOT_PARENT.to_string(),
                parent: ic::this(),
                key: None,
            })
        },
        cached: |canister| Cached::Fresh(state::with(|state| state.registry.member_ref(canister))),
    });
    fleet::set_root(RootCalls {
        provision: |request| Box::pin(requests::provision::provision(Caller::Controller, request)),
        retire: |request| Box::pin(requests::retire::retire(Caller::Controller, request)),
        member: |request| state::with(|state| queries::member(state, &request)),
        move_member: |request| {
            Box::pin(requests::reparent::move_member(Caller::Controller, request))
        },
        grant: |request| Box::pin(requests::grants::grant(Caller::Controller, request)),
        members: |request| state::with(|state| queries::members(state, &request)),
        lookup: |canister| state::with(|state| state.registry.member_ref(canister)),
    });
    let now = ic::now();
    state::with(|state| state.begin_watch(now));
    for line in state::with(|state| requests::modules::approve_embedded(state, now)) {
        ic::log(Level::Info, format_args!("{line}"));
    }
    hooks::begin(hook, message::argument())?;
    if let Some(start) = root.start {
        start();
    }
    background::start();
    Ok(())
}

/// `canister_pre_upgrade`: refuses while root waits for an answer, unless root is stopped.
///
/// Only the answer to a creation tells the new canister's id.
pub fn pre_upgrade(_root: &'static Root, hook: impl FnOnce() -> Result<(), String>) {
    let operation = || {
        let in_flight = state::with(|state| {
            let mut open = state.journal.open_operations();
            open.find(|op| op.in_flight).map(|op| (op.id, op.step))
        });
        in_flight.map(|(id, step)| format!("operation {id} at its step {step:?}"))
    };
    upgrade::pre_upgrade(operation, hook);
}

/// Updates that only controllers and members may call.
const GUARDED: [&str; 13] = [
    "canic_provision",
    "canic_provision_batch",
    "canic_retire",
    "canic_move",
    "canic_grant",
    "canic_lookup",
    "canic_import",
    "canic_module_stage",
    "canic_module_approve",
    "canic_rollout_start",
    "canic_rollout_control",
    "canic_prune",
    "canic_refuel",
];

/// `canister_inspect_message`: rejects, before it costs anything, what the endpoints would deny.
pub fn inspect_message(_root: &'static Root, hook: impl FnOnce() -> bool) {
    let method = message::method();
    let welcome = if GUARDED.contains(&method.as_str()) {
        caller::identify(message::caller()).is_ok()
    } else {
        method != "canic_drive" && may_be_called(&method) && hook()
    };
    if welcome {
        message::accept();
    }
}

// Updates

/// Serves an update that awaits. Each request to root starts a timer again that the platform lost.
fn update_async<A, F, R>(run: impl FnOnce(A) -> F)
where
    A: ReadAll,
    F: Future<Output = R> + 'static,
    R: CandidType,
{
    alarm::revive();
    serve::update_async(run);
}

/// `canic_drive`: root calls itself to drive an operation, or to end the present message.
pub fn canic_drive(_root: &'static Root) {
    if message::caller() != ic::this() {
        return message::reject("only root calls this");
    }
    update_async(|(operation,): (Option<OperationId>,)| async move {
        if let Some(id) = operation {
            driver::drive(id).await;
        }
    });
}

/// `canic_provision`.
pub fn canic_provision(_root: &'static Root) {
    update_async(|(request,): (ProvisionRequest,)| {
        let caller = caller::identify(message::caller());
        async move {
            requests::provision::provision(caller.map_err(ProvisionError::Denied)?, request).await
        }
    });
}

/// `canic_provision_batch`.
pub fn canic_provision_batch(_root: &'static Root) {
    update_async(|(batch,): (Vec<ProvisionRequest>,)| {
        let caller = caller::identify(message::caller());
        async move {
            let caller = caller.map_err(BatchError::Denied)?;
            requests::provision::provision_batch(caller, batch)
                as Result<Vec<Result<OperationId, ProvisionError>>, BatchError>
        }
    });
}

/// `canic_retire`.
pub fn canic_retire(_root: &'static Root) {
    update_async(|(request,): (RetireRequest,)| {
        let caller = caller::identify(message::caller());
        async move { requests::retire::retire(caller.map_err(RetireError::Denied)?, request).await }
    });
}

/// `canic_move`.
pub fn canic_move(_root: &'static Root) {
    update_async(|(request,): (MoveRequest,)| {
        let caller = caller::identify(message::caller());
        async move {
            let caller = caller.map_err(MoveError::Denied)?;
            requests::reparent::move_member(caller, request).await
        }
    });
}

/// `canic_grant`.
pub fn canic_grant(_root: &'static Root) {
    update_async(|(request,): (GrantRequest,)| {
        let caller = caller::identify(message::caller());
        async move {
            let caller = caller.map_err(GrantError::Denied)?;
            requests::grants::grant(caller, request).await
        }
    });
}

/// `canic_lookup`.
pub fn canic_lookup(_root: &'static Root) {
    update_async(|(canister,): (Principal,)| {
        let holder = message::caller();
        let caller = caller::identify(holder);
        async move {
            let now = ic::now();
            caller.map(|_| state::with(|state| state.lease_member_ref(canister, holder, now)))
        }
    });
}

/// `canic_import`.
pub fn canic_import(_root: &'static Root) {
    update_async(|(request,): (ImportRequest,)| {
        let allowed = caller::require_controller(message::caller());
        async move {
            allowed.map_err(ImportError::Denied)?;
            requests::import::import(request).await
        }
    });
}

/// `canic_module_stage`.
pub fn canic_module_stage(_root: &'static Root) {
    update_async(|(request,): (StageRequest,)| {
        let allowed = caller::require_controller(message::caller());
        async move {
            allowed.map_err(ModuleError::Denied)?;
            requests::modules::stage(request).await
        }
    });
}

/// `canic_module_approve`.
pub fn canic_module_approve(_root: &'static Root) {
    update_async(|(request,): (ApproveRequest,)| {
        let allowed = caller::require_controller(message::caller());
        async move {
            allowed.map_err(ModuleError::Denied)?;
            let now = ic::now();
            let info = state::with(|state| requests::modules::approve(state, &request, now))?;
            // The approval may have begun a rollout.
            driver::begin_upgrades(now);
            Ok::<_, ModuleError>(info)
        }
    });
}

/// `canic_rollout_start`.
pub fn canic_rollout_start(_root: &'static Root) {
    update_async(|(request,): (RolloutRequest,)| {
        let allowed = caller::require_controller(message::caller());
        async move {
            allowed.map_err(RolloutError::Denied)?;
            let now = ic::now();
            let id = state::with(|state| requests::rollouts::start(state, &request, now))?;
            driver::begin_upgrades(now);
            Ok::<RolloutId, RolloutError>(id)
        }
    });
}

/// `canic_rollout_control`.
pub fn canic_rollout_control(_root: &'static Root) {
    update_async(|(id, wish): (RolloutId, RolloutControl)| {
        let allowed = caller::require_controller(message::caller());
        async move {
            allowed.map_err(RolloutError::Denied)?;
            let now = ic::now();
            let info = state::with(|state| requests::rollouts::control(state, id, wish, now))?;
            driver::begin_upgrades(now);
            Ok::<RolloutInfo, RolloutError>(info)
        }
    });
}

/// `canic_prune`.
pub fn canic_prune(_root: &'static Root) {
    update_async(|(request,): (PruneRequest,)| {
        let allowed = caller::require_controller(message::caller());
        async move {
            allowed?;
            Ok::<Pruned, Denied>(state::with(|state| state.journal.forget(request.before)))
        }
    });
}

/// `canic_refuel`.
pub fn canic_refuel(_root: &'static Root) {
    update_async(|(request,): (RefuelRequest,)| {
        let allowed = caller::require_controller(message::caller());
        async move {
            allowed.map_err(RefuelError::Denied)?;
            requests::refuel::refuel(request).await
        }
    });
}

// Queries

/// `canic_members`.
pub fn canic_members(_root: &'static Root) {
    list(|state, (request,): (MembersRequest,)| queries::members(state, &request));
}

/// `canic_catch_up`.
pub fn canic_catch_up(_root: &'static Root) {
    serve::query(|(request,): (CatchUpRequest,)| {
        let member = caller::require_member(message::caller());
        member.map(|member| state::with(|state| state.catch_up(member, request)))
    });
}

/// `canic_member`.
pub fn canic_member(_root: &'static Root) {
    list(|state, (request,): (MemberRequest,)| queries::member(state, &request));
}

/// `canic_modules`.
pub fn canic_modules(_root: &'static Root) {
    list(|state, (request,): (PageRequest,)| queries::modules(state, request));
}

/// `canic_releases`.
pub fn canic_releases(_root: &'static Root) {
    list(|state, (request,): (ReleasesRequest,)| rollout_info::releases(state, &request));
}

/// `canic_rollouts`.
pub fn canic_rollouts(_root: &'static Root) {
    list(|state, (request,): (PageRequest,)| rollout_info::rollouts(state, request, ic::now()));
}

/// `canic_rollout`.
pub fn canic_rollout(_root: &'static Root) {
    list(|state, (request,): (RolloutQuery,)| rollout_info::rollout(state, request, ic::now()));
}

/// `canic_pool`.
pub fn canic_pool(_root: &'static Root) {
    list(|state, (request,): (PageRequest,)| queries::pool(state, request));
}

/// `canic_operations`.
pub fn canic_operations(_root: &'static Root) {
    list(|state, (request,): (OperationsRequest,)| queries::operations(state, request));
}

/// `canic_operation`.
pub fn canic_operation(_root: &'static Root) {
    list(|state, (id,): (OperationId,)| queries::operation(state, id));
}

/// `canic_progress`.
pub fn canic_progress(_root: &'static Root) {
    serve::query(|(operations,): (Vec<OperationId>,)| {
        let caller = caller::identify(message::caller()).map_err(BatchError::Denied);
        caller.and_then(|_| requests::provision::progress(&operations))
    });
}

/// `canic_funding`.
pub fn canic_funding(_root: &'static Root) {
    serve::query(|(): ()| -> Result<FundingInfo, Denied> {
        caller::require_controller(message::caller())?;
        let moment = ic::moment();
        Ok(state::with(|state| funding_info::funding(state, &moment)))
    });
}

/// `canic_status`.
pub fn canic_status(_root: &'static Root) {
    serve::query_async(|(request,): (StatusRequest,)| {
        let allowed = caller::require_controller(message::caller());
        async move {
            allowed?;
            Ok::<StatusPage, Denied>(status::status(request).await)
        }
    });
}

/// `canic_metrics`.
pub fn canic_metrics(_root: &'static Root) {
    serve::query(|(request,): (PageRequest,)| {
        let caller = caller::identify(message::caller());
        caller.map(|_| metrics::page(families(), request))
    });
}

/// `http_request`.
pub fn http_request(_root: &'static Root) {
    serve::query(|(request,)| http::respond(&request, families()));
}

fn families() -> impl Iterator<Item = &'static Family> {
    metrics::MEMBER.iter().chain(&ROOT)
}

/// Serves a query of root's state to controllers and members.
fn list<A, R>(read: impl FnOnce(&State, A) -> R)
where
    A: ReadAll,
    R: CandidType,
{
    serve::query(|arguments: A| -> Result<R, Denied> {
        let caller = caller::identify(message::caller());
        caller.map(|_| state::with(|state| read(state, arguments)))
    });
}
