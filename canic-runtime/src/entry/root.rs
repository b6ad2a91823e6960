//! Root's lifecycle and endpoints.

use super::{CandidArguments, decode_args, lifecycle};
use crate::{
    api::{
        ApproveRequest, BatchError, CatchUpRequest, Denied, ImportError, ImportRequest,
        MemberRequest, MembersRequest, Membership, ModuleError, MoveError, MoveRequest,
        OperationId, OperationsRequest, PageRequest, ProvisionError, ProvisionRequest,
        PruneRequest, Pruned, RetireError, RetireRequest, StageRequest,
    },
    config::Root,
    endpoint::access::{self, Cached, Fleet},
    fleet::{self, RootCalls},
    metrics::{self, http},
    platform::{calls, ic},
    root::{
        background, driver,
        metrics::ROOT,
        queries,
        requests::{
            self,
            caller::{self, Caller},
        },
    },
    stable::memory,
    state::{self, State},
};
use candid::{CandidType, Principal};
use ic_cdk::futures::internals::{in_executor_context, in_query_executor_context};
use std::future::Future;

// Lifecycle

/// `canister_init`: the books, the modules that were built in, the author's hook, then `start` and the pool.
pub fn init(root: &'static Root, hook: impl FnOnce(Vec<u8>) -> Result<(), String>) {
    lifecycle("init", || begin(root, hook));
}

/// `canister_post_upgrade`: the same; operations that were cut off are taken up again.
pub fn post_upgrade(root: &'static Root, hook: impl FnOnce(Vec<u8>) -> Result<(), String>) {
    lifecycle("post_upgrade", || begin(root, hook));
}

fn begin(
    root: &'static Root,
    hook: impl FnOnce(Vec<u8>) -> Result<(), String>,
) -> Result<(), String> {
    memory::may_grow_to(root.max_stable_gib);
    memory::open(memory::META);
    state::open(&root.config);
    access::set_fleet(Fleet {
        membership: || {
            Some(Membership {
                root: ic::this(),
                parent: ic::this(),
                key: None,
            })
        },
        role: None,
        known: |canister| Cached::Fresh(state::with(|state| state.registry.member_ref(canister))),
    });
    fleet::set_root(RootCalls {
        provision: |request| Box::pin(requests::provision::provision(Caller::Controller, request)),
        retire: |request| Box::pin(requests::retire::retire(Caller::Controller, request)),
        member: |request| state::with(|state| queries::member(state, &request)),
        move_member: |request| {
            Box::pin(requests::reparent::move_member(Caller::Controller, request))
        },
        members: |request| state::with(|state| queries::members(state, &request)),
        standing: |canister| state::with(|state| state.registry.member_ref(canister)),
    });
    state::with(requests::modules::approve_embedded);
    hook(ic_cdk::api::msg_arg_data())?;
    if let Some(start) = root.start {
        start();
    }
    background::start();
    Ok(())
}

/// `canister_pre_upgrade`: refuses while root waits for an answer, unless root is stopped.
///
/// The answer would arrive at the new code, which does not know what it belongs to; and only the answer to a creation
/// tells the new canister's id.
pub fn pre_upgrade(_root: &'static Root, hook: impl FnOnce() -> Result<(), String>) {
    lifecycle("pre_upgrade", || {
        let awaited = calls::in_flight();
        if awaited == 0 || ic::is_stopped() {
            return hook();
        }
        let in_flight = state::with(|state| {
            let mut open = state.journal.open_operations();
            open.find(|op| op.in_flight).map(|op| (op.id, op.step))
        });
        let who = in_flight.map_or("root".to_string(), |(id, step)| {
            format!("operation {id} at its step {step:?}")
        });
        Err(format!(
            "{who} waits for the answer to a call ({awaited} in all); upgrade again when it has come, or stop root first"
        ))
    });
}

/// Updates that only controllers and members may call.
const GUARDED: [&str; 9] = [
    "canic_provision",
    "canic_provision_batch",
    "canic_retire",
    "canic_move",
    "canic_lookup",
    "canic_import",
    "canic_module_stage",
    "canic_module_approve",
    "canic_prune",
];

/// `canister_inspect_message`: turns away what the endpoints would refuse, before it costs anything.
pub fn inspect_message(_root: &'static Root, hook: impl FnOnce() -> bool) {
    let method = ic_cdk::api::msg_method_name();
    let welcome = if GUARDED.contains(&method.as_str()) {
        caller::identify(ic::caller()).is_ok()
    } else {
        method != "canic_drive" && super::may_be_called(&method) && hook()
    };
    if welcome {
        ic_cdk::api::accept_message();
    }
}

// Updates

/// `canic_drive`: root calls itself to drive an operation, or for the message boundary alone.
pub fn canic_drive(_root: &'static Root) {
    if ic::caller() != ic::this() {
        return ic_cdk::api::msg_reject("only root calls this");
    }
    update(|(operation,): (Option<OperationId>,)| async move {
        if let Some(id) = operation {
            driver::drive(id).await;
        }
    });
}

/// `canic_provision`.
pub fn canic_provision(_root: &'static Root) {
    update(|(request,): (ProvisionRequest,)| {
        let asker = caller::identify(ic::caller());
        async move {
            requests::provision::provision(asker.map_err(ProvisionError::Denied)?, request).await
        }
    });
}

