//! Uploads: root's chunk store is a copy of the pieces in stable memory; what it lacks is put there before an install.

use crate::{
    operation::{Hash, call::Failure},
    platform::management,
    state,
};

/// Makes sure that the chunk store holds these pieces, all of them at once. Nothing is awaited after the last look.
pub(crate) async fn ensure(pieces: &[Hash]) -> Result<(), Failure> {
    loop {
        let (missing, overflows) = state::with(|state| {
            let missing = pieces
                .iter()
                .find_map(|hash| Some((*hash, state.modules.not_uploaded(*hash)?)));
            (missing, state.modules.store_overflows(pieces))
        });
        let Some((hash, piece)) = missing else {
            return Ok(());
        };
        if overflows {
            // Pieces of modules that are no longer used go with all the others. What the store holds is not known
            // while this call is under way.
            let forget = || state::with(|state| state.modules.forget_uploads());
            forget();
            management::clear_chunk_store().await?;
            forget();
        }
        management::upload_chunk(&piece).await?;
        state::with(|state| state.modules.set_uploaded(hash));
    }
}
