//! The commands of `icp`, the command line of the Internet Computer, on an instance of this server,
//! on a live network, and on a network that it launches itself. The program is fetched from npm.
//!
//! Left out are:
//!
//! - `canister migrate-id`, which needs the migration canister.
//! - `network update`: it downloads another launcher.
//! - `new`: it downloads templates. `identity link` and `reauth`: a device or a browser.

use std::{cell::Cell, fs, path::PathBuf, process::Command, time::Instant};

use candid::Principal;
use pocket_ic::{PocketIc, common::rest::InstanceHttpGatewayConfig};

use crate::{
    common::{builder, only_ours, server},
    fetched::{Folder, ICP, embedded_modules, print, run},
    start::Live,
};

/// Counts, and writes a line to its log. It carries its interface.
const COUNTER: &str = r#"
(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "debug_print" (func $print (param i32 i32)))
  (memory 1)
  (data (i32.const 0) "DIDL\00\01\78")
  (data (i32.const 32) "counted")
  (global $count (mut i64) (i64.const 0))
  (func $answer
    (i64.store (i32.const 7) (global.get $count))
    (call $append (i32.const 0) (i32.const 15))
    (call $reply))
  (func (export "canister_query get") (call $answer))
  (func (export "canister_update inc")
    (global.set $count (i64.add (global.get $count) (i64.const 1)))
    (call $print (i32.const 32) (i32.const 7))
    (call $answer))
  (@custom "icp:public candid:service"
    "service : { get : () -> (nat64) query; inc : () -> (nat64) }"))
"#;

const INTERFACE: &str = "service : { get : () -> (nat64) query; inc : () -> (nat64) }";

/// A project of two canisters, its folder, and the network that it is connected to.
struct Project {
    folder: Folder,
    icp: PathBuf,
    /// The instance, unless the network is another process.
    pic: Option<PocketIc>,
    url: String,
    proxy: Principal,
    /// The number of commands that ran.
    commands: Cell<u32>,
}

/// Stops the network that this project launched, if a test failed before it did.
impl Drop for Project {
    fn drop(&mut self) {
        if self.url.is_empty() {
            self.run("network stop replica");
        }
    }
}

impl Project {
    fn start() -> Self {
        let pic = builder()
            .with_nns_subnet()
            .with_application_subnet()
            .with_auto_progress()
            .with_http_gateway(InstanceHttpGatewayConfig {
                ip_addr: None,
                port: None,
                domains: None,
                https_config: None,
                domain_custom_provider_local_file: None,
            })
            .build();
        let url = pic.url().unwrap().to_string();
        let mut project = Self::at("icp", url);
        project.pic = Some(pic);
        project
    }

    /// A project on the network at this address.
    fn at(name: &str, url: String) -> Self {
        let network = format!("mode: connected, url: '{url}', root-key: fetch");
        Self::on(name, &network, url)
    }

    /// A project that launches its network, at any free port.
    fn launching(name: &str) -> Self {
        Self::on(name, "mode: managed, gateway: { port: 0 }", String::new())
    }

    /// A project on this network.
    fn on(name: &str, network: &str, url: String) -> Self {
        let folder = Folder::new(name);
        let icp = folder.npm(ICP, "bin/icp");
        fs::write(
            folder.0.join("counter.wasm"),
            wat::parse_str(COUNTER).unwrap(),
        )
        .unwrap();
        fs::write(folder.0.join("counter.did"), INTERFACE).unwrap();
        let text = format!(
            "networks: [{{ name: replica, {network} }}]
environments: [{{ name: replica, network: replica, canisters: [counter, second] }}]
canisters:
  - name: counter
    build: {{ steps: [{{ type: pre-built, path: counter.wasm }}] }}
    settings: {{ freezing_threshold: 20d }}
  - name: second
    build: {{ steps: [{{ type: pre-built, path: counter.wasm }}] }}
"
        );
        fs::write(folder.0.join("icp.yaml"), text).unwrap();
        let proxy = Principal::anonymous();
        Self {
            folder,
            icp,
            pic: None,
            url,
            proxy,
            commands: Cell::default(),
        }
    }

    fn pic(&self) -> &PocketIc {
        self.pic.as_ref().unwrap()
    }

    /// Runs one command; returns whether it succeeded, and all that it printed.
    fn run(&self, line: &str) -> (bool, String) {
        self.commands.update(|commands| commands + 1);
        let output = run(Command::new(&self.icp)
            .current_dir(&self.folder.0)
            .env("HOME", &self.folder.0)
            .env("ICP_HOME", self.folder.0.join("home"))
            .env("ICP_TELEMETRY_DISABLED", "1")
            .env("ICP_CLI_NETWORK_LAUNCHER_PATH", server())
            .args(words(line)));
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    }

