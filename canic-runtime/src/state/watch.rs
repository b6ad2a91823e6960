//! The watch over cycles: which canister root looks at next, what it grants after a look, and how
//! grants of every kind are charged and settled.

use candid::Principal;

use crate::{
    api::{GrantLimit, GrantPurpose, OperationId, OperationKind},
    config::{FundConfig, Level},
    operation::{
        End, GrantPlan, Moment, Operation, Position, Purpose, Step,
        call::{Reply, Run, Status},
        grant, policy,
    },
    stable::{
        record::{Cycles, Id},
        record_store::RecordId,
    },
    state::{
        State,
        funding::{Condition, Limits, Receiver, Refused, Room},
        registry::{Member, MemberStatus},
        schedule::Entry,
    },
};

const SECOND: u64 = 1_000_000_000;

/// A look at a canister.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) canister: Principal,
    /// The member's record id. `None`: a canister of the pool.
    member: Option<RecordId>,
}

/// A grant that was put on record.
struct Granted {
    operation: OperationId,
    cycles: u128,
    /// Seconds after which root may grant the rest. `None`: it granted all that was needed.
    rest_after: Option<u64>,
}

impl State {
    // Limits

    /// The rule by which root grants cycles to members of a role.
    pub(crate) fn fund(&self, role: &str) -> Option<FundConfig> {
        policy::role_config(self.config, role, true).ok()?.fund
    }

    /// The limits of a day for a member that burns so much a day. One member gets at most twice
    /// what its role's `to` is: a frozen one must reach its freezing threshold, too.
    pub(crate) fn limits(&self, fund: Option<&FundConfig>, burn: u128) -> Limits {
        let member = fund.map(|fund| match fund.to {
            // What it burns is not known yet.
            Level::Seconds(_) if burn == 0 => u128::MAX,
            to => grant::full(to, burn).saturating_mul(2),
        });
        Limits {
            member,
            role: fund.and_then(|fund| fund.per_day),
            fleet: self.config.budget,
        }
    }

    /// Cycles that root can grant now without going below its reserve.
    pub(crate) fn grantable(&self, moment: &Moment) -> u128 {
        let available = self.available(moment.balance);
        available.saturating_sub(policy::FEES)
    }

    /// The receiver of an operation's grant.
    fn receiver(&self, op: &Operation) -> Receiver {
        let role = op.position().and_then(|at| self.registry.role(&at.role));
        let canister = op.canister();
        Receiver {
            role: role.map(|role| role.number),
            member: canister.and_then(|canister| self.registry.record_id(canister)),
        }
    }

    /// The limits of a day that a member shares with others: those of its role and of the fleet.
    fn shared_limits(&self, op: &Operation) -> Limits {
        let fund = op.position().and_then(|at| self.fund(&at.role));
        Limits {
            member: None,
            ..self.limits(fund.as_ref(), 0)
        }
    }

    /// Cycles that root may give the member of an upgrade now, before it installs the new module.
    pub(crate) fn room_of_upgrade(&self, op: &Operation, moment: &Moment) -> u128 {
        let limits = self.shared_limits(op);
        let available = self.grantable(moment);
        let receiver = self.receiver(op);
        let room = self.funding.room(receiver, limits, available, moment.now);
        // What the operation charged before counts for the same deposit.
        let charged = op
            .charge
            .filter(|charge| charge.day == grant::day(moment.now));
        let charged = charged.map_or(0, |charge| charge.cycles.0.saturating_sub(op.money.paid.0));
        room.left.saturating_add(charged).min(available)
    }

    // Grants

    /// The open grant on a canister.
    pub(crate) fn open_grant(&self, canister: Principal) -> Option<OperationId> {
        if self.journal.open_of(OperationKind::Grant) == 0 {
            return None;
        }
        let op = self.journal.holder(canister)?;
        (op.kind() == OperationKind::Grant && op.end.is_none()).then_some(op.id)
    }

