//! Every item of `allow`, and guards.

#[canic::update(allow(anyone))]
fn open() {}

#[canic::update(allow(
    controller,
    root,
    parent,
    child,
    member,
    role = "hub",
    role = "user-list",
    guard = checks::is_friend
))]
fn many() {}

#[canic::query(guard = checks::is_open, guard = checks::is_friend, allow(controller))]
fn guarded() {}

mod checks {
    pub(crate) fn is_open() -> Result<(), String> {
        Err("closed".to_owned())
    }

    pub(crate) fn is_friend() -> Result<(), String> {
        Err("no friend".to_owned())
    }
}

canic::export_candid!();

fn main() {}
