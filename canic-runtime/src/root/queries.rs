//! Queries: pages of root's state, with rows as Candid.

use candid::Principal;

use crate::{
    api::{
        MemberInfo, MemberRequest, MembersFilter, MembersPage, MembersRequest, ModuleInfo,
        ModulesPage, OperationId, OperationInfo, OperationState, OperationsFilter, OperationsPage,
        OperationsRequest, PageRequest, PoolEntry, PoolPage, Progress, Source,
    },
    codec::paging::{page, rows},
    operation::{Admission, End, Hash, Operation, Purpose},
    state::{
        State,
        journal::Section,
        registry::{Holder, Member},
    },
};

/// A page of members.
pub(crate) fn members(state: &State, request: &MembersRequest) -> MembersPage {
    let after = request.after;
    let canisters: Box<dyn Iterator<Item = Principal> + '_> = match &request.filter {
        MembersFilter::All => Box::new(state.registry.after(after)),
        MembersFilter::Role(role) => match state.registry.role(role) {
            Some(role) => Box::new(state.registry.of_role(role.number, after)),
            None => Box::new(std::iter::empty()),
        },
        MembersFilter::Parent(parent) => Box::new(state.registry.children(*parent, after)),
    };
    let limit = rows(request.limit);
    let mut canisters = canisters.peekable();
    let mut members = Vec::new();
    while members.len() < limit {
        let Some(canister) = canisters.next() else {
            break;
        };
        members.extend(
            state
                .registry
                .member(canister)
                .map(|member| member_info(state, canister, member)),
        );
    }
    let next = canisters
        .peek()
        .and(members.last())
        .map(|last| last.canister);
    MembersPage {
        members,
        next,
        total: total(state, &request.filter),
    }
}

/// Members that a filter selects, those being provisioned included.
pub(crate) fn total(state: &State, filter: &MembersFilter) -> u64 {
    match filter {
        MembersFilter::All => state.registry.taken(),
        MembersFilter::Role(role) => {
            let role = state.registry.role(role);
            role.map_or(0, |role| u64::from(role.taken))
        }
        MembersFilter::Parent(parent) => state.registry.children_taken(*parent),
    }
}

/// A member by its canister or by its key.
pub(crate) fn member(state: &State, request: &MemberRequest) -> Option<MemberInfo> {
    let canister = match request {
        MemberRequest::Canister(canister) => *canister,
        MemberRequest::Key { role, key } => match state.registry.holder(role, key)? {
            Holder::Member(canister) => canister,
            Holder::Operation(_) => return None,
        },
    };
    let member = state.registry.member(canister)?;
    Some(member_info(state, canister, member))
}

pub(crate) fn member_info(state: &State, canister: Principal, member: Member) -> MemberInfo {
    let role = state.registry.role_name(member.role);
    let releases = state.registry.role(role).map(|role| &role.releases);
    let release = releases.and_then(|releases| releases.get(member.release));
    MemberInfo {
        canister,
        role: role.to_string(),
        parent: member.parent.0,
        key: member.key,
        state: member.status.into(),
        release: member.release,
        module: release.map_or(Vec::new(), |release| release.module.to_vec()),
        since: member.since,
        operation: member.operation,
    }
}

/// A page of approved modules, by role.
pub(crate) fn modules(state: &State, request: PageRequest) -> ModulesPage {
    let approved = state
        .registry
        .roles()
        .filter_map(|(name, role)| Some((name, role.module()?)));
    let (rows, next) = page(approved, request);
    let modules = rows
        .into_iter()
        .map(|(name, hash)| module_info(state, name, hash))
        .collect();
    ModulesPage { modules, next }
}

pub(crate) fn module_info(state: &State, role: &str, hash: Hash) -> ModuleInfo {
    let module = state.modules.get(hash);
    let chunks: Vec<Hash> = module.iter().flat_map(|module| module.chunks()).collect();
    ModuleInfo {
        role: role.to_string(),
        hash: hash.to_vec(),
        size: module.as_ref().map_or(0, |module| module.size),
        chunks: chunks.len() as u32,
        uploaded: chunks.iter().all(|chunk| state.modules.is_uploaded(*chunk)),
        embedded: state
            .registry
            .role(role)
            .is_some_and(|role| role.releases.embedded() == Some(hash)),
    }
}

