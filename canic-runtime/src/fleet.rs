//! The author's API to the fleet, the same in root and in members.
//!
//! In root these functions use root's own state; in a member they ask root. A query can't change
//! the fleet, nor can `init` and the other hooks of an install or upgrade: there, the functions
//! that would do so answer `Denied`.

use std::{cell::Cell, future::Future, marker::PhantomData, pin::Pin};

use candid::{CandidType, Principal};

use crate::{
    api::{
        Accounts, Denied, GrantError, GrantRequest, Granted, LookupError, MAX_PAGE, MemberInfo,
        MemberRef, MemberRequest, MembersFilter, MembersPage, MembersRequest, MoveError,
        MoveRequest, Moved, ProvisionError, ProvisionRequest, Provisioned, RetireError,
        RetireRequest, Retired, Retirement, Source,
    },
    codec::account::accounts_of,
    member::{
        ask_root::{ask_root, command_root},
        lookup as root_lookup, subscription,
    },
    membership::{self, Cached},
    platform::{
        ic,
        message::{self, Kind},
    },
};

type Answer<T> = Pin<Box<dyn Future<Output = T>>>;

/// Root's own functions. Only root's entry points set them, so that no member links root's code.
#[derive(Clone, Copy)]
pub(crate) struct RootCalls {
    pub(crate) provision: fn(ProvisionRequest) -> Answer<Result<Provisioned, ProvisionError>>,
    pub(crate) retire: fn(RetireRequest) -> Answer<Result<Retired, RetireError>>,
    pub(crate) move_member: fn(MoveRequest) -> Answer<Result<Moved, MoveError>>,
    pub(crate) grant: fn(GrantRequest) -> Answer<Result<Granted, GrantError>>,
    pub(crate) lookup: fn(Principal) -> Option<MemberRef>,
    pub(crate) member: fn(MemberRequest) -> Option<MemberInfo>,
    pub(crate) members: fn(MembersRequest) -> MembersPage,
}

thread_local! {
    static ROOT: Cell<Option<RootCalls>> = const { Cell::new(None) };
}

pub(crate) fn set_root(calls: RootCalls) {
    ROOT.set(Some(calls));
}

/// A request for a member.
///
/// ```no_run
/// # use canic_runtime::fleet::Provision;
/// # async fn example() -> Result<(), canic_runtime::error::ProvisionError> {
/// let alice = Provision::role("worker").key("alice").args("hello").provision().await?;
/// # let _ = alice.canister; Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is provisioned"]
pub struct Provision {
    request: ProvisionRequest,
    /// The reason why the argument could not be encoded.
    not_encoded: Option<String>,
}

impl Provision {
    /// A request for a member of this role. Its parent is the canister that provisions it.
    pub fn role(role: impl Into<String>) -> Self {
        Self {
            request: ProvisionRequest {
                role: role.into(),
                key: None,
                parent: None,
                arg: Vec::new(),
            },
            not_encoded: None,
        }
    }

    /// Sets the key: the same role and key always refer to the same member.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.request.key = Some(key.into());
        self
    }

    /// Sets the parent. Only root and its controllers may name another parent than themselves.
    pub fn parent(mut self, parent: Principal) -> Self {
        self.request.parent = Some(parent);
        self
    }

    /// Sets the argument of the member's `init`, one Candid value. If the value can't be encoded,
    /// provisioning answers [`ProvisionError::InvalidArgument`].
    ///
    /// For an `init` with several arguments, see [`encoded_args`](Self::encoded_args).
    pub fn args(mut self, args: impl CandidType) -> Self {
        match candid::encode_one(args) {
            Ok(bytes) => self.encoded_args(bytes),
            Err(error) => {
                self.not_encoded = Some(error.to_string());
                self
            }
        }
    }

    /// Sets the arguments of the member's `init`, encoded as Candid already.
    pub fn encoded_args(mut self, args: Vec<u8>) -> Self {
        self.request.arg = args;
        self.not_encoded = None;
        self
    }

    /// Sends the request: the same as [`provision`].
    ///
    /// # Errors
    ///
    /// See [`ProvisionError`].
    pub async fn provision(self) -> Result<Provisioned, ProvisionError> {
        provision(self).await
    }
}

/// A request for a member of a role whose `init` takes an `A`.
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is provisioned"]
pub struct ProvisionRole<A> {
    request: Provision,
    argument: PhantomData<fn(A)>,
}

