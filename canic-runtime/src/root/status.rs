//! The live state of members, asked of the platform while the query runs.

use crate::{
    api::{
        LiveState, MAX_STATUS_PAGE, MemberInfo, MemberLive, MembersRequest, StatusPage,
        StatusRequest,
    },
    platform::{ic, live::live_state},
    root::queries,
    state,
};

/// A page of the live state of members. In a composite query: the platform answers
/// `canister_status` there, and it costs nothing.
pub(crate) async fn status(request: StatusRequest) -> StatusPage {
    let request = MembersRequest {
        filter: request.filter,
        after: request.after,
        limit: request.limit.min(MAX_STATUS_PAGE),
    };
    let page = state::with(|state| queries::members(state, &request));
    let root = live_state(ic::this()).await;
    let mut members: Vec<MemberLive> = Vec::new();
    for member in page.members {
        let live = live_state(member.canister).await;
        members.push(row(member, live));
    }
    StatusPage {
        root,
        members,
        next: page.next,
        total: page.total,
    }
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
