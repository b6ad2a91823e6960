//! A club's guest book: a hub. The entries are on pages, each of which is a canister below the club.

use canic::error::LookupError;
use canic::prelude::*;
use canic::stable_structures::StableCell;
use ic_cdk::call::Call;
use std::cell::RefCell;

/// The role of pages, as root names it.
const PAGE: &str = "page";

thread_local! {
    /// The page that is written on.
    static LAST: RefCell<StableCell<u32, canic::Memory>> =
        RefCell::new(StableCell::init(canic::memory(0), 1));
}

/// What a page is installed with: the same Candid record as in the page's crate.
#[derive(CandidType, Deserialize)]
pub struct PageArgs {
    /// Which page of the book it is.
    pub number: u32,
}

/// The club. Its pages are announced to it, so that it need not ask root for them.
#[canic::role("club", child(name = "page", args = PageArgs))]
pub struct Club;

/// Signs the guest book, and answers on which page. A full book gets another page.
#[canic::update]
async fn sign(name: String, text: String) -> Result<u32, String> {
    loop {
        let number = LAST.with_borrow(|last| *last.get());
        if write(page(number).await?, &name, &text).await? {
            return Ok(number);
        }
        // Whoever comes first turns the page.
        LAST.with_borrow_mut(|last| {
            if *last.get() == number {
                last.set(number + 1);
            }
        });
    }
}

/// The pages of the book.
#[canic::update]
async fn pages() -> Result<Vec<Principal>, LookupError> {
    let children = canic::fleet::children(None).await?;
    Ok(children.into_iter().map(|child| child.canister).collect())
}

/// The page of a number: the one that is there, or a new one.
async fn page(number: u32) -> Result<Principal, String> {
    let club = canic::fleet::key().ok_or("root makes clubs, each with a name")?;
    let key = format!("{club}, page {number}");
    let found = canic::fleet::lookup(PAGE, &*key).await;
    if let Some(there) = found.map_err(|error| error.to_string())? {
        return Ok(there);
    }
    let request = Club::page().key(key).args(PageArgs { number });
    let made = request.provision().await;
    made.map(|made| made.canister)
        .map_err(|error| error.to_string())
}

/// Writes on a page; false if it is full.
async fn write(page: Principal, name: &str, text: &str) -> Result<bool, String> {
    let call = Call::unbounded_wait(page, "write").with_args(&(name, text));
    let answer = call.await.map_err(|error| error.to_string())?;
    let written: Result<bool, String> = answer.candid().map_err(|error| error.to_string())?;
    written
}

canic::export_candid!();
