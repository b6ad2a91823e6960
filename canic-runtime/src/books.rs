//! Root's books: journal, registry, pool and modules together, and the changes that touch several of them at once.
//!
//! Each function here runs between two awaits and leaves the books balanced: every canister that root created is a
//! member, in the pool, in an open operation or in quarantine.

use crate::{
    api::OperationId,
    config::RootConfig,
    journal::{Clearing, End, Journal, Operation, Origin, Place, Purpose, Section, Step},
    memory::{self, Cycles, Id},
    modules::Modules,
    platform::ic,
    policy,
    pool::Pool,
    registry::{Member, Registry, State},
    search,
};
use candid::Principal;
use minicbor::{Decode, Encode};
use std::cell::RefCell;

// Memory ids. They are part of the layout: never reuse one for something else.
const MEMBERS: u8 = 200;
const BY_ROLE: u8 = 201;
const BY_PARENT: u8 = 202;
const BY_KEY: u8 = 203;
const ROLES: u8 = 204;
const POOL: u8 = 205;
const POOL_PLACES: u8 = 206;
const OPERATIONS: u8 = 207;
const ARGUMENTS: u8 = 208;
const MODULES: u8 = 209;
const PIECES: u8 = 210;
const UPLOADED: u8 = 211;
const HOLDERS: u8 = 212;

/// The facts that fit no table.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub(crate) struct Head {
    #[n(0)]
    last_operation: OperationId,
    #[n(1)]
    pub(crate) ledger: Ledger,
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

pub(crate) struct Books {
    pub(crate) config: &'static RootConfig,
    pub(crate) head: Head,
    pub(crate) journal: Journal,
    pub(crate) registry: Registry,
    pub(crate) pool: Pool,
    pub(crate) modules: Modules,
}

thread_local! {
    static BOOKS: RefCell<Option<Books>> = const { RefCell::new(None) };
}

/// Opens the books: once, before anything else, in each life of root's code.
pub(crate) fn open(config: &'static RootConfig) {
    let head = memory::read_head().unwrap_or_default();
    let mut books = Books {
        config,
        head,
        journal: Journal::open(OPERATIONS, ARGUMENTS, HOLDERS),
        registry: Registry::open(MEMBERS, BY_ROLE, BY_PARENT, BY_KEY, ROLES),
        pool: Pool::open(POOL, POOL_PLACES),
        modules: Modules::open(MODULES, PIECES, UPLOADED),
    };
    // There is one older layout, 1.
    memory::migrate(|_| books.journal.index_holders());
    BOOKS.with_borrow_mut(|slot| *slot = Some(books));
}

/// # Panics
///
/// In a canister that is no root. Generated code opens the books before it calls anything else.
pub(crate) fn with<R>(f: impl FnOnce(&mut Books) -> R) -> R {
    BOOKS.with_borrow_mut(|books| match books {
        Some(books) => f(books),
        None => panic!("canic: this canister is no root"),
    })
}

impl Books {
    pub(crate) fn next_operation(&mut self) -> OperationId {
        self.head.last_operation += 1;
        memory::write_head(&self.head);
        self.head.last_operation
    }

    pub(crate) fn open_operations(&self) -> u32 {
        u32::try_from(self.journal.open_count()).unwrap_or(u32::MAX)
    }

    /// What root can spend: its balance without its reserve and without what open operations still have to send.
    pub(crate) fn available(&self) -> u128 {
        let promised: u128 = self
            .journal
            .list(Section::Open, None)
            .map(|op| op.reserved.0)
            .sum();
        ic::balance()
            .saturating_sub(self.config.reserve)
            .saturating_sub(promised)
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
        let mut open = self.journal.list(Section::Open, None);
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
        let room = policy::MAX_OPEN.saturating_sub(self.open_operations()) as usize;
        let (mut below, mut active) = (false, Vec::new());
        for child in self.registry.children(canister, None) {
            below = true;
            if let Some(member) = self.registry.member(child)
                && member.state == State::Active
            {
                active.push((child, member));
            }
            if active.len() >= room {
                break;
            }
        }
        if !below && self.coming_below(canister).is_none() {
            return None;
        }
        let retired = active.into_iter().take(room).map(|(child, member)| {
            let how = parent.clearing.unwrap_or(Clearing::Delete);
            self.retire(child, member, how, true, now)
        });
        Some(retired.collect())
    }

