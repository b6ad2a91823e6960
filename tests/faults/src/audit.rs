//! The audit after a case: root's records and ledger, compared with the replica's facts.
//!
//! The audit starts when the fleet is quiet and no fault is left. First it checks root's answers,
//! every canister, every cycle and every position. Then it repeats all requests and fills the
//! workers' role up to its maximum: a position, key or canister that was lost on the way is missing
//! now.

pub(crate) mod rollouts;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use candid::{CandidType, Decode, Principal, idl_hash};
use canic::api::{
    IdentityInfo, ImportAs, ImportError, ImportRequest, Imported, MemberInfo, MemberState,
    MoveError, MoveRequest, Moved, OperationInfo, OperationsFilter, PoolEntry, ProvisionError,
    ProvisionRequest, Provisioned, RetireError, RetireRequest, Retired, Retirement,
};
use canic_fleet_tests::{fleet::notebook, settings::Record, user};
use canic_replica::{Ingress, Kind, Outcome, Reject};
use ic_management_canister_types::CanisterStatusType;
use serde::de::DeserializeOwned;

use crate::{
    funding, refuel,
    scenario::{refused, small},
    world::{Request, T, World, controller},
};

/// All violations after a case.
pub fn audit(world: &mut World) -> Vec<String> {
    world.replica.clear_faults();
    let mut violations = check_answered(world);
    violations.extend(check_callbacks(world));
    violations.extend(check_answers(world));
    violations.extend(audit_records(world));
    if funding::is_funded(world) {
        violations.extend(funding::check(world));
    }
    violations
}

/// All violations in root's records and ledger, whatever the requests were.
pub fn audit_records(world: &mut World) -> Vec<String> {
    world.thaw_all();
    let mut violations = rollouts::check_running(world);
    world.all_members("start_canister");
    // A member that was stopped has yet to receive root's announcements.
    violations.extend(world.settle(|_| ()).err());
    violations.extend(rollouts::check_rollouts(world));
    violations.extend(check_state(world, true));
    violations.extend(check_repeated_requests(world));
    violations.extend(check_capacity(world));
    violations.extend(check_state(world, false));
    violations.extend(check_directories(world));
    violations.extend(check_hubs(world));
    violations.sort();
    violations.dedup();
    violations
}

/// Checks that every call was answered.
pub fn check_answered(world: &mut World) -> Vec<String> {
    let requests = world.requests.iter();
    requests
        .filter(|request| {
            let message = request.message.as_ref();
            message.is_some_and(|message| world.answer(message).is_none())
        })
        .map(|request| format!("{} was never answered", request.method))
        .collect()
}

/// Checks that no answer met code that does not know the call, as after an upgrade of a canister
/// that waited: the callback would read memory that was never written, or run another function. No
/// callback of a fleet traps by itself, unless an injected trap has ended its task before.
fn check_callbacks(world: &World) -> Vec<String> {
    let callbacks = world
        .replica
        .trace()
        .iter()
        .filter(|event| matches!(event.kind, Kind::Reply | Kind::Reject | Kind::Cleanup));
    callbacks
        .filter_map(|event| match &event.outcome {
            Outcome::Trap { message } if !EXPECTED.iter().any(|text| message.contains(text)) => {
                Some(format!(
                    "{} trapped at the answer to {}: {message}",
                    event.canister, event.method
                ))
            }
            _ => None,
        })
        .collect()
}

/// Texts of the traps of callbacks that cases provoke: the injected one, and ic-cdk's for an answer
/// to a task that ended by it.
const EXPECTED: [&str; 2] = ["injected fault", "Call already trapped"];

/// Members and canisters of the pool, as root lists them.
struct Registered {
    members: Vec<MemberInfo>,
    pool: BTreeSet<Principal>,
    /// Whether a request of the case retires members.
    is_retiring: bool,
}

impl Registered {
    fn is_member(&self, canister: Principal) -> bool {
        self.member(canister).is_some()
    }

    fn member(&self, canister: Principal) -> Option<&MemberInfo> {
        let mut members = self.members.iter();
        members.find(|member| member.canister == canister)
    }
}

