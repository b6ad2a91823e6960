//! Requests to refuel root: a controller does not wait until root is low.

use crate::{
    api::{OperationId, OperationKind, RefuelError, RefuelRequest, Refuelled},
    config::FuelSource,
    operation::{End, Moment, Operation, Purpose, refuel::MIN_CYCLES},
    platform::ic,
    root::{driver, refuel},
    state::{self, State},
};

/// Refuels root, and waits for it.
///
/// # Errors
///
/// See [`RefuelError`].
pub(crate) async fn refuel(request: RefuelRequest) -> Result<Refuelled, RefuelError> {
    let moment = ic::moment();
    let id = state::with(|state| accept(state, request, &moment))?;
    answer(id, driver::run(id).await)
}

/// Puts a refuel on record.
fn accept(
    state: &mut State,
    request: RefuelRequest,
    moment: &Moment,
) -> Result<OperationId, RefuelError> {
    if state.journal.open_of(OperationKind::Refuel) > 0 {
        let mut open = state.journal.open_operations();
        let refuel = open.find(|op| op.kind() == OperationKind::Refuel);
        let operation = refuel.map_or(0, |op| op.id);
        return Err(RefuelError::Pending { operation });
    }
    let rule = state.config.refuel.as_ref();
    let cycles = match (request.cycles, rule) {
        (Some(cycles), _) => cycles,
        (None, None) => return Err(RefuelError::NoAmount),
        (None, Some(rule)) if moment.balance >= rule.to => {
            return Err(RefuelError::Enough {
                balance: moment.balance,
                to: rule.to,
            });
        }
        (None, Some(rule)) => (rule.to - moment.balance).max(MIN_CYCLES),
    };
    if cycles < MIN_CYCLES {
        return Err(RefuelError::TooLittle {
            cycles,
            min: MIN_CYCLES,
        });
    }
    let first = rule.and_then(|rule| rule.sources.first().copied());
    let source = request.source.or(first).unwrap_or(FuelSource::Cycles);
    Ok(refuel::put(state, source.into(), cycles, moment.now))
}

/// The reply to a request whose operation ran.
fn answer(operation: OperationId, op: Option<Operation>) -> Result<Refuelled, RefuelError> {
    let Some(op) = op else {
        return Err(RefuelError::Pending { operation });
    };
    let reason = op.failure.unwrap_or_default();
    match (op.end, op.purpose) {
        (Some(End::Done), Purpose::Refuel(refuel)) => Ok(Refuelled {
            operation,
            cycles: refuel.got.0,
        }),
        (None, _) => Err(RefuelError::Pending { operation }),
        (Some(End::Nothing), _) => Err(RefuelError::Failed { operation, reason }),
        (Some(_), _) => Err(RefuelError::Abandoned { operation, reason }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{RefuelConfig, RootConfig},
        operation::Step,
        root::steps::tests::{BARE, T, moment, state_of},
    };

    static CONFIG: RootConfig = RootConfig {
        refuel: Some(RefuelConfig {
            below: 50 * T,
            to: 150 * T,
            sources: &[FuelSource::Icp],
        }),
        ..BARE
    };

    const ALL: RefuelRequest = RefuelRequest {
        source: None,
        cycles: None,
    };

    fn step(state: &State, id: OperationId) -> Step {
        state.journal.get(id).expect("it is on record").step
    }

    #[test]
    fn a_request_without_words_follows_the_configuration() {
        let mut state = state_of(&CONFIG);
        let id = accept(&mut state, ALL, &moment()).expect("root lacks 50 T");
        assert_eq!(step(&state, id), Step::Quote);
        let pending = RefuelError::Pending { operation: id };
        assert_eq!(accept(&mut state, ALL, &moment()), Err(pending));
        let mut state = state_of(&CONFIG);
        let rich = Moment {
            balance: 150 * T,
            ..moment()
        };
        let enough = RefuelError::Enough {
            balance: 150 * T,
            to: 150 * T,
        };
        assert_eq!(accept(&mut state, ALL, &rich), Err(enough));
    }

    #[test]
    fn a_root_without_a_rule_takes_an_amount() {
        let mut state = state_of(&BARE);
        assert_eq!(
            accept(&mut state, ALL, &moment()),
            Err(RefuelError::NoAmount)
        );
        let little = RefuelRequest {
            cycles: Some(MIN_CYCLES - 1),
            ..ALL
        };
        let refused = accept(&mut state, little, &moment());
        assert!(matches!(refused, Err(RefuelError::TooLittle { .. })));
        // Nobody has so much: root takes what there is.
        let absurd = RefuelRequest {
            cycles: Some(u128::MAX),
            ..ALL
        };
        let id = accept(&mut state, absurd, &moment()).expect("any amount");
        assert_eq!(step(&state, id), Step::Balance);
    }
}
