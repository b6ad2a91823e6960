//! The live state of root and its members, and what the fleet costs: root's queries for
//! controllers, which ask the platform or tell its records.

use std::collections::{BTreeMap, HashMap};

use candid::Principal;
use canic::api::{
    CanisterLive, FundingInfo, LiveState, MAX_STATUS_PAGE, MemberLive, MembersFilter, StatusPage,
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

    /// The live state of canisters that are no members, or the reason why root can't see one. None:
    /// root is older than this question.
    ///
    /// # Errors
    /// Root does not answer.
    pub(crate) async fn live_canisters(
        &self,
        canisters: &[Principal],
    ) -> Result<Option<HashMap<Principal, Result<LiveState, String>>>, Failure> {
        let pages = canisters.chunks(MAX_STATUS_PAGE as usize).map(|page| {
            let (fleet, page) = (self.clone(), page.to_vec());
            async move { named(&page, |rest| fleet.named_page(rest)).await }
        });
        let pages = at_once(pages, |_| ()).await?;
        let pages: Option<Vec<_>> = pages.into_iter().collect();
        let rows = |pages: Vec<Vec<CanisterLive>>| pages.into_iter().flatten();
        Ok(pages.map(|pages| rows(pages).map(|row| (row.canister, row.live)).collect()))
    }

    async fn named_page(
        &self,
        canisters: Vec<Principal>,
    ) -> Result<Option<Vec<CanisterLive>>, Failure> {
        let request = StatusRequest {
            filter: MembersFilter::All,
            after: None,
            limit: 1,
            canisters: Some(canisters),
        };
        let page: StatusPage = self.ask("canic_status", (request,)).await?;
        Ok(page.canisters)
    }

    async fn live_window(
        &self,
        filter: MembersFilter,
        after: Option<Principal>,
        rows: u32,
    ) -> Result<Vec<MemberLive>, Failure> {
        let page = |after, rows| self.live_page(filter.clone(), after, rows);
        window_by_pages(after, rows, page).await
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

/// The members of a window. A root may answer fewer rows than it is asked for: an older one has
/// shorter pages.
async fn window_by_pages<P: Future<Output = Result<StatusPage, Failure>>>(
    mut after: Option<Principal>,
    rows: u32,
    ask: impl Fn(Option<Principal>, u32) -> P,
) -> Result<Vec<MemberLive>, Failure> {
    let mut members = Vec::new();
    while members.len() < rows as usize {
        let page = ask(after, rows - members.len() as u32).await?;
        let is_empty = page.members.is_empty();
        members.extend(page.members);
        after = page.next;
        if after.is_none() || is_empty {
            break;
        }
    }
    Ok(members)
}

/// The live state of these canisters, of a root that may answer fewer rows than it is asked for. It
/// answers them in the order in which they are named.
async fn named<P: Future<Output = Result<Option<Vec<CanisterLive>>, Failure>>>(
    canisters: &[Principal],
    ask: impl Fn(Vec<Principal>) -> P,
) -> Result<Option<Vec<CanisterLive>>, Failure> {
    let mut rows: Vec<CanisterLive> = Vec::new();
    while let Some(rest @ [_, ..]) = canisters.get(rows.len()..) {
        match ask(rest.to_vec()).await? {
            None => return Ok(None),
            Some(page) if page.is_empty() => break,
            Some(page) => rows.extend(page),
        }
    }
    Ok(Some(rows))
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
    use std::cell::RefCell;

    use super::*;

    fn id(number: usize) -> Principal {
        Principal::from_slice(&number.to_be_bytes())
    }

    fn unseen() -> Result<LiveState, String> {
        Err("nobody looks".to_string())
    }

    fn member(number: usize) -> MemberLive {
        MemberLive {
            canister: id(number),
            role: "worker".to_string(),
            key: None,
            release: 1,
            runs_release: None,
            live: unseen(),
        }
    }

    /// A root of 120 members whose pages have 50 rows at most, and what it was asked for.
    #[derive(Default)]
    struct OlderRoot {
        asked: RefCell<Vec<(usize, u32)>>,
    }

    impl OlderRoot {
        fn page(&self, after: Option<Principal>, rows: u32) -> StatusPage {
            let all: Vec<MemberLive> = (0..120).map(member).collect();
            let first = all.iter().position(|row| Some(row.canister) == after);
            let first = first.map_or(0, |place| place + 1);
            self.asked.borrow_mut().push((first, rows));
            let end = all.len().min(first + rows.min(50) as usize);
            let members = all[first..end].to_vec();
            StatusPage {
                root: unseen(),
                next: (end < all.len()).then(|| all[end - 1].canister),
                members,
                total: 120,
                canisters: None,
            }
        }

        async fn window(&self, first: usize, rows: u32) -> Vec<usize> {
            let after = first.checked_sub(1).map(id);
            let ask = |after, rows| async move { Ok(self.page(after, rows)) };
            let members = window_by_pages(after, rows, ask).await.unwrap();
            let place = |row: &MemberLive| (0..120).find(|place| row.canister == id(*place));
            members.iter().filter_map(place).collect()
        }
    }

    #[tokio::test]
    async fn a_root_with_shorter_pages_is_asked_for_the_rest_of_a_window() {
        let root = OlderRoot::default();
        let all: Vec<usize> = (3..93).collect();
        assert_eq!(root.window(3, 90).await, all);
        assert_eq!(root.asked.take(), [(3, 90), (53, 40)]);
        // The members end before the window does.
        let rest: Vec<usize> = (60..120).collect();
        assert_eq!(root.window(60, 90).await, rest);
        assert_eq!(root.asked.take(), [(60, 90), (110, 40)]);
    }

    #[tokio::test]
    async fn a_root_that_answers_no_row_is_not_asked_for_ever() {
        let page = |after: Option<Principal>, _| async move {
            Ok(StatusPage {
                root: unseen(),
                members: Vec::new(),
                next: after,
                total: 120,
                canisters: None,
            })
        };
        let members = window_by_pages(Some(id(0)), 9, page).await.unwrap();
        assert_eq!(members, []);
        let nothing = |_| async { Ok(Some(Vec::new())) };
        assert_eq!(named(&[id(0)], nothing).await.unwrap(), Some(vec![]));
    }

    #[tokio::test]
    async fn a_root_with_shorter_pages_is_asked_for_the_rest_of_the_canisters() {
        let canisters: Vec<Principal> = (0..90).map(id).collect();
        let asked = RefCell::new(Vec::new());
        let ask = |named: Vec<Principal>| {
            asked.borrow_mut().push(named.len());
            let rows = named.into_iter().take(50);
            let rows = rows.map(|canister| CanisterLive {
                canister,
                live: unseen(),
            });
            let rows = rows.collect();
            async { Ok(Some(rows)) }
        };
        let rows = named(&canisters, ask).await.unwrap().unwrap();
        let answered: Vec<Principal> = rows.iter().map(|row| row.canister).collect();
        assert_eq!(answered, canisters);
        assert_eq!(asked.take(), [90, 40]);
    }

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
