//! A member's lifecycle and endpoints.

use super::{decode_args, lifecycle};
use crate::{
    api::{MetricsPage, PageRequest, SyncRequest},
    config::Member,
    endpoint::access,
    envelope,
    member::identity,
    metrics::{self, http},
    platform::ic,
    stable::memory,
};
use ic_cdk::futures::internals::{in_executor_context, in_query_executor_context};

/// `canister_init`: who the member is, then the author's hook, then `start`.
pub fn init(member: &'static Member, hook: impl FnOnce(Vec<u8>) -> Result<(), String>) {
    lifecycle("init", || {
        memory::may_grow_to(member.max_stable_gib);
        // A member keeps what every layout had.
        memory::migrate(|_| ());
        load(member);
        hook(open_envelope(member)?)?;
        start(member);
        Ok(())
    });
}

/// `canister_pre_upgrade`.
pub fn pre_upgrade(_member: &'static Member, hook: impl FnOnce() -> Result<(), String>) {
    lifecycle("pre_upgrade", hook);
}

/// `canister_post_upgrade`: as `init`; who the member is was kept.
pub fn post_upgrade(member: &'static Member, hook: impl FnOnce(Vec<u8>) -> Result<(), String>) {
    lifecycle("post_upgrade", || {
        memory::migrate(|_| ());
        load(member);
        hook(open_envelope(member)?)?;
        start(member);
        Ok(())
    });
}

fn load(member: &'static Member) {
    identity::load(member);
    if let Some(listen) = member.listens {
        listen();
    }
}

fn open_envelope(member: &'static Member) -> Result<Vec<u8>, String> {
    let (address, argument) = envelope::open(ic_cdk::api::msg_arg_data())?;
    if let Some(address) = address {
        identity::accept(member, &address)?;
    }
    Ok(argument)
}

/// Runs `start` once root and parent are known.
fn start(member: &'static Member) {
    if let (Some(hook), Some(_)) = (member.start, access::membership()) {
        hook();
    }
}

/// `canister_inspect_message`: turns away what the endpoints would refuse, before it costs anything.
pub fn inspect_message(_member: &'static Member, hook: impl FnOnce() -> bool) {
    let method = ic_cdk::api::msg_method_name();
    // Root calls these, and a canister sends no ingress.
    let is_roots = matches!(method.as_str(), "canic_sync" | "canic_announce");
    if !is_roots && super::may_be_called(&method) && hook() {
        ic_cdk::api::accept_message();
    }
}

/// `canic_identity`.
pub fn canic_identity(member: &'static Member) {
    in_query_executor_context(|| ic::reply(&identity::env(member)));
}

/// `canic_metrics`.
pub fn canic_metrics(_member: &'static Member) {
    in_query_executor_context(
        || match decode_args::<(PageRequest,)>(ic_cdk::api::msg_arg_data()) {
            Ok((request,)) => {
                let root = access::membership().map(|membership| membership.root);
                let caller = ic::caller();
                if ic::is_controller(caller) || root == Some(caller) {
                    let page = metrics::page(metrics::MEMBER.iter(), request);
                    ic::reply(&Ok::<_, crate::api::Denied>(page));
                } else {
                    let allowed = "controllers, root".to_string();
                    ic::reply(&Err::<MetricsPage, _>(crate::api::Denied {
                        caller,
                        allowed,
                    }));
                }
            }
            Err(reason) => ic_cdk::api::msg_reject(reason),
        },
    );
}

/// `canic_sync`.
pub fn canic_sync(member: &'static Member) {
    in_executor_context(
        || match decode_args::<(SyncRequest,)>(ic_cdk::api::msg_arg_data()) {
            Ok((request,)) => {
                let was_unmanaged = access::membership().is_none();
                let answer = identity::sync(member, &request);
                if was_unmanaged && answer.is_ok() {
                    start(member);
                }
                ic::reply(&answer);
            }
            Err(reason) => ic_cdk::api::msg_reject(reason),
        },
    );
}

/// `canic_announce`.
pub fn canic_announce(_member: &'static Member) {
    in_executor_context(|| match identity::hear(ic_cdk::api::msg_arg_data()) {
        Ok(answer) => ic::reply(&answer),
        Err(reason) => ic_cdk::api::msg_reject(reason),
    });
}

/// `http_request`.
pub fn http_request(_member: &'static Member) {
    http::serve(metrics::MEMBER.iter());
}
