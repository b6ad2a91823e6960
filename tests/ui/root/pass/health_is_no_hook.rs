//! A root has no hook `health`: a function of that name is the author's own.

/// The fleet.
pub struct Fleet;

#[canic::root]
impl Fleet {}

impl Fleet {
    /// Whether the fleet is well.
    #[must_use]
    pub fn health() -> bool {
        true
    }
}

canic::export_candid!();

fn main() {}
