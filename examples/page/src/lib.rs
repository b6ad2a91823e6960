//! A page of a club's guest book, an example of a shard. Its club writes, and everybody reads.

use std::cell::RefCell;

use canic::stable_structures::{StableBTreeMap, StableCell};
use example_types::PageArgs;

/// Entries of a page: few, so that the book soon needs another page.
const ENTRIES: u64 = 3;

/// The longest name and the longest text, in bytes.
const LIMITS: (usize, usize) = (100, 1_000);

thread_local! {
    static NUMBER: RefCell<StableCell<u32, canic::Memory>> =
        RefCell::new(StableCell::init(canic::memory(0), 0));
    static LINES: RefCell<StableBTreeMap<u64, String, canic::Memory>> =
        RefCell::new(StableBTreeMap::init(canic::memory(1)));
}

/// The page.
pub struct Page;

#[canic::role("page")]
impl Page {
    fn init(args: PageArgs) {
        NUMBER.with_borrow_mut(|number| number.set(args.number));
    }
}

/// Writes a line for the club; returns false if the page is full.
#[canic::update(allow(parent))]
fn write(name: String, text: String) -> Result<bool, String> {
    if name.len() > LIMITS.0 || text.len() > LIMITS.1 {
        return Err(format!(
            "a name has at most {} bytes, a text {}",
            LIMITS.0, LIMITS.1
        ));
    }
    Ok(LINES.with_borrow_mut(|lines| {
        let number = lines.len();
        if number < ENTRIES {
            lines.insert(number, format!("{name}: {text}"));
        }
        number < ENTRIES
    }))
}

/// The number of the page, and its lines.
#[canic::query]
fn read() -> (u32, Vec<String>) {
    let number = NUMBER.with_borrow(|number| *number.get());
    let lines = LINES.with_borrow(|lines| lines.iter().map(|line| line.value()).collect());
    (number, lines)
}

canic::export_candid!();
