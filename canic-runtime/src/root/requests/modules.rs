//! Requests for modules: chunks are staged, then approved as the module of a role.
//!
//! Root forgets a module when no role and no open operation needs it.

use crate::{
    api::{
        ApproveRequest, MAX_ROLE, ModuleError, ModuleInfo, RolloutRequest, StageRequest,
        StagedChunk,
    },
    operation::{Hash, policy, sha256},
    platform::ic::{self, Level},
    root::{chunk_store, queries, requests::rollouts},
    state::{self, Approved, State, registry::Role},
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
    release(
        state,
        &request.role,
        hash,
        request.manual != Some(true),
        now,
    );
    state.forget_unused_modules();
    Ok(queries::module_info(state, &request.role, hash))
}

/// Makes releases of the modules that root embeds: in `canister_init` and after each upgrade.
/// Answers a line for root's log about each role whose embedded module is a new one, or is not the
/// current one.
///
/// An approval stays until root is upgraded to a build that embeds another module than the one
/// before.
pub(crate) fn approve_embedded(state: &mut State, now: u64) -> Vec<String> {
    let mut lines = Vec::new();
    for role in state.config.roles {
        let embedded = role.wasm.map(sha256);
        let before = state.registry.role(role.name).cloned();
        if let (Some(wasm), Some(embedded)) = (role.wasm, embedded)
            && is_new(before.as_ref(), embedded)
        {
            let hash = state.modules.embed(wasm);
            state
                .registry
                .change_releases(role.name, |releases| releases.set_embedded(hash));
            release(state, role.name, hash, true, now);
        }
        lines.extend(describe(role.name, before.as_ref(), embedded));
    }
    state.forget_unused_modules();
    lines
}

/// Whether an embedded module is another one than root embedded before.
fn is_new(before: Option<&Role>, embedded: Hash) -> bool {
    before.is_none_or(|role| role.module().is_none() || role.releases.embedded() != Some(embedded))
}

/// The line about a role's module in a build that embeds this one. `None`: nothing changed, and the
/// current module is the embedded one.
fn describe(name: &str, before: Option<&Role>, embedded: Option<Hash>) -> Option<String> {
    let current = before.and_then(Role::module);
    let last = before.and_then(|role| role.releases.embedded());
    let origin = if last == current {
        "embedded"
    } else {
        "staged"
    };
    match (embedded, current) {
        (Some(embedded), Some(current)) if embedded == current => None,
        (Some(embedded), None) => Some(format!(
            "role {name}: root embeds the module {}, which is current now",
            hex(embedded)
        )),
        (Some(embedded), Some(current)) if is_new(before, embedded) => Some(format!(
            "role {name}: root embeds another module than before, {}; it is to replace {}, which \
             was {origin}",
            hex(embedded),
            hex(current)
        )),
        (Some(embedded), Some(current)) => Some(format!(
            "role {name}: the module {} stays current, which was {origin}; root embeds {}, as \
             before",
            hex(current),
            hex(embedded)
        )),
        (None, Some(current)) if last.is_some() => Some(format!(
            "role {name}: root embeds no module now; {} stays current, which was {origin}",
            hex(current)
        )),
        (None, _) => None,
    }
}

