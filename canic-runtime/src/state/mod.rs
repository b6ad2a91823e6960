//! Root's state: journal, registry, pool, modules, outbox and ledger, and the changes that touch
//! several of them at once.
//!
//! Each function here runs between two awaits and keeps the invariant: every canister that root
//! created is a member, in the pool, or held by an open or quarantined operation. Time, ids and
//! balances are arguments.

pub(crate) mod funding;
pub(crate) mod journal;
pub(crate) mod ledger;
pub(crate) mod metadata;
pub(crate) mod modules;
pub(crate) mod open_operations;
pub(crate) mod outbox;
pub(crate) mod pool;
pub(crate) mod registry;
pub(crate) mod releases;
pub(crate) mod role_costs;
pub(crate) mod rollouts;
pub(crate) mod samples;
pub(crate) mod schedule;
pub(crate) mod subscribers;
pub(crate) mod watch;

use std::{cell::RefCell, collections::BTreeSet};

use candid::Principal;
use minicbor::{Decode, Encode};

use crate::{
    api::{CatchUpPage, CatchUpRequest, MemberRef, OperationId, OperationKind},
    config::RootConfig,
    operation::{
        Admission, End, Hash, Job, Moment, Operation, Origin, Position, Purpose, Reparent, Step,
        Teardown, TeardownState, UpgradePlan, allocation, call::Reply, policy, rollout::Phase,
        search,
    },
    stable::{
        memory,
        record::{Cycles, Id},
    },
    state::{
        funding::Funding,
        journal::{Journal, Section},
        ledger::Ledger,
        modules::Modules,
        outbox::Outbox,
        pool::Pool,
        registry::{KeptSnapshot, Member, MemberStatus, Registry},
        rollouts::Rollouts,
        samples::{Sample, Samples},
    },
};

// Memory ids. They are part of the stable layout: an id is never given another meaning.
const OPERATIONS: u8 = 200;
const ARGUMENTS: u8 = 201;
const MEMBERS: u8 = 202;
const ROLES: u8 = 203;
const POOL: u8 = 204;
const MODULES: u8 = 205;
const CHUNKS: u8 = 206;
const UPLOADED: u8 = 207;
const PENDING: u8 = 208;
const SUBSCRIBERS: u8 = 209;
const LEASES: u8 = 210;
const ROLLOUTS: u8 = 211;
const SCHEDULE: u8 = 212;
const FUNDING: u8 = 213;
const SAMPLES: u8 = 215;

/// Bytes that a creation's record keeps free: as much as a canister's id takes, and the numbers
/// that change with it.
const PADDING: usize = 64;

/// The facts that belong to no table.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub(crate) struct Head {
    #[n(0)]
    last_operation: OperationId,
    #[n(1)]
    pub(crate) ledger: Ledger,
    /// The number of the last announced change. On the heap: of the last change, announced or not.
    #[n(2)]
    last_change: u64,
    /// The newest canister that root created.
    #[n(3)]
    newest: Option<Id>,
}

/// The standing of a release that root has just approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Approved {
    /// New members get it.
    Current,
    /// A rollout is to bring it to the members.
    Candidate,
}

/// All of root's state.
pub(crate) struct State {
    pub(crate) config: &'static RootConfig,
    pub(crate) head: Head,
    pub(crate) journal: Journal,
    pub(crate) registry: Registry,
    pub(crate) pool: Pool,
    pub(crate) modules: Modules,
    pub(crate) outbox: Outbox,
    pub(crate) rollouts: Rollouts,
    pub(crate) funding: Funding,
    pub(crate) samples: Samples,
    /// Provisions that failed in a row. On the heap only.
    failures: u32,
}

thread_local! {
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
}

/// Opens root's state: once after each install or upgrade, before any other code uses it.
pub(crate) fn open(config: &'static RootConfig) {
    let state = State::open(config);
    STATE.with_borrow_mut(|slot| *slot = Some(state));
}

