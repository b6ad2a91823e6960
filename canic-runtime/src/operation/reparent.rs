//! The move of a member, with the members below it, to another parent.
//!
//! If the role makes the parent a controller, root changes the canister's controllers first. The
//! member keeps its position until then, and also if the change fails. Root announces the new
//! position afterwards.

use crate::{
    operation::{
        End, Operation, Purpose, Step,
        call::{Outcome, Reply},
        install, teardown,
        transition::{Transition, backoff},
    },
    stable::record::Id,
};

/// Decides after `canister_status`: the new parent replaces the old one among the controllers.
pub(crate) fn after_verify(op: &mut Operation, reply: Reply) -> Transition {
    let status = match reply {
        Reply::Status(status) => status,
        other => {
            return teardown::ask_again(op, other).unwrap_or_else(|why| teardown::begin(op, why));
        }
    };
    let Purpose::Move(position, reparent) = &mut op.purpose else {
        return teardown::begin(op, "it moves nothing".to_string());
    };
    let sorted = |mut ids: Vec<Id>| {
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let before = sorted(status.controllers.into_iter().map(Id).collect());
    let stay = before.iter().filter(|id| Some(**id) != reparent.revoked);
    let after = sorted(stay.copied().chain([position.parent]).collect());
    if after == before {
        return Transition::Close(End::Done);
    }
    reparent.controllers = after;
    op.step = Step::Configure;
    Transition::Call
}

/// Decides after `update_settings`.
pub(crate) fn after_configure(op: &mut Operation, reply: Reply) -> Transition {
    match reply {
        // The next status shows whether the change was applied.
        Reply::Failed(failure) if failure.outcome == Outcome::Unknown => {
            op.failure = Some(failure.reason);
            op.step = Step::Verify;
            Transition::Later(backoff(1))
        }
        Reply::Failed(failure) if failure.transient => install::try_again(op, failure.reason),
        Reply::Failed(failure) => teardown::begin(op, failure.reason),
        _ => Transition::Close(End::Done),
    }
}

#[cfg(test)]
mod tests {
    use candid::Principal;

    use super::*;
    use crate::operation::{
        Position, Reparent,
        call::{Failure, Status},
        transition::MAX_ATTEMPTS,
    };

    const ROOT: Principal = Principal::from_slice(&[1, 1]);
    const OLD: Principal = Principal::from_slice(&[2, 1]);
    const NEW: Principal = Principal::from_slice(&[3, 1]);
    const OTHER: Principal = Principal::from_slice(&[4, 1]);

    fn moving(revoked: Option<Principal>) -> Operation {
        let reparent = Reparent {
            from: Id(OLD),
            revoked: revoked.map(Id),
            controllers: Vec::new(),
        };
        let purpose = Purpose::Move(Position::sample(NEW), reparent);
        Operation::new(1, purpose, Step::Verify, 0)
    }

    fn controlled_by(controllers: &[Principal]) -> Reply {
        Reply::Status(Status {
            controllers: controllers.to_vec(),
            ..Status::sample(ROOT, 5)
        })
    }

    fn planned(op: &Operation) -> Vec<Principal> {
        match &op.purpose {
            Purpose::Move(_, reparent) => reparent.controllers.iter().map(|id| id.0).collect(),
            other => panic!("{other:?} is no move"),
        }
    }

    fn reject(code: u32) -> Reply {
        Reply::Failed(Failure::of_management(code, "no"))
    }

    #[test]
    fn the_new_parent_replaces_the_old_one_among_the_controllers() {
        let mut op = moving(Some(OLD));
        let next = after_verify(&mut op, controlled_by(&[ROOT, OTHER, OLD]));
        assert_eq!((next, op.step), (Transition::Call, Step::Configure));
        assert_eq!(planned(&op), [ROOT, NEW, OTHER]);
        // An old parent that the role names as a controller stays one.
        let mut op = moving(None);
        after_verify(&mut op, controlled_by(&[ROOT, OLD]));
        assert_eq!(planned(&op), [ROOT, OLD, NEW]);
    }

    #[test]
    fn a_move_without_a_change_of_controllers_needs_no_call() {
        let mut op = moving(Some(OLD));
        let next = after_verify(&mut op, controlled_by(&[NEW, ROOT]));
        assert_eq!(next, Transition::Close(End::Done));
    }

    #[test]
    fn a_change_with_an_unknown_outcome_is_verified() {
        let mut op = moving(Some(OLD));
        op.step = Step::Configure;
        assert_eq!(
            after_configure(&mut op, reject(6)),
            Transition::Later(backoff(1))
        );
        assert_eq!(op.step, Step::Verify);
        assert_eq!(
            after_configure(&mut op, Reply::Done),
            Transition::Close(End::Done)
        );
    }

    #[test]
    fn a_member_whose_controllers_cannot_be_changed_keeps_its_position() {
        let mut op = moving(Some(OLD));
        op.step = Step::Configure;
        let next = after_configure(&mut op, reject(5));
        assert_eq!(next, Transition::Close(End::Untouched));
        let mut op = moving(Some(OLD));
        let mut tries = 0;
        while after_verify(&mut op, reject(5)) != Transition::Close(End::Untouched) {
            tries += 1;
        }
        assert_eq!(tries, MAX_ATTEMPTS - 1);
        assert!(matches!(
            after_verify(&mut op, reject(2)),
            Transition::Later(_)
        ));
    }
}
