//! A club's guest book, an example of a hub. The entries are on pages, each a canister below the
//! club.

use std::cell::RefCell;

use canic::{error::LookupError, prelude::*, stable_structures::StableCell};
use example_types::PageArgs;
use ic_cdk::call::Call;

/// The role of pages, as root names it.
const PAGE: &str = "page";

thread_local! {
    /// The number of the page on which visitors sign.
    static LAST: RefCell<StableCell<u32, canic::Memory>> =
        RefCell::new(StableCell::init(canic::memory(0), 1));
}

/// The club. Root announces its pages to it, so that it need not ask root for them.
#[canic::role("club", child(name = "page", args = PageArgs))]
pub struct Club;

/// Signs the guest book and returns the number of the page. A full book gets another page.
#[canic::update]
async fn sign(name: String, text: String) -> Result<u32, String> {
    loop {
        let number = LAST.with_borrow(|last| *last.get());
        if write(page(number).await?, &name, &text).await? {
            return Ok(number);
        }
        // Of concurrent calls that find the page full, the first one turns it.
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

/// The page with a number; the club provisions it if there is none.
async fn page(number: u32) -> Result<Principal, String> {
    let club = canic::fleet::key().ok_or("this club has no key: root provisions clubs by name")?;
    let key = format!("{club}, page {number}");
    let found = canic::fleet::lookup(PAGE, &*key).await;
    if let Some(page) = found.map_err(|error| error.to_string())? {
        return Ok(page);
    }
    let request = Club::page().key(key).args(PageArgs { number });
    let provisioned = request.provision().await;
    let provisioned = provisioned.map_err(|error| error.to_string())?;
    Ok(provisioned.canister)
}

/// Writes on a page; false if the page is full.
async fn write(page: Principal, name: &str, text: &str) -> Result<bool, String> {
    let call = Call::unbounded_wait(page, "write").with_args(&(name, text));
    let reply = call.await.map_err(|error| error.to_string())?;
    let result: Result<bool, String> = reply.candid().map_err(|error| error.to_string())?;
    result
}

canic::export_candid!();