/// Reads or changes root's state. It can't be borrowed across an await.
///
/// # Panics
///
/// In a canister that is no root. Generated code opens the state before it calls anything else.
pub(crate) fn with<R>(f: impl FnOnce(&mut State) -> R) -> R {
    STATE.with_borrow_mut(|state| match state {
        Some(state) => f(state),
        None => panic!("canic: this canister is no root"),
    })
}

impl State {
    /// Reads the state from stable memory.
    pub(crate) fn open(config: &'static RootConfig) -> Self {
        memory::migrate(|_| ());
        let registry = Registry::open(MEMBERS, ROLES);
        let mut state = Self {
            config,
            head: memory::read_head().unwrap_or_default(),
            journal: Journal::open(OPERATIONS, ARGUMENTS),
            funding: Funding::open(SCHEDULE, FUNDING, registry.record_ids()),
            registry,
            pool: Pool::open(POOL),
            modules: Modules::open(MODULES, CHUNKS, UPLOADED),
            outbox: Outbox::open(PENDING, SUBSCRIBERS, LEASES),
            rollouts: Rollouts::open(ROLLOUTS),
            samples: Samples::open(SAMPLES),
            failures: 0,
        };
        state.restore_claims();
        state
    }

    /// Restores the claims of open operations: canisters of the pool, and positions that no member
    /// has yet. The operations alone have them on record.
    fn restore_claims(&mut self) {
        for op in self.journal.open_operations() {
            if let Some(canister) = op.canister() {
                self.pool.mark_claimed(canister, op.id);
            }
            let is_member = |id| self.registry.is_member(id);
            match &op.purpose {
                Purpose::Provision(position, _) | Purpose::Adopt(position, _) => {
                    if !op.canister().is_some_and(is_member) {
                        self.registry.take_position(position, op.id);
                    }
                }
                Purpose::Move(position, _) => {
                    if let Some(role) = self.registry.role(&position.role).map(|role| role.number) {
                        self.registry.take_below(position.parent.0, role);
                    }
                }
                Purpose::Refill
                | Purpose::Retire(_)
                | Purpose::ImportToPool
                | Purpose::Upgrade(..)
                | Purpose::Grant(_)
                | Purpose::Refuel(_) => {}
            }
        }
    }

    /// Takes the next operation number.
    pub(crate) fn take_operation_id(&mut self) -> OperationId {
        self.head.last_operation += 1;
        self.write_head();
        self.head.last_operation
    }

    fn write_head(&self) {
        memory::write_head(&self.head);
    }

    // Facts

    /// Operations that run while a caller waits for them.
    pub(crate) fn running(&self) -> u32 {
        let others = self.journal.queued_count()
            + self.journal.background_count()
            + self.journal.open_of(OperationKind::Upgrade)
            + self.journal.open_of(OperationKind::Grant)
            + self.journal.open_of(OperationKind::Refuel);
        u32::try_from(self.journal.open_count() - others).unwrap_or(u32::MAX)
    }

    /// Cycles that root can spend: `balance` without its reserve and without what open operations
    /// still have to send.
    pub(crate) fn available(&self, balance: u128) -> u128 {
        balance
            .saturating_sub(self.config.reserve)
            .saturating_sub(self.journal.reserved())
    }

    /// Root's cycles now, `balance` of which it can spend.
    pub(crate) fn sample(&self, balance: u128) -> Sample {
        let ledger = &self.head.ledger;
        Sample {
            balance: Cycles(balance),
            received: Cycles(ledger.drained.0 + ledger.refuelled.0),
        }
    }

    /// Whether a canister is `root`, or on root's record.
    pub(crate) fn is_known(&self, canister: Principal, root: Principal) -> bool {
        canister == root
            || self.registry.is_member(canister)
            || self.pool.contains(canister)
            || self.journal.holder(canister).is_some()
    }