    /// Whether another operation works on a member. Root grants it nothing until that has ended.
    pub(crate) fn is_locked(&self, canister: Principal, member: &Member) -> bool {
        member.status != MemberStatus::Active || self.open_grant(canister).is_some()
    }

    /// Puts a grant on record, and charges it against the limits, within which it must be. With a
    /// `status` that root has just seen, the deposit comes next, else a look.
    pub(crate) fn begin_grant(
        &mut self,
        canister: Principal,
        mut plan: GrantPlan,
        status: Option<&Status>,
        now: u64,
    ) -> OperationId {
        let id = self.take_operation_id();
        let step = if status.is_some() {
            Step::Fund
        } else {
            Step::Verify
        };
        let cycles = plan.cycles.0;
        plan.looked = now;
        let mut op = Operation::new(id, Purpose::Grant(plan), step, now);
        op.canister = Some(Id(canister));
        op.money.reserve_shortfall(cycles);
        op.money.held = Cycles(status.map_or(0, |status| status.cycles));
        op.charge = Some(self.funding.charge(self.receiver(&op), cycles, now));
        self.journal.put(op);
        id
    }

    /// Charges the deposit that comes next in an upgrade, in place of what was charged before.
    pub(crate) fn charge_upgrade(&mut self, op: &mut Operation, now: u64) {
        let is_due = op.kind() == OperationKind::Upgrade && op.step == Step::Fund;
        if !is_due {
            return;
        }
        let receiver = self.receiver(op);
        if let Some(before) = op.charge.take() {
            let unused = before.cycles.0.saturating_sub(op.money.paid.0);
            self.funding.discharge(receiver, before.day, unused);
        }
        let cycles = op.money.shortfall.0;
        op.charge = Some(self.funding.charge(receiver, cycles, now));
    }

    /// Charges a deposit that its operation makes on a later day than it was charged on. Answers
    /// whether that day's limits leave as much.
    pub(crate) fn charge_again(&mut self, op: &mut Operation, moment: &Moment) -> bool {
        let Some(before) = op.charge.filter(|_| op.step == Step::Fund) else {
            return true;
        };
        let now = moment.now;
        if before.day == grant::day(now) {
            return true;
        }
        let limits = self.shared_limits(op);
        let receiver = self.receiver(op);
        let cycles = op.money.shortfall.0;
        let room = self.funding.room(receiver, limits, u128::MAX, now);
        if room.left < cycles {
            return false;
        }
        op.charge = Some(self.funding.charge(receiver, cycles, now));
        true
    }

    /// Settles the grant of an operation that has ended: what it charged and did not give is free
    /// again, and what it gave counts.
    pub(super) fn settle_grant(&mut self, op: &mut Operation, end: End, now: u64) {
        let Some(charge) = op.charge.take() else {
            return;
        };
        let given = op.money.paid.0;
        let receiver = self.receiver(op);
        let unused = charge.cycles.0.saturating_sub(given);
        self.funding.discharge(receiver, charge.day, unused);
        let purpose = match &op.purpose {
            Purpose::Grant(plan) => plan.purpose,
            _ => GrantPurpose::Upgrade,
        };
        if given > 0 {
            self.funding.record(purpose, given, now);
        }
        if let Some(id) = receiver.member
            && let Some(entry) = self.funding.schedule.entry(id)
        {
            let mut entry = entry.with_deposit(given);
            if end != End::Done && purpose == GrantPurpose::Watch {
                entry = entry.due_at(now / SECOND + grant::SHORTEST);
            }
            self.funding.schedule.put(id, entry);
        }
    }

    // The schedule

    /// Puts members on the schedule that are not on it: those of an earlier version of canic.
    pub(crate) fn begin_watch(&mut self, now: u64) {
        if self.funding.schedule.len() as u64 >= self.registry.member_count() {
            return;
        }
        let all: Vec<RecordId> = self.registry.record_ids().collect();
        let due = now / SECOND + grant::FIRST;
        for id in all {
            if self.funding.schedule.entry(id).is_none() {
                let entry = Entry::new(due, 0, 0, 0);
                self.funding.schedule.put(id, entry);
            }
        }
    }

