//! The instances of a server. Each instance has its own lock, so that instances run in parallel.
//! Requests to one instance run in the order of their arrival.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{Mutex as TurnMutex, oneshot},
    task::{JoinHandle, spawn_blocking},
};

use crate::{
    http::answer::{Answer, Failure},
    replica::Replica,
    state_file::StateFolder,
};

/// The default delay between two rounds of automatic progress.
const ROUND_INTERVAL: Duration = Duration::from_millis(20);

/// All instances, by number. A deleted instance leaves a gap, as numbers are never used again.
#[derive(Default)]
pub(super) struct Instances(Mutex<Vec<Option<Arc<Instance>>>>);

impl Instances {
    fn lock(&self) -> MutexGuard<'_, Vec<Option<Arc<Instance>>>> {
        // No code that can panic runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an instance whose state is not kept; answers its number.
    pub(super) fn add(&self, replica: Replica, validation: Validation) -> (usize, Arc<Instance>) {
        self.add_kept(replica, validation, None)
    }

    /// Adds an instance whose state is written to a folder when it is deleted; answers its number.
    pub(super) fn add_kept(
        &self,
        replica: Replica,
        validation: Validation,
        folder: Option<StateFolder>,
    ) -> (usize, Arc<Instance>) {
        let mut all = self.lock();
        let id = all.len();
        let instance = Arc::new(Instance {
            id,
            validation,
            state: Arc::new(TurnMutex::new(Ok(replica))),
            folder: Mutex::new(folder),
            progress: TurnMutex::new(None),
        });
        all.push(Some(instance.clone()));
        (id, instance)
    }

    /// The instance that a path names.
    pub(super) fn get(&self, id: &str) -> Answer<Arc<Instance>> {
        let id = parse(id)?;
        match self.lock().get(id) {
            Some(Some(instance)) => Ok(instance.clone()),
            Some(None) => Err(deleted(id)),
            None => Err(Failure::not_found(format!("there is no instance {id}"))),
        }
    }

    /// Deletes an instance after its current operation, and writes its state if it is kept.
    /// Operations that wait fail. Answers its number.
    pub(super) async fn delete(&self, id: &str) -> Answer<usize> {
        let instance = self.get(id)?;
        self.lock()[instance.id] = None;
        instance.stop_progress().await;
        let mut state = instance.state.clone().lock_owned().await;
        let gone = deleted(instance.id);
        let folder = instance.folder.lock();
        let folder = folder.unwrap_or_else(PoisonError::into_inner).take();
        // Writing or unmapping the memory of many canisters takes a while.
        let down = spawn_blocking(move || {
            let written = match (&*state, folder) {
                (Ok(replica), Some(folder)) => {
                    replica.to_bytes().and_then(|state| folder.write(&state))
                }
                _ => Ok(()),
            };
            *state = Err(gone);
            written
        });
        down.await
            .map_err(|e| Failure::internal(format!("the instance could not be taken down: {e}")))?
            .map_err(Failure::internal)?;
        Ok(instance.id)
    }

    /// The status of every instance ever created.
    pub(super) fn statuses(&self) -> Vec<String> {
        let status = |instance: &Option<Arc<Instance>>| match instance {
            None => "Deleted",
            Some(instance) if instance.state.try_lock().is_ok() => "Available",
            Some(_) => "Busy",
        };
        self.lock()
            .iter()
            .map(|instance| status(instance).to_owned())
            .collect()
    }
}

fn parse(id: &str) -> Answer<usize> {
    id.parse()
        .map_err(|_| Failure::bad_request(format!("`{id}` is not the number of an instance")))
}

fn deleted(id: usize) -> Failure {
    Failure::not_found(format!("instance {id} has been deleted"))
}

/// Whether the signatures, the expiry and the nonces of agents' requests are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validation {
    Enabled,
    Disabled,
}

/// One instance.
pub(super) struct Instance {
    id: usize,
    pub(super) validation: Validation,
    /// The replica, or the reason why it cannot be used any more.
    state: Arc<TurnMutex<Answer<Replica>>>,
    /// Where its state is kept, until it is deleted.
    folder: Mutex<Option<StateFolder>>,
    progress: TurnMutex<Option<Progress>>,
}

/// The task of automatic progress, which ends when `stop` is dropped.
struct Progress {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Instance {
    /// Runs `operation` in its turn, on a thread that may block. After a panic the instance may be
    /// half changed: from then on it answers that error only. Other instances go on.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Replica) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let id = self.id;
        let mut state = self.state.clone().lock_owned().await;
        let done = spawn_blocking(move || {
            let replica = state.as_mut().map_err(|failure| failure.clone())?;
            catch_unwind(AssertUnwindSafe(|| operation(replica))).unwrap_or_else(|panic| {
                let failure = Failure::internal(format!(
                    "instance {id} failed and can't be used any more: {}",
                    panic_message(&*panic)
                ));
                *state = Err(failure.clone());
                Err(failure)
            })
        });
        done.await
            .unwrap_or_else(|e| Err(Failure::internal(format!("instance {id} failed: {e}"))))
    }

