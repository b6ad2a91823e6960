//! The dashboard: who gets in, what it answers, and the page in a browser.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use canic_fleet_tests::artifacts;
use serde_json::Value;

use crate::{
    common::Live,
    fleets::notebook,
    page::{Browser, Server, chromium, document},
    releases::{file, three_members},
};

/// A dashboard that ends with its test.
struct Dashboard {
    child: Child,
    link: String,
    port: u16,
}

impl Dashboard {
    fn start(live: &Live) -> Self {
        let root = live.fleet.root.to_text();
        let mut child = Command::new(env!("CARGO_BIN_EXE_canic"))
            .args([
                "dashboard",
                "--json",
                "--network",
                &live.url,
                "--root",
                &root,
            ])
            .args(["--pem", "operator.pem"])
            .current_dir(&live.folder.0)
            .stdout(Stdio::piped())
            .spawn()
            .expect("canic runs");
        let stdout = child.stdout.take().expect("its output");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let line: Value = serde_json::from_str(&line).expect("JSON");
        let link = line["link"].as_str().expect("a link").to_string();
        let port = link.split([':', '/']).nth(4).expect("a port");
        Self {
            child,
            port: port.parse().expect("a number"),
            link,
        }
    }

    /// Sends a request; returns the status, the head and the body of the answer.
    fn send(&self, method: &str, path: &str, headers: &str) -> (u16, String, String) {
        send(self.port, method, path, headers)
    }

    /// Opens the link; returns the header with the cookie.
    fn open(&self) -> String {
        let at = self.link.find("/open").expect("the path");
        let (status, head, _) = self.send("GET", &self.link[at..], "");
        assert_eq!(status, 303, "{head}");
        let cookie = head
            .lines()
            .find_map(|line| line.strip_prefix("set-cookie: "))
            .and_then(|cookie| cookie.split(';').next());
        format!("cookie: {}\r\n", cookie.expect("a cookie"))
    }

    fn get(&self, path: &str, cookie: &str) -> Value {
        let (status, _, body) = self.send("GET", path, cookie);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|e| panic!("{path}: {e}: {body}"))
    }
}

/// Sends a request to a dashboard on this port; returns the status, the head and the body of the
/// answer.
fn send(port: u16, method: &str, path: &str, headers: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: 0\r\n\
         connection: close\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).expect("a status");
    (
        status.parse().expect("a number"),
        head.to_string(),
        body.to_string(),
    )
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn only_the_browser_that_opened_the_link_sees_the_fleet() {
    let live = Live::start("fixture-bare-root", three_members);
    let dashboard = Dashboard::start(&live);
    for path in ["/", "/page.js", "/api/status"] {
        assert_eq!(dashboard.send("GET", path, "").0, 403, "{path}");
    }
    assert_eq!(dashboard.send("GET", "/open?token=guess", "").0, 403);
    let cookie = dashboard.open();
    let at = dashboard.link.find("/open").expect("the path");
    assert_eq!(
        dashboard.send("GET", &dashboard.link[at..], "").0,
        403,
        "a second time"
    );

    let (status, head, page) = dashboard.send("GET", "/", &cookie);
    assert_eq!(status, 200);
    assert!(
        head.contains("content-security-policy: default-src 'none'"),
        "{head}"
    );
    assert!(page.contains("<title>canic</title>"), "{page}");
    let size: usize = ["/", "/page.js", "/page.css"]
        .iter()
        .map(|path| dashboard.send("GET", path, &cookie).2.len())
        .sum();
    assert!(size < 150_000, "{size} bytes");

    assert_eq!(dashboard.get("/api/status", &cookie)["members"], 3);
    let fleet = dashboard.get("/api/fleet", &cookie);
    assert_eq!(fleet["root"], live.fleet.root.to_text());
    let members = dashboard.get("/api/members?key=member+2&limit=5&skip=0", &cookie);
    assert_eq!(members["matching"], 1);
    let path = format!("/api/children?parent={}", live.fleet.root);
    let children = dashboard.get(&path, &cookie);
    assert_eq!(children["children"].as_array().map(Vec::len), Some(3));
    let canister = children["children"][0]["canister"]
        .as_str()
        .expect("a member");
    let seen = dashboard.get(&format!("/api/live?canisters={canister}"), &cookie);
    assert_eq!(seen["members"].as_array().map(Vec::len), Some(1));
    assert_eq!(seen["members"][0]["live"]["run"], "running");
    assert_eq!(
        dashboard.send("GET", "/api/live?canisters=x", &cookie).0,
        400
    );
    let costs = dashboard.get("/api/costs", &cookie);
    assert_eq!(costs["costs"]["level"], "ok");
    assert!(costs["samples"].is_array(), "{costs}");
    let operations = dashboard.get("/api/operations?state=all", &cookie);
    assert!(operations["matching"].as_u64() >= Some(3));
    assert!(dashboard.get("/api/pool", &cookie)["pool"].is_array());
    let log = dashboard.get("/api/logs", &cookie);
    assert!(
        log["lines"]
            .as_array()
            .is_some_and(|lines| !lines.is_empty())
    );
    assert_eq!(
        dashboard.send("GET", "/api/members?limit=x", &cookie).0,
        400
    );
}

