//! The lists that root serves: pages over the books, rows as Candid.

use crate::{
    api::{
        MAX_PAGE, MemberInfo, MemberRequest, MembersFilter, MembersPage, MembersRequest,
        ModuleInfo, ModulesPage, OperationId, OperationInfo, OperationState, OperationsFilter,
        OperationsPage, OperationsRequest, PageRequest, PoolEntry, PoolPage, Progress, Source,
    },
    books::Books,
    journal::{End, Hash, Operation, Section, Turn},
    registry::{Holder, Member},
};
use candid::Principal;

/// Rows of a page: at least one, so that a caller who pages on gets to the end.
pub(crate) fn rows(limit: u32) -> usize {
    limit.clamp(1, MAX_PAGE) as usize
}

/// Takes a page from an iterator of numbered rows. Answers the rows and where the next page goes on.
pub(crate) fn page<T>(
    rows: impl Iterator<Item = T>,
    request: PageRequest,
) -> (Vec<T>, Option<u64>) {
    let start = request.after.map_or(0, |after| after.saturating_add(1));
    let limit = self::rows(request.limit);
    let mut rows = rows.skip(usize::try_from(start).unwrap_or(usize::MAX));
    let page: Vec<T> = rows.by_ref().take(limit).collect();
    let more = rows.next().is_some();
    let last = start + page.len() as u64;
    (page, more.then(|| last - 1))
}

pub(crate) fn members(books: &Books, request: &MembersRequest) -> MembersPage {
    let after = request.after;
    let canisters: Box<dyn Iterator<Item = Principal> + '_> = match &request.filter {
        MembersFilter::All => Box::new(books.registry.after(after)),
        MembersFilter::Role(role) => match books.registry.role(role) {
            Some(role) => Box::new(books.registry.of_role(role.number, after)),
            None => Box::new(std::iter::empty()),
        },
        MembersFilter::Parent(parent) => Box::new(books.registry.children(*parent, after)),
    };
    let limit = rows(request.limit);
    let mut canisters = canisters.peekable();
    let mut members = Vec::new();
    while members.len() < limit {
        let Some(canister) = canisters.next() else {
            break;
        };
        members.extend(
            books
                .registry
                .member(canister)
                .map(|member| member_info(books, canister, member)),
        );
    }
    let next = canisters
        .peek()
        .and(members.last())
        .map(|last| last.canister);
    let total = match &request.filter {
        MembersFilter::All => books.registry.taken(),
        MembersFilter::Role(role) => {
            let role = books.registry.role(role);
            role.map_or(0, |role| u64::from(role.taken))
        }
        MembersFilter::Parent(parent) => books.registry.children_taken(*parent),
    };
    MembersPage {
        members,
        next,
        total,
    }
}

pub(crate) fn member(books: &Books, request: &MemberRequest) -> Option<MemberInfo> {
    let canister = match request {
        MemberRequest::Canister(canister) => *canister,
        MemberRequest::Key { role, key } => match books.registry.holder(role, key)? {
            Holder::Member(canister) => canister,
            Holder::Operation(_) => return None,
        },
    };
    let member = books.registry.member(canister)?;
    Some(member_info(books, canister, member))
}

pub(crate) fn member_info(books: &Books, canister: Principal, member: Member) -> MemberInfo {
    MemberInfo {
        canister,
        role: books.registry.role_name(member.role).to_string(),
        parent: member.parent.0,
        key: member.key,
        state: member.state.into(),
        module: member.module.to_vec(),
        since: member.since,
        operation: member.operation,
    }
}

pub(crate) fn modules(books: &Books, request: PageRequest) -> ModulesPage {
    let approved = books
        .registry
        .roles()
        .filter_map(|(name, role)| Some((name, role.module?)));
    let (rows, next) = page(approved, request);
    let modules = rows
        .into_iter()
        .map(|(name, hash)| module_info(books, name, hash))
        .collect();
    ModulesPage { modules, next }
}

pub(crate) fn module_info(books: &Books, role: &str, hash: Hash) -> ModuleInfo {
    let module = books.modules.get(hash);
    let chunks: Vec<Hash> = module.iter().flat_map(|module| module.chunks()).collect();
    ModuleInfo {
        role: role.to_string(),
        hash: hash.to_vec(),
        size: module.as_ref().map_or(0, |module| module.size),
        chunks: chunks.len() as u32,
        uploaded: chunks.iter().all(|chunk| books.modules.is_uploaded(*chunk)),
        embedded: module.is_some_and(|module| module.embedded),
    }
}

pub(crate) fn pool(books: &Books, request: PageRequest) -> PoolPage {
    let (rows, next) = page(books.pool.iter(), request);
    let entries = rows
        .into_iter()
        .map(|entry| PoolEntry {
            canister: entry.canister.0,
            cycles: entry.cycles.0,
            claimed_by: entry.claimed_by,
            since: entry.since,
        })
        .collect();
    PoolPage {
        entries,
        next,
        ready: books.pool.ready(),
        claimed: books.pool.claimed(),
    }
}

pub(crate) fn operations(books: &Books, request: OperationsRequest) -> OperationsPage {
    let section = match request.filter {
        OperationsFilter::Open => Section::Open,
        OperationsFilter::Quarantined => Section::Quarantined,
        OperationsFilter::Closed => Section::Closed,
    };
    let mut rows_after = books.journal.list(section, request.after);
    let operations: Vec<OperationInfo> = rows_after
        .by_ref()
        .take(rows(request.limit))
        .map(operation_info)
        .collect();
    let more = rows_after.next().is_some();
    let next = operations.last().filter(|_| more).map(|last| last.id);
    OperationsPage { operations, next }
}

pub(crate) fn operation(books: &Books, id: OperationId) -> Option<OperationInfo> {
    books.journal.get(id).map(operation_info)
}

/// How far operations are.
pub(crate) fn progress(books: &Books, operations: &[OperationId]) -> Progress {
    let mut progress = Progress::default();
    for id in operations {
        let op = books.journal.get(*id);
        let count = match op.map(|op| (op.end, op.turn)) {
            None => &mut progress.unknown,
            Some((None, Turn::Waits)) => &mut progress.waiting,
            Some((None, Turn::AtOnce | Turn::Came)) => &mut progress.running,
            Some((Some(End::Done), _)) => &mut progress.done,
            Some((Some(End::Quarantined), _)) => &mut progress.quarantined,
            Some((Some(_), _)) => &mut progress.rolled_back,
        };
        *count += 1;
    }
    progress
}

fn operation_info(op: Operation) -> OperationInfo {
    let state = match op.end {
        None if op.turn == Turn::Waits => OperationState::Open("Waits".to_string()),
        None => OperationState::Open(format!("{:?}", op.step)),
        Some(End::Quarantined) => {
            OperationState::Quarantined(op.failure.clone().unwrap_or_default())
        }
        Some(end) => end
            .rolled_back()
            .map_or(OperationState::Done, OperationState::RolledBack),
    };
    let place = op.place().cloned();
    OperationInfo {
        id: op.id,
        kind: op.kind(),
        state,
        role: place.as_ref().map(|place| place.role.clone()),
        key: place.and_then(|place| place.key),
        canister: op.canister(),
        source: op.source.map(Source::from),
        failure: op.failure,
        attempts: op.attempts,
        calls: op.calls,
        paid: op.paid.0,
        accepted: op.accepted,
        updated: op.updated,
    }
}