    /// Accepts the end of a member, and of those below it if they are to go first.
    pub(crate) fn retire(
        &mut self,
        canister: Principal,
        member: Member,
        how: Clearing,
        subtree: bool,
        now: u64,
    ) -> OperationId {
        let place = Place {
            role: self.registry.role_name(member.role).to_string(),
            parent: member.parent,
            key: member.key,
        };
        let step = if subtree {
            Step::Children
        } else {
            Step::Inspect
        };
        let id = self.next_operation();
        let mut op = Operation::new(id, Purpose::Retire(place), step, now);
        op.canister = Some(Id(canister));
        op.clearing = Some(how);
        self.registry.retiring(canister, id);
        self.journal.put(op);
        id
    }

    /// An open operation whose canister is to stand below this one.
    pub(crate) fn coming_below(&self, parent: Principal) -> Option<OperationId> {
        let below = |op: &Operation| op.place().is_some_and(|place| place.parent.0 == parent);
        let mut open = self.journal.list(Section::Open, None);
        open.find(below).map(|op| op.id)
    }

    /// Canisters on their way into the pool.
    pub(crate) fn coming(&self) -> u64 {
        self.journal
            .list(Section::Open, None)
            .filter(|op| matches!(op.purpose, Purpose::Refill))
            .count() as u64
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
        counted || self.pool.len() + self.coming() < max
    }

    /// How many canisters the pool lacks now.
    pub(crate) fn refill(&self) -> u64 {
        self.config.pool.as_ref().map_or(0, |pool| {
            policy::refill(
                pool.min,
                pool.max,
                self.pool.ready(),
                self.pool.len(),
                self.coming(),
            )
        })
    }

    /// The intent: what is on record before a call is made.
    pub(crate) fn intend(&mut self, op: &mut Operation, attached: u128, now: u64) {
        if let (Step::Install, Purpose::Provision(place, plan), Some(canister)) =
            (op.step, &op.purpose, op.canister())
            && !self.registry.is_member(canister)
        {
            self.registry
                .register(canister, place, State::Installing, plan.module, op.id, now);
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
        memory::write_head(&self.head);
    }

    /// What was sent with a creation went to a canister of which nothing more is known.
    pub(crate) fn missing(&mut self, op: &Operation) {
        self.head.ledger.unknown.0 += op.paid.0;
        memory::write_head(&self.head);
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
        memory::write_head(&self.head);
    }

    /// The operation ended: what it held goes to where it belongs.
    pub(crate) fn close(&mut self, mut op: Operation, end: End, now: u64) {
        let canister = op.canister();
        match (&op.purpose, end) {
            (Purpose::Provision(place, plan) | Purpose::Adopt(place, plan), End::Done) => {
                if let Some(canister) = canister {
                    self.registry
                        .register(canister, place, State::Active, plan.module, op.id, now);
                    self.pool.remove(canister);
                }
            }
            (
                Purpose::Provision(place, _) | Purpose::Adopt(place, _) | Purpose::Retire(place),
                _,
            ) => {
                self.registry.give_up(place, canister);
            }
            (Purpose::Refill | Purpose::ImportToPool, _) => {}
        }
        if let Some(canister) = canister {
            let into_pool = match (&op.purpose, op.clearing) {
                (Purpose::Refill, _) => end == End::Done,
                (_, Some(Clearing::Recycle)) => matches!(end, End::Done | End::Recycled),
                _ => false,
            };
            let gone =
                op.clearing == Some(Clearing::Delete) && matches!(end, End::Done | End::Deleted);
            if into_pool {
                self.pool.put_ready(canister, op.held.0, now);
            } else if end != End::Untouched {
                self.pool.remove(canister);
            }
            if gone {
                self.head.ledger.deleted.0 += op.held.0;
                memory::write_head(&self.head);
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

    /// Puts a claimed pool canister's operation on record, or one that will create its own.
    pub(crate) fn claim(&mut self, op: &mut Operation) -> bool {
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