/// Checks root's answers against its records.
fn check_answers(world: &mut World) -> Vec<String> {
    let registered = Registered {
        members: world.members(),
        pool: world.pool().iter().map(|entry| entry.canister).collect(),
        is_retiring: world.requests.iter().any(|r| r.method == "canic_retire"),
    };
    let requests = world.requests.clone();
    let violations = requests.iter().filter_map(|request| {
        // A reject says nothing about the operation.
        let answer = request.message.and_then(|message| world.answer(&message));
        let Some(Ok(bytes)) = answer else { return None };
        match request.method {
            "canic_provision" => check_provisioned(&registered, &bytes),
            "canic_retire" => check_retired(&registered, &argument(request), &bytes),
            "canic_move" => check_moved(&registered, &argument(request), &bytes),
            "canic_import" => check_imported(&registered, argument(request), &bytes),
            _ => None,
        }
    });
    violations.collect()
}

fn check_provisioned(registered: &Registered, answer: &[u8]) -> Option<String> {
    let members = &registered.members;
    match decode::<Result<Provisioned, ProvisionError>>(answer) {
        Ok(new) if !registered.is_retiring && !registered.is_member(new.canister) => Some(format!(
            "{} is the answer to a provision, and no member",
            new.canister
        )),
        Err(
            error @ (ProvisionError::CreateFailed { operation, .. }
            | ProvisionError::InstallFailed { operation, .. }
            | ProvisionError::Quarantined { operation, .. }),
        ) if members.iter().any(|member| member.operation == operation) => {
            Some(format!("there is a member, and the answer was {error:?}"))
        }
        _ => None,
    }
}

fn check_retired(
    registered: &Registered,
    request: &RetireRequest,
    answer: &[u8],
) -> Option<String> {
    let retired = decode::<Result<Retired, RetireError>>(answer).is_ok();
    (retired && registered.is_member(request.canister))
        .then(|| format!("{} is retired, and a member", request.canister))
}

fn check_moved(registered: &Registered, request: &MoveRequest, answer: &[u8]) -> Option<String> {
    let moved = decode::<Result<Moved, MoveError>>(answer).is_ok();
    let member = registered.member(request.canister);
    (moved && member.is_some_and(|member| member.parent != request.parent)).then(|| {
        format!(
            "{} is moved, and not below its new parent",
            request.canister
        )
    })
}

fn check_imported(
    registered: &Registered,
    request: ImportRequest,
    answer: &[u8],
) -> Option<String> {
    let canister = request.canister;
    let is_member = registered.is_member(canister);
    let is_registered = match request.import_as {
        ImportAs::Pool => registered.pool.contains(&canister) || is_member,
        ImportAs::Member { .. } => is_member,
    };
    match decode::<Result<Imported, ImportError>>(answer) {
        Ok(_) if !is_registered => Some(format!("{canister} is imported, and not on record")),
        Err(error @ ImportError::NotOnSubnet { .. }) if is_registered => Some(format!(
            "{canister} is on record, and the answer was {error:?}"
        )),
        _ => None,
    }
}

/// Checks that no canister of another subnet is on record, and that root changed none.
fn check_subnets(world: &World, recorded: &BTreeSet<Principal>, violations: &mut Vec<String>) {
    let own = world.replica.subnet_of(world.root);
    for canister in recorded {
        if world.replica.subnet_of(*canister) != own {
            violations.push(format!("{canister} is on record, and on another subnet"));
        }
    }
    let strangers = world.controlled_by(controller()).into_iter();
    let far = strangers.filter(|canister| world.replica.subnet_of(*canister) != own);
    let changed = far.filter(|canister| {
        let controllers = world.replica.controllers(*canister);
        !controllers.is_some_and(|all| all.contains(&world.root) && all.len() == 2)
    });
    violations.extend(changed.map(|canister| format!("root changed {canister}, which it refused")));
}

