//! The expansions, pretty-printed under `snapshots/`, to be reviewed like code.
//!
//! `UPDATE_EXPECT=1 cargo test -p canic-macros` writes them anew.

use expect_test::{ExpectFile, expect_file};
use proc_macro2::TokenStream;
use quote::quote;

use crate::{
    endpoint::{Kind, endpoint},
    role::role,
    root::root,
};

fn check(expansion: &TokenStream, snapshot: &ExpectFile) {
    let file = syn::parse2(expansion.clone()).expect("the expansion is a list of items");
    snapshot.assert_eq(&prettyplease::unparse(&file));
}

#[test]
fn root_bare() {
    let expansion = root(
        quote!(),
        quote!(
            pub struct Fleet;
        ),
    );
    check(&expansion, &expect_file!["../snapshots/root_bare.rs"]);
}

#[test]
fn root_full() {
    let expansion = root(
        quote! {
            pool(min = 2, max = 10, cycles = "1T"),
            role(name = "hub", singleton, cycles = "5T"),
            role(
                name = "worker",
                max = 100,
                cycles = "1.5T",
                parents("root", "hub"),
                controllers(parent, "ryjl3-tyaaa-aaaaa-aaaba-cai"),
                rollback = "delete",
                rollout(canary = "5%", bake = "1h", concurrent = 20, on_failure = "undo", manual),
                args = worker_api::WorkerArgs,
                wasm = "../tests/fleet/fixtures/misfit-root/worker.wasm",
                fund(below = "7d", to = "30d", per_day = "1T"),
            ),
            reserve = "5T",
            budget(per_day = "20T"),
            refuel(below = "50T", to = "100T", from("cycles", "icp")),
            http,
            crate = other,
        },
        quote! {
            impl Fleet {
                fn init(owner: Principal) {}
                async fn start() {}
                fn inspect_message() -> bool {
                    true
                }
            }
        },
    );
    assert!(
        !expansion.to_string().contains(":: canic ::"),
        "under another name, nothing may be looked for under the usual one"
    );
    check(&expansion, &expect_file!["../snapshots/root_full.rs"]);
}

#[test]
fn role_struct() {
    let expansion = role(
        quote!("worker", child(name = "page", args = PageArgs)),
        quote!(
            pub struct Worker;
        ),
    );
    check(&expansion, &expect_file!["../snapshots/role_struct.rs"]);
}

#[test]
fn role_impl() {
    let expansion = role(
        quote!("worker", http),
        quote! {
            impl Worker {
                fn init(args: WorkerArgs) -> Result<(), String> {
                    keep(args)
                }
                fn pre_upgrade() {}
                fn post_upgrade() {}
                async fn start() {}
                fn health() -> Result<(), String> {
                    look()
                }
                fn inspect_message() -> bool {
                    true
                }
                async fn heartbeat() {}
                fn on_low_wasm_memory() {}
            }
        },
    );
    check(&expansion, &expect_file!["../snapshots/role_impl.rs"]);
}

#[test]
fn update() {
    let expansion = endpoint(
        Kind::Update,
        quote!(
            allow(root, role = "hub", guard = is_friend),
            guard = is_open
        ),
        quote! {
            /// Does a job.
            async fn work(job: Job) -> Result<Receipt, WorkError> {
                job.run().await
            }
        },
    );
    check(&expansion, &expect_file!["../snapshots/update.rs"]);
}

#[test]
fn query() {
    let expansion = endpoint(
        Kind::Query,
        quote!(),
        quote! {
            fn jobs_done() -> u64 {
                7
            }
        },
    );
    check(&expansion, &expect_file!["../snapshots/query.rs"]);
}

/// Listed for the inspection of ingress, and with a bound of its own.
#[test]
fn query_closed() {
    let expansion = endpoint(
        Kind::Query,
        quote!(allow(controller), decoding_quota = 1_000),
        quote! {
            fn jobs_of(owners: Vec<Option<u64>>) -> u64 {
                owners.len() as u64
            }
        },
    );
    check(&expansion, &expect_file!["../snapshots/query_closed.rs"]);
}

#[test]
fn query_full() {
    let expansion = endpoint(
        Kind::Query,
        quote!(
            name = "jobs-of",
            composite,
            hidden,
            decode_with = read,
            encode_with = write,
        ),
        quote! {
            async fn jobs((a, b): (u8, u8), _: u64) -> Vec<u8> {
                vec![a, b]
            }
        },
    );
    check(&expansion, &expect_file!["../snapshots/query_full.rs"]);
}

#[test]
fn errors_leave_the_item() {
    let expansion = root(
        quote!(
            pool(min = 3, max = 1),
            colour = 1,
            role(name = "worker", max = 0, args = Args)
        ),
        quote!(
            impl Fleet {
                #[canic::query]
                fn intt() {}
            }
        ),
    );
    check(&expansion, &expect_file!["../snapshots/errors.rs"]);
}

/// As an editor sees it while the author writes a hook.
#[test]
fn an_unfinished_item_keeps_the_role_functions() {
    let names = |expansion: TokenStream| {
        let expansion = expansion.to_string();
        [
            "impl Fleet",
            "pub fn worker ()",
            "pub fn shard ()",
            "let list = self .",
            "compile_error",
        ]
        .into_iter()
        .filter(|text| expansion.contains(text))
        .collect::<Vec<_>>()
        .join(", ")
    };
    let unfinished = quote!(impl Fleet { fn init() { let list = self. } });
    assert_eq!(
        names(root(
            quote!(role(name = "worker", args = Args)),
            unfinished.clone()
        )),
        "impl Fleet, pub fn worker (), let list = self ., compile_error"
    );
    assert_eq!(
        names(role(quote!("hub", child(name = "shard")), unfinished)),
        "impl Fleet, pub fn shard (), let list = self ., compile_error"
    );
    let unfinished = quote!(pub struct Fleet { list: });
    assert_eq!(
        names(root(quote!(role(name = "worker")), unfinished)),
        "impl Fleet, pub fn worker (), compile_error"
    );
    let a_trait = quote!(impl Drop for Fleet { fn drop(&mut self) { let list = self. } });
    assert_eq!(
        names(root(quote!(role(name = "worker")), a_trait)),
        "let list = self ., compile_error"
    );
}
