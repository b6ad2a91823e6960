#[canic::update(name = "to-do")]
fn one() {}

#[canic::update(name = "to-do")]
fn two() {}

fn main() {}

//# not: E0277
//# not: E0308
//# not: E0412
