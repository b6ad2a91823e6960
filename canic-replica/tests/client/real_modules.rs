//! Modules of other people: canisters in published crates, built here, and canisters in an npm
//! package.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{LazyLock, Mutex},
};

use candid::{CandidType, Nat, Principal, encode_args, utils::ArgumentEncoder};
use pocket_ic::{PocketIc, RejectResponse};
use serde::Deserialize;
use serde_bytes::ByteBuf;

use crate::{
    common::{builder, counter, number},
    fetched::{Folder, ICP, embedded_modules, report, succeed},
    gateway::{Page, ask},
};

/// The canister that holds the assets of a front end.
const ASSETS: Package = Package {
    name: "ic-certified-assets",
    version: "0.3.0",
    others: "candid = '0.10'\nic-cdk = '0.18'",
    source: "
        use ic_cdk::{init, post_upgrade, pre_upgrade, storage};
        use ic_certified_assets::{StableState, types::AssetCanisterArgs};

        #[init]
        fn init(arguments: Option<AssetCanisterArgs>) {
            ic_certified_assets::init(arguments);
        }

        #[pre_upgrade]
        fn pre_upgrade() {
            storage::stable_save((ic_certified_assets::pre_upgrade(),)).unwrap();
        }

        #[post_upgrade]
        fn post_upgrade(arguments: Option<AssetCanisterArgs>) {
            let (state,): (StableState,) = storage::stable_restore().unwrap();
            ic_certified_assets::post_upgrade(state, arguments);
        }

        ic_certified_assets::export_canister_methods!();
    ",
};

/// Juno's canister: documents, assets and users. Its default features import hooks.
const SATELLITE: Package = Package {
    name: "junobuild-satellite",
    version: "0.6.2",
    others: "candid = '0.10'\nic-cdk = '0.19'",
    source: "junobuild_satellite::include_satellite!();",
};

/// A published crate that is a canister, but for the lines that export its methods.
struct Package {
    name: &'static str,
    version: &'static str,
    /// Further dependencies, which the exporting lines name.
    others: &'static str,
    source: &'static str,
}

impl Package {
    /// The module of this crate.
    fn build(&self) -> Vec<u8> {
        /// Builds share a target folder.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock();
        let Self {
            name,
            version,
            others,
            source,
        } = self;
        let folder = Folder::new(name);
        let manifest = format!(
            "[package]\nname = 'module'\nedition = '2024'\n[lib]\npath = 'lib.rs'\n\
             crate-type = ['cdylib']\n[workspace]\n\
             [dependencies]\n{others}\n\
             {name} = {{ version = '={version}', default-features = false }}\n"
        );
        fs::write(folder.0.join("Cargo.toml"), manifest).unwrap();
        fs::write(folder.0.join("lib.rs"), source).unwrap();
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real-modules");
        succeed(
            Command::new("cargo")
                .current_dir(&folder.0)
                .args(["build", "--release", "--target", "wasm32-unknown-unknown"])
                .env("CARGO_TARGET_DIR", &target)
                // Canisters have no source of entropy but the management canister.
                .env("RUSTFLAGS", "--cfg getrandom_backend=\"custom\""),
        );
        let module = fs::read(target.join("wasm32-unknown-unknown/release/module.wasm")).unwrap();
        report(&format!("{name}@{version}"), "its module", &module);
        module
    }
}

/// A canister with a module of other people, on an instance with a gateway.
struct Real {
    pic: PocketIc,
    canister: Principal,
    admin: Principal,
}

impl Real {
    fn install(module: &[u8], arguments: impl ArgumentEncoder) -> Self {
        let mut pic = builder()
            .with_nns_subnet()
            .with_application_subnet()
            .build();
        let admin = Principal::self_authenticating("admin");
        let canister = pic.create_canister_with_settings(Some(admin), None);
        pic.add_cycles(canister, 100_000_000_000_000);
        let arguments = encode_args(arguments).unwrap();
        pic.install_canister(canister, module.to_vec(), arguments, Some(admin));
        pic.make_live(None);
        Self {
            pic,
            canister,
            admin,
        }
    }

