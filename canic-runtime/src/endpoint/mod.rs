//! Endpoints: access check, decoding, the author's function, the reply, and counters of the calls.

pub(crate) mod access;
pub(crate) mod inspection;
pub(crate) mod reply;

use std::{
    cell::Cell,
    future::Future,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use candid::Principal;

use crate::{
    codec::{
        decode::{CandidArguments, decode_args},
        quota::Quota,
    },
    endpoint::{
        access::{Allow, Guard, Verdict},
        reply::Reply,
    },
    member::{identity, lookup, subscription},
    membership::{self, Cached},
    platform::{awaits::OpenFunction, ic, message},
};

/// An endpoint of the author's.
#[derive(Debug)]
pub struct Endpoint {
    /// The name under which it is exported.
    pub(crate) name: &'static str,
    /// Callers that it lets in: one matching entry suffices. Empty means everybody.
    allow: &'static [Allow],
    /// Conditions that must hold as well.
    guards: &'static [Guard],
    /// How a member looks a caller up, if the list may depend on that. A function pointer, so that
    /// a member without such a list does not link the lookup.
    lookup: Option<CallerLookup>,
    calls: Calls,
    /// The endpoint that was listed before this one, once this one is.
    listed_before: OnceLock<Option<&'static Endpoint>>,
}

impl Endpoint {
    /// An endpoint without calls.
    #[must_use]
    pub const fn new(
        name: &'static str,
        allow: &'static [Allow],
        guards: &'static [Guard],
    ) -> Self {
        Self {
            name,
            allow,
            guards,
            lookup: if access::may_ask(allow) {
                Some(CallerLookup {
                    subscribe: subscription::subscribe,
                    serve: look_up_and_serve,
                })
            } else {
                None
            },
            calls: Calls(OnceLock::new()),
            listed_before: OnceLock::new(),
        }
    }
}

/// The argument of an endpoint.
#[derive(Debug)]
pub struct Argument(Option<Vec<u8>>);

impl Argument {
    /// Read on demand, which must be before the first await: in a callback the platform answers
    /// with the reply's bytes instead.
    const UNREAD: Self = Self(None);

    fn read() -> Self {
        Self(Some(message::argument()))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        self.0.unwrap_or_else(message::argument)
    }
}

/// Decodes the Candid arguments of an endpoint.
///
/// # Errors
///
/// If the bytes are not these arguments, or cost too much to decode; the text says why.
pub fn candid_args<A: CandidArguments>(argument: Argument) -> Result<A, String> {
    decode_args(&argument.bytes(), Quota::of_endpoint(None))
}

/// The same, with the limit of the endpoint's option `decoding_quota`, in Candid's units of cost.
///
/// # Errors
///
/// As [`candid_args`].
pub fn candid_args_within<A: CandidArguments>(units: u32, argument: Argument) -> Result<A, String> {
    decode_args(&argument.bytes(), Quota::of_endpoint(Some(units as usize)))
}

// Serving

/// Serves an update whose function does not await.
pub fn update<A: 'static>(
    endpoint: &'static Endpoint,
    decode: impl FnOnce(Argument) -> Result<A, String> + 'static,
    run: impl FnOnce(A) -> Reply + 'static,
) {
    serve_update(
        endpoint,
        Box::new(|endpoint, argument| answer(endpoint, || Ok(run(decode(argument)?)))),
    );
}

/// Serves an update whose function may await.
pub fn update_async<A: 'static, F>(
    endpoint: &'static Endpoint,
    decode: impl FnOnce(Argument) -> Result<A, String> + 'static,
    run: impl FnOnce(A) -> F + 'static,
) where
    F: Future<Output = Reply> + 'static,
{
    serve_update(
        endpoint,
        Box::new(|endpoint, argument| {
            message::spawn(answer_async(endpoint, argument, decode, run));
        }),
    );
}

/// Serves a query whose function does not await.
pub fn query<A>(
    endpoint: &'static Endpoint,
    decode: impl FnOnce(Argument) -> Result<A, String> + 'static,
    run: impl FnOnce(A) -> Reply + 'static,
) {
    serve_query(
        endpoint,
        Box::new(|endpoint, argument| answer(endpoint, || Ok(run(decode(argument)?)))),
    );
}

