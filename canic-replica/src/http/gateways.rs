//! The HTTP gateways of a server: which ones there are, and which ones are open.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, task::JoinHandle};

use crate::http::protocol::{HttpGatewayBackend, HttpGatewayDetails};

/// All gateways of a server, by their number.
#[derive(Default)]
pub(super) struct Gateways(Mutex<Vec<Gateway>>);

/// One gateway, with its task unless it is closed.
pub(super) struct Gateway {
    pub(super) details: HttpGatewayDetails,
    pub(super) open: Option<Open>,
}

/// A gateway's task, which accepts requests until `stop` is dropped.
pub(super) struct Open {
    pub(super) stop: oneshot::Sender<()>,
    pub(super) task: JoinHandle<()>,
}

impl Open {
    /// Accepts no more requests, and gives pending requests a second to end.
    pub(super) async fn close(self) {
        let Self { stop, mut task } = self;
        drop(stop);
        if tokio::time::timeout(Duration::from_secs(1), &mut task)
            .await
            .is_err()
        {
            task.abort();
        }
    }
}

impl Gateways {
    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<Gateway>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the gateways of an instance.
    pub(super) async fn close_for(&self, instance: usize) {
        let backend = HttpGatewayBackend::PocketIcInstance(instance);
        let open: Vec<Open> = self
            .lock()
            .iter_mut()
            .filter(|gateway| gateway.details.forward_to == backend)
            .filter_map(|gateway| gateway.open.take())
            .collect();
        for gateway in open {
            gateway.close().await;
        }
    }
}
