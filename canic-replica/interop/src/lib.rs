//! Instances for the checks in `tests`.

use std::path::PathBuf;

use candid::{CandidType, Principal, encode_one};
use pocket_ic::{
    PocketIc, PocketIcBuilder,
    common::rest::{IcpFeatures, IcpFeaturesConfig},
};

/// The names of all keys.
pub const NAMES: [&str; 3] = ["key_1", "test_key_1", "dfx_test_key"];

/// The server that `POCKET_IC_BIN` names, or the replica that was built last.
fn server() -> PathBuf {
    let own = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../target/debug/canic-replica"
    );
    std::env::var_os("POCKET_IC_BIN").map_or_else(|| own.into(), PathBuf::from)
}

/// An instance with the ledgers and the cycles minting canister.
pub fn system_canisters() -> PocketIc {
    let feature = Some(IcpFeaturesConfig::DefaultConfig);
    PocketIcBuilder::new()
        .with_server_binary(server())
        .with_application_subnet()
        .with_icp_features(IcpFeatures {
            cycles_minting: feature.clone(),
            icp_token: feature.clone(),
            cycles_token: feature,
            ..IcpFeatures::default()
        })
        .build()
}

/// An instance with all keys, and a canister that calls the management canister.
pub struct Instance {
    pic: PocketIc,
    /// The canister.
    pub canister: Principal,
}

impl Instance {
    /// A new instance of the server that `POCKET_IC_BIN` names, or of the replica that was built
    /// last.
    #[expect(clippy::new_without_default, reason = "it starts a server")]
    pub fn new() -> Self {
        let pic = PocketIcBuilder::new()
            .with_server_binary(server())
            .with_fiduciary_subnet()
            .with_test_threshold_keys_subnet()
            .with_application_subnet()
            .build();
        let canister = pic.create_canister();
        let module = wat::parse_str(include_str!("../../tests/client/forwarder.wat")).unwrap();
        pic.install_canister(canister, module, vec![], None);
        Self { pic, canister }
    }

    /// Lets the canister call the management canister. The reply.
    ///
    /// # Panics
    /// The call was rejected.
    pub fn call(&self, method: &str, args: impl CandidType) -> Vec<u8> {
        let payload = encode_one(args).unwrap();
        let argument = [&[method.len() as u8], method.as_bytes(), &payload].concat();
        let sender = Principal::anonymous();
        let reply = self
            .pic
            .update_call(self.canister, sender, "forward", argument);
        let reply = reply.unwrap();
        let rejected = reply.first() == Some(&0);
        assert!(!rejected, "{method}: {}", String::from_utf8_lossy(&reply));
        reply
    }
}
