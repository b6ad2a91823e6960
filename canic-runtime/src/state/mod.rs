//! Root's books: journal, registry, pool and modules together, and the changes that touch several of them at once.
//!
//! Each function here runs between two awaits and leaves the books balanced: every canister that root created is a
//! member, in the pool, in an open operation or in quarantine.

pub(crate) mod journal;
pub(crate) mod modules;
pub(crate) mod open_operations;
pub(crate) mod outbox;
pub(crate) mod pool;
pub(crate) mod registry;
pub(crate) mod subscribers;

use crate::{
    api::{OperationId, OperationKind},
    config::RootConfig,
    operation::{
        Admission, End, Operation, Origin, Position, Purpose, Reparent, Step, Teardown, allocation,
        policy, search,
    },
    platform::ic,
    stable::{
        memory,
        record::{Cycles, Id},
    },
    state::{
        journal::{Journal, Section},
        modules::Modules,
        outbox::Outbox,
        pool::Pool,
        registry::{Member, MemberStatus, Registry},
    },
};
use candid::Principal;
use minicbor::{Decode, Encode};
use std::cell::RefCell;

// Memory ids, without gaps. They are part of the layout: never reuse one for another purpose.
const OPERATIONS: u8 = 200;
const ARGUMENTS: u8 = 201;
const MEMBERS: u8 = 202;
const ROLES: u8 = 203;
const POOL: u8 = 204;
const MODULES: u8 = 205;
const CHUNKS: u8 = 206;
const UPLOADED: u8 = 207;
const ANNOUNCED: u8 = 208;
const LISTENERS: u8 = 209;
const RELIANCE: u8 = 210;

/// The facts that fit no table.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub(crate) struct Head {
    #[n(0)]
    last_operation: OperationId,
    #[n(1)]
    pub(crate) ledger: Ledger,
    /// The last change that somebody was told; on the heap, the last one there was.
    #[n(2)]
    #[cbor(default)]
    last_change: u64,
}

/// Cycles by purpose, since root was installed.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub(crate) struct Ledger {
    /// Fees for creating canisters.
    #[n(0)]
    pub(crate) creation_fees: Cycles,
    /// Given to canisters for the pool.
    #[n(1)]
    pub(crate) to_pool: Cycles,
    /// Given to members.
    #[n(2)]
    pub(crate) to_members: Cycles,
    /// Come back from canisters before they were deleted.
    #[n(3)]
    pub(crate) drained: Cycles,
    /// Left in canisters when they were deleted.
    #[n(4)]
    pub(crate) deleted: Cycles,
    /// Sent with creations of which it is not known whether they happened: a canister may have them.
    #[n(5)]
    #[cbor(default)]
    pub(crate) unknown: Cycles,
}

pub(crate) struct State {
    pub(crate) config: &'static RootConfig,
    pub(crate) head: Head,
    pub(crate) journal: Journal,
    pub(crate) registry: Registry,
    pub(crate) pool: Pool,
    pub(crate) modules: Modules,
    pub(crate) outbox: Outbox,
}

thread_local! {
    static BOOKS: RefCell<Option<State>> = const { RefCell::new(None) };
}

/// Opens the books: once, before anything else, in each life of root's code.
pub(crate) fn open(config: &'static RootConfig) {
    let head = memory::read_head().unwrap_or_default();
    let mut state = State {
        config,
        head,
        journal: Journal::open(OPERATIONS, ARGUMENTS),
        registry: Registry::open(MEMBERS, ROLES),
        pool: Pool::open(POOL),
        modules: Modules::open(MODULES, CHUNKS, UPLOADED),
        outbox: Outbox::open(ANNOUNCED, LISTENERS, RELIANCE),
    };
    memory::migrate(|_| ());
    state.restore_claims();
    BOOKS.with_borrow_mut(|slot| *slot = Some(state));
}

/// # Panics
///
/// In a canister that is no root. Generated code opens the books before it calls anything else.
pub(crate) fn with<R>(f: impl FnOnce(&mut State) -> R) -> R {
    BOOKS.with_borrow_mut(|state| match state {
        Some(state) => f(state),
        None => panic!("canic: this canister is no root"),
    })
}

