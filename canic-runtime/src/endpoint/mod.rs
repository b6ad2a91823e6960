//! Endpoints: access, decoding, the author's function, encoding, and what is counted on the way.

pub(crate) mod access;

use crate::{
    codec::decode::{CandidArguments, CandidValue, CandidValues, decode_args},
    endpoint::access::{Allow, Cached, Guard, Verdict},
    member::{lookup::ask_root, subscription},
    metrics::{self, CallOutcome, Calls},
    platform::ic,
};
use candid::Principal;
use ic_cdk::futures::internals::{in_executor_context, in_query_executor_context};
use std::future::Future;

/// An endpoint of the author's.
#[derive(Debug)]
pub struct Endpoint {
    /// The name under which it is exported.
    pub(crate) name: &'static str,
    /// Whom it lets in: any one entry suffices. Empty means everybody.
    pub(crate) allow: &'static [Allow],
    /// What must hold besides.
    pub(crate) guards: &'static [Guard],
    /// How it asks root about a caller, where its list may depend on that. Not called by name, so that a member that
    /// never asks has no code for it.
    ask: Option<Asking>,
    /// What became of its calls.
    pub(crate) calls: Calls,
}

impl Endpoint {
    /// An endpoint that nobody has called.
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
            ask: if access::may_ask(allow) {
                Some(Asking {
                    listen: subscription::listen,
                    ask: ask_root_first,
                })
            } else {
                None
            },
            calls: Calls::new(),
        }
    }
}

/// What an endpoint answers.
#[derive(Debug)]
pub struct Reply {
    bytes: Option<Vec<u8>>,
    failed: bool,
}

/// Values, encoded as Candid.
pub fn reply<R: CandidValues>(values: R) -> Reply {
    encoded(candid::encode_args(values), false)
}

/// A result, encoded as Candid; an `Err` counts as an error of the endpoint.
pub fn reply_result<T: CandidValue, E: CandidValue>(result: Result<T, E>) -> Reply {
    let failed = result.is_err();
    encoded(candid::encode_one(result), failed)
}

/// Bytes as they are.
#[must_use]
pub fn reply_bytes(bytes: Vec<u8>) -> Reply {
    Reply {
        bytes: Some(bytes),
        failed: false,
    }
}

/// Nothing: the endpoint replied itself.
#[must_use]
pub fn reply_manually() -> Reply {
    Reply {
        bytes: None,
        failed: false,
    }
}

fn encoded(bytes: candid::Result<Vec<u8>>, failed: bool) -> Reply {
    match bytes {
        Ok(bytes) => Reply {
            bytes: Some(bytes),
            failed,
        },
        // The author's own encoding failed: as in ic-cdk, that ends the message.
        Err(error) => ic_cdk::api::trap(format!("the answer can't be encoded: {error}")),
    }
}

/// The bytes that an endpoint was called with.
#[derive(Debug)]
pub struct Argument(Option<Vec<u8>>);

impl Argument {
    /// Not read before they are wanted, which must be before anything is awaited: in a callback the platform answers with
    /// the reply instead.
    const UNREAD: Self = Self(None);

    fn read() -> Self {
        Self(Some(ic_cdk::api::msg_arg_data()))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        self.0.unwrap_or_else(ic_cdk::api::msg_arg_data)
    }
}

/// Decodes the Candid arguments of an endpoint.
///
/// # Errors
///
/// If they are something else.
pub fn candid_args<A: CandidArguments>(argument: Argument) -> Result<A, String> {
    decode_args(argument.bytes())
}

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
            ic_cdk::futures::spawn(answer_async(endpoint, argument, decode, run));
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

/// Serves a query whose function may await: a composite one.
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
            ic_cdk::futures::spawn(answer_async(endpoint, argument, decode, run));
        }),
    );
}