    /// Puts a new member on the schedule, with the balance that root gave it.
    pub(super) fn watch_new(&mut self, canister: Principal, balance: u128, now: u64) {
        if let Some(id) = self.registry.record_id(canister) {
            let now = now / SECOND;
            let entry = Entry::new(now + grant::FIRST, now, balance, 0);
            self.funding.schedule.put(id, entry);
        }
    }

    /// Takes a canister off the schedule, before its member's record is removed.
    pub(super) fn end_watch(&mut self, canister: Principal) {
        if let Some(id) = self.registry.record_id(canister) {
            self.funding.forget(id);
        }
    }

    /// When root must look at a canister, at the latest: nanoseconds since the epoch.
    pub(crate) fn next_look_at(&self) -> Option<u64> {
        let member = self.funding.schedule.first();
        let member = member.map(|(_, entry)| u64::from(entry.due) * SECOND);
        let pool = self.pool_looks().map(|(due, _)| due).min();
        member.into_iter().chain(pool).min()
    }

    /// The canisters of the pool, and when root looks at each.
    fn pool_looks(&self) -> impl Iterator<Item = (u64, Principal)> {
        self.pool.ready_entries().map(|entry| {
            let canister = entry.canister.0;
            let looked = self.funding.pool.get(&canister).copied();
            let due = looked.unwrap_or(entry.since) + 7 * grant::DAY * SECOND;
            (due, canister)
        })
    }

    /// The canister that root looks at now. None while as many grants are open as may be: then the
    /// next ones would have to wait.
    pub(crate) fn next_look(&mut self, now: u64) -> Option<Look> {
        if self.journal.open_of(OperationKind::Grant) >= grant::MAX_OPEN {
            return None;
        }
        if let Some((id, entry)) = self.funding.schedule.first()
            && u64::from(entry.due) <= now / SECOND
        {
            let (canister, _) = self.registry.at(id);
            // If the answer never comes, root looks again.
            let again = entry.due_at(now / SECOND + grant::SHORTEST);
            self.funding.schedule.put(id, again);
            self.funding.begin_look(id, now);
            let member = Some(id);
            return Some(Look { canister, member });
        }
        let (_, canister) = self.pool_looks().find(|(due, _)| *due <= now)?;
        let pool = &self.pool;
        let looked = &mut self.funding.pool;
        looked.retain(|canister, _| pool.contains(*canister));
        looked.insert(canister, now);
        let member = None;
        Some(Look { canister, member })
    }

    /// Notes what root saw, and puts the grant on record that follows from it.
    pub(crate) fn end_look(
        &mut self,
        look: &Look,
        reply: &Reply,
        moment: &Moment,
    ) -> Option<OperationId> {
        match (look.member, reply) {
            (Some(id), _) if self.registry.record_id(look.canister) != Some(id) => None,
            (Some(id), Reply::Status(status)) => self.see_member(id, look.canister, status, moment),
            (Some(id), _) => {
                self.miss_member(id, reply, moment.now);
                None
            }
            (None, Reply::Status(status)) => self.see_in_pool(look.canister, status, moment),
            (None, _) => None,
        }
    }

    /// A member did not show its state: root looks again soon if the platform was busy, else later.
    fn miss_member(&mut self, id: RecordId, reply: &Reply, now: u64) {
        let is_busy = matches!(reply, Reply::Failed(failure) if failure.transient);
        let (pause, condition) = if is_busy {
            (grant::SHORTEST, self.funding.condition(id))
        } else {
            (grant::DAY, Some(Condition::Unseen))
        };
        self.funding.end_look(id, condition);
        if let Some(entry) = self.funding.schedule.entry(id) {
            let entry = entry.due_at(now / SECOND + pause);
            self.funding.schedule.put(id, entry);
        }
    }

