//! Metrics: as Candid, as Prometheus text, and as documented; the cost of measuring; and the log.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    process::{Command, Stdio},
};

use candid::{Principal, encode_args};
use canic::api::{
    Denied, HttpRequest, HttpResponse, Metric, MetricsPage, OperationInfo, OperationKind,
    OperationsFilter, PageRequest, ProvisionError, ProvisionRequest, Provisioned, Retirement,
    RolledBack,
};
use canic_fleet_tests::{Fleet, artifacts, fleet::notebook, user};
use canic_replica::{Effect, Fault, RejectCode, client::Control};

/// A fleet whose root serves metrics, with modules for its members.
fn fleet() -> Fleet {
    let fleet = Fleet::start("fixture-hub-root");
    for role in ["worker", "hooks", "measured"] {
        let package = if role == "worker" {
            "example-worker".to_string()
        } else {
            format!("fixture-{role}")
        };
        fleet.approve(role, &artifacts::module(&package));
    }
    fleet
}

fn request(role: &str, arg: Vec<u8>) -> ProvisionRequest {
    ProvisionRequest {
        role: role.to_string(),
        key: None,
        parent: None,
        arg,
    }
}

/// A member that serves metrics.
fn measured(fleet: &Fleet) -> Principal {
    let nothing = encode_args(()).expect("encoded");
    let member = fleet.provision(&request("measured", nothing));
    member.expect("a member").canister
}

/// Requests a member whose `init` refuses, and returns the failed operation.
fn fail_provision(fleet: &Fleet) -> u64 {
    let no_greeting = encode_args(("",)).expect("encoded");
    match fleet.provision(&request("hooks", no_greeting)) {
        Err(ProvisionError::InstallFailed { operation, .. }) => operation,
        other => panic!("the install fails, not: {other:?}"),
    }
}

/// All metrics of a canister, a few rows at a time.
fn metrics(fleet: &Fleet, canister: Principal, sender: Principal) -> Vec<Metric> {
    let (mut metrics, mut after) = (Vec::new(), None);
    loop {
        let request = PageRequest { after, limit: 7 };
        let page: Result<MetricsPage, Denied> = fleet
            .query(canister, sender, "canic_metrics", (request,))
            .expect("it answers");
        let page = page.expect("the sender may ask");
        metrics.extend(page.metrics);
        after = page.next;
        if after.is_none() {
            return metrics;
        }
    }
}

/// The value of a metric with these label values.
fn value(metrics: &[Metric], name: &str, labels: &[&str]) -> Option<f64> {
    let same = |metric: &&Metric| {
        let values = metric.labels.iter().map(|(_, value)| value.as_str());
        metric.name == name && values.eq(labels.iter().copied())
    };
    let mut found = metrics.iter().filter(same);
    let value = found.next().map(|metric| metric.value);
    assert!(found.next().is_none(), "{name} {labels:?} is served once");
    value
}

fn http(fleet: &Fleet, canister: Principal, method: &str, url: &str) -> HttpResponse {
    let request = HttpRequest {
        method: method.to_string(),
        url: url.to_string(),
        headers: vec![],
        body: vec![],
    };
    fleet
        .query(canister, Principal::anonymous(), "http_request", (request,))
        .expect("it answers")
}

fn text(fleet: &Fleet, canister: Principal) -> String {
    let answer = http(fleet, canister, "GET", "/metrics");
    assert_eq!(answer.status_code, 200);
    String::from_utf8(answer.body).expect("it is text")
}

/// A fleet whose root has a value for every metric, and a member of it.
fn eventful() -> (Fleet, Principal) {
    let fleet = fleet();
    let member = measured(&fleet);
    let nothing = encode_args(()).expect("encoded");
    for method in ["wired_update", "wired_update_later"] {
        let answer = fleet
            .pic
            .update_call(member, user(1), method, nothing.clone());
        answer.expect("it answers");
    }
    let worker = fleet.provision(&notebook(user(1))).expect("a member");
    let retired = fleet.retire(worker.canister, Retirement::Delete);
    retired.expect("it is retired");
    fail_provision(&fleet);
    fleet.quiet();
    (fleet, member)
}

