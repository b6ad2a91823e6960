//! The fleet from an author's code, the same in root and in any member.
//!
//! In root these functions work on the books; in a member they ask root.

use crate::{
    api::{
        Denied, MAX_PAGE, MemberInfo, MemberRef, MemberRequest, MembersFilter, MembersPage,
        MembersRequest, MoveError, MoveRequest, Moved, ProvisionError, ProvisionRequest,
        Provisioned, RetireError, RetireRequest, Retired, Retirement, Source,
    },
    endpoint::access::{self, Cached},
    member::subscription,
    platform::{calls, ic},
};
use candid::{CandidType, Principal, utils::ArgumentEncoder};
use serde::Deserialize;
use std::{cell::Cell, future::Future, marker::PhantomData, pin::Pin};

type Answer<T> = Pin<Box<dyn Future<Output = T>>>;

/// What root does itself. Only root's own entry points set this, so that no member links root's code.
#[derive(Clone, Copy)]
pub(crate) struct RootCalls {
    pub(crate) provision: fn(ProvisionRequest) -> Answer<Result<Provisioned, ProvisionError>>,
    pub(crate) retire: fn(RetireRequest) -> Answer<Result<Retired, RetireError>>,
    pub(crate) move_member: fn(MoveRequest) -> Answer<Result<Moved, MoveError>>,
    pub(crate) standing: fn(Principal) -> Option<MemberRef>,
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
/// # use canic_runtime::fleet::{self, Provision};
/// # async fn example() -> Result<(), canic_runtime::error::ProvisionError> {
/// let alice = fleet::provision(Provision::role("worker").key("alice").arg(&"hello")?).await?;
/// # let _ = alice.canister; Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is provisioned"]
pub struct Provision(ProvisionRequest);

impl Provision {
    /// A member of this role, below whoever asks.
    pub fn role(role: impl Into<String>) -> Self {
        Self(ProvisionRequest {
            role: role.into(),
            key: None,
            parent: None,
            arg: Vec::new(),
        })
    }

    /// The one that this key means.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.0.key = Some(key.into());
        self
    }

    /// Below this parent. Only root and its controllers may name another one than themselves.
    pub fn parent(mut self, parent: Principal) -> Self {
        self.0.parent = Some(parent);
        self
    }

    /// With this argument for its `init`.
    ///
    /// # Errors
    ///
    /// If the value can't be encoded as Candid.
    pub fn arg(self, arg: &impl CandidType) -> Result<Self, ProvisionError> {
        let encoded = candid::encode_one(arg);
        self.encoded(encoded)
    }

    /// With these arguments for its `init`.
    ///
    /// # Errors
    ///
    /// If the values can't be encoded as Candid.
    pub fn args(self, args: impl ArgumentEncoder) -> Result<Self, ProvisionError> {
        let encoded = candid::encode_args(args);
        self.encoded(encoded)
    }

    /// With an argument for its `init` that is Candid already.
    pub fn encoded_arg(mut self, arg: Vec<u8>) -> Self {
        self.0.arg = arg;
        self
    }

    fn encoded(mut self, encoded: candid::Result<Vec<u8>>) -> Result<Self, ProvisionError> {
        self.0.arg = encoded.map_err(|error| ProvisionError::InvalidArgument {
            reason: error.to_string(),
        })?;
        Ok(self)
    }

    /// The same as [`provision`].
    ///
    /// # Errors
    ///
    /// See [`ProvisionError`].
    pub async fn provision(self) -> Result<Provisioned, ProvisionError> {
        provision(self).await
    }
}

/// A request for a member of a role whose argument type is known.
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is provisioned"]
pub struct ProvisionRole<A> {
    request: Provision,
    argument: PhantomData<fn(A)>,
}

impl<A: CandidType> ProvisionRole<A> {
    /// A member of this role.
    pub fn new(role: &'static str) -> Self {
        Self {
            request: Provision::role(role),
            argument: PhantomData,
        }
    }

    /// The one that this key means.
    pub fn key(self, key: impl Into<String>) -> Self {
        Self {
            request: self.request.key(key),
            ..self
        }
    }

    /// Below this parent.
    pub fn parent(self, parent: Principal) -> Self {
        Self {
            request: self.request.parent(parent),
            ..self
        }
    }

    /// With this argument for its `init`.
    pub fn args(self, args: A) -> ProvisionWith<A> {
        ProvisionWith {
            request: self.request,
            args,
        }
    }

    /// Cannot be called: it is there so that the compiler says what is missing.
    #[doc(hidden)]
    pub fn provision(self) -> Answer<Result<Provisioned, ProvisionError>>
    where
        Self: HasArgument,
    {
        Box::pin(provision(self.request))
    }
}

/// What no request is before it is given its argument.
#[diagnostic::on_unimplemented(
    message = "the argument of the role's `init` is missing",
    label = "write `.args(..)` before this"
)]
#[doc(hidden)]
pub trait HasArgument {}

/// A complete request for a member of a role whose argument type is known.
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is provisioned"]
pub struct ProvisionWith<A> {
    request: Provision,
    args: A,
}

impl<A: CandidType> ProvisionWith<A> {
    /// The same as [`provision`].
    ///
    /// # Errors
    ///
    /// See [`ProvisionError`].
    pub async fn provision(self) -> Result<Provisioned, ProvisionError> {
        provision(self.request.arg(&self.args)?).await
    }
}

