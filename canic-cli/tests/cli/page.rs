//! The page of the dashboard in a browser, with answers that a test makes: a fleet of 100,000
//! members, and a rollout that is paused by a click.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::common::Folder;

const ROOT: &str = "aaaaa-aa";
const MEMBERS: usize = 100_000;

/// A browser, if this machine has one.
pub(crate) fn chromium() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let files = folders
        .iter()
        .flat_map(|folder| names.map(|name| folder.join(name)));
    files.into_iter().find(|file| file.is_file())
}

/// The document that a browser makes of an address, and a picture of it in `CANIC_SCREENSHOTS`, if
/// that names a folder.
pub(crate) fn document(chromium: &PathBuf, address: &str, picture: &str) -> String {
    let folder = Folder::new();
    let screenshot = folder.0.join("picture.png");
    let output = Command::new(chromium)
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--window-size=1300,800",
        ])
        .args(["--virtual-time-budget=8000", "--dump-dom"])
        .args(
            env::var("CANIC_DARK")
                .ok()
                .map(|_| "--blink-settings=preferredColorScheme=0"),
        )
        .arg(format!(
            "--user-data-dir={}",
            folder.0.join("profile").display()
        ))
        .arg(format!("--screenshot={}", screenshot.display()))
        .arg(address)
        .stdin(Stdio::null())
        .output()
        .expect("the browser runs");
    if let Some(to) = env::var_os("CANIC_SCREENSHOTS") {
        fs::copy(&screenshot, PathBuf::from(to).join(picture)).expect("a picture");
    }
    String::from_utf8(output.stdout).expect("text")
}

/// A browser in real time, until its test ends: a page in virtual time never waits.
pub(crate) struct Browser {
    child: Child,
    /// Its profile.
    _folder: Folder,
}

impl Browser {
    pub(crate) fn open(chromium: &PathBuf, address: &str) -> Self {
        let folder = Folder::new();
        let child = Command::new(chromium)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--window-size=1300,900",
            ])
            // Without it the browser ends once the page is there.
            .args(["--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", folder.0.display()))
            .arg(address)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the browser runs");
        Self {
            child,
            _folder: folder,
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server of the page's files and of answers. `driver` is a script that acts like a person.
pub(crate) struct Server {
    port: u16,
    /// The requests that change something: their path, and whether they have the page's mark.
    pub(crate) changes: Receiver<(String, bool)>,
}

/// Answers a request for facts: method, path, and whether it has the page's mark.
type Facts = dyn Fn(&str, &str, bool) -> String + Send + Sync;

impl Server {
    fn start(driver: &'static str) -> Self {
        Self::with(driver, |_, path, _| facts(path).to_string())
    }

    /// A server of facts that a function knows.
    pub(crate) fn with(
        driver: &'static str,
        facts: impl Fn(&str, &str, bool) -> String + Send + Sync + 'static,
    ) -> Self {
        let facts: Arc<Facts> = Arc::new(facts);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (sender, changes) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (sender, facts) = (sender.clone(), facts.clone());
                thread::spawn(move || answer(&stream, driver, &*facts, &sender));
            }
        });
        Self { port, changes }
    }

    pub(crate) fn address(&self, view: &str) -> String {
        format!("http://127.0.0.1:{}/#{view}", self.port)
    }
}

fn answer(mut stream: &TcpStream, driver: &str, facts: &Facts, changes: &Sender<(String, bool)>) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let marked = head
        .iter()
        .any(|line| line.to_lowercase().starts_with("x-canic:"));
    if method == "POST" {
        changes
            .send((path.to_string(), marked))
            .expect("the test listens");
    }
    let html = include_str!("../../src/dashboard/page/index.html");
    let (kind, body) = match path {
        "/" => {
            let script = "<script src=\"/driver.js\" defer></script></head>";
            ("text/html", html.replace("</head>", script))
        }
        "/driver.js" => ("text/javascript", driver.to_string()),
        "/page.js" => {
            let script = include_str!("../../src/dashboard/page/page.js");
            ("text/javascript", script.to_string())
        }
        "/page.css" => (
            "text/css",
            include_str!("../../src/dashboard/page/page.css").to_string(),
        ),
        path => ("application/json", facts(method, path, marked)),
    };
    let text = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n\
         {body}",
        body.len()
    );
    // A browser that has seen enough hangs up.
    let _ = stream.write_all(text.as_bytes());
}

