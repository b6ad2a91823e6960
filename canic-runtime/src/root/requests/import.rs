//! Imports: an existing canister comes into the pool, or becomes a member as it is.

use candid::Principal;

use crate::{
    api::{
        ImportAs, ImportError, ImportRequest, Imported, OperationId, OperationKind, ProvisionError,
        Provisioned,
    },
    operation::{
        Admission, End, Moment, Operation, Origin, Plan, Position, Purpose, Step, Teardown,
        TeardownState,
        policy::{self, Busy, Facts},
    },
    platform::ic,
    root::{
        driver,
        requests::{
            caller::Caller,
            facts::{Accepted, busy_now, controllers, facts, holder, position, role_config},
        },
    },
    stable::record::{Cycles, Id},
    state::{self, State},
};

/// Brings a canister into the fleet, and waits for it.
///
/// # Errors
///
/// See [`ImportError`].
pub(crate) async fn import(request: ImportRequest) -> Result<Imported, ImportError> {
    let moment = ic::moment();
    let id = state::with(|state| accept(state, &request, &moment))?;
    let op = driver::run(id).await;
    answer(id, op, state::with(|state| state.pool_max()), ic::subnet())
}

/// Puts an import on record.
fn accept(
    state: &mut State,
    request: &ImportRequest,
    moment: &Moment,
) -> Result<OperationId, ImportError> {
    let canister = request.canister;
    let holder = state.journal.holder(canister);
    if let Some(op) = holder.filter(|op| op.end.is_none()) {
        return Err(ImportError::Pending { operation: op.id });
    }
    if state.is_known(canister, moment.root) {
        return Err(ImportError::AlreadyKnown { canister });
    }
    if let Some(Busy { open, retry_after }) = busy_now(state) {
        return Err(ImportError::Busy { open, retry_after });
    }
    let (purpose, teardown) = match &request.import_as {
        ImportAs::Pool => {
            let imports = state.journal.open_of(OperationKind::ImportToPool);
            let max = state.pool_max();
            if state.pool.len() + state.refills_in_flight() + imports >= u64::from(max) {
                return Err(ImportError::PoolFull { max });
            }
            let teardown = TeardownState::new(Teardown::Recycle);
            (Purpose::ImportToPool, Some(teardown))
        }
        ImportAs::Member { role, key, parent } => {
            let (position, plan) = adoption(state, role, key.as_deref(), *parent, moment)
                .map_err(ImportError::Refused)?;
            (Purpose::Adopt(position, plan), None)
        }
    };
    let id = state.take_operation_id();
    let mut op = Operation::new(id, purpose, Step::Locate, moment.now);
    op.canister = Some(Id(canister));
    op.source = Some(Origin::Imported);
    op.teardown = teardown;
    if let Purpose::Adopt(position, _) = &op.purpose {
        state.registry.take_position(position, id);
    }
    state.journal.put(op);
    Ok(id)
}

/// The position and plan of an adopted member: as for a provisioned one, but nothing is paid.
fn adoption(
    state: &State,
    role: &str,
    key: Option<&str>,
    parent: Option<Principal>,
    moment: &Moment,
) -> Result<(Position, Plan), ProvisionError> {
    let config = role_config(state, role)?;
    policy::check_key(key)?;
    let position = position(
        Caller::Controller,
        role.to_string(),
        key.map(str::to_string),
        parent,
        &config,
        moment.root,
    );
    if let Some(holder) = holder(state, &position) {
        let (Accepted::Existing(Provisioned { operation, .. }) | Accepted::Operation(operation)) =
            holder?;
        return Err(ProvisionError::Pending { operation });
    }
    let facts = Facts {
        available: u128::MAX,
        pooled: Some(u128::MAX),
        ..facts(state, &position, Admission::Immediate, moment)
    };
    let admitted = policy::admit(&config, role, &facts)?;
    let plan = Plan {
        module: admitted.module,
        cycles: Cycles(0),
        controllers: controllers(&config, position.parent.0, moment.root),
        rollback: config.rollback.into(),
    };
    Ok((position, plan))
}