/// Serves a composite query, whose function may await.
pub fn query_async<A: 'static, F>(
    endpoint: &'static Endpoint,
    decode: impl FnOnce(Argument) -> Result<A, String> + 'static,
    run: impl FnOnce(A) -> F + 'static,
) where
    F: Future<Output = Reply> + 'static,
{
    serve_query(
        endpoint,
        Box::new(|endpoint, argument| {
            message::spawn(answer_async(endpoint, argument, decode, run));
        }),
    );
}

/// Serves a caller that is let in. The box costs no memory, as generated code captures nothing. It
/// lets the code around it exist once, not once for each endpoint.
type Serve = Box<dyn FnOnce(&'static Endpoint, Argument)>;

fn serve_update(endpoint: &'static Endpoint, serve: Serve) {
    if identity::is_on_probation() {
        return message::in_update(|| deny(endpoint, ON_PROBATION));
    }
    message::in_update(|| match decide_update(endpoint) {
        Decision::Welcome => serve(endpoint, Argument::UNREAD),
        Decision::Denied(reason) => deny(endpoint, &reason),
        Decision::LookUp(look_up, caller) => look_up(endpoint, caller, serve),
    });
}

fn serve_query(endpoint: &'static Endpoint, serve: Serve) {
    message::in_query(|| match decide(endpoint, membership::cached_for_query) {
        Decision::Welcome => serve(endpoint, Argument::UNREAD),
        Decision::Denied(reason) => deny(endpoint, &reason),
        Decision::LookUp(..) => deny(endpoint, NOT_IN_QUERIES),
    });
}

const ON_PROBATION: &str = "this member was upgraded a moment ago, and serves updates again once \
                            its root has accepted the new code: call again in ten seconds";

const NOT_IN_QUERIES: &str = "this member does not know its caller, and a query can't ask root: \
                              call an update first";

// Access

/// The decision about a caller.
enum Decision {
    Welcome,
    Denied(String),
    LookUp(LookUpAndServe, Principal),
}

/// How a member looks its callers up.
#[derive(Clone, Copy, Debug)]
struct CallerLookup {
    subscribe: fn(),
    serve: LookUpAndServe,
}

/// Asks root about a caller, then serves or denies it.
type LookUpAndServe = fn(&'static Endpoint, Principal, Serve);

/// An update subscribes first if its list may depend on what root knows.
fn decide_update(endpoint: &'static Endpoint) -> Decision {
    if let Some(lookup) = endpoint.lookup {
        (lookup.subscribe)();
    }
    decide(endpoint, membership::cached)
}

/// Decides about the present caller. `cached` reads its cache entry.
fn decide(endpoint: &'static Endpoint, cached: fn(Principal) -> Cached) -> Decision {
    for guard in endpoint.guards {
        if let Err(reason) = guard() {
            return Decision::Denied(reason);
        }
    }
    if let [] | [Allow::Anyone] = endpoint.allow {
        return Decision::Welcome;
    }
    let caller = message::caller();
    let verdict = access::check(endpoint.allow, caller, cached);
    match (verdict, endpoint.lookup) {
        (Verdict::Welcome, _) => Decision::Welcome,
        (Verdict::AskRoot, Some(lookup)) => Decision::LookUp(lookup.serve, caller),
        (Verdict::AskRoot | Verdict::Denied, _) => Decision::Denied(denial(endpoint, caller)),
    }
}

fn denial(endpoint: &Endpoint, caller: Principal) -> String {
    let allowed = access::words(endpoint.allow);
    format!("{caller} may not call this: allowed are {allowed}")
}

fn look_up_and_serve(endpoint: &'static Endpoint, caller: Principal, serve: Serve) {
    let argument = Argument::read();
    message::spawn(async move {
        let cached = Cached::Fresh(lookup::caller(caller).await);
        match access::check(endpoint.allow, caller, |_| cached) {
            Verdict::Welcome => serve(endpoint, argument),
            Verdict::Denied | Verdict::AskRoot => deny(endpoint, &denial(endpoint, caller)),
        }
    });
}

// Answers

fn answer(endpoint: &'static Endpoint, run: impl FnOnce() -> Result<Reply, String>) {
    let call = OpenCall(endpoint);
    call.end(run());
}

async fn answer_async<A, F: Future<Output = Reply>>(
    endpoint: &'static Endpoint,
    argument: Argument,
    decode: impl FnOnce(Argument) -> Result<A, String>,
    run: impl FnOnce(A) -> F,
) {
    let call = OpenCall(endpoint);
    let _open = OpenFunction::begin(endpoint.name);
    let reply = match decode(argument) {
        Ok(arguments) => Ok(run(arguments).await),
        Err(reason) => Err(reason),
    };
    call.end(reply);
}

fn deny(endpoint: &'static Endpoint, reason: &str) {
    count_call(endpoint, CallOutcome::Denied);
    message::reject(reason);
}

/// A call under way. If the cleanup after a trap drops it, it counts as a trap.
struct OpenCall(&'static Endpoint);

impl OpenCall {
    /// Counts the call and sends its reply. An `Err` says why the argument can't be read.
    fn end(self, reply: Result<Reply, String>) {
        let outcome = match &reply {
            Ok(reply) if !reply.failed => CallOutcome::Ok,
            Ok(_) | Err(_) => CallOutcome::Error,
        };
        count_call(self.0, outcome);
        match reply {
            Ok(reply) => {
                if let Some(bytes) = reply.bytes {
                    message::reply_bytes(bytes);
                }
            }
            Err(reason) => message::reject(reason),
        }
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if message::is_recovering_from_trap() {
            count_call(self.0, CallOutcome::Trap);
        }
    }
}

// Counters

thread_local! {
    /// The head of the list of endpoints that have been called.
    static LAST_CALLED: Cell<Option<&'static Endpoint>> = const { Cell::new(None) };
}

/// The outcome of a call.
#[derive(Clone, Copy)]
pub(crate) enum CallOutcome {
    Ok,
    /// The endpoint returned an `Err`, or its argument could not be read.
    Error,
    Denied,
    Trap,
}

/// The counters of an endpoint, which exist from its first call on.
///
/// They hang from the endpoint's own static, so that a call needs no lookup. They lie on the heap,
/// in pages that calls write to anyway: the platform charges a message for each page that it is the
/// first to write to.
#[derive(Debug)]
struct Calls(OnceLock<Box<Counters>>);

/// Calls that have ended, and their instructions.
///
/// A static must hold a type that threads could share. A canister has no threads: there, these
/// atomics are plain numbers.
#[derive(Debug)]
pub(crate) struct Counters {
    /// The next endpoint of the list: its first call came before this one's.
    next: Option<&'static Endpoint>,
    /// Calls by [`CallOutcome`].
    pub(crate) ended: [AtomicU64; 4],
    pub(crate) instructions: AtomicU64,
}

/// Counts a call that ends. Its first one puts the endpoint at the head of the list.
fn count_call(endpoint: &'static Endpoint, outcome: CallOutcome) {
    let counters = endpoint.calls.0.get_or_init(|| {
        Box::new(Counters {
            next: LAST_CALLED.replace(Some(endpoint)),
            ended: [const { AtomicU64::new(0) }; 4],
            instructions: AtomicU64::new(0),
        })
    });
    counters.ended[outcome as usize].fetch_add(1, Relaxed);
    counters.instructions.fetch_add(ic::instructions(), Relaxed);
}

/// The endpoints that have been called, in the order of their first calls.
pub(crate) fn called_endpoints() -> Vec<(&'static Endpoint, &'static Counters)> {
    let mut endpoints: Vec<_> = last_called_first().collect();
    endpoints.reverse();
    endpoints
}

fn last_called_first() -> impl Iterator<Item = (&'static Endpoint, &'static Counters)> {
    let counted = |endpoint: &'static Endpoint| Some((endpoint, &**endpoint.calls.0.get()?));
    let last = LAST_CALLED.get().and_then(counted);
    std::iter::successors(last, move |(_, counters)| counters.next.and_then(counted))
}
