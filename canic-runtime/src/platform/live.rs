//! The live state of a canister, asked of `canister_status` by a composite query of root.

use candid::Principal;
use serde_bytes::ByteBuf;

use crate::{
    api::{LiveState, RunState},
    platform::{
        answers::decode,
        management::{CanisterId, RunResult, StatusResult, management},
    },
};

/// The state of a canister that root controls, or of root itself.
///
/// # Errors
///
/// The platform's reason, if the canister is gone, or is not root's.
pub(crate) async fn live_state(canister: Principal) -> Result<LiveState, String> {
    let reply = management("canister_status", &CanisterId::from(canister), 0).await;
    let status = reply.and_then(|reply| decode::<StatusResult>(&reply));
    status
        .map(LiveState::from)
        .map_err(|failure| failure.reason)
}

impl From<StatusResult> for LiveState {
    fn from(status: StatusResult) -> Self {
        let burned_per_day = status.idle_cycles_burned_per_day;
        let frozen = status.settings.frozen(burned_per_day);
        let free = status.cycles.saturating_sub(frozen);
        Self {
            run: match status.status {
                RunResult::Running => RunState::Running,
                RunResult::Stopping => RunState::Stopping,
                RunResult::Stopped => RunState::Stopped,
            },
            module: status.module_hash.map(ByteBuf::into_vec),
            cycles: status.cycles,
            frozen,
            memory: status.memory_size,
            burned_per_day,
            days_left: (burned_per_day > 0).then(|| free as f64 / burned_per_day as f64),
        }
    }
}
