#[canic::update]
fn work<'a>(_job: std::borrow::Cow<'a, str>) {}

fn main() {}

//# not: error[E
