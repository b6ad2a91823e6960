//! The blob store: large binary data is uploaded once, and requests name it by its SHA-256.

use std::{
    collections::HashMap,
    io::Read,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::http::answer::{Answer, Body, Failure, Path};

/// The largest decompressed blob, in bytes.
const MAX_UNPACKED: u64 = 8 << 30;

/// All blobs of a server; they live as long as it does.
#[derive(Default)]
pub(super) struct BlobStore(Mutex<HashMap<Vec<u8>, Blob>>);

/// One blob, as it was uploaded.
#[derive(Clone)]
pub(super) struct Blob {
    data: Bytes,
    gzip: bool,
}

impl BlobStore {
    fn put(&self, blob: Blob) -> Vec<u8> {
        let id = Sha256::digest(&blob.data).to_vec();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.clone(), blob);
        id
    }

    /// The blob with this SHA-256.
    pub(super) fn get(&self, id: &[u8]) -> Answer<Blob> {
        let blobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        blobs
            .get(id)
            .cloned()
            .ok_or_else(|| Failure::not_found(format!("there is no blob {}", hex::encode(id))))
    }
}

impl Blob {
    /// The data, unpacked.
    pub(super) fn unpack(&self) -> Answer<Vec<u8>> {
        if !self.gzip {
            return Ok(self.data.to_vec());
        }
        let mut data = Vec::new();
        MultiGzDecoder::new(&*self.data)
            .take(MAX_UNPACKED + 1)
            .read_to_end(&mut data)
            .map_err(|e| Failure::bad_request(format!("the blob is not valid gzip: {e}")))?;
        if data.len() as u64 > MAX_UNPACKED {
            return Err(Failure::bad_request(format!(
                "the blob unfolds to more than {MAX_UNPACKED} bytes"
            )));
        }
        Ok(data)
    }
}

/// `POST /blobstore`: stores the body, and answers its id in hexadecimal.
pub(super) async fn upload(
    State(blobs): State<Arc<BlobStore>>,
    headers: HeaderMap,
    Body(data): Body,
) -> Answer<String> {
    let gzip = match headers.get(header::CONTENT_ENCODING) {
        None => false,
        Some(encoding) if encoding == "gzip" => true,
        Some(encoding) => {
            return Err(Failure::bad_request(format!(
                "the content encoding {encoding:?} is neither absent nor gzip"
            )));
        }
    };
    Ok(hex::encode(blobs.put(Blob { data, gzip })))
}

/// `GET /blobstore/{id}`.
pub(super) async fn download(
    State(blobs): State<Arc<BlobStore>>,
    Path(id): Path<String>,
) -> Answer<Response> {
    let id = hex::decode(&id)
        .map_err(|e| Failure::bad_request(format!("`{id}` is not the id of a blob: {e}")))?;
    let Blob { data, gzip } = blobs.get(&id)?;
    Ok(if gzip {
        ([(header::CONTENT_ENCODING, "gzip")], data).into_response()
    } else {
        data.into_response()
    })
}
