//! All canisters of an instance, and the index of the active ones.
//!
//! Idle canisters must not make a round slower. So a round visits active canisters only: those that
//! were changed since the last round, and those with timers, heartbeats, messages or deadlines.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Deref,
    sync::Arc,
};

use candid::Principal;
use serde::{Deserialize, Serialize};

use crate::{
    canister::{Canister, tasks::LowMemory},
    stored::shared,
};

/// The least time between two payments for resources, in nanoseconds.
const PAY_INTERVAL: u64 = 10_000_000_000;

/// All canisters, by their ids.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Canisters {
    #[serde(with = "shared::map")]
    pub(crate) all: BTreeMap<Principal, Arc<Canister>>,
    /// Canisters that were changed since the last round, and those that [`is_active`] holds for.
    active: BTreeSet<Principal>,
    /// The guaranteed answers that canisters have reserved, with their subnets, as last counted.
    reserved: BTreeMap<Principal, (usize, u64)>,
    /// Their sums, by subnet.
    reservations: BTreeMap<usize, u64>,
    /// No payment for resources is due before this time, in nanoseconds since 1970.
    pay_at: u64,
}

impl Default for Canisters {
    fn default() -> Self {
        Self {
            all: BTreeMap::new(),
            active: BTreeSet::new(),
            reserved: BTreeMap::new(),
            reservations: BTreeMap::new(),
            pay_at: u64::MAX,
        }
    }
}

/// Read access. Changes go through the methods below, which keep the index.
impl Deref for Canisters {
    type Target = BTreeMap<Principal, Arc<Canister>>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl Canisters {
    /// A canister, for a change.
    pub(crate) fn get_mut(&mut self, id: Principal) -> Option<&mut Canister> {
        let canister = self.all.get_mut(&id)?;
        self.active.insert(id);
        Some(Arc::make_mut(canister))
    }

    /// Inserts a canister, in place of an earlier one with its id.
    pub(crate) fn insert(&mut self, canister: Arc<Canister>) {
        self.pay_at = self.pay_at.min(next_payment(&canister));
        self.active.insert(canister.id);
        self.all.insert(canister.id, canister);
    }

    pub(crate) fn remove(&mut self, id: Principal) -> Option<Arc<Canister>> {
        self.active.remove(&id);
        let removed = self.all.remove(&id);
        self.count_reservations(id);
        removed
    }

    /// The guaranteed answers that the canisters of a subnet have reserved.
    pub(crate) fn reservations(&self, subnet: usize) -> u64 {
        self.reservations.get(&subnet).copied().unwrap_or(0)
    }

    /// Counts the reservations of a canister anew.
    pub(crate) fn count_reservations(&mut self, id: Principal) {
        let now = self.all.get(&id).map(|c| (c.subnet, c.reservations));
        let now = now.filter(|(_, count)| *count > 0);
        let before = match now {
            Some(now) => self.reserved.insert(id, now),
            None => self.reserved.remove(&id),
        };
        if let Some((subnet, count)) = before {
            *self.reservations.entry(subnet).or_default() -= count;
        }
        if let Some((subnet, count)) = now {
            *self.reservations.entry(subnet).or_default() += count;
        }
    }

    /// The active canisters, in the order of their ids.
    pub(crate) fn active(&self) -> impl Iterator<Item = &Arc<Canister>> {
        self.active.iter().filter_map(|id| self.all.get(id))
    }

    /// Ends the visit of a round: canisters stay active only if [`is_active`] holds for them.
    pub(crate) fn settle(&mut self) {
        for id in self.active.iter().copied().collect::<Vec<_>>() {
            self.count_reservations(id);
        }
        let Self { all, active, .. } = self;
        active.retain(|id| all.get(id).is_some_and(|canister| is_active(canister)));
    }

    /// The canisters whose payment for resources is due.
    pub(crate) fn payers(&mut self, now: u64) -> Vec<Principal> {
        if now < self.pay_at {
            return Vec::new();
        }
        let due = |canister: &&Arc<Canister>| next_payment(canister) <= now;
        let due = self.all.values().filter(due).map(|canister| canister.id);
        let due: Vec<_> = due.collect();
        // After these payments, no payment is due before this time.
        let others = self.all.values().map(|canister| next_payment(canister));
        let others = others.filter(|at| *at > now);
        let paid = now.saturating_add(PAY_INTERVAL);
        self.pay_at = others.min().map_or(paid, |at| at.min(paid));
        due
    }
}

fn next_payment(canister: &Canister) -> u64 {
    canister.paid_until.saturating_add(PAY_INTERVAL)
}

/// Whether the next round may change a canister without a new message: it has a timer, a heartbeat,
/// messages, deadlines, or a pending hook for low memory.
fn is_active(canister: &Canister) -> bool {
    let memory = canister.low_memory();
    canister.timer.is_some()
        || canister
            .code
            .as_ref()
            .is_some_and(|code| code.module.heartbeat)
        || !canister.input_queues.is_empty()
        || canister.callbacks.values().any(|call| call.deadline > 0)
        || memory == LowMemory::Ready
        || memory != canister.low_memory
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        canister::{
            calls::{Callback, Input, Origin, Request, WasmClosure},
            execution_state::ExecutionState,
            input_queues::Source,
            settings::Settings,
        },
        execution::program_cache,
    };

