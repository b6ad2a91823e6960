//! What the replica itself knows of an instance: its trace, its accounts, the canisters that exist.
//!
//! `canic-replica` serves these beside the PocketIC protocol. Another server doesn't; there is no [`Observer`] then.

use candid::Principal;
use pocket_ic::PocketIc;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

/// Looks at one instance from outside.
#[derive(Debug)]
pub struct Observer {
    base: String,
    client: reqwest::blocking::Client,
}

/// One executed message.
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    /// Its number.
    pub seq: u64,
    /// What ran: `ingress`, `update`, `management`, `timer`, ...
    pub kind: String,
    /// Who sent it.
    pub caller: Principal,
    /// Where it ran.
    pub canister: Principal,
    /// The method.
    pub method: String,
    /// How it ended: `"ok"`, `"reply"`, `{"reject": ..}` or `{"trap": ..}`.
    pub outcome: serde_json::Value,
    /// Cycles that came with it.
    #[serde(deserialize_with = "decimal")]
    pub cycles: u128,
}

/// Where all cycles of the instance are.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Accounts {
    /// Cycles that came into being.
    #[serde(deserialize_with = "decimal")]
    pub minted: u128,
    /// Held by canisters.
    #[serde(deserialize_with = "decimal")]
    pub balances: u128,
    /// Attached to calls and refunds under way, and fees paid in advance.
    #[serde(deserialize_with = "decimal")]
    pub in_flight: u128,
    /// Charged by the platform.
    pub fees: Fees,
    /// Burnt by canisters on purpose.
    #[serde(deserialize_with = "decimal")]
    pub burnt: u128,
    /// Held by canisters when they were deleted.
    #[serde(deserialize_with = "decimal")]
    pub destroyed: u128,
}

/// Cycles that the platform charged, by purpose.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Fees {
    /// Creation of canisters.
    #[serde(deserialize_with = "decimal")]
    pub creation: u128,
    /// Execution of messages, compilation of modules.
    #[serde(deserialize_with = "decimal")]
    pub execution: u128,
    /// Reception of ingress messages.
    #[serde(deserialize_with = "decimal")]
    pub ingress: u128,
    /// Transmission of calls and answers.
    #[serde(deserialize_with = "decimal")]
    pub transmission: u128,
    /// Storage and allocations, as time passes.
    #[serde(deserialize_with = "decimal")]
    pub resources: u128,
}

impl Fees {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u128 {
        self.creation + self.execution + self.ingress + self.transmission + self.resources
    }
}

impl Accounts {
    /// Cycles minted less those whose place is known: 0 where the books balance, negative where cycles appeared.
    #[must_use]
    pub fn unaccounted(&self) -> i128 {
        let known =
            self.balances + self.in_flight + self.fees.total() + self.burnt + self.destroyed;
        // Both are far below 2^127.
        self.minted as i128 - known as i128
    }
}

impl Observer {
    /// The observer of an instance; none when its server has nothing to observe with.
    #[must_use]
    pub fn of(pic: &PocketIc) -> Option<Self> {
        let base = format!(
            "{}canic/instances/{}",
            pic.get_server_url(),
            pic.instance_id()
        );
        let client = reqwest::blocking::Client::new();
        let answer = client.get(format!("{base}/accounts")).send().ok()?;
        answer
            .status()
            .is_success()
            .then_some(Self { base, client })
    }

    /// Where all cycles are.
    ///
    /// # Panics
    /// When the server doesn't answer.
    #[must_use]
    pub fn accounts(&self) -> Accounts {
        self.get("accounts")
    }

    /// All canisters there are.
    ///
    /// # Panics
    /// When the server doesn't answer.
    #[must_use]
    pub fn canisters(&self) -> Vec<Principal> {
        self.get("canisters")
    }

    /// The number that the next event will have: events from there on are those of what is done after this call.
    ///
    /// # Panics
    /// When the server doesn't answer.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.trace(0).last().map_or(0, |event| event.seq + 1)
    }

    /// Events from a number on.
    ///
    /// # Panics
    /// When the server doesn't answer, or no longer has the events asked for: a count with a hole is no count.
    #[must_use]
    pub fn trace(&self, from: u64) -> Vec<Event> {
        #[derive(Deserialize)]
        struct Page {
            next: u64,
            events: Vec<Event>,
        }
        let mut events: Vec<Event> = Vec::new();
        let mut at = from;
        loop {
            let page: Page = self.get(&format!("trace?from={at}"));
            if let (true, Some(first)) = (from > 0, page.events.first()) {
                assert_eq!(
                    first.seq, at,
                    "the replica no longer has all events from {from} on"
                );
            }
            let ended = page.events.is_empty() || page.next <= at;
            events.extend(page.events);
            if ended {
                return events;
            }
            at = page.next;
        }
    }

    /// The calls to the management canister that `caller` made from event `from` on, by method.
    ///
    /// # Panics
    /// When the server doesn't answer.
    #[must_use]
    pub fn management_calls(&self, caller: Principal, from: u64) -> Vec<String> {
        let calls = self.trace(from).into_iter();
        calls
            .filter(|e| e.kind == "management" && e.caller == caller)
            .map(|e| e.method)
            .collect()
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let url = format!("{}/{path}", self.base);
        let answer = self
            .client
            .get(&url)
            .send()
            .and_then(|answer| answer.error_for_status());
        answer
            .and_then(|answer| answer.json())
            .unwrap_or_else(|e| panic!("{url}: {e}"))
    }
}

/// JSON numbers end at 2^53: cycles travel as decimal strings.
fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(serde::de::Error::custom)
}