    fn see_member(
        &mut self,
        id: RecordId,
        canister: Principal,
        status: &Status,
        moment: &Moment,
    ) -> Option<OperationId> {
        let now = moment.now / SECOND;
        let (_, member) = self.registry.at(id);
        let before = self.funding.schedule.entry(id).unwrap_or_default();
        let burn = burn_of(&before, status, now);
        let awake = grant::spendable(status).saturating_sub(grant::AWAKE);
        let left = grant::seconds_left(awake, burn);
        let role = self.registry.role_name(member.role).to_string();
        let fund = self.fund(&role);
        let need = fund.and_then(|fund| grant::need(&fund, status, burn));
        let mut pause = grant::pause(now, left);
        let mut condition = condition_of(status);
        let mut operation = None;
        match need {
            Some(_) if self.is_locked(canister, &member) => pause = grant::SHORTEST,
            Some(cycles) => {
                let position = Position {
                    role,
                    parent: member.parent,
                    key: member.key,
                };
                let mut plan = GrantPlan::new(GrantPurpose::Watch, Some(position), cycles);
                plan.to = fund.map(|fund| fund.to.into());
                plan.burn = Cycles(burn);
                let receiver = Receiver {
                    role: Some(member.role),
                    member: Some(id),
                };
                let limits = self.limits(fund.as_ref(), burn);
                match self.grant_within(canister, plan, receiver, limits, status, moment) {
                    Ok(granted) => {
                        operation = Some(granted.operation);
                        let full = awake.saturating_add(granted.cycles);
                        pause = grant::pause(now, grant::seconds_left(full, burn));
                        // The rest, as soon as the limit leaves some.
                        pause = granted.rest_after.map_or(pause, |rest| rest.min(pause));
                    }
                    Err(retry) => {
                        condition = Some(Condition::Refused);
                        // Those that have the least left come first then.
                        pause = retry + (left / 1_000).min(grant::SHORTEST);
                    }
                }
            }
            None if left == 0 => pause = grant::DAY,
            None => {}
        }
        let entry = Entry::new(now + pause, now, status.cycles, burn);
        self.funding.schedule.put(id, entry);
        self.funding.end_look(id, condition);
        operation
    }

    fn see_in_pool(
        &mut self,
        canister: Principal,
        status: &Status,
        moment: &Moment,
    ) -> Option<OperationId> {
        let full = self.config.pool.as_ref()?.cycles;
        let is_ready = self
            .pool
            .ready_entries()
            .any(|entry| entry.canister.0 == canister);
        if !is_ready {
            return None;
        }
        self.pool.set_balance(canister, status.cycles);
        let cycles = grant::need_in_pool(full, status)?;
        let mut plan = GrantPlan::new(GrantPurpose::Pool, None, cycles);
        plan.burn = Cycles(status.idle_burn);
        let limits = self.limits(None, 0);
        let receiver = Receiver::default();
        let granted = self.grant_within(canister, plan, receiver, limits, status, moment);
        let id = granted.ok()?.operation;
        self.pool.mark_claimed(canister, id);
        Some(id)
    }

    /// Puts a grant on record, or the part of it that the limits leave.
    ///
    /// # Errors
    ///
    /// If they leave too little: the seconds after which root tries again.
    fn grant_within(
        &mut self,
        canister: Principal,
        mut plan: GrantPlan,
        receiver: Receiver,
        limits: Limits,
        status: &Status,
        moment: &Moment,
    ) -> Result<Granted, u64> {
        let available = self.grantable(moment);
        let room = self.funding.room(receiver, limits, available, moment.now);
        let cycles = plan.cycles.0;
        if room.left < grant::MIN {
            return Err(self.refuse(canister, plan.purpose, cycles, room, moment.now));
        }
        let rest_after = (room.left < cycles).then(|| pause_of(room.limit, moment.now));
        let cycles = cycles.min(room.left);
        plan.cycles = Cycles(cycles);
        Ok(Granted {
            operation: self.begin_grant(canister, plan, Some(status), moment.now),
            cycles,
            rest_after,
        })
    }

