//! The audit from outside: root's records and ledger, compared with the replica's facts.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use candid::{Encode, Principal, idl_hash};
use canic::api::{MemberInfo, MemberState, OperationInfo, OperationsFilter, PoolEntry};
use canic_replica::{Config, Replica};
use ic_management_canister_types::{CanisterSettings, CanisterStatusType, UpdateSettingsArgs};

use crate::{
    harness::{Harness, Setup, T, Writer},
    network::Network,
    status::Record,
};

/// Cycles that may go down with a deleted canister: the rest after draining.
pub const DESTROYED: u128 = T / 10;

/// The platform's limit for a new canister, in bytes: 3 GiB.
const WASM_MEMORY_LIMIT: u64 = 3 << 30;

/// The outcome of an audit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// What is wrong, a sentence each.
    pub violations: Vec<String>,
    /// What could not be checked on this network, and why.
    pub skipped: Vec<&'static str>,
}

/// What an audit lets pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowances {
    /// Canisters may be lost: one for each quarantined operation that does not know the id of the
    /// canister that it created.
    pub lost_creations: bool,
    /// Canisters may be deleted with all that they hold: somebody asked for that.
    pub destruction: bool,
}

/// The canisters on root's records.
#[derive(Clone, Debug, Default)]
pub struct Recorded<'a> {
    canisters: BTreeMap<Principal, &'a str>,
    /// Canisters that are on two records, a sentence each.
    pub twice: Vec<String>,
}

impl Recorded<'_> {
    /// The canisters of these records. An open operation may name a canister that another record
    /// names, too.
    #[must_use]
    pub fn new(
        members: &[MemberInfo],
        pool: &[PoolEntry],
        quarantined: &[OperationInfo],
        open: &[OperationInfo],
    ) -> Self {
        let mut recorded = Self::default();
        let members = members.iter().map(|member| (member.canister, "a member"));
        let pool = pool.iter().map(|entry| (entry.canister, "in the pool"));
        let quarantined = quarantined.iter();
        let quarantined = quarantined.filter_map(|op| Some((op.canister?, "in quarantine")));
        for (canister, record) in members.chain(pool).chain(quarantined) {
            if let Some(other) = recorded.canisters.insert(canister, record) {
                let twice = format!("{canister} is {other} and {record}");
                recorded.twice.push(twice);
            }
        }
        for canister in open.iter().filter_map(|op| op.canister) {
            recorded
                .canisters
                .entry(canister)
                .or_insert("in an open operation");
        }
        recorded
    }

    /// The canisters.
    pub fn canisters(&self) -> impl Iterator<Item = Principal> {
        self.canisters.keys().copied()
    }

    /// The canisters among `controlled` that are on no record.
    #[must_use]
    pub fn lost(&self, controlled: impl IntoIterator<Item = Principal>) -> BTreeSet<Principal> {
        let controlled = controlled.into_iter();
        controlled
            .filter(|canister| !self.canisters.contains_key(canister))
            .collect()
    }

    /// The canisters that are on record and do not exist.
    #[must_use]
    pub fn missing(&self, exists: impl Fn(Principal) -> bool) -> BTreeMap<Principal, &str> {
        let missing = self.canisters.iter().filter(|(one, _)| !exists(**one));
        missing.map(|(one, record)| (*one, *record)).collect()
    }
}

/// Audits a fleet that is quiet: nobody is lost, every canister is as its record says, and every
/// cycle is accounted for.
pub fn audit<N: Network, W: Writer<N>>(
    harness: &mut Harness<N, W>,
    allowances: Allowances,
) -> Audit {
    let members = harness.members();
    let pool = harness.pool();
    let quarantined = harness.operations(OperationsFilter::Quarantined);
    let open = harness.operations(OperationsFilter::Open);
    let recorded = Recorded::new(&members, &pool, &quarantined, &open);
    let mut audit = Audit::default();
    check_existence(harness, &recorded, &mut audit.violations);
    let most_lost = match allowances.lost_creations {
        true => quarantined
            .iter()
            .filter(|op| op.canister.is_none())
            .count(),
        false => 0,
    };
    let lost = lost_canisters(harness, &recorded);
    if lost.len() > most_lost {
        let lost: Vec<String> = lost.iter().map(Principal::to_text).collect();
        audit.violations.push(format!("lost canisters: {lost:?}"));
    }
    check_registry(harness, &members, &mut audit.violations);
    check_pool(harness, &pool, &mut audit.violations);
    check_reserve(harness, &mut audit.violations);
    if harness.replica.replica().is_some() {
        check_accounts(harness, allowances, &mut audit.violations);
        if lost.is_empty() && open.is_empty() {
            check_ledger(harness, &mut audit.violations);
        }
    } else {
        audit
            .skipped
            .push("lost canisters: a server does not list its canisters");
        audit.skipped.push("cycles: a server has no accounts");
    }
    audit
}

/// Checks that each canister on record exists, on root's subnet, and is on one record only.
fn check_existence<N: Network, W: Writer<N>>(
    harness: &Harness<N, W>,
    recorded: &Recorded<'_>,
    violations: &mut Vec<String>,
) {
    violations.extend(recorded.twice.iter().cloned());
    let missing = recorded.missing(|canister| harness.replica.exists(canister));
    let missing = missing.into_iter();
    violations.extend(
        missing.map(|(canister, record)| format!("{canister} is {record}, and does not exist")),
    );
    let own = harness.replica.subnet_of(harness.root);
    for canister in recorded.canisters() {
        if harness.replica.subnet_of(canister) != own {
            violations.push(format!("{canister} is on record, and on another subnet"));
        }
    }
}

