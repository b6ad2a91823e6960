//! An upload of 3 MB over a slow link that breaks off.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use canic_fleet_tests::rollouts;

use crate::{
    common::{Live, canic},
    releases::three_members,
};

/// Bytes that pass at once, and the pause before the next ones: some 4 MB a second.
const PIECE: usize = 16 * 1024;
const PAUSE: Duration = Duration::from_millis(4);

/// A link to a network. It counts the bytes that go there, and breaks off after some.
struct Link {
    port: u16,
    sent: Arc<AtomicU64>,
    limit: Arc<AtomicU64>,
}

impl Link {
    fn to(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (sent, limit) = (Arc::default(), Arc::new(AtomicU64::new(u64::MAX)));
        let link = Self {
            port,
            sent: Arc::clone(&sent),
            limit: Arc::clone(&limit),
        };
        let address = address.to_string();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&address) else {
                    continue;
                };
                let (sent, limit) = (Arc::clone(&sent), Arc::clone(&limit));
                pass(client, server, sent, limit);
            }
        });
        link
    }

    fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// Passes bytes in both directions, those to the server slowly, until the link breaks off.
fn pass(client: TcpStream, server: TcpStream, sent: Arc<AtomicU64>, limit: Arc<AtomicU64>) {
    let is_broken = Arc::new(AtomicBool::new(false));
    let clone = |stream: &TcpStream| stream.try_clone().expect("a stream");
    let (mut from, mut to) = (clone(&client), clone(&server));
    let broken = Arc::clone(&is_broken);
    thread::spawn(move || {
        let mut piece = vec![0; PIECE];
        while let Ok(count @ 1..) = from.read(&mut piece) {
            thread::sleep(PAUSE);
            let all = sent.fetch_add(count as u64, Ordering::Relaxed) + count as u64;
            if all > limit.load(Ordering::Relaxed) || to.write_all(&piece[..count]).is_err() {
                broken.store(true, Ordering::Relaxed);
                break;
            }
        }
        // The other side may have hung up.
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
    let (mut from, mut to) = (server, client);
    thread::spawn(move || {
        let mut piece = vec![0; PIECE];
        while let Ok(count @ 1..) = from.read(&mut piece) {
            if is_broken.load(Ordering::Relaxed) || to.write_all(&piece[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}

/// A module of 3 MB that no compression makes smaller.
fn large_module() -> Vec<u8> {
    let mut module = rollouts::module("good", 2);
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    })
    .take(3_000_000 - 10 - module.len())
    .collect();
    // A custom section: its id, its length, and the length of its name, which is `n`.
    module.push(0);
    let mut length = noise.len() + 2;
    while length >= 0x80 {
        module.push(length as u8 | 0x80);
        length >>= 7;
    }
    module.push(length as u8);
    module.extend([1, b'n']);
    module.extend(noise);
    module
}

#[test]
fn a_large_module_goes_over_a_slow_link_that_breaks_off_without_being_sent_twice() {
    const CHUNK: u64 = 500_000;
    const AT_ONCE: u64 = 2;
    let live = Live::start("fixture-bare-root", three_members);
    let module = large_module();
    let size = module.len() as u64;
    live.folder.write("large.wasm", module);
    let address = live.url.trim_start_matches("http://").trim_end_matches('/');
    let link = Link::to(address);
    let root = live.fleet.root.to_text();
    let release = || {
        let (url, chunk, at_once) = (link.url(), CHUNK.to_string(), AT_ONCE.to_string());
        let options = [
            "--network",
            &url,
            "--root",
            &root,
            "--pem",
            "operator.pem",
            "--json",
        ];
        let words = ["release", "releases", "large.wasm", "--manual", "--force"];
        let pace = ["--chunk", &chunk, "--at-once", &at_once];
        canic(&live.folder.0, &[&options[..], &words, &pace].concat())
    };
    link.limit.store(1_600_000, Ordering::Relaxed);
    let broken = release();
    assert_eq!(broken.code, 4, "{}", broken.stderr);
    assert!(
        broken
            .stderr
            .contains("the same command goes on from there"),
        "{}",
        broken.stderr
    );
    link.limit.store(u64::MAX, Ordering::Relaxed);
    let ended = release();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let (chunks, sent) = (
        &report["chunks"],
        report["sent"].as_u64().expect("a number"),
    );
    assert_eq!(chunks, 6);
    assert!((1..6).contains(&sent), "{sent} chunks were sent in the end");
    // Only what was under way when the link broke off is sent again.
    let again = link.sent() - size;
    assert!(
        again < AT_ONCE * CHUNK + 100_000,
        "{again} bytes beside the module's"
    );
}