    /// Whether a creation whose reply is outstanding may have made a canister. A search could take
    /// that one for a lost one.
    pub(crate) fn may_be_creating(&self, canister: Principal) -> bool {
        let mut open = self.journal.open_operations();
        open.any(|op| {
            let creates = op.step == Step::Create && op.in_flight;
            creates && search::may_have_made(op.search.low, canister)
        })
    }

    /// Whether a canister is below another one, or is the same.
    pub(crate) fn is_within(&self, canister: Principal, upper: Principal) -> bool {
        let mut above = Some(canister);
        while let Some(at) = above {
            if at == upper {
                return true;
            }
            above = self.registry.member(at).map(|member| member.parent.0);
        }
        false
    }

    // Releases

    /// Makes a module a release of a role. It is current at once if it is the first one, or if the
    /// role has no members; otherwise it is the candidate.
    pub(crate) fn approve(&mut self, role: &str, module: Hash, now: u64) -> Approved {
        let has_members = self.registry.role(role).is_some_and(|role| role.taken > 0);
        self.registry.change_releases(role, |releases| {
            let number = releases.add(module, now);
            let current = releases.current().map(|release| release.number);
            if current == Some(number) || current.is_none() || !has_members {
                releases.set_current(number);
                releases.set_candidate(None);
                Approved::Current
            } else {
                releases.set_candidate(Some(number));
                Approved::Candidate
            }
        })
    }

    /// Forgets the releases that nobody needs, and the modules of no release and no operation.
    pub(crate) fn forget_unused_modules(&mut self) {
        let open = self.journal.open_operations();
        let installed = open.flat_map(Operation::modules);
        // A rollout that goes on may be undone.
        let rolled_out = self.rollouts.open_ones().flat_map(|rollout| {
            let role = self.registry.role_name(rollout.role);
            let releases = self.registry.role(role).map(|role| &role.releases);
            let known = |number| releases.and_then(|releases| releases.get(number));
            [known(rollout.from), known(rollout.to)]
        });
        let rolled_out = rolled_out.flatten().map(|release| release.module);
        let planned: BTreeSet<Hash> = installed.chain(rolled_out).collect();
        self.registry
            .forget_releases(|module| planned.contains(&module));
        let roles = self.registry.roles();
        let approved = roles.flat_map(|(_, role)| role.releases.all());
        let approved = approved.map(|release| release.module);
        let needed: BTreeSet<Hash> = approved.chain(planned).collect();
        self.modules.retain(|hash| needed.contains(&hash));
    }

    // Requests

    /// Begins the operation that was queued first, unless enough run in the background.
    pub(crate) fn dequeue(&mut self, moment: &Moment) -> Option<OperationId> {
        let background = self.journal.background_count();
        if !policy::may_dequeue(background, self.pool.ready_count(), self.failures) {
            return None;
        }
        let mut op = self.journal.get(self.journal.first_queued()?)?;
        op.admission = Admission::Dequeued;
        if self.claim(&mut op, moment.now) {
            let required = op.plan().map_or(0, |plan| plan.cycles.0);
            let shortfall = policy::shortfall(op.money.held.0, required);
            op.money.reserve_shortfall(shortfall);
            op.step = allocation::first_step(&op, moment.root);
        }
        let id = op.id;
        self.journal.put(op);
        Some(id)
    }

    /// Claims a canister of the pool for an operation, which the caller puts on record in the same
    /// message. Answers whether there was one.
    pub(crate) fn claim(&mut self, op: &mut Operation, now: u64) -> bool {
        self.pool.record_demand(now);
        match self.pool.claim(op.id) {
            Some(entry) => {
                op.canister = Some(entry.canister);
                op.source = Some(Origin::Pool);
                op.money.held = entry.cycles;
                op.refusals = entry.refusals;
                true
            }
            None => false,
        }
    }