#[test]
fn an_endpoints_calls_are_counted_by_outcome() {
    let fleet = fleet();
    let member = measured(&fleet);
    let answers: [Result<u64, String>; 3] = [Ok(1), Ok(2), Err("no".to_string())];
    for answer in answers {
        let same: Result<u64, String> = fleet
            .update(member, user(1), "answer", (answer.clone(),))
            .expect("it answers");
        assert_eq!(same, answer);
    }
    let misfit = encode_args(("neither",)).expect("encoded");
    let refused = fleet.pic.update_call(member, user(1), "answer", misfit);
    refused.expect_err("the argument does not fit");
    for _ in 0..2 {
        let denied: () = fleet
            .update(member, user(1), "call_myself", ("guarded_update",))
            .expect("it answers");
        assert_eq!(denied, ());
    }
    let nothing = encode_args(()).expect("encoded");
    let trapped = fleet
        .pic
        .update_call(member, user(1), "trap_later", nothing);
    trapped.expect_err("it traps");

    let metrics = metrics(&fleet, member, fleet.root);
    let calls = |endpoint, outcome| {
        let name = "canic_endpoint_calls_total";
        value(&metrics, name, &[endpoint, outcome]).map(|calls| calls as u64)
    };
    let outcomes = |endpoint| ["ok", "error", "denied", "trap"].map(|o| calls(endpoint, o));
    assert_eq!(outcomes("answer"), [2, 2, 0, 0].map(Some));
    assert_eq!(outcomes("guarded_update"), [0, 0, 2, 0].map(Some));
    assert_eq!(outcomes("call_myself"), [2, 0, 0, 0].map(Some));
    assert_eq!(outcomes("trap_later"), [0, 0, 0, 1].map(Some));
    assert_eq!(calls("wired_update", "ok"), None, "it was not called");
    assert_eq!(
        calls("bare_update", "ok"),
        None,
        "it has no attribute of canic"
    );
    for endpoint in ["answer", "call_myself", "trap_later"] {
        let name = "canic_endpoint_instructions_total";
        let instructions = value(&metrics, name, &[endpoint]);
        assert!(instructions > Some(1_000.0), "{endpoint}: {instructions:?}");
    }
    for name in [
        "canic_cycles_balance",
        "canic_heap_bytes",
        "canic_stable_bytes",
    ] {
        assert!(value(&metrics, name, &[]) > Some(65_535.0), "{name}");
    }
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn operations_and_steps_are_counted_with_their_latencies() {
    let (fleet, _) = eventful();
    let metrics = metrics(&fleet, fleet.root, fleet.controller);
    let operations = |kind, outcome| {
        let name = "canic_operation_duration_seconds_count";
        value(&metrics, name, &[kind, outcome])
    };
    assert_eq!(operations("provision", "done"), Some(2.0));
    assert_eq!(operations("retire", "done"), Some(1.0));
    assert_eq!(operations("provision", "deleted"), Some(1.0));
    assert_eq!(operations("refill", "done"), None, "there is no pool");
    let steps = |step, outcome| {
        let name = "canic_step_duration_seconds_count";
        value(&metrics, name, &[step, outcome])
    };
    assert_eq!(steps("create", "applied"), Some(3.0));
    assert_eq!(steps("install", "applied"), Some(2.0));
    assert_eq!(steps("install", "not_applied"), Some(1.0));
    assert_eq!(steps("install", "unknown"), None);

    // The duration is the one in the journal.
    let closed = fleet.operations(OperationsFilter::Closed);
    let took = |op: &OperationInfo| (op.updated - op.accepted) as f64 / 1e9;
    let retired = closed
        .iter()
        .find(|op| op.kind == OperationKind::Retire)
        .expect("it is on record");
    let name = "canic_operation_duration_seconds_sum";
    assert_eq!(
        value(&metrics, name, &["retire", "done"]),
        Some(took(retired))
    );

    let gauge = |name, labels: &[&str]| value(&metrics, name, labels);
    assert_eq!(gauge("canic_members", &["measured"]), Some(1.0));
    assert_eq!(gauge("canic_members", &["worker"]), Some(0.0));
    assert_eq!(gauge("canic_pool_canisters", &["ready"]), Some(0.0));
    assert_eq!(gauge("canic_operations_open", &["provision"]), Some(0.0));
    assert_eq!(gauge("canic_operations_oldest_seconds", &[]), Some(0.0));
    assert_eq!(gauge("canic_operations_quarantined", &[]), Some(0.0));
    assert!(gauge("canic_cycles_total", &["deleted"]) > Some(0.0));
    assert!(gauge("canic_cycles_available", &[]) < gauge("canic_cycles_balance", &[]));
    fleet.audit().passes();
}

#[test]
fn open_and_quarantined_operations_are_the_backlog() {
    let fleet = fleet();
    let Some(control) = Control::of(&fleet.pic) else {
        return println!("skipped: this server can't lose an answer");
    };
    // One operation waits until its member can be installed.
    let refused = Fault::on_call(Effect::reject(RejectCode::SysTransient));
    let refused = refused.method("install_chunked_code").times(100);
    control
        .inject(&refused)
        .expect("the replica arms the fault");
    let root = fleet.root;
    let waiting = fleet.submit(
        root,
        fleet.controller,
        "canic_provision",
        (notebook(user(2)),),
    );
    fleet.until("its install was refused", |fleet| {
        fleet.open().iter().any(|op| op.failure.is_some())
    });
    // Root never learns the id of another operation's canister.
    let lost = Fault::on_answer(Effect::reject(RejectCode::SysUnknown)).method("create_canister");
    control.inject(&lost).expect("the replica arms the fault");
    let answer = fleet.provision(&notebook(user(1)));
    let Err(ProvisionError::Quarantined { operation, .. }) = answer else {
        panic!("the operation is quarantined, not: {answer:?}");
    };

    let now = metrics(&fleet, fleet.root, fleet.controller);
    let gauge = |name, labels: &[&str]| value(&now, name, labels);
    assert_eq!(gauge("canic_operations_open", &["provision"]), Some(1.0));
    assert!(gauge("canic_operations_oldest_seconds", &[]) >= Some(1.0));
    assert_eq!(gauge("canic_operations_quarantined", &[]), Some(1.0));
    assert_eq!(gauge("canic_members", &["worker"]), Some(1.0));
    assert!(gauge("canic_cycles_unknown", &[]) > Some(1e12));
    let name = "canic_operation_duration_seconds_count";
    assert_eq!(gauge(name, &["provision", "quarantined"]), Some(1.0));

    control
        .clear_faults()
        .expect("the replica clears the fault");
    let answer: Result<Provisioned, ProvisionError> = fleet.answer(waiting);
    assert!(
        matches!(answer, Err(ProvisionError::Pending { .. })),
        "{answer:?}"
    );
    fleet.quiet();
    let now = metrics(&fleet, fleet.root, fleet.controller);
    let gauge = |name, labels: &[&str]| value(&now, name, labels);
    assert_eq!(gauge("canic_operations_open", &["provision"]), Some(0.0));
    assert_eq!(gauge("canic_operations_oldest_seconds", &[]), Some(0.0));
    let log = log(&fleet, fleet.root);
    let quarantined = format!("ERROR canic: operation {operation} (Provision) is in quarantine");
    assert!(log.iter().any(|l| l.starts_with(&quarantined)), "{log:#?}");
}

#[test]
fn promtool_accepts_the_pages_of_root_and_members() {
    let (fleet, member) = eventful();
    for canister in [fleet.root, member] {
        let text = text(&fleet, canister);
        let promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut promtool = match promtool {
            Ok(promtool) => promtool,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return println!(
                    "skipped: promtool, which comes with Prometheus, is not installed"
                );
            }
            Err(error) => panic!("promtool can't be run: {error}"),
        };
        let mut input = promtool.stdin.take().expect("a pipe");
        input.write_all(text.as_bytes()).expect("it reads");
        drop(input);
        let said = promtool.wait_with_output().expect("it ends");
        let words = [said.stdout, said.stderr].concat();
        let words = String::from_utf8_lossy(&words);
        assert!(said.status.success() && words.is_empty(), "{words}\n{text}");
    }
}

