//! The fleet from an author's code, the same in root and in any member.
//!
//! In root these functions work on the books; in a member they ask root.

use crate::{
    access,
    api::{
        Denied, MAX_PAGE, MemberInfo, MemberRequest, MembersFilter, MembersPage, MembersRequest,
        ProvisionError, ProvisionRequest, Provisioned, RetireError, RetireRequest, Retired,
        Retirement,
    },
    platform::ic,
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
    match ask_root("canic_provision", &request.0).await {
        Ok(answer) => answer,
        Err(reason) => Err(ProvisionError::RootUnreachable { reason }),
    }
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

/// The member that a key means.
///
/// # Errors
///
/// In a member: the reason why root did not answer.
pub async fn lookup(
    role: impl Into<String>,
    key: impl Into<String>,
) -> Result<Option<Principal>, String> {
    let request = MemberRequest::Key {
        role: role.into(),
        key: key.into(),
    };
    if let Some(root) = ROOT.get() {
        return Ok((root.member)(request).map(|member| member.canister));
    }
    let answer: Result<Option<MemberInfo>, Denied> = ask_root("canic_member", &request).await?;
    answer
        .map(|member| member.map(|member| member.canister))
        .map_err(|denied| denied.to_string())
}

/// The member that a key means, as far as root's own books tell: for queries of root.
///
/// In a member this answers nothing: use [`lookup`].
#[must_use]
pub fn lookup_local(role: &str, key: &str) -> Option<Principal> {
    let request = MemberRequest::Key {
        role: role.to_string(),
        key: key.to_string(),
    };
    (ROOT.get()?.member)(request).map(|member| member.canister)
}

/// Members below this canister, at most 1,000 of them, those that come `after` a canister.
///
/// # Errors
///
/// In a member: the reason why root did not answer.
pub async fn children(after: Option<Principal>) -> Result<Vec<MemberInfo>, String> {
    let request = MembersRequest {
        filter: MembersFilter::Parent(ic::this()),
        after,
        limit: MAX_PAGE,
    };
    if let Some(root) = ROOT.get() {
        return Ok((root.members)(request).members);
    }
    let answer: Result<MembersPage, Denied> = ask_root("canic_members", &request).await?;
    answer
        .map(|page| page.members)
        .map_err(|denied| denied.to_string())
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

async fn ask_root<T>(method: &str, request: &impl CandidType) -> Result<T, String>
where
    T: CandidType + for<'a> Deserialize<'a>,
{
    let root = root().ok_or("this canister has no root yet")?;
    ic::ask(root, method, request).await
}
