//! Features that only our own server has: its own paths, refusals where PocketIC serves or gives
//! up, and the cache of compiled modules. On another server these tests are skipped with a reason.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use serde_json::{Value, json};

use crate::{
    common::{self, counter, only_ours, raw, update},
    raw::NOBODY,
    server::{Server, one_subnet, run},
};

#[test]
fn an_instance_serves_its_canisters_trace_and_accounts() {
    if !only_ours("this server has no paths under /canic") {
        return;
    }
    let server = Server::start("canic", &[]);
    let pic = server.client().with_application_subnet().build();
    let own = format!("/canic/instances/{}", pic.instance_id());
    let get = |path: &str| -> Value {
        let (status, body) = server.send("GET", &format!("{own}/{path}"), "");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    };
    assert_eq!(get("canisters"), json!([]));
    assert_eq!(get("trace"), json!({ "next": 0, "events": [] }));
    assert_eq!(get("accounts")["minted"], json!("0"));

    let canister = counter(&pic);
    assert_eq!(get("canisters"), json!([canister.to_text()]));
    assert_eq!(get("accounts")["minted"], json!("100000000000000"));
    let next = get("trace")["next"].as_u64().unwrap();
    assert!(next > 0);

    assert_eq!(update(&pic, canister, "inc"), Ok(1));
    update(&pic, canister, "trapping").unwrap_err();
    let trace = get(&format!("trace?from={next}"));
    let methods: Vec<_> = trace["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["method"])
        .collect();
    assert_eq!(methods, [&json!("inc"), &json!("trapping")], "{trace}");
    assert_eq!(trace["events"][0]["seq"], json!(next));
    assert_eq!(trace["events"][0]["outcome"], json!("reply"));
    assert!(
        trace["events"][1]["outcome"]["trap"]["message"].is_string(),
        "{trace}"
    );
    let last = trace["next"].as_u64().unwrap();
    assert_eq!(last, next + 2);
    assert_eq!(
        get(&format!("trace?from={last}")),
        json!({ "next": last, "events": [] })
    );

    for (path, refusal) in [
        (
            "trace?from=x",
            (400, "from=x is not the number of an event"),
        ),
        ("trace?to=1", (400, "")),
    ] {
        server.assert_refuses("GET", &format!("{own}/{path}"), "", refusal);
    }
    let nowhere = "/canic/instances/77/accounts";
    server.assert_refuses("GET", nowhere, "", (404, "there is no instance 77"));
}

/// The number of an instance, from its path.
fn number(path: &str) -> usize {
    path.rsplit('/').next().unwrap().parse().unwrap()
}

#[test]
fn missing_canisters_and_instances_are_named() {
    if !only_ours("this server may serve such requests, or give up on them") {
        return;
    }
    let server = Server::start("named", &[]);
    let instance = server.instance();
    for operation in [
        "read/get_cycles",
        "read/get_controllers",
        "read/get_stable_memory",
        "update/add_cycles",
    ] {
        let path = format!("{instance}/{operation}");
        let body = json!({ "canister_id": NOBODY, "amount": 1 }).to_string();
        server.assert_refuses("POST", &path, body, (404, "there is no canister"));
    }
    assert_eq!(server.send("DELETE", &instance, "").0, 200);
    let deleted = (404, "instance 0 has been deleted");
    server.assert_refuses("DELETE", &instance, "", deleted);
}

#[test]
fn gateways_that_cannot_be_opened_are_refused() {
    if !only_ours("this server opens some of these gateways, and answers 502 to the others") {
        return;
    }
    let server = Server::start("gateways", &[]);
    let id = number(&server.instance());
    let refuses = |gateway: Value, refusal| {
        server.assert_refuses("POST", "/http_gateway", gateway.to_string(), refusal);
    };
    let nobody = format!("there is no instance {}", id + 7);
    refuses(
        json!({ "forward_to": { "PocketIcInstance": id + 7 } }),
        (404, nobody.as_str()),
    );
    refuses(
        json!({ "forward_to": { "PocketIcInstance": id }, "port": server.port }),
        (400, "can't listen"),
    );
    refuses(
        json!({ "forward_to": { "PocketIcInstance": id }, "ip_addr": "nowhere" }),
        (400, "nowhere"),
    );
    assert_eq!(
        server.send("GET", "/http_gateway", ""),
        (200, "[]".to_owned())
    );
    server.assert_refuses("POST", "/http_gateway/0/stop", "", (404, ""));
    // An instance is deleted if its gateway can't be opened.
    let mut config = one_subnet();
    config["http_gateway_config"] = json!({ "port": server.port });
    server.assert_refuses("POST", "/instances", config.to_string(), (400, ""));
    assert_eq!(
        server.send("GET", "/instances", "").1,
        r#"["Available","Deleted"]"#
    );
}

#[test]
fn the_port_of_a_gateway_refuses_wrong_methods_like_that_of_the_server() {
    if !only_ours("the gateway of this server has messages of its own") {
        return;
    }
    let server = Server::start("gateway", &[]);
    let mut config = one_subnet();
    config["http_gateway_config"] = json!({});
    let (_, created) = server.send("POST", "/instances", config.to_string());
    let created: Value = serde_json::from_str(&created).unwrap();
    let gateway = created["Created"]["http_gateway_info"]["port"].as_u64();
    let host = "host: localhost\r\n";
    let refused = json!({ "message": "/_/topology does not take PUT" });
    assert_eq!(
        raw(gateway.unwrap() as u16, "PUT", "/_/topology", host, ""),
        (405, refused.to_string())
    );
}

#[test]
fn the_binary_prints_its_version_and_names_wrong_arguments() {
    if !only_ours("this binary has arguments and messages of its own") {
        return;
    }
    assert_eq!(run(&["--version"]).stdout, b"pocket-ic-server 16.1.0\n");
    assert!(run(&["--help"]).stdout.starts_with(b"canic-replica: "));
    let says = |arguments: &[&str]| {
        let output = run(arguments);
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, message) = says(&["--ip-addr", "localhost"]);
    assert!(
        code == Some(2) && message.contains("--ip-addr"),
        "{message}"
    );
    let (code, message) = says(&["--port-file", "/nowhere/at/all"]);
    assert!(
        code == Some(1) && message.contains("/nowhere/at/all"),
        "{message}"
    );
}

#[test]
fn compiled_modules_are_cached_between_runs() {
    if !only_ours("this server has another cache of compiled modules") {
        return;
    }
    let cache =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cache-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&cache));
    let run = || {
        let mut command = Command::new(common::server());
        let server = Server::launch("cache", command.env("XDG_CACHE_HOME", &cache));
        let pic = server.client().with_application_subnet().build();
        assert_eq!(update(&pic, counter(&pic), "inc"), Ok(1));
        drop(pic);
        files(&cache)
    };
    let kept = run();
    assert_eq!(kept.len(), 1, "{kept:?}");
    // A run that uses a cached file updates its time; a run that compiles writes another file.
    let file = std::fs::File::open(&kept[0]).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(run(), kept);
    let used = file.metadata().unwrap().modified().unwrap();
    assert_ne!(used, SystemTime::UNIX_EPOCH);
    std::fs::remove_dir_all(&cache).unwrap();
}

/// All files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}