/// The answers about a large fleet with a rollout under way.
fn facts(path: &str) -> Value {
    let rollout = json!({
        "rollout": 7, "role": "worker", "from": 1, "to": 2, "phase": "bake", "paused": null,
        "outcome": null, "members": 10, "upgraded": 4, "failed": 1, "undone": 0, "open": 0,
        "left": 6, "started": 0, "since": 0, "failures": [{ "operation": 3, "canister": ROOT,
        "reason": "<b>no markup</b>" }],
    });
    if path.starts_with("/api/fleet") {
        json!({ "root": ROOT, "caller": ROOT, "network": "http://localhost" })
    } else if path.starts_with("/api/costs") {
        costs()
    } else if let Some((_, canisters)) = path.split_once("/api/live?canisters=") {
        let members = canisters.split("%2C").map(|canister| {
            let is_first = canister == "member-0";
            let run = if is_first { "stopped" } else { "running" };
            json!({
                "canister": canister, "runs_release": true, "unseen": null, "live": {
                    "run": run, "cycles": "1500000000000", "frozen": "10", "memory": 1,
                    "burned_per_day": "1", "days_left": 12.5,
                },
            })
        });
        json!({ "members": members.collect::<Vec<_>>() })
    } else if path.starts_with("/api/members") {
        let field = |name: &str| -> usize {
            let value = path
                .split(['?', '&'])
                .find_map(|pair| pair.strip_prefix(name));
            value.and_then(|value| value.parse().ok()).unwrap_or(0)
        };
        let (skip, limit) = (field("skip="), field("limit="));
        let rows = (skip..MEMBERS.min(skip + limit)).map(|number| {
            json!({
                "canister": format!("member-{number}"), "role": "worker", "release": 1,
                "state": "active", "parent": ROOT, "key": format!("user {number}"), "since": 0,
            })
        });
        json!({ "members": rows.collect::<Vec<_>>(), "skipped": skip, "matching": MEMBERS })
    } else {
        json!({ "rollouts": [rollout] })
    }
}

/// What a fleet costs whose cycles fell from 5 T to 4 T within an hour.
fn costs() -> Value {
    let samples = [(0, "5000000000000", 5.0), (3_600, "4000000000000", 4.0)];
    let samples = samples.map(
        |(at, cycles, days_left)| json!({ "at": at, "cycles": cycles, "days_left": days_left }),
    );
    json!({ "samples": samples, "costs": {
        "level": "critical", "budget": "20", "charged_today": "3", "root": {
            "level": "critical", "reason": "root has too little", "available": "4000000000000",
            "reserve": "1000000000000", "spent_per_day": "1000000000000", "days_left": 4.0,
            "dry_at": 86_400, "refuel": null,
        },
        "roles": [{ "role": "worker", "members": 9, "seen": 9, "burned_per_day": "7000000000",
            "days_left": 2.5, "level": "warn", "frozen": 0, "refused": 1 }],
        "days": [{ "day": 0, "grants": 2, "refusals": 1, "granted": { "watch": "2000000000" } }],
        "refused": [{ "at": 0, "canister": ROOT, "purpose": "watch", "cycles": "3000000000",
            "limit": "budget", "left": "1000000", "retry_at": 0, "times": 1 }],
    }})
}

macro_rules! browser {
    () => {
        match chromium() {
            Some(chromium) => chromium,
            None => {
                println!("skipped: this test needs chromium (Debian: apt-get install chromium)");
                return;
            }
        }
    };
}

#[test]
fn a_hundred_thousand_members_are_a_few_rows_in_the_page() {
    let chromium = browser!();
    let server = Server::start("");
    let page = document(&chromium, &server.address("members"), "many.png");
    assert!(page.contains("aria-rowcount=\"100001\""), "{page}");
    assert!(
        page.contains("user 0<") && !page.contains("user 150<"),
        "{page}"
    );
    let rows = page.matches("role=\"row\"").count();
    assert!((10..100).contains(&rows), "{rows} rows");

    // The last row is as near as the first one.
    let server = Server::start(
        "setTimeout(() => {
            const rows = document.querySelector('.rows');
            rows.scrollTop = rows.scrollHeight;
        }, 1000);",
    );
    let page = document(&chromium, &server.address("members"), "last.png");
    assert!(page.contains("user 99999<"), "{page}");
    assert!(page.matches("role=\"row\"").count() < 100, "{page}");
}

#[test]
fn the_rows_on_the_screen_have_their_cycles_and_run_states() {
    let chromium = browser!();
    let server = Server::start("");
    let page = document(&chromium, &server.address("members"), "live.png");
    assert!(page.contains("active, stopped"), "{page}");
    assert!(page.matches(">1.5 T<").count() > 10, "{page}");
    assert!(page.matches(">12 d<").count() > 10, "{page}");
}