impl<A: CandidType> ProvisionRole<A> {
    /// A request for a member of this role.
    pub fn new(role: &'static str) -> Self {
        Self {
            request: Provision::role(role),
            argument: PhantomData,
        }
    }

    /// Sets the key: the same role and key always refer to the same member.
    pub fn key(self, key: impl Into<String>) -> Self {
        Self {
            request: self.request.key(key),
            ..self
        }
    }

    /// Sets the parent.
    pub fn parent(self, parent: Principal) -> Self {
        Self {
            request: self.request.parent(parent),
            ..self
        }
    }

    /// Sets the argument of the member's `init`, one Candid value. If the value can't be encoded,
    /// provisioning answers [`ProvisionError::InvalidArgument`].
    pub fn args(self, args: A) -> ProvisionWith<A> {
        ProvisionWith {
            request: self.request,
            args,
        }
    }

    /// Can't be called: it exists so that the compiler names the missing argument.
    ///
    /// # Errors
    ///
    /// See [`ProvisionError`].
    #[doc(hidden)]
    pub fn provision(self) -> Answer<Result<Provisioned, ProvisionError>>
    where
        Self: HasArgument,
    {
        Box::pin(provision(self.request))
    }
}

/// A request that has its argument. No type implements it.
#[diagnostic::on_unimplemented(
    message = "the argument of the role's `init` is missing",
    label = "write `.args(..)` before this"
)]
#[doc(hidden)]
pub trait HasArgument {}

/// A request for a member of a role, with the argument of its `init`.
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is provisioned"]
pub struct ProvisionWith<A> {
    request: Provision,
    args: A,
}

impl<A: CandidType> ProvisionWith<A> {
    /// Sends the request: the same as [`provision`].
    ///
    /// # Errors
    ///
    /// See [`ProvisionError`].
    pub async fn provision(self) -> Result<Provisioned, ProvisionError> {
        provision(self.request.args(self.args)).await
    }
}

/// Provisions a member and waits for it. If the role and key have a member already, returns that
/// one.
///
/// # Errors
///
/// See [`ProvisionError`]; [`retry()`](ProvisionError::retry) tells whether a retry may succeed.
pub async fn provision(request: Provision) -> Result<Provisioned, ProvisionError> {
    let Provision {
        request,
        not_encoded,
    } = request;
    may_change().map_err(ProvisionError::Denied)?;
    if let Some(reason) = not_encoded {
        return Err(ProvisionError::InvalidArgument { reason });
    }
    if let Some(root) = ROOT.get() {
        return (root.provision)(request).await;
    }
    let answer: Result<Provisioned, ProvisionError> =
        match command_root("canic_provision", &request).await {
            Ok(answer) => answer,
            Err(error) => {
                let reason = reason(error);
                return Err(ProvisionError::RootUnreachable { reason });
            }
        };
    if let Ok(provisioned) = &answer
        && provisioned.source != Source::Existing
    {
        let ProvisionRequest { role, key, .. } = request;
        let parent = ic::this();
        let member = MemberRef { role, parent, key };
        subscription::note_provisioned(provisioned.canister, member);
    }
    answer
}

/// Retires a member that has no children, and waits for it.
///
/// # Errors
///
/// See [`RetireError`].
pub async fn retire(canister: Principal, how: Retirement) -> Result<Retired, RetireError> {
    retire_as(RetireRequest {
        canister,
        how,
        subtree: None,
    })
    .await
}

/// Retires a member and all members below it, the lowest first. If that takes long, root answers
/// [`Pending`](RetireError::Pending), and `canic_operation` tells the outcome later.
///
/// # Errors
///
/// See [`RetireError`].
pub async fn retire_subtree(canister: Principal, how: Retirement) -> Result<Retired, RetireError> {
    retire_as(RetireRequest {
        canister,
        how,
        subtree: Some(true),
    })
    .await
}

async fn retire_as(request: RetireRequest) -> Result<Retired, RetireError> {
    may_change().map_err(RetireError::Denied)?;
    if let Some(root) = ROOT.get() {
        return (root.retire)(request).await;
    }
    match command_root("canic_retire", &request).await {
        Ok(answer) => answer,
        Err(error) => Err(RetireError::RootUnreachable {
            reason: reason(error),
        }),
    }
}