    const ID: Principal = Principal::from_slice(&[1]);
    const OTHER: Principal = Principal::from_slice(&[2]);

    fn canister(id: Principal, paid_until: u64) -> Canister {
        Canister::new(id, 0, Settings::default(), 0, paid_until)
    }

    fn install(canister: &mut Canister, module: &str) {
        let program = program_cache::load(&wat::parse_str(module).unwrap()).unwrap();
        canister.code = Some(ExecutionState::fresh(Arc::clone(&program.module)));
    }

    fn call(canister: &mut Canister, deadline: u64) {
        let closure = WasmClosure {
            function: 0,
            environment: 0,
        };
        canister.open_call(Callback {
            context: 0,
            callee: OTHER,
            method: String::new(),
            on_reply: closure,
            on_reject: closure,
            on_cleanup: None,
            prepaid: 0,
            deadline,
            answered: false,
        });
    }

    fn wait(canister: &mut Canister) {
        let request = Request {
            origin: Origin::System,
            sender: OTHER,
            callee: ID,
            method: String::new(),
            payload: Vec::new(),
            caller_info: None,
            cycles: 0,
            deadline: 0,
            subnet: None,
            fault_checked: false,
        };
        canister
            .input_queues
            .push(Source::Ingress, Input::Request(request));
    }

    type Change = fn(&mut Canister);

    /// Changes of a canister, and whether they keep it active.
    const CHANGES: &[(Change, bool)] = &[
        (|c| c.balance += 1, false),
        (|c| install(c, "(module (memory 1))"), false),
        (
            |c| install(c, r#"(module (func (export "canister_heartbeat")))"#),
            true,
        ),
        (|c| c.timer = Some(u64::MAX), true),
        (|c| call(c, 0), false),
        (|c| call(c, 1), true),
        (wait, true),
        (
            |c| {
                install(c, "(module (memory 1))");
                c.settings.wasm_memory_threshold = u64::MAX;
            },
            true,
        ),
        (|c| c.low_memory = LowMemory::Executed, true),
    ];

    #[test]
    fn a_changed_canister_is_active_and_stays_so_while_it_has_work() {
        for (index, (change, is_running)) in CHANGES.iter().enumerate() {
            let mut canisters = Canisters::default();
            canisters.insert(canister(ID, 0).into());
            canisters.insert(canister(OTHER, 0).into());
            let active = |canisters: &Canisters| -> Vec<_> {
                canisters.active().map(|canister| canister.id).collect()
            };
            assert_eq!(active(&canisters), [ID, OTHER]);
            canisters.settle();
            assert_eq!(active(&canisters), []);
            change(canisters.get_mut(ID).unwrap());
            assert_eq!(active(&canisters), [ID]);
            canisters.settle();
            assert_eq!(
                !active(&canisters).is_empty(),
                *is_running,
                "change {index}"
            );
            canisters.remove(ID);
            assert_eq!(active(&canisters), []);
        }
    }

    #[test]
    fn canisters_pay_ten_seconds_after_their_last_payment() {
        let mut canisters = Canisters::default();
        assert_eq!(canisters.payers(u64::MAX), []);
        canisters.insert(canister(OTHER, 3).into());
        canisters.insert(canister(ID, 5).into());
        let mut pay = |now| {
            let payers = canisters.payers(now);
            for id in &payers {
                canisters.get_mut(*id).unwrap().paid_until = now;
            }
            payers
        };
        assert_eq!(pay(PAY_INTERVAL + 2), []);
        assert_eq!(pay(PAY_INTERVAL + 3), [OTHER]);
        assert_eq!(pay(PAY_INTERVAL + 4), []);
        assert_eq!(pay(PAY_INTERVAL + 9), [ID]);
        assert_eq!(pay(2 * PAY_INTERVAL + 8), [OTHER]);
        assert_eq!(pay(3 * PAY_INTERVAL + 9), [ID, OTHER]);
        // A canister that is inserted later may have to pay first.
        canisters.insert(canister(ID, 0).into());
        assert_eq!(canisters.payers(3 * PAY_INTERVAL + 10), [ID]);
    }
}
