#[canic::update(decoding_quota = "1M")]
fn text(_: String) {}

#[canic::update(decoding_quota)]
fn word(_: String) {}

#[canic::update(decoding_quota = 5_000_000_000)]
fn large(_: String) {}

#[canic::update(decoding_quota = 10u32)]
fn typed(_: String) {}

fn main() {}

//# not: error[E