impl State {
    /// What open operations take of pool and registry is known from the operations alone: canisters of the pool, and places
    /// that are not a member's yet.
    fn restore_claims(&mut self) {
        for op in self.journal.open_operations() {
            if let Some(canister) = op.canister() {
                self.pool.mark_claimed(canister, op.id);
            }
            let is_member = |id| self.registry.is_member(id);
            match &op.purpose {
                Purpose::Provision(place, _) | Purpose::Adopt(place, _) => {
                    if !op.canister().is_some_and(is_member) {
                        self.registry.take(place, op.id);
                    }
                }
                Purpose::Move(place, _) => {
                    if let Some(role) = self.registry.role(&place.role).map(|role| role.number) {
                        self.registry.take_below(place.parent.0, role);
                    }
                }
                Purpose::Refill | Purpose::Retire(_) | Purpose::ImportToPool => {}
            }
        }
    }

    pub(crate) fn next_operation(&mut self) -> OperationId {
        self.head.last_operation += 1;
        self.write_head();
        self.head.last_operation
    }

    /// The number of a change that somebody may have to be told.
    pub(crate) fn next_change(&mut self) -> u64 {
        self.head.last_change += 1;
        self.head.last_change
    }

    pub(crate) fn write_head(&self) {
        memory::write_head(&self.head);
    }

    /// Operations under way that did not have to wait for their turn.
    pub(crate) fn running(&self) -> u32 {
        let others = self.journal.waiting() + self.journal.in_background();
        u32::try_from(self.journal.open_count() - others).unwrap_or(u32::MAX)
    }

    /// Begins the operation that has waited longest for its turn, unless enough of them are under way.
    pub(crate) fn begin_waiting(&mut self) -> Option<OperationId> {
        if self.journal.in_background() >= policy::MAX_BACKGROUND {
            return None;
        }
        let mut op = self.journal.get(self.journal.next_waiting()?)?;
        op.admission = Admission::Dequeued;
        if self.claim(&mut op) {
            let wanted = op.plan().map_or(0, |plan| plan.cycles.0);
            op.shortfall = Cycles(policy::shortfall(op.held.0, wanted));
            op.reserved = op.shortfall;
            op.step = allocation::first_step(&op, ic::this());
        }
        let id = op.id;
        self.journal.put(op);
        Some(id)
    }

    /// What root can spend: its balance without its reserve and without what open operations still have to send.
    pub(crate) fn available(&self) -> u128 {
        ic::balance()
            .saturating_sub(self.config.reserve)
            .saturating_sub(self.journal.reserved())
    }

    /// Whether root has this canister on record.
    pub(crate) fn knows(&self, canister: Principal) -> bool {
        canister == ic::this()
            || self.registry.is_member(canister)
            || self.pool.contains(canister)
            || self.journal.holder(canister).is_some()
    }

    /// Whether the answer to a creation is awaited: whoever finds a canister now may have found that one.
    pub(crate) fn creating(&self) -> bool {
        let mut open = self.journal.open_operations();
        open.any(|op| op.step == Step::Create && op.in_flight)
    }

    /// Takes up the operations whose canister is lost, now that one has created another.
    pub(crate) fn search_below(&mut self, id: OperationId) -> Vec<OperationId> {
        let Some(upper) = self.journal.get(id).and_then(|op| op.canister()) else {
            return Vec::new();
        };
        let all = self.journal.list(Section::Quarantined, None);
        let wanted: Vec<Operation> = all.filter(search::is_wanted).collect();
        let mut taken_up = Vec::new();
        for mut op in wanted {
            search::begin(&mut op, upper);
            taken_up.push(op.id);
            self.journal.put(op);
        }
        taken_up
    }

    /// Accepts the end of a retiring member's children, as many as there is room for. None: nothing is left below it.
    pub(crate) fn retire_children(
        &mut self,
        parent: &Operation,
        now: u64,
    ) -> Option<Vec<OperationId>> {
        let canister = parent.canister()?;
        let room = policy::MAX_RUNNING.saturating_sub(self.running()) as usize;
        let (mut below, mut active) = (false, Vec::new());
        for child in self.registry.children(canister, None) {
            below = true;
            if let Some(member) = self.registry.member(child)
                && member.state == MemberStatus::Active
            {
                active.push((child, member));
            }
            if active.len() >= room {
                break;
            }
        }
        if !below && self.journal.below(canister).is_none() {
            return None;
        }
        let retired = active.into_iter().take(room).map(|(child, member)| {
            let how = parent.clearing.unwrap_or(Teardown::Delete);
            self.retire(child, member, how, true, now)
        });
        Some(retired.collect())
    }

