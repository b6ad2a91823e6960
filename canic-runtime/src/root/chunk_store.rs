//! Root's chunk store: a copy of module chunks, from which the platform installs members.
//!
//! Stable memory holds all chunks. Root uploads the missing ones before an install.

use crate::{
    operation::{Hash, call::Failure},
    platform::management,
    state,
};

/// Uploads those of the chunks that the store lacks. There is no await after the last check, so its
/// result still holds in the caller.
///
/// # Errors
///
/// If the platform rejects an upload.
pub(crate) async fn upload_missing(chunks: &[Hash]) -> Result<(), Failure> {
    loop {
        let (missing, overflows) = state::with(|state| {
            let missing = chunks
                .iter()
                .find_map(|hash| Some((*hash, state.modules.chunk_to_upload(*hash)?)));
            (missing, state.modules.store_overflows(chunks))
        });
        let Some((hash, chunk)) = missing else {
            return Ok(());
        };
        if overflows {
            // The platform can only clear the whole store. Its content is unknown during the call.
            let forget = || state::with(|state| state.modules.forget_uploads());
            forget();
            management::clear_chunk_store().await?;
            forget();
        }
        management::upload_chunk(&chunk).await?;
        state::with(|state| state.modules.set_uploaded(hash));
    }
}

/// Asks the platform for the store's chunks. Tools that install a large module into root upload it
/// into the same store, and clear the store afterwards.
pub(crate) async fn check() {
    if let Ok(stored) = management::stored_chunks().await {
        state::with(|state| state.modules.keep_uploads(&stored));
    }
}
