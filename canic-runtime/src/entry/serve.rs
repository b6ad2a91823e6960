//! Serving of canic's own endpoints: decode the argument, run, reply; or reject.

use std::future::Future;

use candid::CandidType;

use crate::{codec::decode::read_args, platform::message, tables::read::ReadAll};

/// Serves an update.
pub(super) fn update<A: ReadAll, R: CandidType>(run: impl FnOnce(A) -> R) {
    message::in_update(|| reply(run));
}

/// Serves an update that awaits. `run` itself still runs in the first message.
pub(super) fn update_async<A, F, R>(run: impl FnOnce(A) -> F)
where
    A: ReadAll,
    F: Future<Output = R> + 'static,
    R: CandidType,
{
    message::in_update(|| {
        with_argument(|arguments| {
            let answer = run(arguments);
            message::spawn(async move { message::reply(&answer.await) });
        });
    });
}

/// Serves a query.
pub(super) fn query<A: ReadAll, R: CandidType>(run: impl FnOnce(A) -> R) {
    message::in_query(|| reply(run));
}

/// Serves a composite query, which awaits.
pub(super) fn query_async<A, F, R>(run: impl FnOnce(A) -> F)
where
    A: ReadAll,
    F: Future<Output = R> + 'static,
    R: CandidType,
{
    message::in_query(|| {
        with_argument(|arguments| {
            let answer = run(arguments);
            message::spawn(async move { message::reply(&answer.await) });
        });
    });
}

fn reply<A: ReadAll, R: CandidType>(run: impl FnOnce(A) -> R) {
    with_argument(|arguments| message::reply(&run(arguments)));
}

/// Decodes the argument of the present message, or rejects the message.
fn with_argument<A: ReadAll>(run: impl FnOnce(A)) {
    match read_args(&message::argument()) {
        Ok(arguments) => run(arguments),
        Err(reason) => message::reject(reason),
    }
}
