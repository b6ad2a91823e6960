//! The upload of a module to root: chunks that root has are not sent again, the others go several
//! at once, and an upload that was cut off goes on where it was.

use std::sync::Arc;

use canic::api::{ApproveRequest, ModuleError, ModuleInfo, StageRequest, StagedChunk};
use indicatif::ProgressBar;
use serde_bytes::ByteBuf;
use tokio::task::JoinSet;

use crate::{
    failure::{Failure, Kind},
    fleet::Fleet,
    module::{Chunk, Module},
};

/// What an upload did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Upload {
    /// Chunks that were sent.
    pub(crate) sent: usize,
    /// Chunks that root had already.
    pub(crate) there: usize,
}

/// Stages chunks, `at_once` of them at a time. `bar` counts their bytes.
///
/// # Errors
/// Root refuses a chunk, or does not answer. What is staged stays.
pub(crate) async fn stage(
    fleet: &Arc<Fleet>,
    role: &str,
    chunks: &[Chunk],
    at_once: usize,
    bar: &ProgressBar,
) -> Result<Upload, Failure> {
    let mut upload = Upload::default();
    let mut waiting = chunks.iter();
    let mut running = JoinSet::new();
    let mut failed = None;
    loop {
        while running.len() < at_once.max(1) && failed.is_none() {
            let Some(chunk) = waiting.next() else { break };
            let (fleet, role, chunk) = (fleet.clone(), role.to_string(), chunk.clone());
            running.spawn(async move {
                let bytes = chunk.bytes.len() as u64;
                let sent = stage_one(&fleet, &role, chunk).await;
                sent.map(|sent| (sent, bytes))
            });
        }
        let Some(ended) = running.join_next().await else {
            break;
        };
        match ended {
            Ok(Ok((sent, bytes))) => {
                bar.inc(bytes);
                match sent {
                    true => upload.sent += 1,
                    false => upload.there += 1,
                }
            }
            Ok(Err(failure)) => failed = Some(failure),
            Err(e) => failed = Some(Failure::refused(e.to_string())),
        }
    }
    match failed {
        None => Ok(upload),
        // What root refuses for another reason, it refuses again.
        Some(failure) if failure.kind != Kind::Unreachable && failure.advice.is_some() => {
            Err(failure)
        }
        Some(failure) => Err(Failure {
            advice: Some(format!(
                "{}{} of {} chunks are staged: the same command goes on from there.",
                failure.advice.map_or(String::new(), |advice| advice + "\n"),
                upload.sent + upload.there,
                chunks.len()
            )),
            ..failure
        }),
    }
}

/// Stages a chunk unless root has it. Answers whether it was sent.
async fn stage_one(fleet: &Fleet, role: &str, chunk: Chunk) -> Result<bool, Failure> {
    if has(fleet, role, &chunk).await? {
        return Ok(false);
    }
    let method = "canic_module_stage";
    let request = StageRequest { chunk: chunk.bytes };
    let answer: Result<StagedChunk, ModuleError> = fleet.update(method, (request,)).await?;
    let staged = answer.map_err(|error| refused(fleet, method, &error))?;
    if staged.hash == chunk.hash {
        Ok(true)
    } else {
        Err(Failure::refused("root staged other bytes than were sent"))
    }
}

/// Whether root has a chunk. An approval that names this chunk for a module of another hash changes
/// nothing, and root answers what is wrong first: the missing chunk, or the hash.
async fn has(fleet: &Fleet, role: &str, chunk: &Chunk) -> Result<bool, Failure> {
    let request = ApproveRequest {
        role: role.to_string(),
        hash: vec![0; 32],
        chunks: vec![ByteBuf::from(chunk.hash.clone())],
        manual: Some(true),
    };
    let method = "canic_module_approve";
    let answer: Result<ModuleInfo, ModuleError> = fleet.update(method, (request,)).await?;
    match answer {
        Err(ModuleError::HashMismatch { .. } | ModuleError::NotWasm) => Ok(true),
        Err(ModuleError::MissingChunk { .. }) => Ok(false),
        Err(error) => Err(refused(fleet, method, &error)),
        // No module has the SHA-256 of zeros.
        Ok(_) => Ok(true),
    }
}

/// Approves a module whose chunks are staged.
///
/// # Errors
/// Root refuses, or does not answer.
pub(crate) async fn approve(
    fleet: &Fleet,
    role: &str,
    module: &Module,
    chunks: &[Chunk],
    manual: bool,
) -> Result<ModuleInfo, Failure> {
    let hashes = chunks.iter().map(|chunk| ByteBuf::from(chunk.hash.clone()));
    let request = ApproveRequest {
        role: role.to_string(),
        hash: module.hash.clone(),
        chunks: hashes.collect(),
        manual: Some(manual),
    };
    let method = "canic_module_approve";
    let answer: Result<ModuleInfo, ModuleError> = fleet.update(method, (request,)).await?;
    answer.map_err(|error| refused(fleet, method, &error))
}

fn refused(fleet: &Fleet, method: &str, error: &ModuleError) -> Failure {
    match error {
        ModuleError::Denied(denied) => fleet.denied(method, &denied.allowed),
        ModuleError::UnknownRole { role, known } => {
            Failure::refused(format!("the fleet has no role `{role}`"))
                .with_advice(format!("Its roles are: {}.", known.join(", ")))
        }
        error => Failure::refused(error.to_string()),
    }
}