/// A page of the pool.
pub(crate) fn pool(state: &State, request: PageRequest) -> PoolPage {
    let (rows, next) = page(state.pool.iter(), request);
    let entries = rows
        .into_iter()
        .map(|entry| PoolEntry {
            canister: entry.canister.0,
            cycles: entry.cycles.0,
            claimed_by: entry.claimed_by,
            since: entry.since,
            refusals: entry.refusals.as_ref().map_or(0, |refusals| refusals.count),
            refused: entry
                .refusals
                .as_ref()
                .map(|refusals| refusals.reason.clone()),
        })
        .collect();
    PoolPage {
        entries,
        next,
        ready: state.pool.ready_count(),
        claimed: state.pool.claimed_count(),
    }
}

/// A page of the operations of one section.
pub(crate) fn operations(state: &State, request: OperationsRequest) -> OperationsPage {
    let section = match request.filter {
        OperationsFilter::Open => Section::Open,
        OperationsFilter::Quarantined => Section::Quarantined,
        OperationsFilter::Closed => Section::Closed,
    };
    let mut rows_after = state.journal.list(section, request.after);
    let operations: Vec<OperationInfo> = rows_after
        .by_ref()
        .take(rows(request.limit))
        .map(|op| operation_info(state, op))
        .collect();
    let more = rows_after.next().is_some();
    let next = operations.last().filter(|_| more).map(|last| last.id);
    OperationsPage { operations, next }
}

/// An operation by its number.
pub(crate) fn operation(state: &State, id: OperationId) -> Option<OperationInfo> {
    let operation = state.journal.get(id)?;
    Some(operation_info(state, operation))
}

/// The numbers of the given operations, by state.
pub(crate) fn progress(state: &State, operations: &[OperationId]) -> Progress {
    let mut progress = Progress::default();
    for id in operations {
        let op = state.journal.get(*id);
        let count = match op.map(|op| (op.end, op.admission)) {
            None => &mut progress.unknown,
            Some((None, Admission::Queued)) => &mut progress.queued,
            Some((None, Admission::Immediate | Admission::Dequeued)) => &mut progress.running,
            Some((Some(End::Done), _)) => &mut progress.done,
            Some((Some(End::Quarantined), _)) => &mut progress.quarantined,
            Some((Some(_), _)) => &mut progress.rolled_back,
        };
        *count += 1;
    }
    progress
}

/// The release that a member gets by an operation of this purpose.
fn release_given(state: &State, purpose: &Purpose) -> Option<u32> {
    match purpose {
        Purpose::Provision(position, plan) | Purpose::Adopt(position, plan) => {
            let releases = &state.registry.role(&position.role)?.releases;
            Some(releases.of_module(plan.module)?.number)
        }
        Purpose::Upgrade(_, plan) => Some(plan.to.number),
        Purpose::Refill
        | Purpose::Retire(_)
        | Purpose::ImportToPool
        | Purpose::Move(..)
        | Purpose::Grant(_)
        | Purpose::Refuel(_) => None,
    }
}

fn operation_info(state: &State, op: Operation) -> OperationInfo {
    let release = release_given(state, &op.purpose);
    let state = match op.end {
        None if op.admission == Admission::Queued => OperationState::Open("Queued".to_string()),
        None => OperationState::Open(format!("{:?}", op.step)),
        Some(End::Abandoned) => OperationState::Abandoned(op.failure.clone().unwrap_or_default()),
        Some(End::Quarantined) => {
            OperationState::Quarantined(op.failure.clone().unwrap_or_default())
        }
        Some(end) => end
            .rolled_back()
            .map_or(OperationState::Done, OperationState::RolledBack),
    };
    let position = op.position().cloned();
    OperationInfo {
        id: op.id,
        kind: op.kind(),
        state,
        role: position.as_ref().map(|position| position.role.clone()),
        parent: position.as_ref().map(|position| position.parent.0),
        key: position.and_then(|position| position.key),
        release,
        canister: op.canister(),
        source: op.source.map(Source::from),
        failure: op.failure,
        attempts: op.retry.attempts,
        calls: op.retry.calls,
        paid: op.money.paid.0,
        accepted: op.accepted,
        updated: op.updated,
    }
}