    /// Accepts the end of a member, and of those below it if they are to go first.
    pub(crate) fn retire(
        &mut self,
        canister: Principal,
        member: Member,
        how: Teardown,
        subtree: bool,
        now: u64,
    ) -> OperationId {
        let place = Position {
            role: self.registry.role_name(member.role).to_string(),
            parent: member.parent,
            key: member.key,
        };
        let step = if subtree {
            Step::RetireChildren
        } else {
            Step::Inspect
        };
        let id = self.next_operation();
        let mut op = Operation::new(id, Purpose::Retire(place), step, now);
        op.canister = Some(Id(canister));
        op.clearing = Some(how);
        self.registry
            .set_state(canister, MemberStatus::Retiring, id);
        if let Purpose::Retire(place) = &op.purpose {
            self.announce(canister, Some(place), None, now);
        }
        self.journal.put(op);
        id
    }

    /// Canisters on their way into the pool.
    pub(crate) fn refills_in_flight(&self) -> u64 {
        self.journal.open_of(OperationKind::Refill)
    }

    /// Whether the pool can take a canister that `op` holds.
    pub(crate) fn pool_has_room(&self, op: &Operation) -> bool {
        let max = self
            .config
            .pool
            .as_ref()
            .map_or(0, |pool| u64::from(pool.max));
        let counted = op
            .canister()
            .is_some_and(|canister| self.pool.contains(canister));
        counted || self.pool.len() + self.refills_in_flight() < max
    }

    /// How many canisters the pool lacks now.
    pub(crate) fn refill(&self) -> u64 {
        self.config.pool.as_ref().map_or(0, |pool| {
            policy::refill(
                policy::target(pool.min, pool.max, self.pool.demand(ic::now())),
                pool.max,
                self.pool.ready(),
                self.pool.len(),
                self.refills_in_flight(),
            )
        })
    }

    /// The intent: what is on record before a call is made.
    pub(crate) fn record_intent(&mut self, op: &mut Operation, attached: u128, now: u64) {
        if let (Step::Install, Purpose::Provision(place, plan), Some(canister)) =
            (op.step, &op.purpose, op.canister())
        {
            self.registry.register(
                canister,
                place,
                MemberStatus::Installing,
                plan.module,
                op.id,
                now,
            );
        }
        // As much as a canister's id and the numbers that change with it take.
        op.room = vec![0; if op.step == Step::Create { 64 } else { 0 }];
        op.in_flight = true;
        op.calls += 1;
        op.reserved = Cycles(op.reserved.0.saturating_sub(attached));
        op.paid.0 += attached;
        op.updated = now;
        self.journal.put(op.clone());
    }

    /// Cycles that did not reach anybody came back with the reject.
    pub(crate) fn refund(&mut self, op: &mut Operation, attached: u128) {
        op.paid = Cycles(op.paid.0.saturating_sub(attached));
        op.reserved.0 += attached;
    }

    /// Cycles that were sent and arrived.
    pub(crate) fn spent(&mut self, op: &Operation, attached: u128, creation_fee: u128) {
        let ledger = &mut self.head.ledger;
        ledger.creation_fees.0 += creation_fee;
        let given = attached.saturating_sub(creation_fee);
        if matches!(op.purpose, Purpose::Refill | Purpose::ImportToPool) {
            ledger.to_pool.0 += given;
        } else {
            ledger.to_members.0 += given;
        }
        self.write_head();
    }

    /// What was sent with a creation went to a canister of which nothing more is known.
    pub(crate) fn missing(&mut self, op: &Operation) {
        self.head.ledger.unknown.0 += op.paid.0;
        self.write_head();
    }