#[test]
fn promtool_accepts_the_example_rules_and_they_name_real_metrics() {
    let rules = artifacts::workspace().join("docs/prometheus-rules.yml");
    let text = fs::read_to_string(&rules).expect("the rules can be read");
    let known: BTreeSet<String> = documented().into_iter().map(|family| family.name).collect();
    let names = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = names.filter(|word| word.starts_with("canic_") && *word != "canic_funding");
    for name in names {
        let family = name.strip_suffix("_count").unwrap_or(name);
        assert!(known.contains(family), "{name} is no metric");
    }
    let promtool = Command::new("promtool")
        .args(["check", "rules"])
        .arg(&rules)
        .output();
    let said = match promtool {
        Ok(said) => said,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return println!("skipped: promtool, which comes with Prometheus, is not installed");
        }
        Err(error) => panic!("promtool can't be run: {error}"),
    };
    let words = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
    assert!(said.status.success(), "{words}");
    assert!(words.contains("7 rules found"), "{words}");
}

/// A family of metrics in `docs/metrics.md`.
struct Documented {
    name: String,
    kind: String,
    /// Label names, each with its possible values; `None` if these are names of the author.
    labels: Vec<(String, Option<BTreeSet<String>>)>,
    help: String,
}

fn documented() -> Vec<Documented> {
    let row = |line: &str| {
        let mut columns = line.trim_matches('|').split('|').map(str::trim);
        let mut column = || columns.next().map(str::to_string);
        let (name, kind, labels, help) = (column()?, column()?, column()?, column()?);
        let label = |text: &str| {
            let (name, values) = match text.split_once(": ") {
                Some((name, values)) => (name, Some(values)),
                None => (text, None),
            };
            let values = values.map(|all| all.split(", ").map(str::to_string).collect());
            (name.trim_matches('`').to_string(), values)
        };
        Some(Documented {
            name: name.trim_matches('`').to_string(),
            kind,
            labels: match labels.as_str() {
                "none" => vec![],
                labels => labels.split("; ").map(label).collect(),
            },
            help,
        })
    };
    let docs = include_str!("../../../docs/metrics.md");
    let lines = docs.lines().filter(|line| line.starts_with("| `canic_"));
    lines.filter_map(row).collect()
}