    /// Runs a command that must succeed and print each of these texts.
    fn ok(&self, line: &str, expected: &[&str]) -> String {
        let (succeeded, text) = self.run(line);
        assert!(succeeded, "icp {line}: {text}");
        for part in expected {
            assert!(text.contains(part), "icp {line}: no `{part}` in {text}");
        }
        text
    }

    /// Runs a command in the environment, like [`Self::ok`].
    fn there(&self, line: &str, expected: &[&str]) -> String {
        self.ok(&format!("{line} -e replica"), expected)
    }

    /// Runs a command that must fail, with this text in its message.
    fn refused(&self, line: &str, why: &str) {
        let (succeeded, text) = self.run(line);
        assert!(!succeeded && text.contains(why), "icp {line}: {text}");
    }
}

/// The words of a command line. A word in quotes may have spaces.
fn words(line: &str) -> Vec<String> {
    let quoted = line.split('\'').enumerate();
    let words = quoted.flat_map(|(at, part)| match at % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    words.collect()
}

/// Makes an identity, and gives it a proxy canister and a canister without a module.
fn prepare(project: &mut Project) -> Principal {
    let ok = |line: &str, expected: &[&str]| project.ok(line, expected);
    ok("identity new tester --storage plaintext", &["seed phrase"]);
    ok(
        "identity default tester",
        &["Set default identity to tester"],
    );
    let principal = ok("identity principal", &[]);
    let tester = Principal::from_text(principal.trim()).unwrap();
    ok("identity list", &["* tester", "anonymous"]);
    ok("identity account-id", &[]);
    ok("identity export tester", &["BEGIN"]);
    ok("identity new other --storage plaintext", &[]);
    ok("identity rename other spare", &[]);
    ok("identity delete spare", &[]);

    let create = || {
        let canister = project
            .pic()
            .create_canister_with_settings(Some(tester), None);
        project.pic().add_cycles(canister, 100_000_000_000_000);
        canister
    };
    let (proxy, counter) = (create(), create());
    let module = &embedded_modules(&project.icp)[0];
    fs::write(project.folder.0.join("proxy.wasm"), module).unwrap();
    ok(
        &format!("canister install {proxy} -n replica --wasm proxy.wasm --mode install -y"),
        &["installed successfully"],
    );
    project.there(&format!("canister link counter {counter}"), &[]);
    project.proxy = proxy;
    tester
}

fn networks_and_projects_are_shown(project: &Project) {
    project.ok("network list", &["replica"]);
    project.ok(
        "network ping replica",
        &["\"replica_health_status\": \"healthy\""],
    );
    project.ok("network status replica", &[&project.url, "Root Key: 3081"]);
    project.ok("project show", &["counter.wasm"]);
    project.ok("environment list", &["replica"]);
    project.there("canister list", &["counter", "second"]);
}

fn a_canister_is_installed_called_and_upgraded(project: &Project) {
    project.ok("build counter", &["built successfully"]);
    project.there("canister install counter", &["installed successfully"]);
    project.there("canister call counter inc '()'", &["(1 : nat64)"]);
    project.there("canister call counter get '()' --query", &["(1 : nat64)"]);
    let json = "\"response_bytes\":\"4449444c0001780100000000000000\"";
    project.there("canister call counter get '()' --query --json", &[json]);
    let proxy = project.proxy;
    let line = format!("canister call counter inc '()' --proxy {proxy}");
    project.there(&line, &["(2 : nat64)"]);
    project.there("canister metadata counter candid:service", &[INTERFACE]);
    project.there("canister logs counter", &["[0. ", "[1. ", "]: counted"]);
    project.there("deploy counter -y", &["Deployed canisters"]);
    project.there("canister call counter get '()' --query", &["(0 : nat64)"]);
    project.there(
        "deploy counter -y --mode reinstall",
        &["Deployed canisters"],
    );
    project.there("sync counter", &["No canisters have sync steps"]);
}

fn status_and_settings_are_shown_and_changed(project: &Project, tester: Principal) {
    let controller = format!("controller: {tester}");
    let status = [
        "Status: Running",
        &controller,
        "Module hash: 0x",
        "Log visibility: Controllers",
    ];
    project.there("canister status counter", &status);
    project.there(
        "canister status counter --json",
        &["\"status\":\"Running\""],
    );
    project.there(
        "canister status counter --public",
        &[&controller, "Module hash: 0x"],
    );
    project.there("canister status --id-only counter", &["-cai"]);
    project.there(
        "canister settings update counter --freezing-threshold 10d --memory-allocation 10mib \
         --compute-allocation 1 --wasm-memory-limit 1gib --log-visibility public \
         --add-controller 2vxsx-fae",
        &[],
    );
    let changed = [
        "Freezing threshold: 864_000",
        "Memory allocation: 10_485_760",
        "Compute allocation: 1",
        "Wasm memory limit: 1_073_741_824",
        "Log visibility: Public",
        "controller: 2vxsx-fae",
    ];
    project.there("canister settings show counter", &changed);
    project.there(
        "canister settings update counter --remove-controller 2vxsx-fae",
        &[],
    );
    project.there("canister settings sync counter", &[]);
    let shown = project.there("canister settings show counter", &["threshold: 1_728_000"]);
    assert!(!shown.contains("2vxsx-fae"), "{shown}");
    let anonymous = "canister settings show counter -e replica --identity anonymous";
    project.refused(anonymous, "IC0542");
}

fn snapshots_are_taken_moved_and_restored(project: &Project) {
    let there = |line: &str, expected: &[&str]| project.there(line, expected);
    let running = "canister snapshot create counter -e replica";
    project.refused(running, "currently running");
    there("canister call counter inc '()'", &["(1 : nat64)"]);
    there("canister stop counter", &[]);
    there("canister status counter", &["Status: Stopped"]);
    let snapshot = there("canister snapshot create counter --quiet", &[]);
    let snapshot = snapshot
        .lines()
        .find(|line| line.starts_with("00"))
        .unwrap();
    there("canister snapshot list counter", &[snapshot]);
    let line = format!("canister snapshot download counter {snapshot} -o snapshot");
    there(&line, &["Snapshot downloaded"]);
    let uploaded = there("canister snapshot upload counter -i snapshot --quiet", &[]);
    let uploaded = uploaded
        .lines()
        .find(|line| line.starts_with("00"))
        .unwrap();
    for taken in [snapshot, uploaded] {
        there("canister start counter", &[]);
        there("canister call counter inc '()'", &["(2 : nat64)"]);
        there("canister stop counter", &[]);
        there(
            &format!("canister snapshot restore counter {taken}"),
            &["Restored"],
        );
        there("canister start counter", &[]);
        there("canister call counter get '()' --query", &["(1 : nat64)"]);
        there("canister stop counter", &[]);
        there(
            &format!("canister snapshot delete counter {taken}"),
            &["Deleted"],
        );
    }
    there("canister start counter", &[]);
    let listed = there("canister snapshot list counter", &[]);
    assert!(!listed.contains(snapshot), "{listed}");
}

fn a_message_is_signed_and_sent_later(project: &Project) {
    let id = project.there("canister status counter --id-only", &[]);
    let id = id.lines().find(|line| line.ends_with("-cai")).unwrap();
    let key = hex::encode(project.pic().root_key().unwrap());
    let url = &project.url;
    project.ok(
        &format!(
            "canister call {id} inc '()' -n {url} --root-key {key} --candid counter.did \
             --sign-only message.json"
        ),
        &["Signed the update call"],
    );
    project.there("canister call counter get '()' --query", &["(1 : nat64)"]);
    project.ok("message send message.json", &["(2 : nat64)"]);
}

fn canisters_are_created_by_a_proxy_and_deleted(project: &Project, tester: Principal) {
    let proxy = project.proxy;
    let line = format!(
        "canister create second --proxy {proxy} --controller {tester} --controller {proxy} \
         --cycles 5t"
    );
    project.there(&line, &["Created canister second"]);
    project.there("deploy second -y", &["Deployed canisters"]);
    project.there("canister call second inc '()'", &["(1 : nat64)"]);
    project.there("canister stop second", &[]);
    project.there("canister delete second --no-recover-cycles", &[]);
    project.refused("canister call second inc '()' -e replica", "second");
}

#[test]
#[ignore = "needs npm and its registry, on Linux on x64; run it with \
            `cargo test -p canic-replica --test client icp -- --ignored`"]
fn the_commands_of_icp_work() {
    let mut project = Project::start();
    let tester = prepare(&mut project);
    networks_and_projects_are_shown(&project);
    a_canister_is_installed_called_and_upgraded(&project);
    status_and_settings_are_shown_and_changed(&project, tester);
    snapshots_are_taken_moved_and_restored(&project);
    a_message_is_signed_and_sent_later(&project);
    canisters_are_created_by_a_proxy_and_deleted(&project, tester);
    print(&format!("{} commands of {ICP} ran", project.commands.get()));
}

fn icp_and_cycles_are_moved(project: &Project) {
    let there = |line: &str, expected: &[&str]| project.there(line, expected);
    let anonymous = |line: &str| project.there(&format!("{line} --identity anonymous"), &[]);
    let tester = project.ok("identity principal", &[]);
    let tester = tester.trim();
    there("token balance", &["0 ICP"]);
    anonymous(&format!("token transfer 10 {tester}"));
    there("token balance", &["10"]);
    there("token approve 1 2vxsx-fae", &[]);
    there("cycles mint --icp 2", &[]);
    there("cycles balance", &["Balance: 7_039_900_000_000 cycles"]);
    anonymous(&format!("cycles transfer 30t {tester}"));
    there("cycles balance", &["Balance: 37_039_900_000_000 cycles"]);
    there("cycles transfer 1t 2vxsx-fae", &[]);
}

fn a_project_is_deployed_from_nothing(project: &Project) {
    let there = |line: &str, expected: &[&str]| project.there(line, expected);
    there("deploy -y --cycles 3t", &["Deployed canisters"]);
    there("canister call counter inc '()'", &["(1 : nat64)"]);
    there("canister call second inc '()'", &["(1 : nat64)"]);
    there("canister status counter", &["Status: Running"]);
    there("canister top-up counter --amount 1t", &[]);
    there("canister stop second", &[]);
    there("canister delete second", &[]);
    project.refused("canister call second inc '()' -e replica", "second");
    there("cycles balance", &[]);
}

#[test]
#[ignore = "needs npm and its registry, on Linux on x64; run it with \
            `cargo test -p canic-replica --test client icp -- --ignored`"]
fn icp_deploys_and_pays_as_on_the_network() {
    let live = Live::start(&[]);
    let project = Project::at("icp-money", format!("http://localhost:{}/", live.port));
    project.ok("identity new tester --storage plaintext", &["seed phrase"]);
    project.ok("identity default tester", &[]);
    icp_and_cycles_are_moved(&project);
    a_project_is_deployed_from_nothing(&project);
    print(&format!("{} commands of {ICP} ran", project.commands.get()));
}

/// The proxy canister that `icp` installed on the network that it launched.
fn proxy(project: &Project) -> Principal {
    let status = project.ok(
        "network status replica",
        &["http://localhost:", "Root Key: 3081"],
    );
    let line = "Proxy Canister Principal: ";
    let proxy = status.lines().find_map(|shown| shown.strip_prefix(line));
    Principal::from_text(proxy.unwrap()).unwrap()
}

#[test]
#[ignore = "needs npm and its registry, on Linux on x64; run it with \
            `cargo test -p canic-replica --test client icp -- --ignored`"]
fn icp_launches_a_network_and_stops_it() {
    if !only_ours("another server is no launcher") {
        return;
    }
    let mut project = Project::launching("icp-launcher");
    let begin = |identity: &str| {
        let line = format!("identity new {identity} --storage plaintext");
        project.ok(&line, &["seed phrase"]);
        project.ok(&format!("identity default {identity}"), &[]);
        let principal = project.ok("identity principal", &[]);
        Principal::from_text(principal.trim()).unwrap()
    };
    let tester = begin("tester");
    let begun = Instant::now();
    project.ok("network start replica -d", &["Network started on port"]);
    let started = begun.elapsed();
    project.refused("network start replica -d", "already running");
    begin("spender");
    icp_and_cycles_are_moved(&project);

    // Who is there at the start has cycles, and controls the proxy.
    project.ok("identity default tester", &[]);
    project.proxy = proxy(&project);
    project.there(
        "canister create counter --cycles 20t",
        &["Created canister counter"],
    );
    a_canister_is_installed_called_and_upgraded(&project);
    status_and_settings_are_shown_and_changed(&project, tester);
    snapshots_are_taken_moved_and_restored(&project);
    let begun = Instant::now();
    a_project_is_deployed_from_nothing(&project);
    let deployed = begun.elapsed();
    project.ok("network stop replica", &["Network stopped successfully"]);
    print(&format!(
        "{} commands of {ICP} ran; the network started in {started:?}; two canisters were \
         deployed, called, topped up and deleted in {deployed:?}",
        project.commands.get()
    ));
}
