//! A member's subscription to root's announcements: receives them, and catches up by pages if it
//! missed some.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use candid::Principal;

use crate::{
    api::{Announcement, CatchUpPage, CatchUpRequest, Denied, LEASE, MemberRef},
    codec::decode::read_args,
    error::LookupError,
    member::{
        ask_root::ask_root,
        directory::{Directory, State},
        identity::{self, Subscription},
    },
    platform::{
        ic::{self, Level, TimerId},
        message,
    },
};

/// For how long a member that was just provisioned is cached before root announces it, in
/// nanoseconds: one minute.
const UNTIL_ANNOUNCED: u64 = 60_000_000_000;

/// How long to wait before root is asked again for pages.
const PAUSE: Duration = Duration::from_secs(10);

thread_local! {
    static DIRECTORY: RefCell<Directory> = const { RefCell::new(Directory::EMPTY) };
    /// Whether a task asks root for pages.
    static IS_CATCHING_UP: Cell<bool> = const { Cell::new(false) };
    /// The timer that catches up, as long as the directory is not current.
    static RETRY: Cell<Option<TimerId>> = const { Cell::new(None) };
}

fn with<R>(f: impl FnOnce(&mut Directory) -> R) -> R {
    DIRECTORY.with_borrow_mut(f)
}

/// Subscribes to root's announcements. An update that calls this also asks root for those that came
/// before this code started.
pub fn subscribe() {
    identity::subscribe(Subscription {
        receive,
        cached: |canister| {
            let now = ic::now();
            with(|directory| directory.cached(canister, now))
        },
        fall_behind: || {
            with(Directory::fall_behind);
            catch_up_soon();
        },
    });
}

fn receive(argument: Vec<u8>) -> Result<(), String> {
    let (mut announcement,): (Announcement,) = read_args(&argument)?;
    // Changes of this member itself come by `canic_sync`.
    announcement
        .changes
        .retain(|change| change.canister != ic::this());
    let now = ic::now();
    if with(|directory| directory.receive(announcement, now)) {
        catch_up_soon();
    }
    Ok(())
}

/// Catches up after this message, and again every [`PAUSE`] until the directory is current.
///
/// The first try's timer runs once, and is lost if the platform turns its message away. The other
/// timer repeats, and is set before it.
fn catch_up_soon() {
    if RETRY.get().is_none() {
        let timer = ic::set_interval(PAUSE, || message::spawn(try_to_catch_up()));
        RETRY.set(Some(timer));
    }
    ic::set_timer(Duration::ZERO, try_to_catch_up());
    ic::arm_if_disarmed();
}

async fn try_to_catch_up() {
    if let Err(error) = catch_up().await {
        let reason = error.to_string();
        ic::log(
            Level::Warn,
            format_args!("root was not reached to catch up: {reason:.200}"),
        );
    }
    if with(|directory| directory.state()) == State::Current {
        RETRY.take().into_iter().for_each(ic::clear_timer);
    }
}

/// The mark of the task that asks for pages. It is dropped with the task, also after a trap.
struct CatchingUp;

impl Drop for CatchingUp {
    fn drop(&mut self) {
        IS_CATCHING_UP.set(false);
    }
}

/// Asks root for pages until the directory is current.
///
/// # Errors
///
/// See [`ask_root`]; [`LookupError::Denied`] if root does not list this canister as a member.
async fn catch_up() -> Result<(), LookupError> {
    if IS_CATCHING_UP.replace(true) {
        return Ok(());
    }
    let _mark = CatchingUp;
    let mut after = None;
    loop {
        match with(|directory| directory.state()) {
            State::Current => return Ok(()),
            State::Behind => after = None,
            State::CatchingUp => {}
        }
        let is_first = after.is_none();
        let request = CatchUpRequest { after };
        let page: Result<CatchUpPage, Denied> = ask_root("canic_catch_up", &request).await?;
        let page = page.map_err(LookupError::Denied)?;
        let now = ic::now();
        after = with(|directory| directory.apply_page(is_first, page, now));
    }
}

/// A lookup under way.
pub(crate) struct Lookup {
    /// When it began, in nanoseconds since 1970.
    began: u64,
    /// The number of the last change received before it began.
    received: u64,
}

impl Lookup {
    pub(crate) fn begin() -> Self {
        Self {
            began: ic::now(),
            received: with(|directory| directory.received()),
        }
    }

    /// Caches the answer for a lease, unless an announcement came meanwhile: it may be newer.
    pub(crate) fn finish(self, canister: Principal, member: Option<&MemberRef>) {
        if with(|directory| directory.received()) == self.received {
            cache(canister, member.cloned(), self.began + LEASE);
        }
    }
}

/// Caches a member that this one just provisioned, until root announces it.
pub(crate) fn note_provisioned(canister: Principal, member: MemberRef) {
    if !with(|directory| directory.has_entry(canister)) {
        cache(canister, Some(member), ic::now() + UNTIL_ANNOUNCED);
    }
}

fn cache(canister: Principal, member: Option<MemberRef>, until: u64) {
    let now = ic::now();
    with(|directory| directory.cache(canister, member, until, now));
}

/// At most `limit` members below this one, in the order of their ids, for a member that subscribes.
///
/// # Errors
///
/// If the directory is not current and root can't be asked: see [`LookupError`].
pub(crate) async fn children(
    after: Option<Principal>,
    limit: usize,
) -> Result<Vec<(Principal, MemberRef)>, LookupError> {
    catch_up().await?;
    let (this, now) = (ic::this(), ic::now());
    Ok(with(|directory| {
        let children = directory.children(this, after, now);
        children
            .map(|(canister, member)| (canister, member.clone()))
            .take(limit)
            .collect()
    }))
}

/// The release of a member, if root tells it to this one.
pub(crate) fn release(canister: Principal) -> Option<u32> {
    with(|directory| directory.release(canister))
}

/// The member with a key, if root announces it to this one.
pub(crate) fn lookup(role: &str, key: &str) -> Option<Principal> {
    with(|directory| directory.lookup(role, key))
}
