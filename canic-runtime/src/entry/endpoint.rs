//! Endpoints: access, decoding, the author's function, encoding, and what is counted on the way.

use super::values::{CandidArguments, CandidValue, CandidValues, decode_args};
use crate::{
    access::{self, Allow, Guard, Known, Standing, Verdict},
    metrics::{self, CallOutcome, Calls},
    platform::ic::{self, Level},
};
use candid::{CandidType, Principal};
use ic_cdk::futures::internals::{in_executor_context, in_query_executor_context};
use serde::Deserialize;
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
    in_executor_context(|| match admit(endpoint) {
        Admission::Welcome => answer(endpoint, Argument::UNREAD, decode, run),
        Admission::Denied(reason) => deny(endpoint, &reason),
        Admission::Ask(caller) => {
            let argument = Argument::read();
            ic_cdk::futures::spawn(async move {
                match ask_about(endpoint, caller).await {
                    Ok(()) => answer(endpoint, argument, decode, run),
                    Err(reason) => deny(endpoint, &reason),
                }
            })
        }
    });
}

/// Serves an update whose function may await.
pub fn update_async<A: 'static, F>(
    endpoint: &'static Endpoint,
    decode: impl FnOnce(Argument) -> Result<A, String> + 'static,
    run: impl FnOnce(A) -> F + 'static,
) where
    F: Future<Output = Reply> + 'static,
{
    in_executor_context(|| {
        let admission = admit(endpoint);
        if let Admission::Denied(reason) = admission {
            return deny(endpoint, &reason);
        }
        let argument = match admission {
            Admission::Ask(_) => Argument::read(),
            _ => Argument::UNREAD,
        };
        ic_cdk::futures::spawn(async move {
            if let Admission::Ask(caller) = admission
                && let Err(reason) = ask_about(endpoint, caller).await
            {
                return deny(endpoint, &reason);
            }
            answer_async(endpoint, argument, decode, run).await;
        });
    });
}

/// Serves a query whose function does not await.
pub fn query<A>(
    endpoint: &'static Endpoint,
    decode: impl FnOnce(Argument) -> Result<A, String> + 'static,
    run: impl FnOnce(A) -> Reply + 'static,
) {
    in_query_executor_context(|| match admit(endpoint) {
        Admission::Welcome => answer(endpoint, Argument::UNREAD, decode, run),
        Admission::Denied(reason) => deny(endpoint, &reason),
        Admission::Ask(_) => deny(endpoint, NOT_IN_QUERIES),
    });
}

/// Serves a query whose function may await: a composite one.
pub fn query_async<A: 'static, F>(
    endpoint: &'static Endpoint,
    decode: impl FnOnce(Argument) -> Result<A, String> + 'static,
    run: impl FnOnce(A) -> F + 'static,
) where
    F: Future<Output = Reply> + 'static,
{
    in_query_executor_context(|| match admit(endpoint) {
        Admission::Welcome => {
            ic_cdk::futures::spawn(answer_async(endpoint, Argument::UNREAD, decode, run))
        }
        Admission::Denied(reason) => deny(endpoint, &reason),
        Admission::Ask(_) => deny(endpoint, NOT_IN_QUERIES),
    });
}

const NOT_IN_QUERIES: &str =
    "root itself, or an update: a member can't ask root about its caller from a query";

// Access

enum Admission {
    Welcome,
    Denied(String),
    Ask(Principal),
}

/// Whether ingress for a method would be turned away by its endpoint.
///
/// No list in the code names all endpoints, but each makes itself known with the first call in a life of the code, which
/// it refuses by itself.
pub(crate) fn refuses(method: &str) -> bool {
    metrics::called_endpoint(method)
        .is_some_and(|endpoint| matches!(admit(endpoint), Admission::Denied(_)))
}

fn admit(endpoint: &'static Endpoint) -> Admission {
    for guard in endpoint.guards {
        if let Err(reason) = guard() {
            return Admission::Denied(reason);
        }
    }
    if let [] | [Allow::Anyone] = endpoint.allow {
        return Admission::Welcome;
    }
    let caller = ic::caller();
    match access::check(endpoint.allow, caller, access::known) {
        Verdict::Welcome => Admission::Welcome,
        Verdict::Denied(allowed) => Admission::Denied(denied(caller, &allowed)),
        Verdict::AskRoot => Admission::Ask(caller),
    }
}

fn denied(caller: Principal, allowed: &str) -> String {
    format!("{caller} may not call this: allowed are {allowed}")
}

async fn ask_about(endpoint: &'static Endpoint, caller: Principal) -> Result<(), String> {
    let known = Known::Member(ask_root(caller).await);
    match access::check(endpoint.allow, caller, |_| known) {
        Verdict::Welcome => Ok(()),
        Verdict::Denied(_) | Verdict::AskRoot => {
            Err(denied(caller, &access::words(endpoint.allow)))
        }
    }
}

/// Asks root for a caller's role and parent. That root can't be reached counts as not knowing it.
async fn ask_root(caller: Principal) -> Option<Standing> {
    /// The fields of a member that matter here.
    #[derive(CandidType, Deserialize)]
    struct Member {
        role: String,
        parent: Principal,
    }
    let root = access::membership()?.root;
    let request = crate::api::MemberRequest::Canister(caller);
    let answer: Result<Option<Member>, candid::Reserved> =
        match ic::ask(root, "canic_member", &request).await {
            Ok(answer) => answer,
            Err(reason) => {
                ic::log(
                    Level::Warn,
                    format_args!("root was not reached about {caller}: {reason:.200}"),
                );
                return None;
            }
        };
    let member = answer.ok().flatten()?;
    Some(Standing {
        role: member.role,
        parent: member.parent,
    })
}

// Answers

fn answer<A>(
    endpoint: &'static Endpoint,
    argument: Argument,
    decode: impl FnOnce(Argument) -> Result<A, String>,
    run: impl FnOnce(A) -> Reply,
) {
    let calling = Calling(endpoint);
    let reply = match decode(argument) {
        Ok(arguments) => run(arguments),
        Err(reason) => return calling.reject(&reason),
    };
    calling.end(reply);
}

async fn answer_async<A, F: Future<Output = Reply>>(
    endpoint: &'static Endpoint,
    argument: Argument,
    decode: impl FnOnce(Argument) -> Result<A, String>,
    run: impl FnOnce(A) -> F,
) {
    let calling = Calling(endpoint);
    let reply = match decode(argument) {
        Ok(arguments) => run(arguments).await,
        Err(reason) => return calling.reject(&reason),
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
    fn end(self, reply: Reply) {
        let outcome = if reply.failed {
            CallOutcome::Error
        } else {
            CallOutcome::Ok
        };
        metrics::called(self.0, outcome);
        if let Some(bytes) = reply.bytes {
            ic_cdk::api::msg_reply(bytes);
        }
    }

    fn reject(self, reason: &str) {
        metrics::called(self.0, CallOutcome::Error);
        ic_cdk::api::msg_reject(reason);
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        if ic_cdk::futures::is_recovering_from_trap() {
            metrics::called(self.0, CallOutcome::Trap);
        }
    }
}
