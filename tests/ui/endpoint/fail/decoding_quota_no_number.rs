#[canic::update(decoding_quota = "1M")]
fn text(job: String) {}

#[canic::update(decoding_quota)]
fn word(job: String) {}

#[canic::update(decoding_quota = 5_000_000_000)]
fn large(job: String) {}

#[canic::update(decoding_quota = 10u32)]
fn typed(job: String) {}

fn main() {}

//# not: error[E
