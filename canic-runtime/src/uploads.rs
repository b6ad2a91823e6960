//! Uploads: root's chunk store is a copy of the pieces in stable memory; what it lacks is put there before an install.

use crate::{
    books,
    journal::Hash,
    platform::{Failure, ic},
};

/// Makes sure that the chunk store holds these pieces, all of them at once.
pub(crate) async fn ensure(pieces: &[Hash]) -> Result<(), Failure> {
    if books::with(|books| books.modules.store_overflows(pieces)) {
        // Pieces of modules that are no longer used go with all the others.
        ic::clear_chunk_store().await?;
        books::with(|books| books.modules.forget_uploads());
    }
    for hash in pieces {
        let missing = books::with(|books| books.modules.not_uploaded(*hash));
        if let Some(piece) = missing {
            ic::upload_chunk(&piece).await?;
            books::with(|books| books.modules.set_uploaded(*hash));
        }
    }
    Ok(())
}