#[test]
fn served_and_documented_metrics_are_the_same() {
    let (fleet, member) = eventful();
    let documented = documented();
    for metric in metrics(&fleet, fleet.root, fleet.controller) {
        let Metric { name, labels, .. } = &metric;
        let is_its = |family: &&Documented| match name.strip_prefix(&family.name) {
            Some("") => family.kind != "histogram",
            Some("_bucket" | "_sum" | "_count") => family.kind == "histogram",
            _ => false,
        };
        let family = documented.iter().find(is_its);
        let family = family.unwrap_or_else(|| panic!("{name} is not documented"));
        let mut labels = labels.iter().filter(|(name, _)| name != "le");
        for (name, values) in &family.labels {
            let (served, value) = labels.next().unwrap_or_else(|| panic!("{metric:?}"));
            assert_eq!(served, name);
            let known = values.as_ref().is_none_or(|all| all.contains(value));
            assert!(known, "{metric:?}");
        }
        assert_eq!(labels.next(), None, "{metric:?}");
    }
    let headers = |family: &Documented| {
        let Documented {
            name, kind, help, ..
        } = family;
        format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")
    };
    let served = |canister| -> String {
        let text = text(&fleet, canister);
        let headers = text.lines().filter(|line| line.starts_with('#'));
        headers.map(|line| format!("{line}\n")).collect()
    };
    let all: Vec<String> = documented.iter().map(headers).collect();
    assert_eq!(served(fleet.root), all.concat());
    assert_eq!(served(member), all[..5].concat());
}

