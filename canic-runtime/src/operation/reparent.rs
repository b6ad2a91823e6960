//! Reparent: a member, and those below it, come to stand below another parent.
//!
//! Where the parent is a controller of such members, the canister's controllers are changed first. Until that is done, and if
//! it can't be, the member is where it was. The member itself and those concerned are told afterwards.

use crate::{
    operation::{
        End, Operation, Purpose, Step,
        call::{Outcome, Reply},
        install, teardown,
        transition::{MAX_ATTEMPTS, Next, backoff},
    },
    stable::record::Id,
};

/// `canister_status` came back: the old parent gives way to the new one among the controllers.
pub(crate) fn seen(op: &mut Operation, reply: Reply) -> Next {
    let status = match reply {
        Reply::Status(status) => status,
        // Looking costs nothing but patience.
        Reply::Failed(failure) if failure.transient => return Next::Later(backoff(MAX_ATTEMPTS)),
        Reply::Failed(failure) if teardown::may_look_again(op) => {
            op.failure = Some(failure.reason);
            return Next::Later(backoff(op.attempts));
        }
        other => {
            return teardown::begin(op, format!("its canister can't be seen: {other:?}"));
        }
    };
    let Purpose::Move(place, reparent) = &mut op.purpose else {
        return teardown::begin(op, "it moves nothing".to_string());
    };
    let sorted = |mut ids: Vec<Id>| {
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let before = sorted(status.controllers.into_iter().map(Id).collect());
    let stay = before.iter().filter(|id| Some(**id) != reparent.leaves);
    let after = sorted(stay.copied().chain([place.parent]).collect());
    if after == before {
        return Next::Close(End::Done);
    }
    reparent.controllers = after;
    op.step = Step::Configure;
    Next::Call
}

/// `update_settings` came back.
pub(crate) fn configured(op: &mut Operation, reply: Reply) -> Next {
    match reply {
        // Whether it happened shows in the controllers.
        Reply::Failed(failure) if failure.outcome == Outcome::Unknown => {
            op.failure = Some(failure.reason);
            op.step = Step::Verify;
            Next::Later(backoff(1))
        }
        Reply::Failed(failure) if failure.transient => install::try_again(op, failure.reason),
        Reply::Failed(failure) => teardown::begin(op, failure.reason),
        _ => Next::Close(End::Done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{
        Position, Reparent,
        call::{Failure, Status},
    };
    use candid::Principal;

    const ROOT: Principal = Principal::from_slice(&[1, 1]);
    const OLD: Principal = Principal::from_slice(&[2, 1]);
    const NEW: Principal = Principal::from_slice(&[3, 1]);
    const OTHER: Principal = Principal::from_slice(&[4, 1]);

    fn moving(leaves: Option<Principal>) -> Operation {
        let reparent = Reparent {
            from: Id(OLD),
            leaves: leaves.map(Id),
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
    fn the_new_parent_takes_the_place_of_the_old_one_and_others_stay() {
        let mut op = moving(Some(OLD));
        let next = seen(&mut op, controlled_by(&[ROOT, OTHER, OLD]));
        assert_eq!((next, op.step), (Next::Call, Step::Configure));
        assert_eq!(planned(&op), [ROOT, NEW, OTHER]);
        // An old parent that is one for another reason stays.
        let mut op = moving(None);
        seen(&mut op, controlled_by(&[ROOT, OLD]));
        assert_eq!(planned(&op), [ROOT, OLD, NEW]);
    }

    #[test]
    fn what_is_as_it_should_be_is_left_alone() {
        let mut op = moving(Some(OLD));
        let next = seen(&mut op, controlled_by(&[NEW, ROOT]));
        assert_eq!(next, Next::Close(End::Done));
    }

    #[test]
    fn a_change_of_which_nobody_knows_is_looked_for() {
        let mut op = moving(Some(OLD));
        op.step = Step::Configure;
        assert_eq!(configured(&mut op, reject(6)), Next::Later(backoff(1)));
        assert_eq!(op.step, Step::Verify);
        assert_eq!(configured(&mut op, Reply::Done), Next::Close(End::Done));
    }

    #[test]
    fn a_member_whose_controllers_cannot_be_changed_stays_where_it_is() {
        let mut op = moving(Some(OLD));
        op.step = Step::Configure;
        let next = configured(&mut op, reject(5));
        assert_eq!(next, Next::Close(End::Untouched));
        let mut op = moving(Some(OLD));
        let mut tries = 0;
        while seen(&mut op, reject(5)) != Next::Close(End::Untouched) {
            tries += 1;
        }
        assert_eq!(tries, MAX_ATTEMPTS - 1);
        assert!(matches!(seen(&mut op, reject(2)), Next::Later(_)));
    }
}