/// Moves a member, and the members below it, to another parent, and waits for it. Root, root's
/// controllers and the member's parent may do this.
///
/// Root announces the new parent to the member soon afterwards.
///
/// # Errors
///
/// See [`MoveError`]. The member keeps its parent, unless the error is
/// [`Pending`](MoveError::Pending) with the operation of this move.
pub async fn move_to(canister: Principal, parent: Principal) -> Result<Moved, MoveError> {
    may_change().map_err(MoveError::Denied)?;
    let request = MoveRequest { canister, parent };
    if let Some(root) = ROOT.get() {
        return (root.move_member)(request).await;
    }
    match command_root("canic_move", &request).await {
        Ok(answer) => answer,
        Err(error) => Err(MoveError::RootUnreachable {
            reason: reason(error),
        }),
    }
}

/// Asks root for cycles for this member, and waits for them. Root grants them within the limits of
/// the role's `fund` and of its `budget`, and no more than the member lacks to the level `to`.
///
/// # Errors
///
/// See [`GrantError`]. Root's own cycles are nothing that it grants.
pub async fn request_cycles(cycles: u128) -> Result<Granted, GrantError> {
    request_cycles_for(ic::this(), cycles).await
}

/// Asks root for cycles for a child of this member, and waits for them; in root, for any member.
/// Otherwise the same as [`request_cycles`].
///
/// # Errors
///
/// See [`GrantError`].
pub async fn request_cycles_for(canister: Principal, cycles: u128) -> Result<Granted, GrantError> {
    may_change().map_err(GrantError::Denied)?;
    let request = GrantRequest { canister, cycles };
    if let Some(root) = ROOT.get() {
        return (root.grant)(request).await;
    }
    match command_root("canic_grant", &request).await {
        Ok(answer) => answer,
        Err(error) => Err(GrantError::RootUnreachable {
            reason: reason(error),
        }),
    }
}

/// Refuses a change of the fleet outside updates. The platform would end the message with a trap,
/// and root would count on an operation that nobody keeps.
fn may_change() -> Result<(), Denied> {
    match message::kind() {
        Kind::Update => Ok(()),
        Kind::Query | Kind::Lifecycle => Err(only(
            "updates, timers, `start` and `heartbeat`: a query can't change the fleet, nor can the \
             message of an install or upgrade",
        )),
    }
}

/// Refuses a question to root in a message that can make no call.
fn may_ask() -> Result<(), LookupError> {
    match message::kind() {
        Kind::Update | Kind::Query => Ok(()),
        Kind::Lifecycle => Err(LookupError::Denied(only(
            "updates, composite queries, timers, `start` and `heartbeat`: the message of an \
             install or upgrade can't ask root",
        ))),
    }
}

fn only(allowed: &str) -> Denied {
    Denied {
        caller: ic::this(),
        allowed: allowed.to_string(),
    }
}

/// Subscribes, in a message that can also catch up.
fn subscribe() {
    if message::kind() == Kind::Update {
        subscription::subscribe();
    }
}

/// The reason for a `RootUnreachable`.
fn reason(error: LookupError) -> String {
    match error {
        LookupError::RootUnreachable { reason } => reason,
        LookupError::NoRoot | LookupError::Denied(_) => error.to_string(),
    }
}

/// The member with a role and key. A member asks root, unless root announces the other one to it:
/// a child, or a member of a role that its own watches.
///
/// # Errors
///
/// See [`LookupError`]. In root: never.
pub async fn lookup(
    role: impl Into<String>,
    key: impl Into<String>,
) -> Result<Option<Principal>, LookupError> {
    let (role, key) = (role.into(), key.into());
    if let Some(root) = ROOT.get() {
        let request = MemberRequest::Key { role, key };
        return Ok((root.member)(request).map(|member| member.canister));
    }
    subscribe();
    let announced = subscription::lookup(&role, &key);
    if announced.is_some() {
        return Ok(announced);
    }
    may_ask()?;
    let request = MemberRequest::Key { role, key };
    let answer: Result<Option<MemberInfo>, Denied> = ask_root("canic_member", &request).await?;
    answer
        .map(|member| member.map(|member| member.canister))
        .map_err(LookupError::Denied)
}

/// The member with a role and key, without asking root. In root it finds every member, in a member
/// only those that root announces to it. For queries.
#[must_use]
pub fn lookup_local(role: &str, key: &str) -> Option<Principal> {
    let Some(root) = ROOT.get() else {
        return subscription::lookup(role, key);
    };
    let request = MemberRequest::Key {
        role: role.to_string(),
        key: key.to_string(),
    };
    (root.member)(request).map(|member| member.canister)
}