    /// Puts the retirement of a member on record. With `subtree` the members below it go first.
    pub(crate) fn retire(
        &mut self,
        canister: Principal,
        member: Member,
        goal: Teardown,
        subtree: bool,
        now: u64,
    ) -> OperationId {
        let position = self.position_of(member);
        let step = if subtree {
            Step::RetireChildren
        } else {
            Step::Inspect
        };
        let id = self.take_operation_id();
        self.registry
            .set_status(canister, MemberStatus::Retiring, id);
        self.announce(canister, Some(&position), None, now);
        let mut op = Operation::new(id, Purpose::Retire(position), step, now);
        op.canister = Some(Id(canister));
        op.teardown = Some(TeardownState::new(goal));
        self.journal.put(op);
        id
    }

    /// Puts the retirement of a retiring member's children on record, as many as may run at once.
    /// `None`: no member is left below it.
    pub(crate) fn retire_children(
        &mut self,
        parent: &Operation,
        now: u64,
    ) -> Option<Vec<OperationId>> {
        let canister = parent.canister()?;
        let capacity = policy::MAX_RUNNING.saturating_sub(self.running()) as usize;
        let (mut has_children, mut active) = (false, Vec::new());
        for child in self.registry.children(canister, None) {
            has_children = true;
            if let Some(member) = self.registry.member(child)
                && !self.is_locked(child, &member)
            {
                active.push((child, member));
            }
            if active.len() >= capacity {
                break;
            }
        }
        if !has_children && self.journal.below(canister).is_none() {
            return None;
        }
        let goal = parent.goal().unwrap_or(Teardown::Delete);
        let retired = active
            .into_iter()
            .take(capacity)
            .map(|(child, member)| self.retire(child, member, goal, true, now));
        Some(retired.collect())
    }

    /// Notes the canister that operation `id` created: an upper bound for the canisters that were
    /// lost before. Opens the operations again that look for one, and answers their numbers.
    pub(crate) fn note_created(&mut self, id: OperationId) -> Vec<OperationId> {
        let Some(created) = self.journal.get(id).and_then(|op| op.canister()) else {
            return Vec::new();
        };
        let newest = self.head.newest.map(|newest| newest.0);
        if newest.is_none_or(|newest| search::number(newest) < search::number(created)) {
            self.head.newest = Some(Id(created));
            self.write_head();
        }
        let all = self.journal.open_operations();
        let searching: Vec<OperationId> = all
            .filter(|op| op.step == Step::Search)
            .map(|op| op.id)
            .collect();
        for id in searching {
            if let Some(mut op) = self.journal.get(id) {
                search::bound(&mut op, created);
                self.journal.put(op);
            }
        }
        self.search_for(search::is_searchable, Some(created))
    }

    /// Begins the search for each canister that is lost and was not searched for. Answers the
    /// numbers of the operations.
    pub(crate) fn search_for_lost(&mut self) -> Vec<OperationId> {
        self.search_for(search::is_due, None)
    }

    fn search_for(
        &mut self,
        is_lost: fn(&Operation) -> bool,
        bound: Option<Principal>,
    ) -> Vec<OperationId> {
        let all = self.journal.list(Section::Quarantined, None);
        let lost: Vec<Operation> = all.filter(is_lost).collect();
        let mut opened = Vec::new();
        for mut op in lost {
            search::begin(&mut op);
            if let Some(canister) = bound {
                search::bound(&mut op, canister);
            }
            opened.push(op.id);
            self.journal.put(op);
        }
        opened
    }

    // The pool

    /// Canisters on their way into the pool.
    pub(crate) fn refills_in_flight(&self) -> u64 {
        self.journal.open_of(OperationKind::Refill)
    }

    /// Canisters that the pool may hold.
    pub(crate) fn pool_max(&self) -> u32 {
        self.config.pool.as_ref().map_or(0, |pool| pool.max)
    }

