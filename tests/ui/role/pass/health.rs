//! The hook `health`, asynchronous, public, and with an error of the author's.

/// The reason of a member that can't serve.
#[derive(Debug)]
pub enum Unfit {
    /// Its index is damaged.
    Damaged(u64),
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged(page) => write!(f, "page {page} is damaged"),
        }
    }
}

/// The member.
pub struct Worker;

#[canic::role("worker")]
impl Worker {
    /// Whether this code is fit to serve.
    ///
    /// # Errors
    ///
    /// If the index is damaged.
    pub async fn health() -> Result<(), Unfit> {
        std::future::ready(Err(Unfit::Damaged(7))).await
    }
}

canic::export_candid!();

fn main() {}