    /// The canister was found.
    pub(crate) fn found(&mut self, op: &Operation, creation_fee: u128) {
        let unknown = &mut self.head.ledger.unknown.0;
        *unknown = unknown.saturating_sub(op.paid.0);
        self.spent(op, op.paid.0, creation_fee);
    }

    /// A deposit whose outcome was not known shows in what the canister holds: more than before, or not.
    pub(crate) fn deposited(&mut self, op: &mut Operation, holds: u128) {
        let unknown = std::mem::take(&mut op.unknown).0;
        if unknown == 0 {
            return;
        }
        if holds.saturating_sub(op.held.0) >= unknown / 2 {
            self.spent(op, unknown, 0);
        } else {
            op.paid = Cycles(op.paid.0.saturating_sub(unknown));
        }
    }

    pub(crate) fn drained(&mut self, amount: u128) {
        self.head.ledger.drained.0 += amount;
        self.write_head();
    }

    /// The operation ended: what it held goes to where it belongs.
    pub(crate) fn close(&mut self, mut op: Operation, end: End, now: u64) {
        let canister = op.canister();
        match (&op.purpose, end) {
            (Purpose::Provision(place, plan) | Purpose::Adopt(place, plan), End::Done) => {
                if let Some(canister) = canister {
                    self.registry.register(
                        canister,
                        place,
                        MemberStatus::Active,
                        plan.module,
                        op.id,
                        now,
                    );
                    self.pool.remove(canister);
                    self.announce(canister, None, Some(place), now);
                }
            }
            (Purpose::Move(place, reparent), end) => {
                if let Some(canister) = canister {
                    self.moved(canister, place, reparent, end == End::Done, op.id, now);
                }
            }
            (
                Purpose::Provision(place, _) | Purpose::Adopt(place, _) | Purpose::Retire(place),
                _,
            ) => {
                self.registry.give_up(place, canister);
                if let Some(canister) = canister {
                    self.outbox.forget(canister);
                }
            }
            (Purpose::Refill | Purpose::ImportToPool, _) => {}
        }
        if let Some(canister) = canister {
            let into_pool = match (&op.purpose, op.clearing) {
                (Purpose::Refill, _) => end == End::Done,
                (_, Some(Teardown::Recycle)) => matches!(end, End::Done | End::Recycled),
                _ => false,
            };
            let gone =
                op.clearing == Some(Teardown::Delete) && matches!(end, End::Done | End::Deleted);
            if into_pool {
                self.pool.put_ready(canister, op.held.0, now);
            } else if end != End::Untouched {
                self.pool.remove(canister);
            }
            if gone {
                self.head.ledger.deleted.0 += op.held.0;
                self.write_head();
            }
        }
        // Nobody saw the canister again: whoever has them, root has not.
        let unknown = std::mem::take(&mut op.unknown).0;
        if unknown > 0 {
            self.spent(&op, unknown, 0);
        }
        op.end = Some(end);
        op.in_flight = false;
        op.reserved = Cycles(0);
        op.updated = now;
        if end == End::Done {
            op.failure = None;
        }
        self.journal.put(op);
    }

    /// A member stands below its new parent, or is left where it was.
    fn moved(
        &mut self,
        canister: Principal,
        place: &Position,
        reparent: &Reparent,
        done: bool,
        operation: OperationId,
        now: u64,
    ) {
        self.registry
            .set_state(canister, MemberStatus::Active, operation);
        if done {
            self.registry.set_parent(canister, place.parent.0);
            let parent = reparent.from;
            let before = Position {
                parent,
                ..place.clone()
            };
            self.announce(canister, Some(&before), Some(place), now);
        } else if let Some(role) = self.registry.role(&place.role).map(|role| role.number) {
            self.registry.give_up_below(place.parent.0, role);
        }
    }

    /// Whether a canister stands below another one, or is the same.
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

    /// Puts a claimed pool canister's operation on record, or one that will create its own.
    pub(crate) fn claim(&mut self, op: &mut Operation) -> bool {
        self.pool.record_demand(ic::now());
        match self.pool.claim(op.id) {
            Some(entry) => {
                op.canister = Some(entry.canister);
                op.source = Some(Origin::Pool);
                op.held = entry.cycles;
                true
            }
            None => false,
        }
    }
}
