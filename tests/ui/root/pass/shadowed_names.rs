//! Items of the author's that are named like those of the standard library and of canic.

#![allow(dead_code, non_camel_case_types)]

struct Result;
struct Option;
struct Vec;
struct String;
struct Ok;
struct Some;
struct Root;
mod core {}
mod std {}
mod canic {}
mod config {}
mod entry {}

#[::canic::root(pool(max = 1), role(name = "worker", max = 3))]
struct Fleet;

fn main() {}