/// Canisters that root controls, and not root's controller besides, and that are on none of root's
/// records.
fn lost_canisters<N: Network, W: Writer<N>>(
    harness: &Harness<N, W>,
    recorded: &Recorded<'_>,
) -> BTreeSet<Principal> {
    let strangers = harness.controlled_by(harness.controller);
    let mut lost = recorded.lost(harness.controlled_by(harness.root));
    lost.retain(|canister| !strangers.contains(canister));
    lost
}

/// Checks that members are as their records say.
fn check_registry<N: Network, W: Writer<N>>(
    harness: &mut Harness<N, W>,
    members: &[MemberInfo],
    violations: &mut Vec<String>,
) {
    let mut keys = BTreeSet::new();
    for member in members {
        let canister = member.canister;
        if member.state != MemberState::Active {
            let state = &member.state;
            violations.push(format!("{canister} is {state:?}, and no operation is open"));
        }
        if let Some(key) = &member.key
            && !keys.insert((&member.role, key))
        {
            violations.push(format!("two members have the key {key:?}"));
        }
        match harness.status(canister) {
            Ok(status) if status.module_hash.as_ref() == Some(&member.module) => {}
            other => violations.push(format!("{canister} does not run its module: {other:?}")),
        }
        match harness.identity_info(canister) {
            Some(info)
                if info.role == member.role
                    && info.identity.as_ref().is_some_and(|identity| {
                        identity.key == member.key && identity.parent == member.parent
                    }) => {}
            other => violations.push(format!(
                "the identity of {canister} is {other:?}, its record {member:?}"
            )),
        }
    }
}

/// Checks that the pool's canisters are unclaimed, and in the state of new ones.
fn check_pool<N: Network, W: Writer<N>>(
    harness: &mut Harness<N, W>,
    pool: &[PoolEntry],
    violations: &mut Vec<String>,
) {
    for entry in pool {
        let canister = entry.canister;
        if let Some(operation) = entry.claimed_by {
            violations.push(format!(
                "{canister} is claimed by operation {operation}, which is not open"
            ));
        }
        match harness.status(canister) {
            Ok(status)
                if status.module_hash.is_none()
                    && status.status == CanisterStatusType::Running
                    && status.settings.controllers == [harness.root]
                    && status.memory_metrics.wasm_chunk_store_size == 0u8
                    && status.memory_metrics.snapshots_size == 0u8 => {}
            other => violations.push(format!(
                "{canister} is in the pool, and is not empty: {other:?}"
            )),
        }
        if harness.replica.replica().is_none() {
            continue;
        }
        let fresh = fresh_settings();
        let mut settings = harness.settings(canister).unwrap_or_default();
        settings.retain(|setting, value| {
            *setting != idl_hash("controllers") && fresh.get(setting) != Some(value)
        });
        if !settings.is_empty() {
            violations.push(format!(
                "{canister} is in the pool, and these settings are not a new one's: {settings:?}"
            ));
        }
    }
}

/// The settings of a new canister that nobody has used.
fn fresh_settings() -> &'static Record {
    static FRESH: OnceLock<Record> = OnceLock::new();
    FRESH.get_or_init(|| {
        let replica = Replica::new(Config::default()).expect("an instance");
        // A module without anything.
        let module = b"\0asm\x01\0\0\0".to_vec();
        let setup = Setup {
            module,
            argument: Encode!().expect("no argument"),
            cycles: 10 * T,
            controller: Principal::anonymous(),
            chunk: 1,
        };
        let mut harness = Harness::start(replica, (), setup).expect("a canister can be created");
        let fresh = harness.create(harness.root, T);
        // The platform limits the memory of canisters that canisters create.
        let limited = UpdateSettingsArgs {
            canister_id: fresh,
            settings: CanisterSettings {
                wasm_memory_limit: Some(WASM_MEMORY_LIMIT.into()),
                ..Default::default()
            },
            sender_canister_version: None,
        };
        let set = harness.manage(harness.root, "update_settings", fresh, &limited);
        set.expect("its controller may set it");
        harness.settings(fresh).expect("its controller may ask")
    })
}

/// Checks that root did not spend its reserve.
fn check_reserve<N: Network, W: Writer<N>>(
    harness: &mut Harness<N, W>,
    violations: &mut Vec<String>,
) {
    let reserve = harness.funding().root.reserve;
    let balance = harness.replica.cycles(harness.root).unwrap_or_default();
    if balance < reserve {
        violations.push(format!(
            "root has {balance} cycles, and its reserve is {reserve}"
        ));
    }
}

/// Checks the replica's accounts, and the cycles that went down with canisters.
fn check_accounts<N: Network, W: Writer<N>>(
    harness: &Harness<N, W>,
    allowances: Allowances,
    violations: &mut Vec<String>,
) {
    let Some(replica) = harness.replica.replica() else {
        return;
    };
    let accounts = replica.accounts();
    if !accounts.balanced() {
        violations.push(format!(
            "the replica's accounts do not balance: {accounts:?}"
        ));
    }
    let deleted = harness.done.deleted;
    if accounts.destroyed > u128::from(deleted) * DESTROYED && !allowances.destruction {
        let destroyed = accounts.destroyed;
        violations.push(format!(
            "{destroyed} cycles went down with {deleted} canisters"
        ));
    }
}

/// Checks that root's ledger has all cycles that root sent to canisters.
fn check_ledger<N: Network, W: Writer<N>>(
    harness: &mut Harness<N, W>,
    violations: &mut Vec<String>,
) {
    let sent = harness.done.sent;
    let sheet = harness.sheet();
    let recorded: u128 = ["creation_fees", "to_pool", "to_members"]
        .iter()
        .filter_map(|purpose| sheet.get(*purpose))
        .sum();
    if recorded != sent {
        violations.push(format!(
            "root sent {sent} cycles, and its ledger has {recorded}: {sheet:?}"
        ));
    }
}