#[test]
fn http_serves_one_page_read_only() {
    let fleet = fleet();
    let header = |answer: &HttpResponse, name: &str| {
        let mut headers = answer.headers.iter();
        headers
            .find(|header| header.0 == name)
            .map(|header| header.1.clone())
    };
    for canister in [fleet.root, measured(&fleet)] {
        let page = http(&fleet, canister, "GET", "/metrics?from=prometheus");
        assert_eq!(page.status_code, 200);
        let kind = header(&page, "Content-Type");
        assert_eq!(kind.as_deref(), Some("text/plain; version=0.0.4"));
        assert!(page.body.starts_with(b"# HELP canic_cycles_balance "));
        let head = http(&fleet, canister, "HEAD", "/metrics");
        assert_eq!((head.status_code, head.body.len()), (200, 0));
        assert_eq!(
            header(&head, "Content-Length"),
            Some(page.body.len().to_string())
        );
        let posted = http(&fleet, canister, "POST", "/metrics");
        assert_eq!(posted.status_code, 405);
        assert_eq!(header(&posted, "Allow").as_deref(), Some("GET, HEAD"));
        for url in ["/", "/metrics/", "/metricsand", "metrics", ""] {
            let missing = http(&fleet, canister, "GET", url);
            assert_eq!(missing.status_code, 404, "{url}");
        }
    }
}

#[test]
fn the_raw_gateway_serves_the_page() {
    let mut fleet = fleet();
    let member = measured(&fleet);
    // A live instance has today's time: years of storage are charged at once.
    for canister in [fleet.root, member] {
        fleet.pic.add_cycles(canister, 20_000_000_000_000);
    }
    let gateway = fleet.pic.make_live(None);
    let port = gateway.port().expect("it listens");
    let client = reqwest::blocking::Client::new();
    for canister in [fleet.root, member] {
        let ask = |method: reqwest::Method, path: &str| {
            let url = format!("http://127.0.0.1:{port}{path}");
            let request = client.request(method, url);
            let request = request.header("Host", format!("{canister}.raw.localhost"));
            request.send().expect("the gateway answers")
        };
        let page = ask(reqwest::Method::GET, "/metrics");
        assert_eq!(page.status(), 200);
        assert_eq!(page.headers()["Content-Type"], "text/plain; version=0.0.4");
        let text = page.text().expect("it is text");
        assert!(text.starts_with("# HELP canic_cycles_balance "), "{text}");
        let head = ask(reqwest::Method::HEAD, "/metrics");
        assert_eq!(head.status(), 200);
        assert_eq!(ask(reqwest::Method::PUT, "/metrics").status(), 405);
        assert_eq!(ask(reqwest::Method::GET, "/").status(), 404);
    }
}