/// `canic_provision_batch`.
pub fn canic_provision_batch(_root: &'static Root) {
    update(|(batch,): (Vec<ProvisionRequest>,)| {
        let asker = caller::identify(ic::caller());
        async move {
            let asker = asker.map_err(BatchError::Denied)?;
            requests::provision::provision_batch(asker, batch)
                as Result<Vec<Result<OperationId, ProvisionError>>, BatchError>
        }
    });
}

/// `canic_retire`.
pub fn canic_retire(_root: &'static Root) {
    update(|(request,): (RetireRequest,)| {
        let asker = caller::identify(ic::caller());
        async move { requests::retire::retire(asker.map_err(RetireError::Denied)?, request).await }
    });
}

/// `canic_move`.
pub fn canic_move(_root: &'static Root) {
    update(|(request,): (MoveRequest,)| {
        let asker = caller::identify(ic::caller());
        async move { requests::reparent::move_member(asker.map_err(MoveError::Denied)?, request).await }
    });
}

/// `canic_lookup`.
pub fn canic_lookup(_root: &'static Root) {
    update(|(canister,): (Principal,)| {
        let caller = ic::caller();
        let asker = caller::identify(caller);
        async move {
            asker.map(|_| state::with(|state| state.lease_member_ref(canister, caller, ic::now())))
        }
    });
}

/// `canic_import`.
pub fn canic_import(_root: &'static Root) {
    update(|(request,): (ImportRequest,)| {
        let owner = caller::require_controller(ic::caller());
        async move {
            owner.map_err(ImportError::Denied)?;
            requests::import::import(request).await
        }
    });
}

/// `canic_module_stage`.
pub fn canic_module_stage(_root: &'static Root) {
    update(|(request,): (StageRequest,)| {
        let owner = caller::require_controller(ic::caller());
        async move {
            owner.map_err(ModuleError::Denied)?;
            requests::modules::stage(request).await
        }
    });
}

/// `canic_module_approve`.
pub fn canic_module_approve(_root: &'static Root) {
    update(|(request,): (ApproveRequest,)| {
        let owner = caller::require_controller(ic::caller());
        async move {
            owner.map_err(ModuleError::Denied)?;
            state::with(|state| requests::modules::approve(state, &request))
        }
    });
}

/// `canic_prune`.
pub fn canic_prune(_root: &'static Root) {
    update(|(request,): (PruneRequest,)| {
        let owner = caller::require_controller(ic::caller());
        async move {
            owner?;
            Ok::<Pruned, Denied>(state::with(|state| state.journal.forget(request.before)))
        }
    });
}

fn update<A, F, R>(run: impl FnOnce(A) -> F)
where
    A: CandidArguments,
    F: Future<Output = R> + 'static,
    R: CandidType,
{
    in_executor_context(|| match decode_args(ic_cdk::api::msg_arg_data()) {
        Ok(arguments) => {
            let answer = run(arguments);
            ic_cdk::futures::spawn(async move { ic::reply(&answer.await) });
        }
        Err(reason) => ic_cdk::api::msg_reject(reason),
    });
}

// Queries

/// `canic_members`.
pub fn canic_members(_root: &'static Root) {
    list(|state, (request,): (MembersRequest,)| queries::members(state, &request));
}

/// `canic_catch_up`.
pub fn canic_catch_up(_root: &'static Root) {
    in_query_executor_context(|| {
        match decode_args::<(CatchUpRequest,)>(ic_cdk::api::msg_arg_data()) {
            Ok((request,)) => ic::reply(
                &caller::require_member(ic::caller())
                    .map(|member| state::with(|state| state.catch_up(member, request))),
            ),
            Err(reason) => ic_cdk::api::msg_reject(reason),
        }
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
    in_query_executor_context(|| {
        match decode_args::<(Vec<OperationId>,)>(ic_cdk::api::msg_arg_data()) {
            Ok((operations,)) => {
                let asker = caller::identify(ic::caller()).map_err(BatchError::Denied);
                ic::reply(&asker.and_then(|_| requests::provision::progress(&operations)));
            }
            Err(reason) => ic_cdk::api::msg_reject(reason),
        }
    });
}

/// `canic_metrics`.
pub fn canic_metrics(_root: &'static Root) {
    in_query_executor_context(
        || match decode_args::<(PageRequest,)>(ic_cdk::api::msg_arg_data()) {
            Ok((request,)) => {
                let asker = caller::identify(ic::caller());
                ic::reply(&asker.map(|_| metrics::page(families(), request)));
            }
            Err(reason) => ic_cdk::api::msg_reject(reason),
        },
    );
}

/// `http_request`.
pub fn http_request(_root: &'static Root) {
    http::serve(families());
}

fn families() -> impl Iterator<Item = &'static metrics::Family> {
    metrics::MEMBER.iter().chain(&ROOT)
}

/// Serves a list to controllers and members.
fn list<A, R>(read: impl FnOnce(&State, A) -> R)
where
    A: CandidArguments,
    R: CandidType,
{
    in_query_executor_context(|| match decode_args(ic_cdk::api::msg_arg_data()) {
        Ok(arguments) => {
            let answer: Result<R, Denied> =
                caller::identify(ic::caller()).map(|_| state::with(|state| read(state, arguments)));
            ic::reply(&answer);
        }
        Err(reason) => ic_cdk::api::msg_reject(reason),
    });
}
