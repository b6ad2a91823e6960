//! Root's books: journal, registry, pool and modules together, and the changes that touch several of them at once.
//!
//! Each function here runs between two awaits and leaves the books balanced: every canister that root created is a
//! member, in the pool, in an open operation or in quarantine.

use crate::{
    api::OperationId,
    config::RootConfig,
    journal::{Clearing, End, Journal, Operation, Origin, Purpose, Section, Step},
    memory::{self, Cycles},
    modules::Modules,
    platform::ic,
    policy,
    pool::Pool,
    registry::{Registry, State},
};
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
    let books = Books {
        config,
        head,
        journal: Journal::open(OPERATIONS, ARGUMENTS),
        registry: Registry::open(MEMBERS, BY_ROLE, BY_PARENT, BY_KEY, ROLES),
        pool: Pool::open(POOL, POOL_PLACES),
        modules: Modules::open(MODULES, PIECES, UPLOADED),
    };
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
        self.journal.list(Section::Open, None).count() as u32
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
        if op.purpose == Purpose::Refill {
            ledger.to_pool.0 += given;
        } else {
            ledger.to_members.0 += given;
        }
        memory::write_head(&self.head);
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