    /// Puts a refusal on record. Answers the seconds after which another try may succeed.
    pub(crate) fn refuse(
        &mut self,
        canister: Principal,
        purpose: GrantPurpose,
        cycles: u128,
        room: Room,
        now: u64,
    ) -> u64 {
        let pause = pause_of(room.limit, now);
        self.funding.refuse(Refused {
            at: now,
            canister: Id(canister),
            purpose,
            cycles: Cycles(cycles),
            limit: room.limit,
            left: Cycles(room.left),
            retry_at: now + pause * SECOND,
            times: 1,
        });
        pause
    }
}

/// Seconds after which a limit that was reached may leave something again.
fn pause_of(limit: GrantLimit, now: u64) -> u64 {
    match limit {
        GrantLimit::Reserve => grant::LATER,
        GrantLimit::Member | GrantLimit::Role | GrantLimit::Budget => grant::until_midnight(now),
    }
}

/// Cycles that a member burns in a day: the larger of what its memory burns and what was measured
/// since the last look. If its balance rose, somebody else gave it cycles, and hides what it
/// burned.
fn burn_of(before: &Entry, status: &Status, now: u64) -> u128 {
    let seconds = now.saturating_sub(before.looked.into());
    let measured = (before.looked > 0 && status.cycles <= before.balance())
        .then(|| grant::measured(before.balance(), status.cycles, seconds))
        .flatten();
    measured.unwrap_or(before.burn()).max(status.idle_burn)
}

