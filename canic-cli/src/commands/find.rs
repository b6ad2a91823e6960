//! Canisters by the names that a person writes: `root`, a principal, or `ROLE/KEY`.

use candid::Principal;
use canic::api::{Denied, MemberInfo, MemberRequest};

use crate::{
    failure::{Failure, Kind},
    fleet::Fleet,
};

/// A parent: a principal, or `root`.
///
/// # Errors
/// It is neither.
pub(crate) fn parent_of(text: &str, root: Principal) -> Result<Principal, Failure> {
    match text {
        "root" => Ok(root),
        text => canister(text),
    }
}

/// A parent: `root`, a principal, or `ROLE/KEY`.
///
/// # Errors
/// It is none of them, or root has no such member.
pub(crate) async fn parent(fleet: &Fleet, text: &str) -> Result<Principal, Failure> {
    match text.contains('/') {
        true => Ok(member(fleet, text).await?.canister),
        false => parent_of(text, fleet.root),
    }
}

/// A principal that a person wrote.
///
/// # Errors
/// It is none.
pub(crate) fn canister(text: &str) -> Result<Principal, Failure> {
    Principal::from_text(text).map_err(|e| {
        Failure::new(Kind::Usage, format!("`{text}` is no principal: {e}"))
            .with_advice("A canister is PRINCIPAL; a member is PRINCIPAL or ROLE/KEY.")
    })
}

/// A member by its principal, or by `ROLE/KEY`.
///
/// # Errors
/// There is no such member.
pub(crate) async fn member(fleet: &Fleet, name: &str) -> Result<MemberInfo, Failure> {
    let request = match name.split_once('/') {
        Some((role, key)) => MemberRequest::Key {
            role: role.to_string(),
            key: key.to_string(),
        },
        None => MemberRequest::Canister(canister(name)?),
    };
    let method = "canic_member";
    let answer: Result<Option<MemberInfo>, Denied> =
        fleet.query(fleet.root, method, (request,)).await?;
    answer
        .map_err(|denied| fleet.denied(method, &denied.allowed))?
        .ok_or_else(|| {
            Failure::refused(format!("the fleet has no member {name}"))
                .with_advice("`canic members` lists them; a member is PRINCIPAL or ROLE/KEY.")
        })
}
