//! Requests for modules: chunks are staged, then approved as the module of a role.
//!
//! Root forgets a module when no role and no open operation needs it.

use crate::{
    api::{
        ApproveRequest, MAX_ROLE, ModuleError, ModuleInfo, RolloutRequest, StageRequest,
        StagedChunk,
    },
    operation::{Hash, policy},
    platform::ic::{self, Level},
    root::{chunk_store, queries, requests::rollouts},
    state::{self, Approved, State},
};

/// Keeps a chunk of a module, in stable memory and in root's chunk store.
///
/// # Errors
///
/// See [`ModuleError`].
pub(crate) async fn stage(request: StageRequest) -> Result<StagedChunk, ModuleError> {
    let hash = state::with(|state| state.modules.stage(request.chunk))?;
    chunk_store::upload_missing(&[hash])
        .await
        .map_err(|failure| ModuleError::UploadFailed {
            reason: failure.reason,
        })?;
    Ok(StagedChunk {
        hash: hash.to_vec(),
        chunks: state::with(|state| state.modules.chunk_count()),
    })
}

/// Approves a staged module for a role.
///
/// # Errors
///
/// See [`ModuleError`].
pub(crate) fn approve(
    state: &mut State,
    request: &ApproveRequest,
    now: u64,
) -> Result<ModuleInfo, ModuleError> {
    let roles = state.config.roles;
    let known = if roles.is_empty() {
        policy::is_role_name(&request.role)
    } else {
        roles.iter().any(|role| role.name == request.role)
    };
    if !known {
        return Err(ModuleError::UnknownRole {
            role: request.role.chars().take(MAX_ROLE).collect(),
            known: roles.iter().map(|role| role.name.to_string()).collect(),
        });
    }
    let hash = state.modules.assemble(request)?;
    release(state, &request.role, hash, request.manual != Some(true), now);
    state.forget_unused_modules();
    Ok(queries::module_info(state, &request.role, hash))
}

/// Approves the modules that root embeds: in `canister_init` and after each upgrade.
pub(crate) fn approve_embedded(state: &mut State, now: u64) {
    for role in state.config.roles {
        if let Some(wasm) = role.wasm {
            let hash = state.modules.embed(wasm);
            let is_new = state
                .registry
                .change_releases(role.name, |releases| releases.note_embedded(hash));
            if is_new {
                release(state, role.name, hash, true, now);
            }
        }
    }
    state.forget_unused_modules();
}

/// Makes a module a release of a role. A candidate takes the place of a rollout that is under way,
/// and a rollout of its own begins if `rolls_out`.
fn release(state: &mut State, role: &str, module: Hash, rolls_out: bool, now: u64) {
    if state.approve(role, module, now) == Approved::Current {
        return;
    }
    rollouts::supersede(state, role, now);
    if rolls_out {
        let request = RolloutRequest {
            role: role.to_string(),
            release: None,
            plan: None,
            canaries: None,
        };
        if let Err(reason) = rollouts::start(state, &request, now) {
            ic::log(
                Level::Error,
                format_args!("no rollout of role {role} was begun: {reason}"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_bytes::ByteBuf;

    use super::*;
    use crate::{
        operation::{Operation, Plan, Position, Purpose, Step, Teardown, sha256},
        root::steps::tests::{BARE, FLEET, ROOT, fleet, state_of},
    };

    fn staged(state: &mut State, role: &str, wasm: &[u8]) -> ApproveRequest {
        let chunk = state.modules.stage(wasm.to_vec()).unwrap();
        ApproveRequest {
            role: role.to_string(),
            hash: sha256(wasm).to_vec(),
            chunks: vec![ByteBuf::from(chunk.to_vec())],
        }
    }

    #[test]
    fn an_approved_module_replaces_the_one_before_which_is_forgotten() {
        let mut state = state_of(&BARE);
        let first = staged(&mut state, "worker", b"\0asm one");
        approve(&mut state, &first, 0).unwrap();
        let second = staged(&mut state, "worker", b"\0asm two");
        let info = approve(&mut state, &second, 0).unwrap();
        assert_eq!(info.hash, second.hash);
        assert!(state.modules.get(sha256(b"\0asm one")).is_none());
        assert_eq!(state.modules.chunk_count(), 1);
    }

    #[test]
    fn a_module_that_an_open_operation_installs_is_kept() {
        let mut state = fleet();
        let old = state.registry.role("hub").and_then(|role| role.module());
        let plan = Plan {
            module: old.unwrap(),
            ..Plan::sample(&[ROOT], 0, Teardown::Recycle)
        };
        let purpose = Purpose::Provision(Position::sample(ROOT), plan);
        state
            .journal
            .put(Operation::new(1, purpose, Step::Create, 0));
        for role in ["hub", "worker"] {
            let newer = staged(&mut state, role, b"\0asm newer");
            approve(&mut state, &newer, 0).unwrap();
        }
        assert!(state.modules.get(old.unwrap()).is_some());
    }

    #[test]
    fn a_closed_fleet_approves_modules_of_its_roles_only() {
        let mut state = state_of(&FLEET);
        let request = staged(&mut state, "nobody", b"\0asm");
        let refused = approve(&mut state, &request, 0);
        assert!(matches!(refused, Err(ModuleError::UnknownRole { .. })));
        assert_eq!(FLEET.roles.len(), 2);
    }
}