fn condition_of(status: &Status) -> Option<Condition> {
    if grant::spendable(status) == 0 && status.frozen > 0 {
        return Some(Condition::Frozen);
    }
    (status.run != Run::Running).then_some(Condition::Stopped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{PoolConfig, RoleConfig, RootConfig},
        operation::call::Failure,
        root::steps::tests::{HUB, ROOT, T, WORKER, add_member, moment, state_of},
    };

    /// 10^10 cycles.
    const B: u128 = 10_000_000_000;
    const DAY: u64 = grant::DAY;

    static FUNDED: RootConfig = RootConfig {
        pool: Some(PoolConfig {
            min: 0,
            max: 2,
            cycles: T,
        }),
        reserve: T,
        refuel: None,
        budget: Some(50 * B),
        roles: &[RoleConfig {
            fund: Some(FundConfig {
                below: Level::Seconds(7 * DAY),
                to: Level::Seconds(30 * DAY),
                per_day: Some(40 * B),
            }),
            ..RoleConfig::open("worker")
        }],
    };

    fn at(seconds: u64) -> Moment {
        Moment {
            now: seconds * SECOND,
            ..moment()
        }
    }

    fn watched() -> State {
        let mut state = state_of(&FUNDED);
        for canister in [HUB, WORKER] {
            add_member(&mut state, canister, "worker", ROOT, None);
            state.watch_new(canister, 100 * B, DAY * SECOND);
        }
        state
    }

    fn status(cycles: u128) -> Status {
        Status {
            idle_burn: B,
            ..Status::sample(ROOT, cycles)
        }
    }

    fn look(state: &mut State, seconds: u64, cycles: u128) -> Option<Option<OperationId>> {
        let look = state.next_look(seconds * SECOND)?;
        let reply = Reply::Status(status(cycles));
        Some(state.end_look(&look, &reply, &at(seconds)))
    }

    fn entry(state: &State, canister: Principal) -> Entry {
        let id = state.registry.record_id(canister).unwrap();
        state.funding.schedule.entry(id).unwrap()
    }

    #[test]
    fn a_new_member_is_seen_after_some_hours_and_then_at_half_of_the_time_that_it_has_left() {
        let mut state = watched();
        let first = DAY + grant::FIRST;
        assert_eq!(state.next_look_at(), Some(first * SECOND));
        assert_eq!(look(&mut state, DAY, 0), None, "it is not due");
        // It burned 1 B in 6 hours.
        assert_eq!(look(&mut state, first, 99 * B), Some(None));
        let seen = [HUB, WORKER].map(|canister| entry(&state, canister).burn());
        assert!(
            seen.iter().any(|burn| burn.abs_diff(4 * B) < B / 100),
            "{seen:?}"
        );
        let again = [HUB, WORKER].map(|canister| u64::from(entry(&state, canister).due));
        assert!(again.contains(&(8 * DAY)), "{again:?}");
        // A look whose answer never comes is repeated, and one that fails, too.
        let lost = state.next_look(first * SECOND).unwrap();
        assert_eq!(state.next_look(first * SECOND), None, "both were taken");
        let later = first + grant::SHORTEST;
        assert_eq!(state.next_look(later * SECOND), Some(lost));
        let busy = Reply::Failed(Failure::of_management(2, "later"));
        assert_eq!(state.end_look(&lost, &busy, &at(later)), None);
        let due = entry(&state, lost.canister).due;
        assert_eq!(u64::from(due), later + grant::SHORTEST);
        let gone = Reply::Failed(Failure::of_management(3, "gone"));
        state.end_look(&lost, &gone, &at(later));
        let id = lost.member.unwrap();
        assert_eq!(state.funding.condition(id), Some(Condition::Unseen));
        // The schedule survives an upgrade.
        let before = [HUB, WORKER].map(|canister| entry(&state, canister));
        let again = State::open(&FUNDED);
        assert_eq!(
            [HUB, WORKER].map(|canister| entry(&again, canister)),
            before
        );
    }

    #[test]
    fn a_poor_member_gets_a_grant_within_the_limits_and_the_next_one_is_refused_until_midnight() {
        let mut state = watched();
        let now = DAY + grant::FIRST;
        let id = look(&mut state, now, 0).unwrap().expect("a grant");
        let op = state.journal.get(id).unwrap();
        // It burned 100 B in 6 hours, so it would need 30 times 400 B.
        assert_eq!((op.step, op.money.shortfall.0), (Step::Fund, 40 * B));
        assert_eq!(state.journal.reserved(), 40 * B);
        assert_eq!(
            look(&mut state, now, 0),
            Some(None),
            "the role got its share"
        );
        let refused: Vec<_> = state.funding.refusals().collect();
        assert_eq!((refused.len(), refused[0].limit), (1, GrantLimit::Role));
        assert_eq!(refused[0].retry_at, 2 * DAY * SECOND);
        let id = state.registry.record_id(refused[0].canister.0).unwrap();
        assert_eq!(state.funding.condition(id), Some(Condition::Refused));
        let due = state.funding.schedule.entry(id).unwrap().due;
        assert_eq!(u64::from(due), 2 * DAY);
    }

    #[test]
    fn a_grant_that_ends_is_counted_or_free_again() {
        for end in [End::Done, End::Untouched] {
            let mut state = watched();
            let now = DAY + grant::FIRST;
            let id = look(&mut state, now, 0).unwrap().expect("a grant");
            let mut op = state.journal.get(id).unwrap();
            let canister = op.canister().unwrap();
            assert_eq!(state.open_grant(canister), Some(id));
            let given = if end == End::Done { 40 * B } else { 0 };
            op.money.paid = Cycles(given);
            state.close(op, end, now * SECOND);
            assert_eq!(state.open_grant(canister), None);
            assert_eq!(state.funding.charged_today(now * SECOND), given);
            let total: u128 = state
                .funding
                .days(now * SECOND)
                .flat_map(|(_, day)| day.granted.values())
                .map(|cycles| cycles.0)
                .sum();
            assert_eq!(total, given);
            assert!(entry(&state, canister).balance().abs_diff(given) < B / 100);
        }
    }

    #[test]
    fn a_grant_leaves_root_its_reserve() {
        let mut state = watched();
        let now = DAY + grant::FIRST;
        let poor = Moment {
            balance: T + policy::FEES + 15 * B,
            ..at(now)
        };
        let seen = state.next_look(now * SECOND).unwrap();
        let id = state.end_look(&seen, &Reply::Status(status(0)), &poor);
        let op = state.journal.get(id.unwrap()).unwrap();
        assert_eq!(op.money.shortfall.0, 15 * B);
        let seen = state.next_look(now * SECOND).unwrap();
        assert_eq!(
            state.end_look(&seen, &Reply::Status(status(0)), &poor),
            None
        );
        let limit = state.funding.refusals().next().unwrap().limit;
        assert_eq!(limit, GrantLimit::Reserve);
    }

    #[test]
    fn a_deposit_after_midnight_counts_for_the_new_day() {
        let mut state = watched();
        let now = 2 * DAY - 10;
        let id = look(&mut state, now, 0).unwrap().expect("a grant");
        let mut op = state.journal.get(id).unwrap();
        assert!(state.charge_again(&mut op, &at(2 * DAY - 1)));
        assert_eq!(state.funding.charged_today(2 * DAY * SECOND), 0);
        assert!(state.charge_again(&mut op, &at(2 * DAY)));
        assert_eq!(state.funding.charged_today(2 * DAY * SECOND), 40 * B);
        let mut late = state.journal.get(id).unwrap();
        assert!(
            !state.charge_again(&mut late, &at(2 * DAY)),
            "nothing is left"
        );
    }

    #[test]
    fn a_member_that_an_operation_works_on_is_granted_nothing_and_seen_again_soon() {
        let mut state = watched();
        for canister in [HUB, WORKER] {
            state
                .registry
                .set_status(canister, MemberStatus::Upgrading, 7);
        }
        let now = DAY + grant::FIRST;
        let seen = state.next_look(now * SECOND).unwrap();
        assert_eq!(
            state.end_look(&seen, &Reply::Status(status(0)), &at(now)),
            None
        );
        let due = entry(&state, seen.canister).due;
        assert_eq!(u64::from(due), now + grant::SHORTEST);
    }

    #[test]
    fn a_retired_member_is_watched_no_more() {
        let mut state = watched();
        let seen = state.next_look((DAY + grant::FIRST) * SECOND).unwrap();
        state.end_watch(seen.canister);
        let position = Position {
            role: "worker".to_string(),
            parent: Id(ROOT),
            key: None,
        };
        let canister = Some(seen.canister);
        state.registry.release_position(&position, canister);
        let late = state.end_look(&seen, &Reply::Status(status(0)), &at(3 * DAY));
        assert_eq!((late, state.funding.schedule.len()), (None, 1));
    }

    #[test]
    fn canisters_of_the_pool_are_seen_every_week_and_filled_up() {
        let mut state = state_of(&FUNDED);
        state.pool.put_ready(WORKER, T, None, DAY * SECOND);
        assert_eq!(state.next_look_at(), Some(8 * DAY * SECOND));
        assert_eq!(look(&mut state, 8 * DAY, 90 * B), Some(None));
        let balance = |state: &State| state.pool.first_ready().map(|entry| entry.cycles.0);
        assert_eq!(balance(&state), Some(90 * B));
        assert_eq!(state.next_look_at(), Some(15 * DAY * SECOND));
        let id = look(&mut state, 15 * DAY, 40 * B)
            .unwrap()
            .expect("a grant");
        let mut op = state.journal.get(id).unwrap();
        assert_eq!(op.money.shortfall.0, 50 * B, "the budget has no more");
        assert_eq!(balance(&state), None, "it is claimed");
        op.money.paid = Cycles(50 * B);
        op.money.held = Cycles(90 * B);
        state.close(op, End::Done, 15 * DAY * SECOND);
        assert_eq!(balance(&state), Some(90 * B));
    }
}
