//! What members cost: the platform's prices of 2026, and the tables of `docs/costs.md` made of
//! them.

use std::fmt::Write;

/// Bytes of a MiB.
pub const MIB: u128 = 1 << 20;

/// The nodes that the platform's price list is made for. Other subnets scale it by their nodes.
const REFERENCE_NODES: u128 = 13;

/// Nodes of an application subnet, and of a fiduciary one.
const NODES: [u128; 2] = [13, 34];

const DAY: u128 = 86_400;

/// 10^12 cycles, the price of an XDR.
const T: u128 = 1_000_000_000_000;

/// A price of the platform, in cycles on 13 nodes.
struct Price {
    what: &'static str,
    cycles: u128,
    /// Its name in `rs/config/src/subnet_config.rs` of `dfinity/ic`.
    name: &'static str,
}

const CREATION: Price = Price {
    what: "creating a canister",
    cycles: 500_000_000_000,
    name: "canister_creation_fee",
};
const BASE: Price = Price {
    what: "any canister, each second",
    cycles: 10_000,
    name: "base_per_second_fee",
};
const STORAGE: Price = Price {
    what: "a GiB of memory of any kind, each second",
    cycles: 317_500,
    name: "gib_storage_per_second_fee",
};
const MESSAGE: Price = Price {
    what: "executing an update, a callback or a timer",
    cycles: 5_000_000,
    name: "update_message_execution_fee",
};
const INSTRUCTIONS: Price = Price {
    what: "ten instructions of it",
    cycles: 10,
    name: "ten_update_instructions_execution_fee",
};
const INGRESS: Price = Price {
    what: "receiving an update from outside",
    cycles: 1_200_000,
    name: "ingress_message_reception_fee",
};
const INGRESS_BYTE: Price = Price {
    what: "each byte of it",
    cycles: 2_000,
    name: "ingress_byte_reception_fee",
};
const CALL: Price = Price {
    what: "calling another canister",
    cycles: 260_000,
    name: "xnet_call_fee",
};
const CALL_BYTE: Price = Price {
    what: "each byte of the call and of its answer",
    cycles: 1_000,
    name: "xnet_byte_transmission_fee",
};

const PRICES: [&Price; 9] = [
    &CREATION,
    &BASE,
    &STORAGE,
    &MESSAGE,
    &INSTRUCTIONS,
    &INGRESS,
    &INGRESS_BYTE,
    &CALL,
    &CALL_BYTE,
];

fn scaled(cycles: u128, nodes: u128) -> u128 {
    cycles * nodes / REFERENCE_NODES
}

/// Cycles that a canister with so many bytes of memory costs a day at rest.
#[must_use]
pub fn rest_per_day(memory: u128, nodes: u128) -> u128 {
    let storage = DAY * STORAGE.cycles * memory / (1024 * MIB);
    scaled(storage + DAY * BASE.cycles, nodes)
}

/// Cycles of an update from outside: `bytes` are those of the whole message, with sender, expiry
/// and names.
#[must_use]
pub fn update(bytes: u128, instructions: u128, nodes: u128) -> u128 {
    let received = INGRESS.cycles + INGRESS_BYTE.cycles * bytes;
    let executed = MESSAGE.cycles + INSTRUCTIONS.cycles * instructions / 10;
    scaled(received + executed, nodes)
}

/// Cycles of a new canister.
#[must_use]
pub fn creation(nodes: u128) -> u128 {
    scaled(CREATION.cycles, nodes)
}

/// The tables of the page, in their order.
#[must_use]
pub fn tables() -> [String; 3] {
    [prices(), at_rest(), at_work()]
}

fn prices() -> String {
    let mut table = "| price | 13 nodes | 34 nodes | its name |\n|---|---:|---:|---|\n".to_string();
    for price in PRICES {
        let [few, many] = NODES.map(|nodes| grouped(scaled(price.cycles, nodes)));
        row(
            &mut table,
            &[price.what, &few, &many, &format!("`{}`", price.name)],
        );
    }
    table
}

/// Members by their memory, at rest.
fn at_rest() -> String {
    const SIZES: [(&str, u128); 7] = [
        ("0 (nothing but its history)", 0),
        ("2 MiB", 2),
        ("10 MiB", 10),
        ("100 MiB", 100),
        ("1 GiB", 1 << 10),
        ("10 GiB", 10 << 10),
        ("100 GiB", 100 << 10),
    ];
    let mut table = head("memory");
    for (size, mib) in SIZES {
        costs(&mut table, size, |nodes| rest_per_day(mib * MIB, nodes));
    }
    table
}

/// A member of 2 MiB by its updates a day: 200 bytes and a million instructions each.
fn at_work() -> String {
    let mut table = head("updates a day");
    for updates in [100, 1_000, 10_000, 100_000, 1_000_000] {
        costs(&mut table, &grouped(updates), |nodes| {
            rest_per_day(2 * MIB, nodes) + updates * update(200, 1_000_000, nodes)
        });
    }
    table
}

fn head(first: &str) -> String {
    format!(
        "| {first} | M cycles a day, 13 nodes | XDR a year | M cycles a day, 34 nodes | XDR a year \
         |\n|---|---:|---:|---:|---:|\n"
    )
}

/// A row of costs: each number of nodes has the millions of cycles a day, and the XDR a year.
fn costs(table: &mut String, what: &str, per_day: impl Fn(u128) -> u128) {
    let [few, many] = NODES.map(|nodes| {
        let cycles = per_day(nodes);
        let millions = grouped(cycles / 1_000_000);
        let cents = cycles * 365 / (T / 100);
        [
            millions,
            format!("{}.{:02}", grouped(cents / 100), cents % 100),
        ]
    });
    row(table, &[what, &few[0], &few[1], &many[0], &many[1]]);
}

fn row(table: &mut String, cells: &[&str]) {
    writeln!(table, "| {} |", cells.join(" | ")).expect("a text can be written");
}

/// A number in groups of three digits.
fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