fn hex(hash: Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes a module a release of a role. It takes the place of a rollout of another one that is under
/// way, and if it is a candidate, a rollout of its own begins if `rolls_out`.
fn release(state: &mut State, role: &str, module: Hash, rolls_out: bool, now: u64) {
    let approved = state.approve(role, module, now);
    let role_record = state.registry.role(role);
    let release = role_record.and_then(|role| role.releases.of_module(module));
    let Some((release, number)) = release
        .map(|one| one.number)
        .zip(role_record.map(|one| one.number))
    else {
        return;
    };
    rollouts::supersede(state, role, release, now);
    let is_under_way = state.rollouts.active_of(number).is_some();
    if rolls_out && approved == Approved::Candidate && !is_under_way {
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
        config::{DEFAULT_RESERVE, RoleConfig, RootConfig},
        operation::{Operation, Plan, Position, Purpose, Step, Teardown},
        root::steps::tests::{BARE, FLEET, ROOT, WORKER, add_member, fleet, state_of},
        stable::memory,
    };

    const A: &[u8] = b"\0asm A";
    const B: &[u8] = b"\0asm B";

    /// A build of root that embeds a module, or none.
    const fn build(wasm: Option<&'static [u8]>) -> [RoleConfig; 1] {
        [RoleConfig {
            wasm,
            ..RoleConfig::open("worker")
        }]
    }

    static ROLES: [[RoleConfig; 1]; 3] = [build(None), build(Some(A)), build(Some(B))];

    static BUILDS: [RootConfig; 3] = [config(&ROLES[0]), config(&ROLES[1]), config(&ROLES[2])];

    const fn config(roles: &'static [RoleConfig]) -> RootConfig {
        RootConfig {
            pool: None,
            reserve: DEFAULT_RESERVE,
            roles,
        }
    }

    /// Upgrades root to a build. Answers the worker's module, whether it is the embedded one, and
    /// the lines for the log.
    fn upgrade(build: usize) -> (Vec<u8>, bool, Vec<String>) {
        let mut state = State::open(&BUILDS[build]);
        let lines = approve_embedded(&mut state, 0);
        let hash = state.registry.role("worker").and_then(Role::module);
        let info = queries::module_info(&state, "worker", hash.unwrap_or_default());
        (info.hash, info.embedded, lines)
    }

    fn approve_for_worker(wasm: &[u8]) {
        let mut state = State::open(&BUILDS[0]);
        let request = staged(&mut state, "worker", wasm);
        approve(&mut state, &request, 0).unwrap();
    }

    #[test]
    fn an_approval_stays_while_builds_embed_the_same_module_or_none() {
        memory::forget();
        let (hash, embedded, lines) = upgrade(1);
        assert_eq!((hash, embedded, lines.len()), (sha256(A).to_vec(), true, 1));
        assert!(upgrade(1).2.is_empty(), "nothing changed");
        approve_for_worker(B);
        for build in [1, 0, 1, 0, 0, 1] {
            let (hash, embedded, lines) = upgrade(build);
            assert_eq!((hash, embedded), (sha256(B).to_vec(), false), "{build}");
            assert!(
                lines[0].contains("stays current, which was staged"),
                "{lines:?}"
            );
            assert!(State::open(&BUILDS[build]).modules.get(sha256(B)).is_some());
        }
    }

    #[test]
    fn a_build_that_embeds_another_module_than_before_replaces_an_approval() {
        memory::forget();
        upgrade(1);
        approve_for_worker(b"\0asm newer");
        let (hash, embedded, lines) = upgrade(2);
        assert_eq!((hash, embedded), (sha256(B).to_vec(), true));
        assert!(lines[0].contains(&hex(sha256(b"\0asm newer"))), "{lines:?}");
        assert!(
            lines[0].contains("to replace") && lines[0].contains("was staged"),
            "{lines:?}"
        );
        // The build before, on purpose.
        let (hash, embedded, lines) = upgrade(1);
        assert_eq!((hash, embedded), (sha256(A).to_vec(), true));
        assert!(lines[0].contains("was embedded"), "{lines:?}");
    }

    #[test]
    fn a_build_that_embeds_the_approved_module_is_the_newest_one_from_then_on() {
        memory::forget();
        upgrade(1);
        approve_for_worker(B);
        let (hash, embedded, lines) = upgrade(2);
        assert_eq!((hash, embedded), (sha256(B).to_vec(), true));
        assert!(lines.is_empty(), "{lines:?}");
        assert_eq!(upgrade(1).0, sha256(A), "a deliberate rollback");
    }

    #[test]
    fn a_module_that_is_staged_first_gives_way_to_the_first_embedded_one() {
        memory::forget();
        approve_for_worker(B);
        assert!(upgrade(0).2.is_empty());
        assert_eq!(upgrade(1).0, sha256(A));
    }

    fn staged(state: &mut State, role: &str, wasm: &[u8]) -> ApproveRequest {
        let chunk = state.modules.stage(wasm.to_vec()).unwrap();
        ApproveRequest {
            role: role.to_string(),
            hash: sha256(wasm).to_vec(),
            chunks: vec![ByteBuf::from(chunk.to_vec())],
            manual: None,
        }
    }

    #[test]
    fn of_a_role_without_members_the_newest_module_is_current_and_the_two_before_are_kept() {
        let mut state = state_of(&BARE);
        for module in [b"\0asm1", b"\0asm2", b"\0asm3", b"\0asm4"] {
            let request = staged(&mut state, "worker", module);
            let info = approve(&mut state, &request, 0).unwrap();
            assert_eq!(info.hash, request.hash);
            let current = state.registry.role("worker").and_then(Role::module);
            assert_eq!(current, Some(sha256(module)));
        }
        assert!(state.modules.get(sha256(b"\0asm1")).is_none());
        assert_eq!(state.modules.chunk_count(), 3);
    }

    #[test]
    fn a_newer_module_of_a_role_with_members_is_rolled_out() {
        let mut state = fleet();
        add_member(&mut state, WORKER, "worker", ROOT, None);
        let before = state.registry.role("worker").and_then(Role::module);
        let newer = staged(&mut state, "worker", b"\0asm newer");
        approve(&mut state, &newer, 0).unwrap();
        let role = state.registry.role("worker").unwrap();
        assert_eq!(role.module(), before, "new members get the old one for now");
        let candidate = role.releases.candidate().map(|one| one.number);
        assert_eq!(candidate, Some(2));
        let active = state
            .rollouts
            .active_of(role.number)
            .map(|one| (one.id, one.to));
        assert_eq!(active, Some((1, 2)));
        // A newer one takes its place.
        let newest = staged(&mut state, "worker", b"\0asm newest");
        approve(&mut state, &newest, 0).unwrap();
        let role = state.registry.role("worker").unwrap();
        let active = state
            .rollouts
            .active_of(role.number)
            .map(|one| (one.id, one.to));
        assert_eq!(active, Some((2, 3)));
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
