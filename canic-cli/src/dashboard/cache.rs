//! The members of the fleet, read once for many looks at them.
//!
//! Root lists members in pages of 1,000 in the order of their ids. The page shows them filtered,
//! sorted and from any place, so the dashboard keeps them for a while.

use std::{
    collections::HashMap,
    ops::Deref,
    sync::Arc,
    time::{Duration, Instant},
};

use candid::Principal;
use canic::api::MembersFilter;
use tokio::sync::Mutex;

use crate::{failure::Failure, fleet::Fleet, views::MemberRow};

/// The time for which members are kept at least.
const KEPT: Duration = Duration::from_secs(3);

/// They are kept for so many times the time that reading them took.
const SHARE: u32 = 10;

/// All members at some time.
#[derive(Debug)]
pub(crate) struct Rows {
    rows: Vec<MemberRow>,
    children: HashMap<Principal, usize>,
}

impl Rows {
    /// The number of members right below one.
    pub(crate) fn children_of(&self, parent: Principal) -> usize {
        self.children.get(&parent).copied().unwrap_or(0)
    }
}

impl Deref for Rows {
    type Target = [MemberRow];

    fn deref(&self) -> &Self::Target {
        &self.rows
    }
}

/// The members that were read last, and until when they are kept.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<Option<(Instant, Arc<Rows>)>>);

impl Cache {
    /// The members. Requests that come while they are being read wait for them.
    ///
    /// # Errors
    /// Root does not answer.
    pub(crate) async fn members(&self, fleet: &Fleet) -> Result<Arc<Rows>, Failure> {
        let mut kept = self.0.lock().await;
        let begun = Instant::now();
        if let Some((until, rows)) = kept.as_ref().filter(|(until, _)| *until > begun) {
            let _ = until;
            return Ok(rows.clone());
        }
        let rows = all_members(fleet).await?;
        let mut children: HashMap<Principal, usize> = HashMap::new();
        for row in &rows {
            *children.entry(row.parent).or_default() += 1;
        }
        let rows = Arc::new(Rows { rows, children });
        let until = Instant::now() + KEPT.max(begun.elapsed() * SHARE);
        *kept = Some((until, rows.clone()));
        Ok(rows)
    }
}

/// All members of a fleet.
///
/// # Errors
/// Root does not answer.
async fn all_members(fleet: &Fleet) -> Result<Vec<MemberRow>, Failure> {
    let rows = fleet.members(&MembersFilter::All, |_, _| {}).await?;
    Ok(rows.into_iter().map(MemberRow::from).collect())
}
