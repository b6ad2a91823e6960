//! Calls of a member to its root.

use candid::CandidType;
use serde::Deserialize;

use crate::{error::LookupError, membership, platform::calls};

/// Calls a method of root with one Candid value and decodes the reply.
///
/// # Errors
///
/// [`LookupError::NoRoot`] in an unmanaged canister, [`LookupError::RootUnreachable`] if the call
/// fails or its reply can't be decoded.
pub(crate) async fn ask_root<T>(method: &str, request: &impl CandidType) -> Result<T, LookupError>
where
    T: CandidType + for<'a> Deserialize<'a>,
{
    let root = membership::identity().ok_or(LookupError::NoRoot)?.root;
    calls::ask(root, method, request)
        .await
        .map_err(|reason| LookupError::RootUnreachable { reason })
}
