//! The live state of root and its members, and what the fleet costs: root's queries for
//! controllers, which ask the platform or tell its records.

use std::collections::{BTreeMap, HashMap};

use candid::Principal;
use canic::api::{
    CanisterLive, FundingInfo, MAX_STATUS_PAGE, MemberLive, MembersFilter, StatusPage,
    StatusRequest,
};
use indicatif::ProgressBar;
use tokio::task::JoinSet;

use crate::{failure::Failure, fleet::Fleet};

/// Pages that are asked for at once.
const AT_ONCE: usize = 8;

/// Members by their canisters, as the platform sees them.
pub(crate) type Live = HashMap<Principal, MemberLive>;

impl Fleet {
    /// What the fleet costs, and how long its cycles last.
    ///
    /// # Errors
    /// Root does not answer.
    pub(crate) async fn funding(&self) -> Result<FundingInfo, Failure> {
        self.ask("canic_funding", ()).await
    }

    /// A page of the live state of members, and that of root. It has one row at least, and
    /// [`MAX_STATUS_PAGE`] at most.
    ///
    /// # Errors
    /// Root does not answer.
    pub(crate) async fn live_page(
        &self,
        filter: MembersFilter,
        after: Option<Principal>,
        limit: u32,
    ) -> Result<StatusPage, Failure> {
        let request = StatusRequest {
            filter,
            after,
            limit,
            canisters: None,
        };
        self.ask("canic_status", (request,)).await
    }

    /// The live state of canisters that are no members, in their order. None: root is older than
    /// this question.
    ///
    /// # Errors
    /// Root does not answer.
    pub(crate) async fn live_canisters(
        &self,
        canisters: &[Principal],
    ) -> Result<Option<Vec<CanisterLive>>, Failure> {
        let pages = canisters.chunks(MAX_STATUS_PAGE as usize).map(|page| {
            let request = StatusRequest {
                filter: MembersFilter::All,
                after: None,
                limit: 1,
                canisters: Some(page.to_vec()),
            };
            let fleet = self.clone();
            async move {
                let page: StatusPage = fleet.ask("canic_status", (request,)).await?;
                Ok(page.canisters)
            }
        });
        let pages = at_once(pages, |_| ()).await?;
        let pages: Option<Vec<_>> = pages.into_iter().collect();
        Ok(pages.map(|pages| pages.into_iter().flatten().collect()))
    }

    /// The members of a window. An older root answers fewer rows than it was asked for.
    async fn live_window(
        &self,
        filter: MembersFilter,
        mut after: Option<Principal>,
        rows: u32,
    ) -> Result<Vec<MemberLive>, Failure> {
        let mut members = Vec::new();
        loop {
            let left = rows - members.len() as u32;
            let page = self.live_page(filter.clone(), after, left).await?;
            members.extend(page.members);
            after = page.next;
            if after.is_none() || members.len() >= rows as usize {
                return Ok(members);
            }
        }
    }

    /// The live state of some members: those at the places `wanted`, in rising order, of the list
    /// `order`, which has all members of a filter as root lists them. A member that has gone since
    /// then is missing.
    ///
    /// # Errors
    /// Root does not answer.
    pub(crate) async fn live(
        &self,
        filter: &MembersFilter,
        order: &[Principal],
        wanted: &[usize],
        bar: &ProgressBar,
    ) -> Result<Live, Failure> {
        bar.set_length(wanted.len() as u64);
        let calls = windows(wanted).into_iter().map(|window| {
            let after = window.first.checked_sub(1).map(|before| order[before]);
            let (fleet, filter) = (self.clone(), filter.clone());
            async move { fleet.live_window(filter, after, window.rows).await }
        });
        let pages = at_once(calls, |page| bar.inc(page.len() as u64)).await?;
        let members = pages.into_iter().flatten();
        Ok(members.map(|member| (member.canister, member)).collect())
    }
}

/// Makes calls, [`AT_ONCE`] at a time, and looks at each answer as it comes. The answers are in the
/// order of the calls.
///
/// # Errors
/// A call fails.
async fn at_once<T: Send + 'static>(
    calls: impl Iterator<Item = impl Future<Output = Result<T, Failure>> + Send + 'static>,
    seen: impl Fn(&T),
) -> Result<Vec<T>, Failure> {
    let mut waiting = calls.enumerate();
    let mut running = JoinSet::new();
    let mut answers = BTreeMap::new();
    loop {
        while running.len() < AT_ONCE {
            let Some((at, call)) = waiting.next() else {
                break;
            };
            running.spawn(async move { (at, call.await) });
        }
        match running.join_next().await {
            None => return Ok(answers.into_values().collect()),
            Some(Ok((at, answer))) => {
                let answer = answer?;
                seen(&answer);
                answers.insert(at, answer);
            }
            Some(Err(e)) => return Err(Failure::refused(e.to_string())),
        }
    }
}

/// Rows that one call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    /// The place of the first one.
    first: usize,
    rows: u32,
}

/// The fewest calls that tell the members at these places, which are in rising order. Rows between
/// two of them are asked for as well, if one call holds both.
fn windows(wanted: &[usize]) -> Vec<Window> {
    let mut windows: Vec<Window> = Vec::new();
    for place in wanted {
        let held = windows.last_mut().filter(|window| {
            let end = window.first + MAX_STATUS_PAGE as usize;
            *place < end
        });
        match held {
            Some(window) => window.rows = (place - window.first) as u32 + 1,
            None => windows.push(Window {
                first: *place,
                rows: 1,
            }),
        }
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(first: usize, rows: u32) -> Window {
        Window { first, rows }
    }

    #[test]
    fn members_that_stand_near_each_other_are_asked_for_by_one_call() {
        assert_eq!(windows(&[]), []);
        assert_eq!(windows(&[7]), [window(7, 1)]);
        assert_eq!(windows(&[0, 89, 90]), [window(0, 90), window(90, 1)]);
        assert_eq!(windows(&[3, 9, 200, 230]), [window(3, 7), window(200, 31)]);
        let all: Vec<usize> = (0..10_000).collect();
        assert_eq!(windows(&all).len(), 112);
    }
}