    /// Whether the pool can take the canister that `op` holds.
    pub(crate) fn pool_has_capacity(&self, op: &Operation) -> bool {
        let counted = op
            .canister()
            .is_some_and(|canister| self.pool.contains(canister));
        counted || self.pool.len() + self.refills_in_flight() < u64::from(self.pool_max())
    }

    /// Canisters that the pool lacks now.
    pub(crate) fn pool_shortage(&self, now: u64) -> u64 {
        self.config.pool.as_ref().map_or(0, |pool| {
            policy::refill(
                policy::target(pool.min, pool.max, self.pool.demand(now)),
                pool.max,
                self.pool.ready_count(),
                self.pool.len(),
                self.refills_in_flight(),
            )
        })
    }

    // Intent and fact

    /// Puts the intent of a step on record, before its call is made.
    pub(crate) fn record_intent(&mut self, mut op: Operation, attached: u128, moment: &Moment) {
        let Moment { now, root, .. } = *moment;
        if let (Step::Install, Purpose::Provision(position, plan), Some(canister)) =
            (op.step, &op.purpose, op.canister())
        {
            self.registry.register(
                canister,
                position,
                MemberStatus::Installing,
                plan.module,
                op.id,
                now,
            );
        }
        let is_creation = op.step == Step::Create;
        if is_creation {
            op.search.low = Some(self.head.newest.unwrap_or(Id(root)));
        }
        op.padding = vec![0; if is_creation { PADDING } else { 0 }];
        op.in_flight = true;
        op.retry.calls += 1;
        op.money.reserved.0 = op.money.reserved.0.saturating_sub(attached);
        op.money.paid.0 += attached;
        op.updated = now;
        self.journal.put(op);
    }

    /// Settles the cycles of a step whose call came back.
    pub(crate) fn settle(
        &mut self,
        op: &mut Operation,
        reply: &Reply,
        attached: u128,
        creation_fee: u128,
    ) {
        self.change_ledger(|ledger| ledger.settle(op, reply, attached, creation_fee));
    }

    fn change_ledger(&mut self, change: impl FnOnce(&mut Ledger)) {
        let before = self.head.ledger;
        change(&mut self.head.ledger);
        if self.head.ledger != before {
            self.write_head();
        }
    }

    /// Ends an operation, and settles its position, its canister and its cycles.
    pub(crate) fn close(&mut self, mut op: Operation, end: End, now: u64) {
        self.change_ledger(|ledger| ledger.settle_end(&mut op, end));
        self.settle_grant(&mut op, end, now);
        self.settle_position(&op, end, now);
        self.settle_canister(&op, end, now);
        self.settle_demand(&op, end, now);
        op.end = Some(end);
        op.in_flight = false;
        op.updated = now;
        if end == End::Done {
            op.failure = None;
        }
        self.journal.put(op);
    }

    /// The position of an ended operation becomes a member's, or is released.
    fn settle_position(&mut self, op: &Operation, end: End, now: u64) {
        let canister = op.canister();
        match (&op.purpose, end) {
            (Purpose::Provision(position, plan) | Purpose::Adopt(position, plan), End::Done) => {
                if let Some(canister) = canister {
                    let (status, module) = (MemberStatus::Active, plan.module);
                    self.registry
                        .register(canister, position, status, module, op.id, now);
                    self.pool.remove(canister);
                    self.watch_new(canister, op.money.held.0, now);
                    self.announce(canister, None, Some(position), now);
                }
            }
            (Purpose::Move(position, reparent), end) => {
                if let Some(canister) = canister {
                    self.registry
                        .set_status(canister, MemberStatus::Active, op.id);
                    self.settle_move(canister, position, reparent, end == End::Done, now);
                }
            }
            (
                Purpose::Provision(position, _)
                | Purpose::Adopt(position, _)
                | Purpose::Retire(position),
                _,
            ) => {
                if let Some(canister) = canister {
                    self.end_watch(canister);
                }
                self.registry.release_position(position, canister);
                if let Some(canister) = canister {
                    self.outbox.remove(canister);
                }
            }
            (Purpose::Upgrade(_, plan), end) => {
                if let Some(canister) = canister {
                    self.settle_upgrade(canister, op, plan, end, now);
                }
            }
            (
                Purpose::Refill | Purpose::ImportToPool | Purpose::Grant(_) | Purpose::Refuel(_),
                _,
            ) => {}
        }
    }