/// Checks registry, pool and ledger. With `creations_may_be_lost`, one canister may be on no record
/// for each quarantined operation that does not know its canister's id.
fn check_state(world: &mut World, creations_may_be_lost: bool) -> Vec<String> {
    let members = world.members();
    let pool = world.pool();
    let quarantined = world.operations(OperationsFilter::Quarantined);
    let mut violations = Vec::new();
    let recorded = check_records(world, &members, &pool, &quarantined, &mut violations);
    check_subnets(world, &recorded, &mut violations);
    let lost = lost_canisters(world, &recorded);
    let unknown_ids = quarantined
        .iter()
        .filter(|op| op.canister.is_none())
        .count();
    let most_lost = if creations_may_be_lost {
        unknown_ids
    } else {
        0
    };
    if lost.len() > most_lost {
        violations.push(format!("lost canisters: {lost:?}"));
    }
    check_registry(world, &members, &mut violations);
    check_pool(world, &pool, &mut violations);
    check_cycles(world, &mut violations);
    refuel::check(world, &mut violations);
    if lost.is_empty() {
        check_ledger(world, &mut violations);
    }
    violations
}

/// Checks that each canister on record exists, and is on one record only. Returns all of them.
fn check_records(
    world: &World,
    members: &[MemberInfo],
    pool: &[PoolEntry],
    quarantined: &[OperationInfo],
    violations: &mut Vec<String>,
) -> BTreeSet<Principal> {
    let members = members.iter().map(|member| (member.canister, "a member"));
    let pool = pool.iter().map(|entry| (entry.canister, "in the pool"));
    let quarantined = quarantined.iter();
    let quarantined = quarantined.filter_map(|op| Some((op.canister?, "in quarantine")));
    let mut recorded: BTreeMap<Principal, &str> = BTreeMap::new();
    for (canister, record) in members.chain(pool).chain(quarantined) {
        if let Some(other) = recorded.insert(canister, record) {
            violations.push(format!("{canister} is {other} and {record}"));
        }
        if !world.replica.canister_exists(canister) {
            violations.push(format!("{canister} is {record}, and does not exist"));
        }
    }
    recorded.into_keys().collect()
}

/// Canisters that root controls alone and that are on none of its records.
fn lost_canisters(world: &World, recorded: &BTreeSet<Principal>) -> Vec<String> {
    let created: BTreeSet<Principal> = world.controlled().into_iter().collect();
    let strangers = world.controlled_by(controller());
    created
        .iter()
        .filter(|canister| !recorded.contains(canister) && !strangers.contains(canister))
        .map(Principal::to_text)
        .collect()
}

