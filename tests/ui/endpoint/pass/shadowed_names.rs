//! An author's items with names from the standard library and canic.

#![allow(dead_code, non_camel_case_types)]

struct Result;
struct Option;
struct Vec;
struct String;
struct Ok;
struct Some;
struct Endpoint;
struct Allow;
mod core {}
mod std {}
mod canic {}
mod entry {}

fn endpoint() {}

fn reply() {}

#[::canic::update(allow(controller))]
fn candid() -> u64 {
    endpoint();
    reply();
    7
}

::canic::export_candid!();

fn main() {}
