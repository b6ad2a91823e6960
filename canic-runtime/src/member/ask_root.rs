//! Calls of a member to its root.

use candid::CandidType;

use crate::{
    error::LookupError,
    membership,
    platform::calls::{self, Wait},
    tables::Read,
};

/// Calls a method of root that it answers at once and that may be repeated, and decodes the reply.
/// The call is best-effort, so that a member can be stopped even if root does not answer.
///
/// # Errors
///
/// [`LookupError::NoRoot`] in an unmanaged canister, [`LookupError::RootUnreachable`] if the call
/// fails or its reply can't be decoded.
pub(crate) async fn ask_root<T>(
    method: &'static str,
    request: &impl CandidType,
) -> Result<T, LookupError>
where
    T: Read,
{
    call_root(method, request, Wait::Short).await
}

/// Calls a method of root that begins an operation, and waits for its end.
///
/// # Errors
///
/// As [`ask_root`].
pub(crate) async fn command_root<T>(
    method: &'static str,
    request: &impl CandidType,
) -> Result<T, LookupError>
where
    T: Read,
{
    call_root(method, request, Wait::Unbounded).await
}

async fn call_root<T>(
    method: &'static str,
    request: &impl CandidType,
    wait: Wait,
) -> Result<T, LookupError>
where
    T: Read,
{
    let root = membership::identity().ok_or(LookupError::NoRoot)?.root;
    calls::ask(root, method, request, wait)
        .await
        .map_err(|reason| LookupError::RootUnreachable { reason })
}