/// The number of a member's release, without asking root. In root it finds that of every member, in
/// a member only what root announces to it: its role has `watches("..", releases)` in root's
/// attribute, with the other one's role among them. For queries, too.
///
/// None also if root has no release with the member's module on record. Root announces a release
/// when it has accepted the member's upgrade, or taken it back.
///
/// ```no_run
/// use candid::Principal;
/// use canic_runtime::fleet;
///
/// /// Of several members, those that have at least the release 3.
/// fn capable(members: &[Principal]) -> impl Iterator<Item = Principal> {
///     let release = |member| fleet::release_of(member).unwrap_or(0);
///     members.iter().copied().filter(move |member| release(*member) >= 3)
/// }
/// ```
#[must_use]
pub fn release_of(canister: Principal) -> Option<u32> {
    let Some(root) = ROOT.get() else {
        return subscription::release(canister);
    };
    let member = (root.member)(MemberRequest::Canister(canister))?;
    Some(member.release).filter(|release| *release != 0)
}

/// Whether a canister is a member of this fleet. A member caches root's announcements and answers
/// for five minutes.
///
/// # Errors
///
/// See [`LookupError`]. In root: never.
pub async fn is_member(canister: Principal) -> Result<bool, LookupError> {
    Ok(member_ref(canister).await?.is_some())
}

/// The role of a canister. None if it is not a member. Cached as in [`is_member`].
///
/// # Errors
///
/// See [`LookupError`]. In root: never.
pub async fn role_of(canister: Principal) -> Result<Option<String>, LookupError> {
    Ok(member_ref(canister).await?.map(|member| member.role))
}

async fn member_ref(canister: Principal) -> Result<Option<MemberRef>, LookupError> {
    if let Some(root) = ROOT.get() {
        return Ok((root.lookup)(canister));
    }
    subscribe();
    if message::kind() == Kind::Update {
        return match membership::cached(canister) {
            Cached::Fresh(member) => Ok(member),
            Cached::Stale(_) | Cached::Unknown => root_lookup::member(canister).await,
        };
    }
    // Root's answer comes with a lease, which only an update can ask for.
    match membership::cached_for_query(canister) {
        Cached::Fresh(member) => Ok(member),
        Cached::Stale(_) | Cached::Unknown => Err(LookupError::Denied(only(
            "updates, timers, `start` and `heartbeat`: this member does not know that canister, \
             and asks root about it in these only",
        ))),
    }
}

/// A member below this canister.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// The member.
    pub canister: Principal,
    /// Its role.
    pub role: String,
    /// Its key, if it has one.
    pub key: Option<String>,
}

/// A page of the members below this canister, in the order of their ids: at most 1,000, those that
/// come `after` the given one. A member knows its children from root's announcements, and asks root
/// only if it missed some, as after an upgrade.
///
/// # Errors
///
/// See [`LookupError`]. In root: never.
pub async fn children(after: Option<Principal>) -> Result<Vec<Child>, LookupError> {
    let Some(root) = ROOT.get() else {
        may_ask()?;
        subscribe();
        let children = subscription::children(after, MAX_PAGE as usize).await?;
        let child = |(canister, member): (Principal, MemberRef)| Child {
            canister,
            role: member.role,
            key: member.key,
        };
        return Ok(children.into_iter().map(child).collect());
    };
    let request = MembersRequest {
        filter: MembersFilter::Parent(ic::this()),
        after,
        limit: MAX_PAGE,
    };
    let child = |member: MemberInfo| Child {
        canister: member.canister,
        role: member.role,
        key: member.key,
    };
    Ok((root.members)(request)
        .members
        .into_iter()
        .map(child)
        .collect())
}

/// The fleet's root. None in an unmanaged canister.
#[must_use]
pub fn root() -> Option<Principal> {
    membership::identity().map(|identity| identity.root)
}

/// The accounts from which root refuels itself: whoever sends cycles or ICP to them pays for the
/// fleet. None in an unmanaged canister.
#[must_use]
pub fn accounts() -> Option<Accounts> {
    root().map(accounts_of)
}

/// This member's parent. None in root and in an unmanaged canister.
#[must_use]
pub fn parent() -> Option<Principal> {
    membership::identity()
        .map(|identity| identity.parent)
        .filter(|parent| *parent != ic::this())
}

/// This member's key, if it has one.
#[must_use]
pub fn key() -> Option<String> {
    membership::identity().and_then(|identity| identity.key)
}

/// This member's role. None in root and in an unmanaged canister.
#[must_use]
pub fn role() -> Option<String> {
    membership::identity()
        .filter(|identity| identity.root != ic::this())
        .map(|identity| identity.role)
}
