//! The activity of a server: requests under way, the idle time, and the isolation of panics.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::http::{answer::Failure, instances::panic_message};

/// Requests under way, and when the last one ended.
pub(super) struct Activity {
    pending: AtomicUsize,
    last: Mutex<Instant>,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            pending: AtomicUsize::new(0),
            last: Mutex::new(Instant::now()),
        }
    }
}

impl Activity {
    /// Returns once no request has been under way for `ttl`.
    pub(super) async fn idle_for(&self, ttl: Duration) {
        loop {
            let idle = self
                .last
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .elapsed();
            let wait = match ttl.checked_sub(idle) {
                Some(left) if !left.is_zero() => left,
                _ if self.pending.load(Ordering::SeqCst) == 0 => return,
                _ => Duration::from_secs(1),
            };
            tokio::time::sleep(wait).await;
        }
    }
}

/// A request under way.
struct Pending(Arc<Activity>);

impl Pending {
    fn new(activity: Arc<Activity>) -> Self {
        activity.pending.fetch_add(1, Ordering::SeqCst);
        Self(activity)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let activity = &self.0;
        // The time is stored first: a reader that sees no pending request must see the end of the
        // last one.
        *activity.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        activity.pending.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Counts the request, and runs it as a task of its own. A panic answers 500. A client that
/// disconnects does not interrupt the work.
pub(super) async fn track(
    State(activity): State<Arc<Activity>>,
    request: Request,
    next: Next,
) -> Response {
    let pending = Pending::new(activity);
    let work = tokio::spawn(async move {
        let response = next.run(request).await;
        drop(pending);
        response
    });
    work.await.unwrap_or_else(|e| {
        let why = match e.try_into_panic() {
            Ok(panic) => panic_message(&*panic).to_owned(),
            Err(e) => e.to_string(),
        };
        Failure::internal(format!("the request failed: {why}")).into_response()
    })
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::get};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    async fn fails() -> Failure {
        panic!("on purpose")
    }

    #[tokio::test]
    async fn a_handler_that_panics_answers_500_and_the_server_goes_on() {
        let activity = Arc::new(Activity::default());
        let router: Router =
            Router::new()
                .route("/", get(fails))
                .layer(axum::middleware::from_fn_with_state(
                    Arc::clone(&activity),
                    track,
                ));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        for _ in 0..2 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream
                .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
                .await
                .unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
            assert!(
                answer.ends_with(r#"{"message":"the request failed: on purpose"}"#),
                "{answer}"
            );
        }
        assert_eq!(activity.pending.load(Ordering::SeqCst), 0);
    }
}
