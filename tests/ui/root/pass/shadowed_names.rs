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
struct Root;

#[::canic::root(pool(max = 1), role(name = "worker", max = 3))]
struct Fleet;

::canic::export_candid!();

fn main() {}