#[test]
fn a_rollout_is_followed_paused_resumed_and_aborted_from_the_dashboard_and_nothing_else_is_done() {
    let live = Live::start("fixture-bare-root", three_members);
    file(&live, "good", 2);
    live.json("release releases good-2.wasm --bake 3600 --detach");
    live.until("rollout status", |status| status["phase"] == "bake");
    let dashboard = Dashboard::start(&live);
    let cookie = dashboard.open();
    let rollout = || dashboard.get("/api/rollouts", &cookie)["rollouts"][0].clone();
    assert_eq!(
        (&rollout()["phase"], &rollout()["upgraded"]),
        (&"bake".into(), &1.into())
    );
    let marked = format!("{cookie}x-canic: dashboard\r\n");
    let act = |verb: &str, headers: &str| {
        dashboard
            .send("POST", &format!("/api/rollout/1/{verb}"), headers)
            .0
    };
    assert_eq!(act("pause", &cookie), 403, "without the page's mark");
    assert_eq!(act("pause", &marked), 200);
    assert_eq!(rollout()["paused"], "a controller paused it");
    for verb in ["promote", "undo", "start"] {
        assert_eq!(act(verb, &marked), 400, "{verb}");
    }
    assert_eq!(act("resume", &marked), 200);
    assert_eq!(rollout()["paused"], Value::Null);
    assert_eq!(act("abort", &marked), 200);
    assert_eq!(rollout()["outcome"], "aborted");
}

#[test]
fn the_page_shows_the_fleet_in_a_browser() {
    let Some(chromium) = chromium() else {
        println!("skipped: this test needs chromium (Debian: apt-get install chromium)");
        return;
    };
    let live = Live::start("fixture-bare-root", three_members);
    let show = |view: &str| {
        let dashboard = Dashboard::start(&live);
        let address = format!("{}#{view}", dashboard.link);
        document(&chromium, &address, &format!("{view}.png"))
    };
    let overview = show("overview");
    assert!(
        overview.contains("<b>3</b><span>members</span>"),
        "{overview}"
    );
    let members = show("members");
    assert!(
        members.contains("3 members") && members.contains("member 2"),
        "{members}"
    );
    assert!(members.contains("aria-rowcount=\"4\""), "{members}");
    let rollouts = show("rollouts");
    assert!(rollouts.contains("no rollouts"), "{rollouts}");
    let tree = show("tree");
    assert_eq!(tree.matches("<li><span class=\"id\">").count(), 3, "{tree}");
}

/// A person who pauses and resumes a rollout, and stays until it is over.
const PERSON: &str = "
const until = async (holds) => {
    while (!holds()) await new Promise((done) => setTimeout(done, 50));
};
const shows = (text) => document.getElementById('view').textContent.includes(text);
const press = (text) => [...document.querySelectorAll('button')]
    .find((button) => button.textContent === text).click();
const tell = (what) => fetch(`/told/${what}`, { method: 'POST' });
addEventListener('load', async () => {
    await until(() => document.querySelector('[aria-current=step]')?.textContent === 'bake');
    press('pause');
    await until(() => document.getElementById('confirm').open);
    document.getElementById('yes').click();
    await until(() => shows('paused: a controller paused it'));
    press('resume');
    await until(() => document.getElementById('confirm').open);
    document.getElementById('yes').click();
    await until(() => !shows('paused'));
    await tell('resumed');
    await until(() => shows('completed') && shows('3 of 3 upgraded'));
    await tell('completed');
});";

/// The page runs against the dashboard of a real fleet, by way of a server that adds the person.
#[test]
fn a_rollout_is_paused_resumed_and_followed_to_its_end_in_a_browser() {
    let Some(chromium) = chromium() else {
        println!("skipped: this test needs chromium (Debian: apt-get install chromium)");
        return;
    };
    let live = Live::start("fixture-bare-root", three_members);
    file(&live, "good", 2);
    live.json("release releases good-2.wasm --bake 3600 --detach");
    let dashboard = Dashboard::start(&live);
    let cookie = dashboard.open();
    // The server's threads outlive this function, so the dashboard stays here.
    let port = dashboard.port;
    let server = Server::with(PERSON, move |method, path, is_marked| {
        let mark = if is_marked {
            "x-canic: dashboard\r\n"
        } else {
            ""
        };
        match path.starts_with("/api") {
            true => send(port, method, path, &format!("{cookie}{mark}")).2,
            false => "{}".to_string(),
        }
    });
    let _browser = Browser::open(&chromium, &server.address("rollouts"));
    let next = || {
        let change = server.changes.recv_timeout(Duration::from_secs(120));
        change.expect("the person goes on").0
    };
    assert_eq!(next(), "/api/rollout/1/pause");
    assert_eq!(next(), "/api/rollout/1/resume");
    assert_eq!(next(), "/told/resumed");
    live.json("rollout promote");
    assert_eq!(next(), "/told/completed");
}

/// With `CANIC_SCREENSHOTS=docs` it makes the picture of docs/operating.md.
#[test]
fn the_overview_shows_a_rollout_as_it_runs() {
    let Some(chromium) = chromium() else {
        println!("skipped: this test needs chromium (Debian: apt-get install chromium)");
        return;
    };
    let live = Live::start("fixture-bare-root", |fleet| {
        three_members(fleet);
        fleet.approve("worker", &artifacts::module("example-worker"));
        for number in 1..=12 {
            notebook(fleet, number);
        }
        fleet.quiet();
    });
    file(&live, "good", 2);
    live.json("release releases good-2.wasm --bake 3600 --detach");
    live.until("rollout status", |status| status["phase"] == "bake");
    let dashboard = Dashboard::start(&live);
    let page = document(&chromium, &dashboard.link, "dashboard.png");
    for part in [
        "<b>15</b><span>members</span>",
        "<li aria-current=\"step\">bake</li>",
        "1 of 3 upgraded, 0 failed, 0 undone, 0 under way, 2 left",
        "level of funding",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
}
