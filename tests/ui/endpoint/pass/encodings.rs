//! Arguments and replies that are not Candid, a bound on decoding, and a reply by hand.

#![allow(clippy::needless_pass_by_value)]

use std::marker::PhantomData;

#[canic::update(decode_with = length, encode_with = text)]
fn both(length: usize) -> usize {
    length
}

#[canic::update(decode_with = pair)]
fn two(a: u8, b: u8) -> u8 {
    a + b
}

#[canic::update(decoding_quota = 1_000_000)]
fn many(nulls: Vec<()>) -> usize {
    nulls.len()
}

#[canic::query(decoding_quota = 500)]
fn few(a: u8, b: Option<String>) -> Option<String> {
    b.filter(|_| a > 0)
}

#[canic::update(encode_with = nothing)]
fn none() {}

#[canic::query(manual_reply)]
fn by_hand() -> PhantomData<String> {
    canic::__private::ic_cdk::api::msg_reply([]);
    PhantomData
}

#[canic::update(manual_reply)]
async fn by_hand_later() -> PhantomData<u64> {
    std::future::ready(PhantomData).await
}

fn length(bytes: Vec<u8>) -> usize {
    bytes.len()
}

fn pair(bytes: Vec<u8>) -> (u8, u8) {
    (bytes[0], bytes[1])
}

fn text(length: usize) -> Vec<u8> {
    length.to_string().into_bytes()
}

fn nothing() -> Vec<u8> {
    Vec::new()
}

canic::export_candid!();

fn main() {}
