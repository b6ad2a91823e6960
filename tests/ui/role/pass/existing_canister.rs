//! A canister written with ic-cdk that became a member: only its lifecycle functions have changed.

use canic::prelude::*;
use std::cell::RefCell;

thread_local! {
    static NAMES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Names;

#[canic::role("names")]
impl Names {
    fn init(first: String) {
        NAMES.with_borrow_mut(|names| names.push(first));
    }
}

#[ic_cdk::update(guard = "is_controller")]
fn add(name: String) {
    NAMES.with_borrow_mut(|names| names.push(name));
}

#[ic_cdk::query]
fn names() -> Vec<String> {
    NAMES.with_borrow(Vec::clone)
}

fn is_controller() -> Result<(), String> {
    if ic_cdk::api::is_controller(&msg_caller()) {
        Ok(())
    } else {
        Err("controllers only".to_string())
    }
}

canic::export_candid!();

fn main() {}
