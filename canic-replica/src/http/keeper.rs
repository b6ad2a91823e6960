//! Keeps the state of an instance in a folder.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::{
    sync::oneshot,
    task::{JoinHandle, spawn_blocking},
};

use crate::{
    http::{answer::Failure, instances::Instance},
    network::Config,
    replica::Replica,
    state_file::StateFolder,
};

/// How often the state is written while messages are executed.
const INTERVAL: Duration = Duration::from_secs(60);

/// The instance of a folder, if one is given: the one whose state is there, or a fresh one.
///
/// # Errors
/// The folder holds no state that can be read, or the configuration is invalid.
pub(super) fn open(
    folder: Option<&Path>,
    config: Config,
) -> Result<(Replica, Option<StateFolder>), String> {
    let Some(folder) = folder else {
        return Ok((Replica::new(config)?, None));
    };
    let state = StateFolder::open(folder)?;
    let replica = match state.read()? {
        Some(bytes) => Replica::from_bytes(&bytes)
            .map_err(|why| format!("the state folder {}: {why}", folder.display()))?,
        None => Replica::new(config)?,
    };
    Ok((replica, Some(state)))
}

/// Writes the state of an instance from time to time, and at last.
pub(super) struct Keeper {
    instance: Arc<Instance>,
    folder: Arc<StateFolder>,
    /// Dropped to end the task.
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Keeper {
    pub(super) fn start(instance: Arc<Instance>, folder: StateFolder) -> Self {
        let folder = Arc::new(folder);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(write_repeatedly(instance.clone(), folder.clone(), stopped));
        Self {
            instance,
            folder,
            stop,
            task,
        }
    }

    /// Writes the state for the last time.
    ///
    /// # Errors
    /// The state can't be written; an earlier one stays.
    pub(super) async fn finish(self) -> Result<(), String> {
        drop(self.stop);
        // A write that has begun must not replace a newer state.
        self.task.await.map_err(|e| e.to_string())?;
        write(&self.instance, &self.folder).await
    }
}

async fn write_repeatedly(
    instance: Arc<Instance>,
    folder: Arc<StateFolder>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut written = 0;
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let executed = instance.run(|replica| Ok(replica.executed())).await;
        match executed {
            Ok(executed) if executed == written => {}
            Ok(executed) => match write(&instance, &folder).await {
                Ok(()) => written = executed,
                Err(why) => eprintln!("{why}"),
            },
            // The instance answers its failure to every request.
            Err(_) => return,
        }
    }
}

async fn write(instance: &Instance, folder: &Arc<StateFolder>) -> Result<(), String> {
    let message = |failure: Failure| failure.message;
    let fork = instance.run(|replica| Ok(replica.clone())).await;
    let (fork, folder) = (fork.map_err(message)?, folder.clone());
    let written = spawn_blocking(move || folder.write(&fork.to_bytes()?));
    written.await.map_err(|e| e.to_string())?
}