/// What is done for a caller who is let in. Boxed, which takes no memory as generated code captures nothing: so what
/// leads there exists once, and not once for each endpoint.
type Serve = Box<dyn FnOnce(&'static Endpoint, Argument)>;

fn serve_update(endpoint: &'static Endpoint, serve: Serve) {
    in_executor_context(|| match admit_update(endpoint) {
        Admission::Welcome => serve(endpoint, Argument::UNREAD),
        Admission::Denied(reason) => deny(endpoint, &reason),
        Admission::Ask(ask, caller) => ask(endpoint, caller, serve),
    });
}

fn serve_query(endpoint: &'static Endpoint, serve: Serve) {
    in_query_executor_context(|| match admit(endpoint, access::known_without_asking) {
        Admission::Welcome => serve(endpoint, Argument::UNREAD),
        Admission::Denied(reason) => deny(endpoint, &reason),
        Admission::Ask(..) => deny(endpoint, NOT_IN_QUERIES),
    });
}

const NOT_IN_QUERIES: &str =
    "who this member knows, or an update: it can't ask root about its caller from a query";

// Access

enum Admission {
    Welcome,
    Denied(String),
    Ask(Ask, Principal),
}

/// How a member knows other members.
#[derive(Clone, Copy, Debug)]
struct Asking {
    listen: fn(),
    ask: Ask,
}

/// Asks root about a caller, and lets it in or turns it away when the answer comes.
type Ask = fn(&'static Endpoint, Principal, Serve);

/// Whether ingress for a method would be turned away by its endpoint.
///
/// No list in the code names all endpoints, but each makes itself known with the first call in a life of the code, which
/// it refuses by itself.
pub(crate) fn refuses(method: &str) -> bool {
    metrics::called_endpoint(method)
        .is_some_and(|endpoint| matches!(admit(endpoint, access::known), Admission::Denied(_)))
}

/// Whose list may depend on what root knows takes notice of what root announces.
fn admit_update(endpoint: &'static Endpoint) -> Admission {
    if let Some(asking) = endpoint.ask {
        (asking.listen)();
    }
    admit(endpoint, access::known)
}

/// `known`: what this canister knows about a caller.
fn admit(endpoint: &'static Endpoint, known: fn(Principal) -> Cached) -> Admission {
    for guard in endpoint.guards {
        if let Err(reason) = guard() {
            return Admission::Denied(reason);
        }
    }
    if let [] | [Allow::Anyone] = endpoint.allow {
        return Admission::Welcome;
    }
    let caller = ic::caller();
    let verdict = access::check(endpoint.allow, caller, known);
    match (verdict, endpoint.ask) {
        (Verdict::Welcome, _) => Admission::Welcome,
        (Verdict::AskRoot, Some(asking)) => Admission::Ask(asking.ask, caller),
        (Verdict::AskRoot | Verdict::Denied, _) => Admission::Denied(denied(endpoint, caller)),
    }
}

fn denied(endpoint: &Endpoint, caller: Principal) -> String {
    let allowed = access::words(endpoint.allow);
    format!("{caller} may not call this: allowed are {allowed}")
}

fn ask_root_first(endpoint: &'static Endpoint, caller: Principal, serve: Serve) {
    let argument = Argument::read();
    ic_cdk::futures::spawn(async move {
        let known = Cached::Fresh(ask_root(caller).await);
        match access::check(endpoint.allow, caller, |_| known) {
            Verdict::Welcome => serve(endpoint, argument),
            Verdict::Denied | Verdict::AskRoot => deny(endpoint, &denied(endpoint, caller)),
        }
    });
}

// Answers

fn answer(endpoint: &'static Endpoint, run: impl FnOnce() -> Result<Reply, String>) {
    let calling = Calling(endpoint);
    calling.end(run());
}

async fn answer_async<A, F: Future<Output = Reply>>(
    endpoint: &'static Endpoint,
    argument: Argument,
    decode: impl FnOnce(Argument) -> Result<A, String>,
    run: impl FnOnce(A) -> F,
) {
    let calling = Calling(endpoint);
    let reply = match decode(argument) {
        Ok(arguments) => Ok(run(arguments).await),
        Err(reason) => Err(reason),
    };
    calling.end(reply);
}

fn deny(endpoint: &'static Endpoint, reason: &str) {
    metrics::called(endpoint, CallOutcome::Denied);
    ic_cdk::api::msg_reject(reason);
}

/// A call under way. Dropped by cleanup it counts as a trap.
struct Calling(&'static Endpoint);

impl Calling {
    /// With a reply, or the reason why the argument can't be read.
    fn end(self, reply: Result<Reply, String>) {
        let outcome = match &reply {
            Ok(reply) if !reply.failed => CallOutcome::Ok,
            Ok(_) | Err(_) => CallOutcome::Error,
        };
        metrics::called(self.0, outcome);
        match reply {
            Ok(reply) => {
                if let Some(bytes) = reply.bytes {
                    ic_cdk::api::msg_reply(bytes);
                }
            }
            Err(reason) => ic_cdk::api::msg_reject(reason),
        }
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        if ic_cdk::futures::is_recovering_from_trap() {
            metrics::called(self.0, CallOutcome::Trap);
        }
    }
}
