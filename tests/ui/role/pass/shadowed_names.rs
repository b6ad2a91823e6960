//! Items of the author's that are named like those of the standard library and of canic.

#![allow(dead_code, non_camel_case_types)]

struct Result;
struct Option;
struct Vec;
struct String;
struct Ok;
struct Member;
mod core {}
mod std {}
mod canic {}
mod entry {}

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

fn main() {}