    fn upgrade(&self, module: &[u8], arguments: impl ArgumentEncoder) {
        let arguments = encode_args(arguments).unwrap();
        let Self { pic, canister, .. } = self;
        pic.upgrade_canister(*canister, module.to_vec(), arguments, Some(self.admin))
            .unwrap();
    }

    /// Calls an update method as the controller.
    fn update<R: CandidType + for<'a> Deserialize<'a>>(
        &self,
        method: &str,
        arguments: impl ArgumentEncoder,
    ) -> R {
        let (reply,) = self.try_update(self.admin, method, arguments).unwrap();
        reply
    }

    /// Calls an update method as anyone.
    fn try_update<R: for<'a> candid::utils::ArgumentDecoder<'a>>(
        &self,
        sender: Principal,
        method: &str,
        arguments: impl ArgumentEncoder,
    ) -> Result<R, RejectResponse> {
        pocket_ic::update_candid_as(&self.pic, self.canister, sender, method, arguments)
    }

    fn query<R: CandidType + for<'a> Deserialize<'a>>(
        &self,
        method: &str,
        arguments: impl ArgumentEncoder,
    ) -> R {
        let Self {
            pic,
            canister,
            admin,
        } = self;
        let reply = pocket_ic::query_candid_as(pic, *canister, *admin, method, arguments);
        let (reply,) = reply.unwrap();
        reply
    }

    /// A page, which the gateway verified.
    fn page(&self, path: &str) -> Page {
        let host = format!("host: {}.localhost\r\n", self.canister);
        ask(&self.pic, "GET", path, &host)
    }

    fn assert_page(&self, path: &str, status: u16, text: &str) {
        let Page {
            status: got, body, ..
        } = self.page(path);
        assert_eq!(got, status, "{path}: {body}");
        assert!(body.contains(text), "{path}: no `{text}` in {body}");
    }
}

#[derive(CandidType)]
struct Asset<'a> {
    key: &'a str,
    content_type: &'a str,
    content_encoding: &'a str,
    content: &'a ByteBuf,
}

fn asset<'a>(key: &'a str, content: &'a ByteBuf) -> (Asset<'a>,) {
    (Asset {
        key,
        content_type: "text/html",
        content_encoding: "identity",
        content,
    },)
}

#[derive(CandidType, Deserialize)]
struct Named {
    key: String,
}

#[test]
#[ignore = "builds published crates from crates.io; run it with \
            `cargo test -p canic-replica --test client real_modules -- --ignored`"]
fn an_asset_canister_serves_certified_pages() {
    let module = ASSETS.build();
    let real = Real::install(&module, (None::<()>,));
    let () = real
        .try_update(
            real.admin,
            "store",
            asset("/index.html", &ByteBuf::from("the <b>first</b> page")),
        )
        .unwrap();
    real.assert_page("/index.html", 200, "<b>first</b>");
    real.assert_page("/", 200, "<b>first</b>");
    // The canister certifies that it falls back to the index.
    real.assert_page("/elsewhere", 200, "<b>first</b>");

    // Only those with the permission may store.
    let stranger = Principal::self_authenticating("stranger");
    let other = ByteBuf::from("forged");
    let reject = real
        .try_update::<()>(stranger, "store", asset("/index.html", &other))
        .unwrap_err();
    assert!(reject.reject_message.contains("permission"), "{reject:?}");

    // The pages and their certificates are there after an upgrade.
    real.upgrade(&module, (None::<()>,));
    real.assert_page("/index.html", 200, "<b>first</b>");
    let () = real
        .try_update(
            real.admin,
            "store",
            asset("/index.html", &ByteBuf::from("the second page")),
        )
        .unwrap();
    real.assert_page("/index.html", 200, "the second page");
    let names: Vec<Named> = real.query("list", (candid::Reserved,));
    assert_eq!(names.len(), 1);
    assert_eq!(names[0].key, "/index.html");
    let () = real
        .try_update(real.admin, "clear", (candid::Reserved,))
        .unwrap();
    let names: Vec<Named> = real.query("list", (candid::Reserved,));
    assert_eq!(names.len(), 0);
}

#[derive(CandidType)]
struct InitSatellite {
    controllers: Vec<Principal>,
}

#[derive(CandidType)]
enum Collection {
    Db,
}

