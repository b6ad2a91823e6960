//! The rollouts: their records, and the operations that they begin on members.

use std::collections::BTreeMap;

use candid::Principal;
use ic_stable_structures::StableBTreeMap;

use crate::{
    api::OperationId,
    operation::{
        Admission, End, Job, Operation, Position, Purpose, Release, Step, UpgradePlan,
        UpgradeState,
        rollout::{Phase, Rollout, Snapshots, Walk},
    },
    stable::{
        memory::{self, Memory},
        record::{Id, Record},
    },
    state::{
        State,
        registry::{Member, MemberStatus},
    },
};

/// Rollouts that have ended, of which root keeps the records.
const MAX_ENDED: usize = 100;

/// Members that root looks at in one message, on its way through a role.
const MAX_LOOKS: u32 = 500;

/// The mark of a rollout that works backwards, in a member's record.
const UNDO: u32 = 1 << 31;

/// All rollouts, cached on the heap: they are few, and the members are not among them.
pub(crate) struct Rollouts {
    rollouts: BTreeMap<u32, Rollout>,
    table: StableBTreeMap<u32, Record<Rollout>, Memory>,
}

impl Rollouts {
    /// Reads the rollouts from stable memory.
    pub(crate) fn open(id: u8) -> Self {
        let table: StableBTreeMap<u32, Record<Rollout>, Memory> =
            StableBTreeMap::init(memory::open(id));
        Self {
            rollouts: table
                .iter()
                .map(|row| (*row.key(), row.value().0))
                .collect(),
            table,
        }
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Rollout> {
        self.rollouts.get(&id)
    }

    /// The rollouts after a number, oldest first.
    pub(crate) fn after(&self, id: Option<u32>) -> impl Iterator<Item = &Rollout> {
        let from = id.map_or(0, |id| id.saturating_add(1));
        self.rollouts.range(from..).map(|(_, rollout)| rollout)
    }

    /// The number of the next rollout.
    pub(crate) fn next_id(&self) -> u32 {
        self.rollouts.keys().next_back().map_or(1, |last| last + 1)
    }

    /// The rollouts that have not ended.
    pub(crate) fn open_ones(&self) -> impl Iterator<Item = &Rollout> {
        let all = self.rollouts.values();
        all.filter(|rollout| rollout.phase != Phase::Ended)
    }

    /// The rollout of a role that works on members.
    pub(crate) fn active_of(&self, role: u16) -> Option<&Rollout> {
        self.open_ones()
            .find(|rollout| rollout.role == role && rollout.is_active())
    }

    /// Whether no other rollout of its role began later.
    pub(crate) fn is_newest(&self, rollout: &Rollout) -> bool {
        let mut newer = self.after(Some(rollout.id));
        !newer.any(|other| other.role == rollout.role)
    }

    /// Writes a rollout. Beyond [`MAX_ENDED`] the oldest that have ended are forgotten.
    pub(crate) fn put(&mut self, rollout: Rollout) {
        self.table.insert(rollout.id, Record(rollout.clone()));
        self.rollouts.insert(rollout.id, rollout);
        let ended = self.rollouts.values();
        let ended: Vec<u32> = ended
            .filter(|rollout| rollout.phase == Phase::Ended)
            .map(|rollout| rollout.id)
            .collect();
        let surplus = ended.len().saturating_sub(MAX_ENDED);
        for id in ended.into_iter().take(surplus) {
            self.rollouts.remove(&id);
            self.table.remove(&id);
        }
    }
}

/// The result of a look for the next member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// This operation was put on record.
    Operation(OperationId),
    /// The phase has no member left.
    NoMore,
    /// Root has looked at [`MAX_LOOKS`] members, and goes on in another message.
    Later,
}

impl State {
    /// Puts the operation on the next member of a rollout on record.
    pub(crate) fn begin_upgrade(&mut self, rollout: &mut Rollout, now: u64) -> Found {
        for _ in 0..MAX_LOOKS {
            let Some(canister) = self.next_of_walk(rollout) else {
                rollout.walk.exhausted = true;
                return Found::NoMore;
            };
            let Some(member) = self.registry.member(canister) else {
                continue;
            };
            let Some(job) = job_of(rollout, &member) else {
                continue;
            };
            match member.status {
                MemberStatus::Active => {
                    rollout.walk.begun += 1;
                    let id = self.put_upgrade(rollout, canister, member, job, now);
                    return Found::Operation(id);
                }
                // It has no state that matters, or is about to have none.
                MemberStatus::Retiring => {}
                MemberStatus::Installing | MemberStatus::Moving | MemberStatus::Upgrading => {
                    rollout.walk.held += 1;
                }
            }
        }
        Found::Later
    }

