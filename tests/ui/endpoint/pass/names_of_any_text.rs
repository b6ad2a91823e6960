//! Exported names that no linker of the host takes, and that differ by such a character alone.

#[canic::query(name = "jobs-of")]
fn dash() {}

#[canic::query]
fn jobs_of() {}

#[canic::query(name = "jobs of")]
fn space() {}

#[canic::query(name = "jobs.of")]
fn dot() {}

#[canic::query(name = "größe <8>")]
fn other() {}

#[canic::query]
fn größe() {}

canic::export_candid!();

fn main() {}