#[derive(CandidType)]
enum Permission {
    Managed,
}

#[derive(CandidType)]
enum Memory {
    Heap,
    Stable,
}

#[derive(CandidType)]
struct Rule {
    read: Permission,
    write: Permission,
    memory: Option<Memory>,
}

#[derive(CandidType)]
struct SetDocument {
    data: ByteBuf,
    version: Option<u64>,
}

#[derive(CandidType, Deserialize)]
struct Document {
    owner: Principal,
    data: ByteBuf,
    version: Option<u64>,
}

#[derive(CandidType)]
struct NewAsset<'a> {
    collection: &'a str,
    name: &'a str,
    full_path: &'a str,
}

#[derive(CandidType, Deserialize)]
struct Batch {
    batch_id: Nat,
}

#[derive(CandidType)]
struct Chunk {
    batch_id: Nat,
    content: ByteBuf,
}

#[derive(CandidType, Deserialize)]
struct Uploaded {
    chunk_id: Nat,
}

#[derive(CandidType)]
struct Commit {
    batch_id: Nat,
    headers: Vec<(String, String)>,
    chunk_ids: Vec<Nat>,
}

fn upload(real: &Real, path: &str, text: &str) {
    let asset = NewAsset {
        collection: "#dapp",
        name: path.trim_start_matches('/'),
        full_path: path,
    };
    let Batch { batch_id } = real.update("init_asset_upload", (asset,));
    let chunk = Chunk {
        batch_id: batch_id.clone(),
        content: text.as_bytes().to_vec().into(),
    };
    let Uploaded { chunk_id } = real.update("upload_asset_chunk", (chunk,));
    let commit = Commit {
        batch_id,
        headers: vec![("content-type".into(), "text/html".into())],
        chunk_ids: vec![chunk_id],
    };
    let () = real
        .try_update(real.admin, "commit_asset_upload", (commit,))
        .unwrap();
}

#[test]
#[ignore = "builds published crates from crates.io; run it with \
            `cargo test -p canic-replica --test client real_modules -- --ignored`"]
fn a_satellite_of_juno_keeps_documents_and_serves_pages() {
    let module = SATELLITE.build();
    let admin = Principal::self_authenticating("admin");
    let init = InitSatellite {
        controllers: vec![admin],
    };
    let real = Real::install(&module, (init,));
    let user = Principal::self_authenticating("user");
    let document = |text: &str, version| SetDocument {
        data: text.as_bytes().to_vec().into(),
        version,
    };
    for (name, memory) in [("books", Memory::Stable), ("films", Memory::Heap)] {
        let rule = Rule {
            read: Permission::Managed,
            write: Permission::Managed,
            memory: Some(memory),
        };
        let _: candid::Reserved = real.update("set_rule", (Collection::Db, name, rule));
        let set = |text: &str, version| {
            let arguments = (name, "one", document(text, version));
            real.try_update::<(Document,)>(user, "set_doc", arguments)
        };
        let (first,) = set("first", None).unwrap();
        assert_eq!((first.owner, first.version), (user, Some(1)));
        assert_eq!(set("second", Some(1)).unwrap().0.version, Some(2));
        let reject = set("third", Some(1)).map(drop).unwrap_err();
        assert!(reject.reject_message.contains("version"), "{reject:?}");
    }
    upload(&real, "/hello.html", "hello from a satellite");
    real.assert_page("/hello.html", 200, "hello from a satellite");

    real.upgrade(&module, ());
    for name in ["books", "films"] {
        let found: Option<Document> = real.query("get_doc", (name, "one"));
        assert_eq!(found.unwrap().data, b"second");
        let count: u64 = real.query("count_collection_docs", (name,));
        assert_eq!(count, 1);
    }
    real.assert_page("/hello.html", 200, "hello from a satellite");
    upload(&real, "/hello.html", "hello again");
    real.assert_page("/hello.html", 200, "hello again");
}

/// The modules in the program `icp`: a proxy, a Candid UI, and one that returns the cycles of a
/// canister to the cycles ledger.
static MODULES_OF_ICP: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = Folder::new("modules-of-icp");
    let modules = embedded_modules(&folder.npm(ICP, "bin/icp"));
    for (number, module) in modules.iter().enumerate() {
        report(ICP, &format!("module {number}"), module);
    }
    modules
});