/// Makes a member, or finds the one that the key means, and waits for it.
///
/// # Errors
///
/// See [`ProvisionError`]; `retry()` tells whether asking again may help.
pub async fn provision(request: Provision) -> Result<Provisioned, ProvisionError> {
    if let Some(root) = ROOT.get() {
        return (root.provision)(request.0).await;
    }
    let answer: Result<Provisioned, ProvisionError> =
        match ask_root("canic_provision", &request.0).await {
            Ok(answer) => answer,
            Err(reason) => return Err(ProvisionError::RootUnreachable { reason }),
        };
    if let Ok(made) = &answer
        && made.source != Source::Existing
    {
        let ProvisionRequest { role, key, .. } = request.0;
        let parent = ic::this();
        let standing = MemberRef { role, parent, key };
        subscription::made(made.canister, standing);
    }
    answer
}

/// Ends a member that has no children, and waits for it.
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

/// Ends a member and all members below it, the lowest first. It is answered with
/// [`Pending`](RetireError::Pending) if that takes long; `canic_operation` tells how it ends.
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
    if let Some(root) = ROOT.get() {
        return (root.retire)(request).await;
    }
    match ask_root("canic_retire", &request).await {
        Ok(answer) => answer,
        Err(reason) => Err(RetireError::RootUnreachable { reason }),
    }
}

/// Puts a member, and those below it, below another parent, and waits for it. Root and the controllers of root may, and the
/// member's parent.
///
/// The member learns of its new parent by an announcement, soon afterwards.
///
/// # Errors
///
/// See [`MoveError`]. The member is where it was, unless it is [`Pending`](MoveError::Pending) with its own operation.
pub async fn move_to(canister: Principal, parent: Principal) -> Result<Moved, MoveError> {
    let request = MoveRequest { canister, parent };
    if let Some(root) = ROOT.get() {
        return (root.move_member)(request).await;
    }
    match ask_root("canic_move", &request).await {
        Ok(answer) => answer,
        Err(reason) => Err(MoveError::RootUnreachable { reason }),
    }
}

/// The member that a key means: as announced, if it is a child or of a role that this one watches; else root is asked.
///
/// # Errors
///
/// In a member: the reason why root did not answer.
pub async fn lookup(
    role: impl Into<String>,
    key: impl Into<String>,
) -> Result<Option<Principal>, String> {
    let (role, key) = (role.into(), key.into());
    if let Some(root) = ROOT.get() {
        let request = MemberRequest::Key { role, key };
        return Ok((root.member)(request).map(|member| member.canister));
    }
    subscription::listen();
    let announced = subscription::lookup(&role, &key);
    if announced.is_some() {
        return Ok(announced);
    }
    let request = MemberRequest::Key { role, key };
    let answer: Result<Option<MemberInfo>, Denied> = ask_root("canic_member", &request).await?;
    answer
        .map(|member| member.map(|member| member.canister))
        .map_err(|denied| denied.to_string())
}

/// The member that a key means, as far as this canister knows without asking: in root all members, elsewhere those that root
/// announces. For queries.
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

/// Whether a canister is a member of this fleet. What was announced, or asked for, within the last five minutes is not asked
/// again.
///
/// # Errors
///
/// In a member: the reason why root did not answer.
pub async fn is_member(canister: Principal) -> Result<bool, String> {
    Ok(standing(canister).await?.is_some())
}

/// The role of a canister; none if it is no member. Cached as in [`is_member`].
///
/// # Errors
///
/// In a member: the reason why root did not answer.
pub async fn role_of(canister: Principal) -> Result<Option<String>, String> {
    Ok(standing(canister).await?.map(|standing| standing.role))
}

async fn standing(canister: Principal) -> Result<Option<MemberRef>, String> {
    if let Some(root) = ROOT.get() {
        return Ok((root.standing)(canister));
    }
    subscription::listen();
    match access::known(canister) {
        Cached::Fresh(standing) => Ok(standing),
        Cached::Stale(_) | Cached::Unknown => crate::member::lookup::standing(canister).await,
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

/// Members below this canister, by canister, at most 1,000 of them, those that come `after` one. In a member: as announced;
/// root is asked only if something was missed, as after an upgrade.
///
/// # Errors
///
/// In a member: the reason why root did not answer.
pub async fn children(after: Option<Principal>) -> Result<Vec<Child>, String> {
    let Some(root) = ROOT.get() else {
        let known = subscription::children(after, MAX_PAGE as usize).await?;
        let child = |(canister, standing): (Principal, MemberRef)| Child {
            canister,
            role: standing.role,
            key: standing.key,
        };
        return Ok(known.into_iter().map(child).collect());
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

/// The fleet's root; none in an unmanaged canister.
#[must_use]
pub fn root() -> Option<Principal> {
    access::membership().map(|membership| membership.root)
}

/// This member's parent; none in root and in an unmanaged canister.
#[must_use]
pub fn parent() -> Option<Principal> {
    access::membership()
        .map(|membership| membership.parent)
        .filter(|parent| *parent != ic::this())
}

/// This member's key, if it has one.
#[must_use]
pub fn key() -> Option<String> {
    access::membership().and_then(|membership| membership.key)
}

/// This member's role; none in root and in an unmanaged canister.
#[must_use]
pub fn role() -> Option<String> {
    access::role()
        .map(str::to_string)
        .filter(|_| access::membership().is_some())
}

pub(crate) async fn ask_root<T>(method: &str, request: &impl CandidType) -> Result<T, String>
where
    T: CandidType + for<'a> Deserialize<'a>,
{
    let root = root().ok_or(crate::member::lookup::NO_ROOT)?;
    calls::ask(root, method, request).await
}
