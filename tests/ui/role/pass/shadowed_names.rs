//! An author's items with names from the standard library and canic.

#![allow(dead_code, non_camel_case_types)]

mod core {}
mod std {}
mod canic {}
mod config {}
mod entry {}
struct Result;
struct Option;
struct Vec;
struct String;
struct Ok;
struct Some;
struct Member;

struct Worker;

#[::canic::role("worker", http)]
impl Worker {
    fn init(_: u64) {}
    async fn start() {
        ::std::future::ready(()).await;
    }

    fn inspect_message() -> bool {
        true
    }
}

::canic::export_candid!();

fn main() {}