#[test]
fn an_empty_endpoint_costs_little_more_than_that_of_ic_cdk() {
    /// The most instructions that canic may add to a call.
    const MOST: u64 = 2_500;
    let fleet = Fleet::start("fixture-hub-root");
    let Some(observer) = &fleet.observer else {
        return println!("skipped: this server does not serve instructions");
    };
    // The average of several calls: the pages that the allocator makes dirty differ from call to
    // call, for both kinds of endpoints.
    let cost = |canister, sender, method: &str| {
        let nothing = || encode_args(()).expect("encoded");
        let from = observer.now();
        for _ in 0..11 {
            let answer = if method.contains("query") {
                fleet.pic.query_call(canister, sender, method, nothing())
            } else {
                fleet.pic.update_call(canister, sender, method, nothing())
            };
            answer.unwrap_or_else(|reject| panic!("{method}: {reject}"));
        }
        let all = observer.instructions(canister, method, from);
        // The first call of an endpoint allocates memory that later calls reuse.
        let [_, rest @ ..] = &all[..] else {
            panic!("{method} was called")
        };
        rest.iter().sum::<u64>() / rest.len() as u64
    };
    let compare = |whose: &str, canister, sender| {
        for kind in ["query", "update", "update_later"] {
            for (by_hand, wiring) in [("bare", "wired"), ("checked", "guarded")] {
                let by_hand = cost(canister, sender, &format!("{by_hand}_{kind}"));
                let wired = cost(canister, sender, &format!("{wiring}_{kind}"));
                let more = wired.saturating_sub(by_hand);
                println!("{whose} {wiring}_{kind}: {wired} instructions, {more} more than by hand");
                assert!(more <= MOST, "{whose} {wiring}_{kind}: {more}");
            }
        }
    };
    compare("root's", fleet.root, fleet.controller);
    fleet.approve("measured", &artifacts::module("fixture-measured"));
    compare("a member's", measured(&fleet), fleet.root);
}

/// A canister's log, line by line.
fn log(fleet: &Fleet, canister: Principal) -> Vec<String> {
    let sender = if canister == fleet.root {
        fleet.controller
    } else {
        fleet.root
    };
    let log = fleet.pic.fetch_canister_logs(canister, sender);
    let lines = log.expect("its controller may read it").into_iter();
    lines
        .map(|line| String::from_utf8(line.content).expect("it is text"))
        .collect()
}

#[test]
fn the_log_has_the_steps_of_an_operation_with_level_and_number() {
    let fleet = fleet();
    let member = fleet.provision(&notebook(user(1))).expect("a member");
    let failed = fail_provision(&fleet);
    fleet.quiet();
    let log = log(&fleet, fleet.root);
    let lines_of = |operation: u64| -> Vec<String> {
        let number = format!(" operation {operation} ");
        let its = log.iter().filter(|line| line.contains(&number));
        its.cloned().collect()
    };
    let done = member.operation;
    assert_eq!(
        lines_of(done),
        [
            format!("INFO canic: operation {done} (Provision) begins"),
            format!("INFO canic: operation {done} (Provision) is done"),
        ]
    );
    let [begins, rolls_back, ended] = &lines_of(failed)[..] else {
        panic!("{log:#?}")
    };
    let check = |line: &str, level: &str, rest: &str| {
        let start = format!("{level} canic: operation {failed} (Provision) {rest}");
        assert!(line.starts_with(&start), "{line}");
    };
    check(begins, "INFO", "begins");
    check(rolls_back, "WARN", "rolls back after Install: ");
    assert!(rolls_back.contains("a greeting is needed"), "{rolls_back}");
    let how = RolledBack::Deleted;
    check(ended, "WARN", &format!("failed and ended as {how:?}: "));
    assert!(log.iter().all(|line| line.len() <= 300), "{log:#?}");
}

#[test]
fn the_log_has_cut_off_operations_and_failed_starts() {
    let fleet = fleet();
    let member = measured(&fleet);
    fleet.quiet();
    let start: Vec<String> = log(&fleet, member);
    assert_eq!(
        start,
        ["ERROR canic: start failed, try 1: the first start always fails"]
    );

    let Some(control) = Control::of(&fleet.pic) else {
        return println!("skipped: this server can't make a callback trap");
    };
    let trap = Fault::on_answer(Effect::trap()).method("install_chunked_code");
    control.inject(&trap).expect("the replica arms the fault");
    let answer = fleet.provision(&notebook(user(1)));
    let operation = match answer {
        Ok(Provisioned { operation, .. }) | Err(ProvisionError::Pending { operation }) => operation,
        other => panic!("the member is provisioned or pending, not: {other:?}"),
    };
    fleet.quiet();
    let taken_up = format!(
        "WARN canic: operation {operation} (Provision) was cut off at Install and is taken up"
    );
    let log = log(&fleet, fleet.root);
    assert!(log.contains(&taken_up), "{log:#?}");
}