    /// Starts automatic progress, which executes rounds at the time of the wall clock. Returns
    /// after the first round.
    pub(super) async fn start_progress(self: &Arc<Self>, delay: Option<Duration>) -> Answer<()> {
        let mut progress = self.progress.lock().await;
        if progress.as_ref().is_some_and(Progress::is_running) {
            return Err(Failure::bad_request(format!(
                "instance {} already makes progress by itself",
                self.id
            )));
        }
        self.run(follow_clock).await?;
        let (stop, mut stopped) = oneshot::channel();
        let instance = self.clone();
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = &mut stopped => break,
                    () = tokio::time::sleep(delay.unwrap_or(ROUND_INTERVAL)) => {}
                }
                // The instance keeps the failure, and answers the next request with it.
                if instance.run(follow_clock).await.is_err() {
                    break;
                }
            }
        });
        *progress = Some(Progress { stop, task });
        Ok(())
    }

    /// Whether the instance makes automatic progress.
    pub(super) async fn is_progressing(&self) -> bool {
        self.progress
            .lock()
            .await
            .as_ref()
            .is_some_and(Progress::is_running)
    }

    /// Stops automatic progress. No round follows after the return.
    pub(super) async fn stop_progress(&self) {
        if let Some(Progress { stop, task }) = self.progress.lock().await.take() {
            drop(stop);
            if let Err(e) = task.await {
                eprintln!("automatic progress of instance {} ended with {e}", self.id);
            }
        }
    }
}

impl Progress {
    fn is_running(&self) -> bool {
        !self.task.is_finished()
    }
}

/// One round at the time of the wall clock, or at the instance's own time if that is ahead.
pub(super) fn follow_clock(replica: &mut Replica) -> Answer<()> {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    // Nanoseconds since 1970 fit 64 bits until the year 2554.
    let now = now.as_nanos() as u64;
    if now > replica.time() {
        replica.set_time(now).map_err(Failure::internal)?;
    }
    replica.tick();
    Ok(())
}

/// The message of a panic.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Config;

    fn replica() -> Replica {
        Replica::new(Config::default()).unwrap()
    }

    #[tokio::test]
    async fn a_panic_costs_one_instance_and_no_other() {
        let instances = Instances::default();
        let (_, broken) = instances.add(replica(), Validation::Enabled);
        let (_, sound) = instances.add(replica(), Validation::Enabled);
        let first = broken
            .run::<()>(|_| panic!("on purpose"))
            .await
            .unwrap_err();
        assert_eq!(first.status, 500);
        assert!(
            first.message.contains("instance 0") && first.message.contains("on purpose"),
            "{}",
            first.message
        );
        let later = broken.run(|replica| Ok(replica.time())).await.unwrap_err();
        assert_eq!(later.message, first.message);
        assert!(sound.run(|replica| Ok(replica.time())).await.is_ok());
        // It can still be deleted.
        assert_eq!(instances.delete("0").await.unwrap(), 0);
        assert_eq!(instances.statuses(), ["Deleted", "Available"]);
    }

    #[tokio::test]
    async fn no_round_runs_after_progress_is_stopped() {
        let instances = Instances::default();
        let (_, instance) = instances.add(replica(), Validation::Enabled);
        let holders = Arc::strong_count(&instance);
        instance.start_progress(Some(Duration::ZERO)).await.unwrap();
        assert!(instance.is_progressing().await);
        assert!(instance.start_progress(None).await.is_err());
        instance.stop_progress().await;
        assert!(!instance.is_progressing().await);
        // The task is gone, not just forgotten.
        assert_eq!(Arc::strong_count(&instance), holders);
        // It can start again.
        instance.start_progress(None).await.unwrap();
        instances.delete("0").await.unwrap();
        assert_eq!(Arc::strong_count(&instance), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn an_instance_works_while_another_is_busy() {
        let instances = Instances::default();
        let (_, busy) = instances.add(replica(), Validation::Enabled);
        let (_, other) = instances.add(replica(), Validation::Enabled);
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let (began, begun) = oneshot::channel();
        let long = {
            let busy = busy.clone();
            tokio::spawn(async move {
                busy.run(move |_| {
                    began.send(()).unwrap();
                    wait.recv().map_err(|e| Failure::internal(e.to_string()))
                })
                .await
            })
        };
        begun.await.unwrap();
        assert_eq!(instances.statuses(), ["Busy", "Available"]);
        assert!(other.run(|replica| Ok(replica.time())).await.is_ok());
        go.send(()).unwrap();
        long.await.unwrap().unwrap();
        assert_eq!(instances.statuses(), ["Available", "Available"]);
    }
}
