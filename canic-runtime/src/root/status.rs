//! The live state of members, asked of the platform while the query runs.

use crate::{
    api::{
        CanisterLive, LiveState, MAX_STATUS_PAGE, MemberInfo, MemberLive, MembersPage,
        MembersRequest, StatusPage, StatusRequest,
    },
    platform::{ic, live::live_state},
    root::queries,
    state::{self, State},
};

/// A page of the live state of members, or that of the canisters that are named. In a composite
/// query: the platform answers `canister_status` there, and it costs nothing.
pub(crate) async fn status(request: StatusRequest) -> StatusPage {
    let page = state::with(|state| members(state, &request));
    let mut answer = StatusPage {
        root: live_state(ic::this()).await,
        members: Vec::new(),
        next: page.next,
        total: page.total,
        canisters: None,
    };
    for member in page.members {
        let live = live_state(member.canister).await;
        answer.members.push(row(member, live));
    }
    if let Some(named) = request.canisters {
        let rows = answer.canisters.insert(Vec::new());
        for canister in named.into_iter().take(MAX_STATUS_PAGE as usize) {
            let live = live_state(canister).await;
            rows.push(CanisterLive { canister, live });
        }
    }
    answer
}

/// The members that a request asks about: none, and their number, if it names canisters.
fn members(state: &State, request: &StatusRequest) -> MembersPage {
    if request.canisters.is_some() {
        return MembersPage {
            members: Vec::new(),
            next: None,
            total: queries::total(state, &request.filter),
        };
    }
    let members = MembersRequest {
        filter: request.filter.clone(),
        after: request.after,
        limit: request.limit.min(MAX_STATUS_PAGE),
    };
    queries::members(state, &members)
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

#[cfg(test)]
mod tests {
    use candid::Principal;

    use super::*;
    use crate::{
        api::MembersFilter,
        root::steps::tests::{HUB, ROOT, WORKER, add_member, fleet},
    };

    fn request(canisters: Option<Vec<Principal>>) -> StatusRequest {
        StatusRequest {
            filter: MembersFilter::All,
            after: None,
            limit: 1,
            canisters,
        }
    }

    #[test]
    fn no_member_is_read_for_a_request_that_names_canisters() {
        let mut state = fleet();
        add_member(&mut state, HUB, "hub", ROOT, None);
        add_member(&mut state, WORKER, "worker", HUB, None);
        let page = members(&state, &request(None));
        assert_eq!((page.members.len(), page.total), (1, 2));
        assert!(page.next.is_some());
        for named in [vec![], vec![HUB]] {
            let page = members(&state, &request(Some(named)));
            assert_eq!((page.members, page.next, page.total), (vec![], None, 2));
        }
    }
}