    /// A member has its new release, or keeps the old one.
    fn settle_upgrade(
        &mut self,
        canister: Principal,
        op: &Operation,
        plan: &UpgradePlan,
        end: End,
        now: u64,
    ) {
        let progress = op.upgrade.as_ref();
        let taken = progress.and_then(|state| state.snapshot.clone());
        let has_new = progress.is_some_and(|state| state.has_new);
        let rollout = self.rollouts.get(plan.rollout).cloned();
        let is_early = rollout
            .as_ref()
            .is_some_and(|one| one.phase == Phase::Clear);
        let clears = is_early && plan.job == Job::DropSnapshot;
        let is_other = self.registry.change_member(canister, |member| {
            let before = member.release;
            member.status = MemberStatus::Active;
            member.operation = op.id;
            member.release = match (plan.job, end) {
                (Job::Upgrade | Job::Undo, End::Done) => plan.to.number,
                (Job::Upgrade | Job::Undo, End::Abandoned) if has_new => plan.to.number,
                (Job::Restore, End::Reverted) => plan.from.number,
                (Job::Restore, End::Abandoned) if !has_new => plan.from.number,
                _ => member.release,
            };
            member.on_probation = match (plan.job, end) {
                (Job::Upgrade | Job::Undo, End::Abandoned) if has_new => true,
                (Job::Upgrade | Job::Undo | Job::Look, End::Done) | (_, End::Reverted) => false,
                _ => member.on_probation,
            };
            if clears && end == End::Abandoned {
                member.rollout = plan.rollout;
            }
            if plan.job != Job::Look && plan.job != Job::Undo {
                member.snapshot = taken.map(|id| KeptSnapshot {
                    id,
                    release: plan.from.number,
                });
            }
            member.release != before
        });
        if is_other == Some(true) {
            self.announce_release(canister);
        }
        // The snapshot has an older directory and identity, whatever the member acknowledged since.
        let restorable = plan.snapshot || plan.job == Job::Restore;
        if restorable && matches!(end, End::Reverted | End::Abandoned) {
            self.announce_again(canister);
        }
        if let Some(mut rollout) = rollout {
            let took = now.saturating_sub(op.accepted);
            rollout.count(op.id, plan.job, end, took, now);
            // The message in which an operation ends also advances the rollouts.
            self.rollouts.keep(rollout);
        }
    }

    /// A member gets its new parent, or keeps the old one.
    fn settle_move(
        &mut self,
        canister: Principal,
        position: &Position,
        reparent: &Reparent,
        done: bool,
        now: u64,
    ) {
        if done {
            self.registry.set_parent(canister, position.parent.0);
            let before = Position {
                parent: reparent.from,
                ..position.clone()
            };
            self.announce(canister, Some(&before), Some(position), now);
        } else if let Some(role) = self.registry.role(&position.role).map(|role| role.number) {
            self.registry.release_below(position.parent.0, role);
        }
    }

    /// The canister of an ended operation goes to the pool, or leaves it.
    fn settle_canister(&mut self, op: &Operation, end: End, now: u64) {
        let Some(canister) = op.canister() else {
            return;
        };
        let into_pool = match (&op.purpose, op.goal()) {
            (Purpose::Refill, _) => end == End::Done,
            // The canister was and stays in the pool.
            (Purpose::Grant(plan), _) if plan.position.is_none() => true,
            (Purpose::Grant(_), _) => return,
            (_, Some(Teardown::Recycle)) => matches!(end, End::Done | End::Recycled),
            _ => false,
        };
        if into_pool {
            let refusals = op.refusals.clone();
            self.pool
                .put_ready(canister, op.money.held.0, refusals, now);
        } else if end != End::Untouched {
            self.pool.remove(canister);
        }
    }