    /// The next member on the walk through a role, or among the named canaries.
    fn next_of_walk(&self, rollout: &mut Rollout) -> Option<Principal> {
        let names = matches!(rollout.phase, Phase::Canary | Phase::Look);
        if names && !rollout.named.is_empty() {
            let at = rollout.walk.at;
            let index = rollout.named.iter().position(|id| Some(*id) == at);
            let next = rollout.named.get(index.map_or(0, |index| index + 1))?;
            rollout.walk.at = Some(*next);
            return Some(next.0);
        }
        let first = rollout.first.0;
        let walk: &mut Walk = &mut rollout.walk;
        if walk.exhausted {
            return None;
        }
        let after = walk.at.map(|id| id.0);
        let next = if walk.wrapped {
            let mut all = self.registry.of_role(rollout.role, after);
            all.next().filter(|canister| *canister <= first)
        } else {
            let mut all = self.registry.of_role(rollout.role, after.or(Some(first)));
            match all.next() {
                Some(canister) => Some(canister),
                None => {
                    walk.wrapped = true;
                    let mut all = self.registry.of_role(rollout.role, None);
                    all.next().filter(|canister| *canister <= first)
                }
            }
        };
        if let Some(canister) = next {
            walk.at = Some(Id(canister));
        }
        next
    }

    /// Whether open operations are to make members that a rollout, at the end of a phase, would
    /// pass over: with another release than the one that members have after it.
    pub(crate) fn expects_members(&self, rollout: &Rollout) -> bool {
        let role = self.registry.role_name(rollout.role);
        let to = self.release(role, rollout.to).module;
        self.journal.open_operations().any(|op| {
            let is_of_role = op.position().is_some_and(|position| position.role == role);
            let has_release = op.plan().is_some_and(|plan| plan.module == to);
            match rollout.phase {
                Phase::Rest => is_of_role && op.plan().is_some() && !has_release,
                Phase::Undo => is_of_role && has_release,
                _ => false,
            }
        })
    }

    fn put_upgrade(
        &mut self,
        rollout: &Rollout,
        canister: Principal,
        member: Member,
        job: Job,
        now: u64,
    ) -> OperationId {
        let role = self.registry.role_name(member.role).to_string();
        let position = Position {
            role,
            parent: member.parent,
            key: member.key,
        };
        let kept = member.snapshot.clone();
        let restored = kept.as_ref().map_or(0, |kept| kept.release);
        let (from, to) = match job {
            Job::Upgrade => (member.release, rollout.to),
            // The record of the snapshot stays as it is, should root have to give up.
            Job::DropSnapshot => (restored, member.release),
            Job::Look => (rollout.to, rollout.to),
            Job::Undo => (member.release, rollout.from),
            Job::Restore => (restored, member.release),
        };
        let plan = UpgradePlan {
            rollout: rollout.id,
            from: self.release(&position.role, from),
            to: self.release(&position.role, to),
            snapshot: job == Job::Upgrade && takes_snapshot(rollout),
            health_timeout: rollout.plan.health_timeout,
            job,
        };
        let id = self.take_operation_id();
        self.registry.change_member(canister, |member| {
            member.status = MemberStatus::Upgrading;
            member.operation = id;
            member.rollout = match job {
                Job::Upgrade => rollout.id,
                Job::Undo | Job::Restore => rollout.id | UNDO,
                // These do not change the member: it is still to be upgraded, or undone.
                Job::Look | Job::DropSnapshot => member.rollout,
            };
        });
        let step = if job == Job::DropSnapshot {
            Step::DropSnapshot
        } else {
            Step::Verify
        };
        let mut op = Operation::new(id, Purpose::Upgrade(position, plan), step, now);
        op.canister = Some(Id(canister));
        op.admission = Admission::Immediate;
        let kept = kept.filter(|_| job != Job::Upgrade && job != Job::Undo);
        let last = self.journal.get(member.operation);
        let last = last.filter(|last| last.end == Some(End::Abandoned));
        let last = last.and_then(|last| last.upgrade);
        op.upgrade = Some(UpgradeState {
            owes_accept: last.is_some_and(|last| last.accepted || last.owes_accept),
            ..UpgradeState::new(job, kept.map(|kept| kept.id))
        });
        self.journal.put(op);
        id
    }

    /// A release of a role. One that root does not know has the number 0, and no module.
    fn release(&self, role: &str, number: u32) -> Release {
        let role = self.registry.role(role);
        let known = role.and_then(|role| role.releases.get(number));
        known.map_or(
            Release {
                number: 0,
                module: [0; 32],
            },
            Release::from,
        )
    }
}

/// The job that a phase has for a member. `None`: the phase passes it over.
fn job_of(rollout: &Rollout, member: &Member) -> Option<Job> {
    let is_new = member.release == rollout.to;
    let was_touched = member.rollout == rollout.id;
    let was_undone = member.rollout == rollout.id | UNDO;
    match rollout.phase {
        Phase::Canary | Phase::Rest => (!is_new && !was_touched).then_some(Job::Upgrade),
        Phase::Look => (is_new && was_touched).then_some(Job::Look),
        Phase::Undo if !is_new || was_undone => None,
        Phase::Undo => {
            let has_state = member.snapshot.is_some() && rollout.restores;
            Some(if has_state { Job::Restore } else { Job::Undo })
        }
        Phase::Clear => member.snapshot.is_some().then_some(Job::DropSnapshot),
        // A newer rollout may have taken snapshots already.
        Phase::Settle => {
            let is_own = was_touched || was_undone;
            (is_own && member.snapshot.is_some()).then_some(Job::DropSnapshot)
        }
        Phase::Bake | Phase::Ended => None,
    }
}

fn takes_snapshot(rollout: &Rollout) -> bool {
    match rollout.plan.snapshots {
        Snapshots::None => false,
        Snapshots::Canary => rollout.phase == Phase::Canary,
        Snapshots::All => true,
    }
}