/// Checks that members are as their records say, and no more than root's limits allow.
fn check_registry(world: &mut World, members: &[MemberInfo], violations: &mut Vec<String>) {
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
        match world.status(canister) {
            Ok(status) if status.module_hash.as_ref() == Some(&member.module) => {}
            other => violations.push(format!("{canister} does not run its module: {other:?}")),
        }
        match identity_info(world, canister) {
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
    let workers = members.iter().filter(|member| member.role == "worker");
    if workers.count() > world.capacity {
        violations.push("there are more workers than their role allows".to_string());
    }
}

/// Checks that the pool's canisters are unclaimed, and in the state of new ones.
fn check_pool(world: &mut World, pool: &[PoolEntry], violations: &mut Vec<String>) {
    let fresh = fresh_settings();
    for entry in pool {
        let canister = entry.canister;
        if let Some(operation) = entry.claimed_by {
            violations.push(format!(
                "{canister} is claimed by operation {operation}, which is not open"
            ));
        }
        match world.status(canister) {
            Ok(status)
                if status.module_hash.is_none()
                    && status.status == CanisterStatusType::Running
                    && status.settings.controllers == [world.root]
                    && status.memory_metrics.wasm_chunk_store_size == 0u8
                    && status.memory_metrics.snapshots_size == 0u8 => {}
            other => violations.push(format!(
                "{canister} is in the pool, and is not empty: {other:?}"
            )),
        }
        let mut settings = world.settings(canister).unwrap_or_default();
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

/// The settings of a canister that root created, and that nobody has used.
fn fresh_settings() -> &'static Record {
    static FRESH: OnceLock<Record> = OnceLock::new();
    FRESH.get_or_init(|| {
        let mut world = small();
        let pooled = world.pool()[0].canister;
        world.settings(pooled).expect("root controls it")
    })
}

/// Checks root's reserve, the replica's accounts, and the cycles that went down with canisters.
fn check_cycles(world: &World, violations: &mut Vec<String>) {
    let balance = world.replica.cycles(world.root).unwrap_or_default();
    if balance < world.reserve {
        let reserve = world.reserve;
        violations.push(format!(
            "root has {balance} cycles, and its reserve is {reserve}"
        ));
    }
    let accounts = world.replica.accounts();
    if !accounts.balanced() {
        violations.push(format!(
            "the replica's accounts do not balance: {accounts:?}"
        ));
    }
    let deleted = world.done.deleted;
    if accounts.destroyed > u128::from(deleted) * DESTROYED && !may_destroy(world) {
        let destroyed = accounts.destroyed;
        violations.push(format!(
            "{destroyed} cycles went down with {deleted} canisters"
        ));
    }
}

/// Checks that root's ledger has all cycles that root sent to canisters.
fn check_ledger(world: &mut World, violations: &mut Vec<String>) {
    let sent = world.done.sent;
    let sheet = world.sheet();
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

/// Whether root was told to delete a canister, whatever it holds.
fn may_destroy(world: &World) -> bool {
    let mut retirements = world.requests.iter();
    retirements.any(|request| {
        request.method == "canic_retire"
            && argument::<RetireRequest>(request).how == Retirement::Destroy
    })
}

/// Cycles that may go down with a deleted canister: the rest after draining, see the runtime's
/// `drain`.
const DESTROYED: u128 = T / 10;

/// Repeats the requests for members, and checks that they mean the same members as before.
fn check_repeated_requests(world: &mut World) -> Vec<String> {
    let mut violations = Vec::new();
    world.replica.add_cycles(world.root, 60 * T);
    let mut requests: Vec<ProvisionRequest> = Vec::new();
    for request in &world.requests {
        if request.method == "canic_provision" {
            let request = argument(request);
            if !requests.contains(&request) {
                requests.push(request);
            }
        }
    }
    for request in &requests {
        let before = world.members();
        let answer: Result<Provisioned, ProvisionError> =
            world.ask(controller(), "canic_provision", (request,));
        violations.extend(world.settle(|_| ()).err());
        if !is_expected(world, request, &before, &answer) {
            let holder = holder(&before, request);
            violations.push(format!("{:?} was {holder:?}, now: {answer:?}", request.key));
        }
    }
    violations
}

/// The member that has the role and the key of a request already.
fn holder<'a>(members: &'a [MemberInfo], request: &ProvisionRequest) -> Option<&'a MemberInfo> {
    let mut members = members.iter();
    members.find(|member| {
        member.role == request.role && (member.key == request.key || request.key.is_none())
    })
}

/// Whether an answer fits the members that there were before the request.
fn is_expected(
    world: &World,
    request: &ProvisionRequest,
    before: &[MemberInfo],
    answer: &Result<Provisioned, ProvisionError>,
) -> bool {
    let of_role = before.iter().filter(|member| member.role == request.role);
    let asked_parent = request.parent.unwrap_or(world.root);
    let siblings = of_role.clone().filter(|m| m.parent == asked_parent);
    match (answer, holder(before, request)) {
        (Ok(now), Some(then)) => now.canister == then.canister,
        (Ok(_), None) => true,
        (Err(ProvisionError::UnknownRole { .. } | ProvisionError::NoModule { .. }), None) => true,
        (Err(ProvisionError::ParentNotAllowed { parent_role, .. }), _) => {
            let mut members = before.iter();
            let parent = members.find(|member| Some(member.canister) == request.parent);
            request.parent.is_some() && *parent_role == parent.map(|parent| parent.role.clone())
        }
        (Err(ProvisionError::ParentFull { max, .. }), None) => siblings.count() == *max as usize,
        (Err(ProvisionError::RoleFull { max, .. }), None) => of_role.count() == *max as usize,
        (Err(ProvisionError::InstallFailed { .. }), None) => request.arg == refused().arg,
        (Err(_), _) => false,
    }
}

/// Fills the workers' role, and checks that it takes as many members as its maximum, and that the
/// pool is refilled.
fn check_capacity(world: &mut World) -> Vec<String> {
    let mut violations = Vec::new();
    for number in 100.. {
        let workers = world
            .members()
            .iter()
            .filter(|m| m.role == "worker")
            .count();
        let answer: Result<Provisioned, ProvisionError> =
            world.ask(controller(), "canic_provision", (notebook(user(number)),));
        match answer {
            Ok(_) if workers < world.capacity => {}
            Err(ProvisionError::RoleFull { .. }) if workers == world.capacity => break,
            // A fleet without the role.
            Err(ProvisionError::UnknownRole { .. }) if world.capacity == 0 => break,
            other => {
                violations.push(format!(
                    "after {workers} workers the next provision answers: {other:?}"
                ));
                break;
            }
        }
    }
    if let Err(why) = world.settle(|_| ()) {
        violations.push(why);
    }
    if world.pool().is_empty() {
        violations.push("the pool is not refilled".to_string());
    }
    violations
}

/// Checks the directories of members: parents know their children, watchers all members of the
/// roles that they watch. Of other members a directory may know the truth or nothing.
fn check_directories(world: &mut World) -> Vec<String> {
    let members = world.members();
    let positions = positions(world, &members);
    let mut violations = Vec::new();
    let is_subscriber =
        |member: &&MemberInfo| ["subscriber", "watcher"].contains(&member.role.as_str());
    for subscriber in members.iter().filter(is_subscriber) {
        for (role, key) in &positions {
            let mut named = members.iter();
            let named = named.find(|m| m.role == *role && m.key.as_ref() == Some(key));
            let is_watched = subscriber.role == "watcher" && world.watched.contains(&role.as_str());
            let is_child = named.is_some_and(|named| named.parent == subscriber.canister);
            let must_know = (is_watched || is_child) && !world.deaf.contains(&subscriber.canister);
            let expected = named.map(|member| member.canister);
            let known = knows(world, subscriber.canister, role, key);
            if known != Ok(expected) && (must_know || known != Ok(None)) {
                violations.push(format!(
                    "{} of role {} finds {known:?} under {role} {key}, not {expected:?}",
                    subscriber.key.as_deref().unwrap_or_default(),
                    subscriber.role,
                ));
            }
        }
    }
    violations
}

/// The roles and keys of all members, and of all that root was asked for.
fn positions(world: &World, members: &[MemberInfo]) -> BTreeSet<(String, String)> {
    let now = members.iter();
    let now = now.filter_map(|member| Some((member.role.clone(), member.key.clone()?)));
    let asked = world.requests.iter();
    let asked = asked.filter(|request| request.method == "canic_provision");
    let asked = asked.filter_map(|request| {
        let request: ProvisionRequest = argument(request);
        Some((request.role, request.key?))
    });
    now.chain(asked).collect()
}

/// The canister that a subscriber finds in its directory.
fn knows(
    world: &mut World,
    subscriber: Principal,
    role: &str,
    key: &str,
) -> Result<Option<Principal>, Reject> {
    let answer = world.replica.query(Ingress {
        sender: controller(),
        canister: subscriber,
        method: "knows".to_string(),
        payload: candid::encode_args((role, key)).expect("an argument"),
        effective: None,
        caller_info: None,
    });
    answer.map(|bytes| decode(&bytes))
}

/// Checks that hubs admit their children, and nobody else.
fn check_hubs(world: &mut World) -> Vec<String> {
    let members = world.members();
    let mut violations = Vec::new();
    for hub in members.iter().filter(|member| member.role == "hub") {
        for member in &members {
            let nothing = candid::encode_args(()).expect("no argument");
            let answer = world.call(member.canister, hub.canister, "for_children", nothing);
            if answer.is_ok() != (member.parent == hub.canister) {
                let key = member.key.as_deref().unwrap_or_default();
                violations.push(format!("the hub answers {} {key}: {answer:?}", member.role));
            }
        }
    }
    violations
}

/// The identity that a member answers.
fn identity_info(world: &mut World, canister: Principal) -> Option<IdentityInfo> {
    let answer = world.replica.query(Ingress {
        sender: world.root,
        canister,
        method: "canic_identity".to_string(),
        payload: candid::encode_args(()).ok()?,
        effective: None,
        caller_info: None,
    });
    Decode!(&answer.ok()?, IdentityInfo).ok()
}

fn decode<R: CandidType + DeserializeOwned>(bytes: &[u8]) -> R {
    Decode!(bytes, R).expect("root answers its own type")
}

fn argument<R: CandidType + DeserializeOwned>(request: &Request) -> R {
    decode(&request.argument)
}