#[test]
fn costs_have_levels_grants_refusals_and_a_line_over_time() {
    let chromium = browser!();
    let server = Server::start("");
    let page = document(&chromium, &server.address("costs"), "costs.png");
    for part in [
        "<b class=\"bad\">critical</b>",
        "root is at its reserve on 1970-01-02",
        "root has too little",
        "Root's cycles: 5 T at ",
        "Days left: 5.0 d at ",
        ">2.5 d<",
        ">watch 2 B<",
        ">budget<",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    assert_eq!(page.matches("<polyline").count(), 2, "{page}");
}

/// Scrolls through all members for two seconds, and tells the longest time for which the page did
/// nothing else.
const SCROLL: &str = "
addEventListener('load', async () => {
    const wait = (time) => new Promise((done) => setTimeout(done, time));
    await wait(500);
    const rows = document.querySelector('.rows');
    let longest = 0, last = performance.now(), made = 0;
    new MutationObserver((all) => all.forEach((one) => { made += one.addedNodes.length; }))
        .observe(rows, { subtree: true, childList: true });
    for (let step = 0; step < 100; step++) {
        rows.scrollTop = (rows.scrollHeight * step) / 100;
        await wait(20);
        longest = Math.max(longest, performance.now() - last);
        last = performance.now();
    }
    await fetch(`/longest/${Math.ceil(longest)}/${made}`, { method: 'POST' });
});";

#[test]
fn a_hundred_thousand_members_never_block_the_page_for_a_second() {
    let chromium = browser!();
    let server = Server::start(SCROLL);
    let _browser = Browser::open(&chromium, &server.address("members"));
    let told = server.changes.recv_timeout(Duration::from_secs(60));
    let (path, _) = told.expect("the page tells how long it was busy");
    let numbers: Vec<u32> = path
        .split('/')
        .filter_map(|word| word.parse().ok())
        .collect();
    let [milliseconds, rows] = numbers[..] else {
        panic!("{path}");
    };
    assert!(milliseconds < 1_000, "busy for {milliseconds} ms");
    assert!((100..20_000).contains(&rows), "{rows} rows were made");
}

#[test]
fn a_click_pauses_a_rollout_once_it_is_confirmed() {
    let chromium = browser!();
    let click = "const press = (text) => [...document.querySelectorAll('button')]
        .find((button) => button.textContent === text).click();
        setTimeout(() => press('pause'), 1000);";
    let server = Server::start(click);
    let page = document(&chromium, &server.address("rollouts"), "question.png");
    assert!(
        page.contains("Pause rollout 7? Nothing more is begun."),
        "{page}"
    );
    assert!(page.contains("&lt;b&gt;no markup&lt;/b&gt;"), "{page}");
    assert!(
        server.changes.try_recv().is_err(),
        "nothing before the answer"
    );

    let server = Server::start(
        "const press = (text) => [...document.querySelectorAll('button')]
            .find((button) => button.textContent === text).click();
        setTimeout(() => press('pause'), 1000);
        setTimeout(() => press('Leave it'), 2000);
        setTimeout(() => press('pause'), 3000);
        setTimeout(() => document.getElementById('yes').click(), 4000);",
    );
    document(&chromium, &server.address("rollouts"), "paused.png");
    let changes: Vec<_> = server.changes.try_iter().collect();
    assert_eq!(changes, [("/api/rollout/7/pause".to_string(), true)]);
}

/// The page's own views, each judged by axe.
const JUDGE: &str = "
const wait = (time) => new Promise((done) => setTimeout(done, time));
(async () => {
    await wait(1000);
    for (const view of ['members', 'rollouts', 'costs']) {
        location.hash = view;
        await wait(500);
        const { violations } = await axe.run();
        const found = violations.map((one) => `${one.id}: ${one.nodes[0].html}`).join('; ');
        await fetch(`/judged/${view}/${encodeURIComponent(found)}`, { method: 'POST' });
    }
})();";

#[test]
fn axe_finds_nothing_that_keeps_people_out() {
    let chromium = browser!();
    let folder = Folder::new();
    let install = ["install", "--no-save", "--no-audit", "axe-core@4"];
    let fetched = Command::new("npm")
        .args(install)
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .output();
    if !fetched.is_ok_and(|output| output.status.success()) {
        println!("skipped: this test needs axe-core, which npm does not fetch here");
        return;
    }
    let axe = folder.0.join("node_modules/axe-core/axe.min.js");
    let axe = fs::read_to_string(axe).expect("axe");
    // The server's threads outlive this function.
    let server = Server::start(Box::leak(format!("{axe};{JUDGE}").into_boxed_str()));
    document(&chromium, &server.address("members"), "axe.png");
    let judged: Vec<String> = server.changes.try_iter().map(|(path, _)| path).collect();
    let clean = ["members", "rollouts", "costs"].map(|view| format!("/judged/{view}/"));
    assert_eq!(judged, clean);
}
