//! Uploads: root's chunk store is a copy of the pieces in stable memory; what it lacks is put there before an install.

use crate::{
    books,
    journal::Hash,
    platform::{Failure, ic},
};

/// Makes sure that the chunk store holds these pieces, all of them at once. Nothing is awaited after the last look.
pub(crate) async fn ensure(pieces: &[Hash]) -> Result<(), Failure> {
    loop {
        let (missing, overflows) = books::with(|books| {
            let missing = pieces
                .iter()
                .find_map(|hash| Some((*hash, books.modules.not_uploaded(*hash)?)));
            (missing, books.modules.store_overflows(pieces))
        });
        let Some((hash, piece)) = missing else {
            return Ok(());
        };
        if overflows {
            // Pieces of modules that are no longer used go with all the others. What the store holds is not known
            // while this call is under way.
            let forget = || books::with(|books| books.modules.forget_uploads());
            forget();
            ic::clear_chunk_store().await?;
            forget();
        }
        ic::upload_chunk(&piece).await?;
        books::with(|books| books.modules.set_uploaded(hash));
    }
}
