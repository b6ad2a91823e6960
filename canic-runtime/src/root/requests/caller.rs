//! The caller of a request, and its rights.

use candid::Principal;

use crate::{
    api::Denied,
    platform::ic,
    state::{self, State},
};

/// The caller of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Root's own code, or a controller of root. This caller may name a parent.
    Controller,
    /// A member. This caller is the parent.
    Member(Principal),
}

/// Identifies the caller of the present message.
///
/// # Errors
///
/// If the caller is neither a controller of root nor a member.
pub(crate) fn identify(caller: Principal) -> Result<Caller, Denied> {
    let is_controller = ic::is_controller(caller) || caller == ic::this();
    state::with(|state| classify(state, caller, is_controller))
}

fn classify(state: &State, caller: Principal, is_controller: bool) -> Result<Caller, Denied> {
    if is_controller {
        return Ok(Caller::Controller);
    }
    if state.registry.is_member(caller) {
        return Ok(Caller::Member(caller));
    }
    Err(Denied {
        caller,
        allowed: "controllers of root, members".to_string(),
    })
}

/// Requires that the caller is a controller of root, or root itself.
///
/// # Errors
///
/// If the caller is anything else.
pub(crate) fn require_controller(caller: Principal) -> Result<(), Denied> {
    match identify(caller) {
        Ok(Caller::Controller) => Ok(()),
        _ => Err(Denied {
            caller,
            allowed: "controllers of root".to_string(),
        }),
    }
}

/// Requires that the caller is a member, and answers which.
///
/// # Errors
///
/// If the caller is anything else.
pub(crate) fn require_member(caller: Principal) -> Result<Principal, Denied> {
    match identify(caller) {
        Ok(Caller::Member(member)) => Ok(member),
        _ => Err(Denied {
            caller,
            allowed: "members".to_string(),
        }),
    }
}

impl Caller {
    /// Requires that the caller is a controller of root, or the parent of a member.
    ///
    /// # Errors
    ///
    /// If the caller is another member.
    pub(super) fn require_parent(self, parent: Option<Principal>) -> Result<(), Denied> {
        match self {
            Self::Member(caller) if parent != Some(caller) => Err(Denied {
                caller,
                allowed: match parent {
                    Some(_) => "controllers of root, the member's parent".to_string(),
                    None => "controllers of root".to_string(),
                },
            }),
            Self::Controller | Self::Member(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::steps::tests::{FLEET, HUB, ROOT, add_member, state_of};

    const STRANGER: Principal = Principal::from_slice(&[77, 1]);

    #[test]
    fn controllers_members_and_strangers_are_distinguished() {
        let mut state = state_of(&FLEET);
        add_member(&mut state, HUB, "hub", ROOT, None);
        assert_eq!(classify(&state, STRANGER, true), Ok(Caller::Controller));
        assert_eq!(classify(&state, HUB, false), Ok(Caller::Member(HUB)));
        let denied = classify(&state, STRANGER, false).unwrap_err();
        assert_eq!(denied.caller, STRANGER);
    }

    #[test]
    fn only_the_parent_among_members_may_change_a_member() {
        assert!(Caller::Controller.require_parent(None).is_ok());
        assert!(Caller::Member(HUB).require_parent(Some(HUB)).is_ok());
        assert!(Caller::Member(HUB).require_parent(Some(STRANGER)).is_err());
        assert!(Caller::Member(HUB).require_parent(None).is_err());
    }
}