    /// Notes whether a provision made a member. One that failed is no demand: its canister came
    /// back, or was never there. Otherwise each failure would let the pool grow by one canister.
    fn settle_demand(&mut self, op: &Operation, end: End, now: u64) {
        if !matches!(op.purpose, Purpose::Provision(..)) {
            return;
        }
        match end {
            End::Done => {
                self.failures = 0;
                self.pool.end_sparing();
            }
            End::Nothing | End::Recycled | End::Deleted => {
                self.failures = self.failures.saturating_add(1);
                self.pool.retract_demand(now);
            }
            End::Untouched | End::Quarantined | End::Reverted | End::Abandoned => {}
        }
    }

    // Announcements

    /// Queues a change of a member's position (`None`: not a member) for every subscriber.
    fn announce(
        &mut self,
        canister: Principal,
        before: Option<&Position>,
        after: Option<&Position>,
        now: u64,
    ) {
        self.head.last_change += 1;
        let number = self.head.last_change;
        let leaseholders = self.outbox.leaseholders(canister, now);
        let change = (before, after);
        let subscribers =
            subscribers::of_change(self.config, &self.registry, canister, change, leaseholders);
        match change {
            (None, Some(position))
                if !subscribers::watched_roles(self.config, &position.role).is_empty() =>
            {
                self.outbox.start_after(canister, number - 1);
            }
            (_, None) => self.outbox.end_leases(canister),
            (_, Some(_)) => {}
        }
        let announced = !subscribers.is_empty();
        for (subscriber, position) in subscribers {
            let position = position.cloned();
            let release = position.as_ref().and_then(|_| {
                subscribers::release_for(self.config, &self.registry, subscriber, canister)
            });
            self.outbox
                .push(subscriber, number, canister, position, release);
        }
        if announced {
            self.write_head();
        }
    }

    /// Queues the release of a member for the subscribers that are told releases.
    fn announce_release(&mut self, canister: Principal) {
        let subscribers = subscribers::of_release(self.config, &self.registry, canister);
        let Some(member) = self.registry.member(canister) else {
            return;
        };
        if subscribers.is_empty() {
            return;
        }
        let release = Some(member.release).filter(|release| *release != 0);
        let position = self.position_of(member);
        self.head.last_change += 1;
        let number = self.head.last_change;
        for subscriber in subscribers {
            let position = Some(position.clone());
            self.outbox
                .push(subscriber, number, canister, position, release);
        }
        self.write_head();
    }

    /// Lets a subscriber catch up whose state was replaced by an older one.
    fn announce_again(&mut self, canister: Principal) {
        if let Some(member) = self.registry.member(canister) {
            let own = self.position_of(member);
            self.head.last_change += 1;
            self.outbox.restart(canister, self.head.last_change, own);
            self.write_head();
        }
    }

    fn position_of(&self, member: Member) -> Position {
        Position {
            role: self.registry.role_name(member.role).to_string(),
            parent: member.parent,
            key: member.key,
        }
    }

    /// A member as the fleet sees it. A caller that is a member gets a lease on the answer.
    pub(crate) fn lease_member_ref(
        &mut self,
        canister: Principal,
        caller: Principal,
        now: u64,
    ) -> Option<MemberRef> {
        let member = self.registry.member_ref(canister)?;
        if self.registry.is_member(caller) {
            self.outbox.lease(canister, caller, now);
        }
        Some(member)
    }

    /// A page of the members that concern a subscriber.
    pub(crate) fn catch_up(&self, subscriber: Principal, request: CatchUpRequest) -> CatchUpPage {
        let upto = self.outbox.last(subscriber);
        subscribers::catch_up(self.config, &self.registry, subscriber, request, upto)
    }
}
