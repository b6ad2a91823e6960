//! The live state of members, asked of the platform while the query runs.

use crate::{
    api::{
        CanisterLive, LiveState, MAX_STATUS_PAGE, MemberInfo, MemberLive, MembersRequest,
        StatusPage, StatusRequest,
    },
    platform::{ic, live::live_state},
    root::queries,
    state,
};

/// A page of the live state of members, or that of the canisters that are named. In a composite
/// query: the platform answers `canister_status` there, and it costs nothing.
pub(crate) async fn status(request: StatusRequest) -> StatusPage {
    let members = MembersRequest {
        filter: request.filter,
        after: request.after,
        limit: request.limit.min(MAX_STATUS_PAGE),
    };
    let page = state::with(|state| queries::members(state, &members));
    let mut answer = StatusPage {
        root: live_state(ic::this()).await,
        members: Vec::new(),
        next: page.next,
        total: page.total,
        canisters: None,
    };
    if let Some(named) = request.canisters {
        let rows = answer.canisters.insert(Vec::new());
        for canister in named.into_iter().take(MAX_STATUS_PAGE as usize) {
            let live = live_state(canister).await;
            rows.push(CanisterLive { canister, live });
        }
        return answer;
    }
    for member in page.members {
        let live = live_state(member.canister).await;
        answer.members.push(row(member, live));
    }
    answer
}

fn row(member: MemberInfo, live: Result<LiveState, String>) -> MemberLive {
    let runs = |live: &LiveState| live.module.as_ref() == Some(&member.module);
    MemberLive {
        runs_release: live.as_ref().ok().map(runs),
        canister: member.canister,
        role: member.role,
        key: member.key,
        release: member.release,
        live,
    }
}
