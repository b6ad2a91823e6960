//! The state that all requests to a server share.

use std::sync::Arc;

use axum::extract::FromRef;

use crate::http::{
    activity::Activity, blobstore::BlobStore, gateways::Gateways, instances::Instances,
};

/// The state of a server. A handler may ask for all of it, or for the blob store alone.
#[derive(Clone, Default)]
pub(super) struct Shared {
    pub(super) instances: Arc<Instances>,
    pub(super) gateways: Arc<Gateways>,
    pub(super) blobs: Arc<BlobStore>,
    pub(super) activity: Arc<Activity>,
}

impl FromRef<Shared> for Arc<BlobStore> {
    fn from_ref(server: &Shared) -> Self {
        Self::clone(&server.blobs)
    }
}