/// The reply to a request whose operation ran.
fn answer(
    id: OperationId,
    op: Option<Operation>,
    pool_max: u32,
    subnet: Principal,
) -> Result<Imported, ImportError> {
    let Some(op) = op else {
        return Err(ImportError::Pending { operation: id });
    };
    let was_seen = op.money.held.0 > 0;
    let reason = op.failure.unwrap_or_default();
    match op.end {
        Some(End::Done) => Ok(Imported { operation: id }),
        Some(End::Quarantined) => Err(ImportError::Quarantined {
            operation: id,
            reason,
        }),
        Some(_) if op.step == Step::Locate => Err(ImportError::NotOnSubnet {
            operation: id,
            subnet,
            reason,
        }),
        Some(_) if was_seen && matches!(op.purpose, Purpose::Adopt(..)) => {
            Err(ImportError::WrongModule {
                operation: id,
                reason,
            })
        }
        // Root saw the canister, and the pool was full.
        Some(_) if was_seen => Err(ImportError::PoolFull { max: pool_max }),
        Some(_) => Err(ImportError::NotControlled {
            operation: id,
            reason,
        }),
        None => Err(ImportError::Pending { operation: id }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        root::steps::tests::{BARE, HUB, ROOT, WORKER, add_member, fleet, moment, state_of},
        state::registry::Holder,
    };

    fn into_pool(canister: Principal) -> ImportRequest {
        ImportRequest {
            canister,
            import_as: ImportAs::Pool,
        }
    }

    fn as_hub(canister: Principal, key: &str) -> ImportRequest {
        ImportRequest {
            canister,
            import_as: ImportAs::Member {
                role: "hub".to_string(),
                key: Some(key.to_string()),
                parent: None,
            },
        }
    }

    #[test]
    fn an_import_into_the_pool_is_to_be_recycled() {
        let mut state = fleet();
        let id = accept(&mut state, &into_pool(WORKER), &moment()).unwrap();
        let op = state.journal.get(id).unwrap();
        assert_eq!(op.goal(), Some(Teardown::Recycle));
        assert_eq!(op.step, Step::Locate);
        assert_eq!(op.source, Some(Origin::Imported));
        let again = accept(&mut state, &into_pool(WORKER), &moment());
        assert_eq!(again, Err(ImportError::Pending { operation: id }));
    }

    #[test]
    fn a_full_pool_and_a_known_canister_are_refused() {
        let mut state = state_of(&BARE);
        let full = accept(&mut state, &into_pool(WORKER), &moment());
        assert_eq!(full, Err(ImportError::PoolFull { max: 0 }));
        let mut state = fleet();
        add_member(&mut state, HUB, "hub", ROOT, None);
        for canister in [HUB, ROOT] {
            let known = accept(&mut state, &into_pool(canister), &moment());
            assert_eq!(known, Err(ImportError::AlreadyKnown { canister }));
        }
    }

    #[test]
    fn an_adoption_takes_the_key_and_costs_nothing() {
        let mut state = fleet();
        let poor = Moment {
            balance: 0,
            ..moment()
        };
        let id = accept(&mut state, &as_hub(WORKER, "a"), &poor).unwrap();
        assert_eq!(
            state.registry.holder("hub", "a"),
            Some(Holder::Operation(id))
        );
        assert_eq!(state.journal.reserved(), 0);
        let other = Principal::from_slice(&[50, 1]);
        let taken = accept(&mut state, &as_hub(other, "a"), &poor);
        let pending = ProvisionError::Pending { operation: id };
        assert_eq!(taken, Err(ImportError::Refused(pending)));
    }

    #[test]
    fn the_reply_names_the_check_that_a_canister_did_not_pass() {
        let ended_at = |step, purpose, held| {
            let mut op = Operation::new(1, purpose, step, 0);
            op.money.held = Cycles(held);
            op.end = Some(End::Untouched);
            answer(1, Some(op), 7, HUB)
        };
        let far = ended_at(Step::Locate, Purpose::ImportToPool, 0);
        assert!(matches!(
            far,
            Err(ImportError::NotOnSubnet { subnet: HUB, .. })
        ));
        let ended = |purpose, held| ended_at(Step::Inspect, purpose, held);
        assert!(matches!(
            ended(Purpose::ImportToPool, 0),
            Err(ImportError::NotControlled { .. })
        ));
        let full = ended(Purpose::ImportToPool, 1);
        assert_eq!(full, Err(ImportError::PoolFull { max: 7 }));
        let plan = Plan::sample(&[ROOT], 0, Teardown::Recycle);
        let adopt = Purpose::Adopt(Position::sample(ROOT), plan);
        assert!(matches!(
            ended(adopt, 1),
            Err(ImportError::WrongModule { .. })
        ));
    }
}
