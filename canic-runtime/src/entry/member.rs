//! A member's lifecycle and endpoints.

use crate::{
    api::{Denied, Health, Identity, PageRequest},
    config::Member,
    endpoint::inspection,
    entry::{
        health,
        hooks::{self, lifecycle, may_be_called},
        serve, upgrade,
    },
    envelope,
    member::identity,
    membership,
    metrics::{self, http},
    platform::{ic, message},
    stable::memory,
};

/// `canister_init`: takes the identity from the envelope, then runs the author's hook and `start`.
pub fn init(member: &'static Member, hook: impl FnOnce(Vec<u8>) -> Result<(), String>) {
    inspection::list_all();
    lifecycle("init", || {
        memory::may_grow_to(member.max_stable_gib);
        // A member keeps nothing whose layout has changed.
        memory::migrate(|_| ());
        load(member);
        hooks::begin(hook, open_envelope(member)?)?;
        start(member);
        Ok(())
    });
}

/// `canister_pre_upgrade`: refuses while the member waits for an answer, unless it is stopped.
pub fn pre_upgrade(_member: &'static Member, hook: impl FnOnce() -> Result<(), String>) {
    upgrade::pre_upgrade(|| None, hook);
}

/// `canister_post_upgrade`: as `init`, with the identity from stable memory.
pub fn post_upgrade(member: &'static Member, hook: impl FnOnce(Vec<u8>) -> Result<(), String>) {
    inspection::list_all();
    lifecycle("post_upgrade", || {
        memory::migrate(|_| ());
        load(member);
        hooks::begin(hook, open_envelope(member)?)?;
        start(member);
        Ok(())
    });
}

fn load(member: &'static Member) {
    identity::load();
    if let Some(subscribe) = member.subscribes {
        subscribe();
    }
}

fn open_envelope(member: &'static Member) -> Result<Vec<u8>, String> {
    let (record, argument) = envelope::open(message::argument())?;
    if let Some(record) = record {
        identity::accept(member, &record)?;
    }
    Ok(argument)
}

/// Runs `start`, unless the member is still unmanaged.
fn start(member: &'static Member) {
    if let (Some(hook), Some(_)) = (member.start, membership::identity()) {
        hook();
    }
}

/// `canister_inspect_message`: rejects, before it costs anything, what the endpoints would deny.
pub fn inspect_message(_member: &'static Member, hook: impl FnOnce() -> bool) {
    let method = message::method();
    // Only root calls these, and a canister sends no ingress.
    let is_roots = matches!(
        method.as_str(),
        "canic_sync" | "canic_announce" | "canic_health" | "canic_accept"
    );
    if !is_roots && !identity::is_on_probation() && may_be_called(&method) && hook() {
        message::accept();
    }
}

/// `canic_identity`.
pub fn canic_identity(member: &'static Member) {
    message::in_query(|| message::reply(&identity::info(member)));
}

/// `canic_metrics`: for controllers and root.
pub fn canic_metrics(_member: &'static Member) {
    serve::query(|(request,): (PageRequest,)| {
        let root = membership::identity().map(|identity| identity.root);
        let caller = message::caller();
        if ic::is_controller(caller) || root == Some(caller) {
            Ok(metrics::page(metrics::MEMBER.iter(), request))
        } else {
            let allowed = "controllers, root".to_string();
            Err(Denied { caller, allowed })
        }
    });
}

/// `canic_sync`.
pub fn canic_sync(member: &'static Member) {
    serve::update(|(identity,): (Identity,)| {
        let was_unmanaged = membership::identity().is_none();
        let answer = identity::sync(member, identity);
        if was_unmanaged && answer.is_ok() {
            start(member);
        }
        answer
    });
}

/// `canic_health`: for root.
pub fn canic_health(member: &'static Member) {
    // The compiler knows whether there is a hook. Without one, it leaves the task out.
    let Some(hook) = member.health else {
        return serve::update(|(): ()| -> Result<Health, Denied> {
            identity::require_root()?;
            Ok(health::without_hook())
        });
    };
    serve::update_async(|(): ()| {
        let allowed = identity::require_root();
        async move {
            allowed?;
            Ok::<Health, Denied>(health::ask(hook).await)
        }
    });
}

/// `canic_accept`.
pub fn canic_accept(_member: &'static Member) {
    serve::update(|(): ()| identity::end_probation());
}

/// `canic_announce`.
pub fn canic_announce(_member: &'static Member) {
    message::in_update(|| match identity::receive(message::argument()) {
        Ok(answer) => message::reply(&answer),
        Err(reason) => message::reject(reason),
    });
}

/// `http_request`.
pub fn http_request(_member: &'static Member) {
    serve::query(|(request,)| http::respond(&request, metrics::MEMBER.iter()));
}
