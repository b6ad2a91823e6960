//! A canister without endpoints, written by hand with ic-cdk alone: the baseline for the size of a
//! member without endpoints.
#![allow(
    missing_docs,
    reason = "ic_cdk::export_candid! writes a public function without docs"
)]

#[ic_cdk::init]
fn init() {}

ic_cdk::export_candid!();