#[test]
#[ignore = "needs npm and its registry; run it with \
            `cargo test -p canic-replica --test client real_modules -- --ignored`"]
fn a_candid_ui_translates_interfaces_and_serves_its_page() {
    let real = Real::install(&MODULES_OF_ICP[1], ());
    let interface = "service : { get : () -> (nat64) query }";
    let script: Option<String> = real.query("did_to_js", (interface,));
    assert!(
        script
            .unwrap()
            .contains("IDL.Func([], [IDL.Nat64], ['query'])")
    );
    let typed: Option<String> = real.query("binding", (interface, "ts"));
    assert!(typed.unwrap().contains("ActorMethod<[], bigint>"));
    let same: Result<(), String> = real.query("subtype", (interface, interface));
    assert_eq!(same, Ok(()));
    let other = "service : { get : () -> (text) query }";
    let other: Result<(), String> = real.query("subtype", (interface, other));
    assert!(other.unwrap_err().contains("is not a subtype"));
    real.assert_page("/", 200, "Candid UI");
    real.assert_page("/nowhere", 404, "/nowhere");
    real.upgrade(&MODULES_OF_ICP[1], ());
    real.assert_page("/", 200, "Candid UI");
}

#[derive(CandidType)]
struct Proxied<'a> {
    canister_id: Principal,
    method: &'a str,
    args: ByteBuf,
    cycles: Nat,
}

#[derive(CandidType, Deserialize, Debug)]
struct Forwarded {
    result: ByteBuf,
}

#[derive(CandidType, Deserialize, Debug)]
enum ProxyError {
    InsufficientCycles { available: Nat, required: Nat },
    CallFailed { reason: String },
    UnauthorizedUser,
}

#[test]
#[ignore = "needs npm and its registry; run it with \
            `cargo test -p canic-replica --test client real_modules -- --ignored`"]
fn a_proxy_forwards_calls_and_cycles() {
    let module = &MODULES_OF_ICP[0];
    let real = Real::install(module, ());
    let target = counter(&real.pic);
    let forward = |canister_id, method, cycles: u64| {
        let call = Proxied {
            canister_id,
            method,
            args: encode_args(()).unwrap().into(),
            cycles: cycles.into(),
        };
        real.update::<Result<Forwarded, ProxyError>>("proxy", (call,))
    };
    for count in 1..=3 {
        let reply = forward(target, "inc", 0).unwrap().result;
        assert_eq!(number(reply.into_vec()), count);
    }
    // The target accepts no cycles: they come back.
    let before = real.pic.cycle_balance(real.canister);
    forward(target, "inc", 1_000_000_000_000).unwrap();
    let spent = before - real.pic.cycle_balance(real.canister);
    assert!(spent < 1_000_000_000, "{spent}");
    let refused = forward(target, "inc", u64::MAX).unwrap_err();
    let ProxyError::InsufficientCycles {
        available,
        required,
    } = refused
    else {
        panic!("{refused:?}");
    };
    assert!(available < required);
    for (method, why) in [
        ("trapping", "no more of this"),
        ("missing", "no update method"),
    ] {
        let refused = forward(target, method, 0).unwrap_err();
        let ProxyError::CallFailed { reason } = refused else {
            panic!("{refused:?}");
        };
        assert!(reason.contains(why), "{reason}");
    }
    // The management canister, in the name of the proxy.
    let random = forward(Principal::management_canister(), "raw_rand", 0).unwrap();
    let (random,): (ByteBuf,) = candid::decode_args(&random.result).unwrap();
    assert_eq!(random.len(), 32);

    // Its inspection of messages refuses strangers before they cost anything.
    let stranger = Principal::self_authenticating("stranger");
    let id = real
        .pic
        .submit_call(real.canister, stranger, "proxy", vec![]);
    let reject = id.unwrap_err();
    assert_eq!(
        reject.error_code,
        pocket_ic::ErrorCode::CanisterRejectedMessage,
        "{reject:?}"
    );
    real.upgrade(module, ());
    let reply = forward(target, "inc", 0).unwrap().result;
    assert_eq!(number(reply.into_vec()), 5);
}
