//! Calls for signatures with threshold keys: routing, fees, rounds, limits and refusals.

use candid::{CandidType, Deserialize, Principal, decode_args};
use canic_replica::{
    Kind, Outcome, Replica,
    SubnetKind::{Application, Fiduciary, II, NNS, TestThresholdKeys},
};
use ic_bls12_381::G1Affine;
use ic_management_canister_types as types;

use crate::{
    common::{CALLER, Net, T, call_argument, decode_outcome, encode},
    threshold::{
        Curve, FEE, Keys, Signature, ecdsa, ecdsa_args, install_on, path, schnorr, schnorr_args,
        vetkd, vetkd_args,
    },
};

const HASH: [u8; 32] = [1; 32];

/// A method with an argument in Candid.
type Call = (&'static str, Vec<u8>);

/// A call of each method that is charged, for this key.
fn charged(name: &str) -> [Call; 5] {
    let transport = G1Affine::generator().to_compressed().to_vec();
    let sign = |curve| encode(ecdsa_args(ecdsa(curve, name), &HASH));
    let schnorr = |algorithm| encode(schnorr_args(schnorr(algorithm, name), b"m", None));
    use types::SchnorrAlgorithm::{Bip340secp256k1, Ed25519};
    [
        ("sign_with_ecdsa", sign(Curve::Secp256k1)),
        ("sign_with_ecdsa", sign(Curve::Secp256r1)),
        ("sign_with_schnorr", schnorr(Bip340secp256k1)),
        ("sign_with_schnorr", schnorr(Ed25519)),
        ("vetkd_derive_key", encode(vetkd_args(name, b"", transport))),
    ]
}

/// dfinity/ic `rs/execution_environment/src/execution_environment.rs`, `sign_with_threshold`, and
/// `rs/config/src/subnet_config.rs`.
#[test]
fn a_signature_costs_by_the_nodes_of_the_keys_subnet() {
    let mut keys = Keys::on(vec![II, TestThresholdKeys, Application]);
    for (subnet, name) in [(0, "key_1"), (1, "test_key_1"), (1, "dfx_test_key")] {
        let nodes = keys.net.replica.subnets()[subnet].nodes.len() as u128;
        let fee = FEE * nodes / 13;
        for (method, payload) in charged(name) {
            let before = keys.net.replica.accounts().fees.signatures;
            let (refund, reply) = keys.net.call_through(keys.id, method, fee + 5, &payload);
            reply.unwrap();
            assert_eq!(refund, 5, "{method} with {name}");
            assert_eq!(keys.net.replica.accounts().fees.signatures, before + fee);
            let (refund, reply) = keys.net.call_through(keys.id, method, fee - 1, &payload);
            let why = format!(
                "{method} request sent with {} cycles, but {fee} cycles are required.",
                fee - 1
            );
            assert_eq!((refund, reply), (fee - 1, Err((4, why))));
        }
    }
}

/// As above: "If the request isn't from the NNS, then we need to charge for it."
#[test]
fn calls_from_the_nns_are_free_and_those_from_other_system_subnets_are_not() {
    let mut net = Net::with(vec![NNS, TestThresholdKeys]);
    for (subnet, refunded) in [(0, FEE), (1, 0)] {
        let id = install_on(&mut net, subnet, CALLER);
        for (method, payload) in charged("test_key_1") {
            let (refund, reply) = net.call_through(id, method, FEE, &payload);
            reply.unwrap();
            assert_eq!(refund, refunded, "{method} from subnet {subnet}");
        }
    }
}

/// Writes the price of a signature with the key of its argument, and the function's answer before
/// it.
const PRICES: &str = r#"
    (func $price (param $answer i32) (param $function i32)
        (i32.store8 (local.get $answer) (local.get $function))
        (call $msg_reply_data_append (local.get $answer) (i32.const 17)))
    (func (export "canister_query prices") (local $size i32)
        (local.set $size (call $argument))
        COSTS
        (call $msg_reply))
"#;

/// Interface specification 0.66, section "Cycle cost calculation"; the curve numbers are those of
/// the crate `ic-management-canister-types` 0.11.
#[test]
fn the_price_functions_know_the_keys_of_the_network() {
    let functions = [
        ("ecdsa", "sign_with_ecdsa", 0),
        ("ecdsa", "sign_with_ecdsa", 1),
        ("ecdsa", "sign_with_ecdsa", 2),
        ("schnorr", "sign_with_schnorr", 0),
        ("schnorr", "sign_with_schnorr", 1),
        ("schnorr", "sign_with_schnorr", 2),
        ("vetkd", "vetkd_derive_key", 0),
        ("vetkd", "vetkd_derive_key", 1),
    ];
    let costs = functions.map(|(_, name, algorithm)| {
        format!(
            "(call $price (i32.const 0) (call $cost_{name} (i32.const 1000) (local.get $size)
                (i32.const {algorithm}) (i32.const 1)))
             (i64.store (i32.const 1) (i64.const -1))"
        )
    });
    let body = PRICES.replace("COSTS", &costs.concat());
    let mut net = Net::with(vec![Fiduciary, TestThresholdKeys, Application]);
    let id = install_on(&mut net, 2, &body);
    let nodes = net.replica.subnets()[0].nodes.len() as u128;
    let prices = [
        ("key_1", Some(FEE * nodes / 13)),
        ("test_key_1", Some(FEE)),
        ("dfx_test_key", Some(FEE)),
        ("key_2", None),
        ("", None),
    ];
    for (name, price) in prices {
        let reply = net.query(id, "prices", name.as_bytes()).unwrap();
        let answers = reply.chunks(17).zip(functions);
        for (answer, (_, function, algorithm)) in answers {
            let known = algorithm == 0 || (algorithm == 1 && function != "vetkd_derive_key");
            let code = match (known, price) {
                (false, _) => 1,
                (true, None) => 2,
                (true, Some(_)) => 0,
            };
            assert_eq!(answer[0], code, "{function} {algorithm} {name}");
            if code == 0 {
                let written = u128::from_le_bytes(answer[1..].try_into().unwrap());
                assert_eq!(Some(written), price, "{function} {algorithm} {name}");
            }
        }
    }
}

/// dfinity/ic `rs/embedders/src/wasmtime_embedder/system_api/routing.rs`,
/// `route_chain_key_message`.
#[test]
fn keys_that_no_subnet_holds_are_refused_with_those_that_are_there() {
    let mut keys = Keys::new();
    let mut names: Vec<String> = ["dfx_test_key", "test_key_1"]
        .into_iter()
        .flat_map(|name| {
            let kinds = [
                "ecdsa:Secp256k1",
                "ecdsa:Secp256r1",
                "schnorr:Bip340Secp256k1",
                "schnorr:Ed25519",
                "vetkd:Bls12_381_G2",
            ];
            kinds.map(|kind| format!("{kind}:{name}"))
        })
        .collect();
    names.sort();
    let names = names.join(", ");
    let (refund, reply) = keys.call(
        "sign_with_ecdsa",
        FEE,
        ecdsa_args(ecdsa(Curve::Secp256k1, "key_1"), &HASH),
    );
    let why = format!(
        "Unable to route management canister request sign_with_ecdsa: ChainKeyError(\"Requested \
         unknown or disabled threshold key: ecdsa:Secp256k1:key_1, existing enabled keys: \
         [{names}]\")"
    );
    assert_eq!((refund, reply), (FEE, Err((3, why))));
    let args = types::VetKDPublicKeyArgs {
        canister_id: None,
        context: vec![],
        key_id: vetkd("quote \""),
    };
    let (_, reply) = keys.call("vetkd_public_key", 0, args);
    let why = format!(
        "Unable to route management canister request vetkd_public_key: ChainKeyError(\"Requested \
         unknown threshold key: vetkd:Bls12_381_G2:quote \\\", existing keys: [{names}]\")"
    );
    assert_eq!(reply, Err((3, why)));
    // A network without keys.
    let mut keys = Keys::on(vec![Application]);
    let (method, payload) = charged("key_1")[3].clone();
    let (_, reply) = keys.net.call_through(keys.id, method, FEE, &payload);
    let why = "Unable to route management canister request sign_with_schnorr: \
               ChainKeyError(\"Requested unknown or disabled threshold key: \
               schnorr:Ed25519:key_1, existing enabled keys: []\")";
    assert_eq!(reply, Err((3, why.into())));
}

/// Calls the principal in the first ten bytes after the size of the principal, and then as a
/// [`CALLER`].
const SUBNET_CALLER: &str = r#"
    (func (export "canister_update at") (local $size i32)
        (local.set $size (call $argument))
        (call $call_new (i32.const 1000) (i32.const 29) (i32.const 1030)
            (i32.load8_u (i32.const 1029)) (i32.const 1) (i32.const 0) (i32.const 2)
            (i32.const 0))
        (call $call_cycles_add128 (i64.const 0) (i64.const 10000000000))
        (call $call_data_append
            (i32.add (i32.const 1030) (i32.load8_u (i32.const 1029)))
            (i32.sub (i32.sub (local.get $size) (i32.const 30)) (i32.load8_u (i32.const 1029))))
        (if (call $call_perform) (then (unreachable))))
"#;

/// dfinity/ic `rs/execution_environment/src/execution_environment.rs`, `get_master_public_key`.
#[test]
fn a_subnet_that_is_called_by_its_id_signs_with_its_own_keys_only() {
    let mut net = Net::with(vec![TestThresholdKeys, Application]);
    let id = install_on(&mut net, 1, &format!("{CALLER}{SUBNET_CALLER}"));
    let subnets: Vec<_> = net.replica.subnets().iter().map(|info| info.id).collect();
    let (method, payload) = charged("test_key_1")[0].clone();
    let mut call = |subnet: Principal| {
        let name = [&[method.len() as u8], method.as_bytes()].concat();
        let argument = [subnet.as_slice(), &name, &payload].concat();
        decode_outcome(&net.update(id, "at", &argument).unwrap())
    };
    assert!(call(subnets[0]).1.is_ok());
    let why = format!(
        "Subnet {} does not hold threshold key ecdsa:Secp256k1:test_key_1.",
        subnets[1]
    );
    assert_eq!(call(subnets[1]), (FEE, Err((4, why))));
}

/// dfinity/ic `rs/types/management_canister_types/src/lib.rs`, `DerivationPath`, and
/// `rs/execution_environment/src/execution_environment.rs`, `sign_with_threshold`.
#[test]
fn bad_arguments_are_refused_and_not_charged() {
    let mut keys = Keys::new();
    let key = || ecdsa(Curve::Secp256k1, "test_key_1");
    let mut refusal = |method, args: Vec<u8>| {
        let (refund, reply) = keys.net.call_through(keys.id, method, FEE, &args);
        assert_eq!(refund, FEE, "{method} is not charged");
        reply.unwrap_err()
    };
    for length in [0, 31, 33, 64] {
        let args = ecdsa_args(key(), &vec![1; length]);
        let (code, why) = refusal("sign_with_ecdsa", encode(args));
        assert_eq!(code, 4);
        assert!(why.starts_with("IC0408: Error decoding candid"), "{why}");
    }
    let long = vec![vec![1]; 256];
    let mut args = ecdsa_args(key(), &HASH);
    args.derivation_path = long.clone();
    let (code, why) = refusal("sign_with_ecdsa", encode(args));
    assert_eq!(code, 4);
    let expected = "The number of elements exceeds maximum allowed 255";
    assert!(why.contains(expected), "{why}");
    let bip340 = || schnorr(types::SchnorrAlgorithm::Bip340secp256k1, "test_key_1");
    let ed25519 = || schnorr(types::SchnorrAlgorithm::Ed25519, "test_key_1");
    let mut args = schnorr_args(ed25519(), b"m", None);
    args.derivation_path = long;
    let (_, why) = refusal("sign_with_schnorr", encode(args));
    assert!(why.contains(expected), "{why}");
    let args = encode(schnorr_args(ed25519(), b"m", Some(&[])));
    let why = "Schnorr algorithm Ed25519 does not support aux input";
    assert_eq!(refusal("sign_with_schnorr", args), (4, why.into()));
    for length in [1, 31, 33] {
        let args = encode(schnorr_args(bip340(), b"m", Some(&vec![1; length])));
        let why = "Invalid aux field for Bip340Secp256k1";
        assert_eq!(refusal("sign_with_schnorr", args), (4, why.into()));
    }
    let args = encode(vetkd_args("test_key_1", b"", vec![1; 48]));
    let why = "The provided transport public key is invalid.";
    assert_eq!(refusal("vetkd_derive_key", args), (4, why.into()));
    let args = encode(vetkd_args("test_key_1", b"", vec![1; 47]));
    let (code, why) = refusal("vetkd_derive_key", args);
    assert_eq!(code, 4);
    assert!(why.starts_with("IC0408: Error decoding candid"), "{why}");
}

/// Interface specification 0.66: "The total number of byte strings in the `derivation_path` must be
/// at most 255."
#[test]
fn a_path_may_have_255_indices() {
    let mut keys = Keys::new();
    let mut args = ecdsa_args(ecdsa(Curve::Secp256k1, "test_key_1"), &HASH);
    args.derivation_path = vec![vec![]; 255];
    keys.sign("sign_with_ecdsa", args);
}

/// The algorithm belongs to the type of the key's id, so that a wrong one is no Candid of the
/// interface.
#[test]
fn an_unknown_algorithm_is_refused() {
    #[derive(CandidType, Deserialize)]
    enum Algorithm {
        #[serde(rename = "rsa")]
        Rsa,
    }
    #[derive(CandidType, Deserialize)]
    struct KeyId {
        algorithm: Algorithm,
        name: String,
    }
    #[derive(CandidType, Deserialize)]
    struct Args {
        message: Vec<u8>,
        derivation_path: Vec<Vec<u8>>,
        key_id: KeyId,
    }
    let mut keys = Keys::new();
    let args = Args {
        message: vec![],
        derivation_path: vec![],
        key_id: KeyId {
            algorithm: Algorithm::Rsa,
            name: "test_key_1".into(),
        },
    };
    let (refund, reply) = keys.call("sign_with_schnorr", FEE, args);
    let (code, why) = reply.unwrap_err();
    assert_eq!((refund, code), (FEE, 4));
    assert!(why.starts_with("IC0408: Error decoding candid"), "{why}");
}

/// Makes as many calls as the first byte of its argument says; the rest is that of a [`CALLER`].
/// After all answers it replies with the number of replies and the text of the last reject.
const FLOOD: &str = r#"
    (table 4 funcref)
    (elem (i32.const 1) $on_reply $on_reject)
    (global $open (mut i32) (i32.const 0))
    (global $replies (mut i32) (i32.const 0))
    (global $text (mut i32) (i32.const 0))
    (func $finish
        (global.set $open (i32.sub (global.get $open) (i32.const 1)))
        (if (i32.eqz (global.get $open)) (then
            (i32.store8 (i32.const 20000) (global.get $replies))
            (call $answer (i32.const 20000) (i32.add (i32.const 1) (global.get $text))))))
    (func $on_reply (param i32)
        (global.set $replies (i32.add (global.get $replies) (i32.const 1)))
        (call $finish))
    (func $on_reject (param i32)
        (global.set $text (call $msg_reject_msg_size))
        (call $msg_reject_msg_copy (i32.const 20001) (i32.const 0) (global.get $text))
        (call $finish))
    (func (export "canister_update flood") (local $size i32) (local $rest i32)
        (local.set $size (call $argument))
        (local.set $rest (i32.add (i32.const 1002) (i32.load8_u (i32.const 1001))))
        (loop $more
            (call $call_new (i32.const 0) (i32.const 0) (i32.const 1002)
                (i32.load8_u (i32.const 1001)) (i32.const 1) (i32.const 0) (i32.const 2)
                (i32.const 0))
            (call $call_cycles_add128
                (i64.load offset=8 (local.get $rest)) (i64.load (local.get $rest)))
            (call $call_data_append (i32.add (local.get $rest) (i32.const 16))
                (i32.sub (i32.add (i32.const 984) (local.get $size)) (local.get $rest)))
            (if (call $call_perform) (then (unreachable)))
            (global.set $open (i32.add (global.get $open) (i32.const 1)))
            (br_if $more (i32.lt_u (global.get $open) (i32.load8_u (i32.const 1000))))))
"#;

/// Lets a canister with [`FLOOD`] make each of these numbers of calls in the same round. Answers
/// how many of them got a reply, and the texts of the last rejects.
fn flood(calls: &[(u8, &Call)]) -> Vec<(u8, String)> {
    let mut net = Net::with(vec![TestThresholdKeys]);
    let mut messages = Vec::new();
    for (count, (method, payload)) in calls {
        let id = install_on(&mut net, 0, FLOOD);
        let argument = [&[*count][..], &call_argument(method, FEE, payload)].concat();
        messages.push(net.ingress(id, "flood", &argument));
    }
    let submit = |message| net.replica.submit(message).unwrap();
    let ids: Vec<_> = messages.into_iter().map(submit).collect();
    let answers = ids.iter().map(|id| {
        let answer = net.replica.await_ingress(id).unwrap().unwrap();
        (answer[0], String::from_utf8(answer[1..].to_vec()).unwrap())
    });
    let answers = answers.collect();
    net.check_accounts();
    answers
}

/// dfinity/ic `rs/execution_environment/tests/threshold_signatures.rs`,
/// `test_sign_with_threshold_key_queue_fills_up`.
#[test]
fn twenty_calls_may_wait_for_one_key() {
    for call in charged("test_key_1") {
        assert_eq!(flood(&[(20, &call)]), [(20, String::new())]);
    }
    let [ecdsa, r1, _, ed25519, vetkd] = charged("test_key_1");
    let full = |method: &str, key: &str| {
        format!("{method} request failed: request queue for key {key} is full.")
    };
    let why = full("sign_with_ecdsa", "ecdsa:Secp256k1:test_key_1");
    assert_eq!(flood(&[(23, &ecdsa)]), [(20, why)]);
    let why = full("vetkd_derive_key", "vetkd:Bls12_381_G2:test_key_1");
    assert_eq!(flood(&[(21, &vetkd)]), [(20, why)]);
    // All callers share the queue of a key; each key has its own.
    let answers = flood(&[(15, &ed25519), (15, &ed25519)]);
    let why = full("sign_with_schnorr", "schnorr:Ed25519:test_key_1");
    assert_eq!(answers, [(15, String::new()), (5, why)]);
    let [other, ..] = charged("dfx_test_key");
    let answers = flood(&[(20, &ecdsa), (20, &other), (20, &r1)]);
    assert_eq!(answers, [(); 3].map(|()| (20, String::new())));
}

/// dfinity/ic `rs/state_machine_tests/src/lib.rs`, `process_threshold_signing_request`: the payload
/// of the next round has the signature.
#[test]
fn a_signature_comes_in_the_round_after_the_call() {
    for (subnets, rounds) in [
        (vec![TestThresholdKeys], 3),
        (vec![TestThresholdKeys, Application], 4),
    ] {
        let Keys { mut net, id } = Keys::on(subnets);
        for (method, payload) in charged("test_key_1") {
            let message = net.ingress(id, "go", &call_argument(method, FEE, &payload));
            let message = net.replica.submit(message).unwrap();
            for round in 1..=rounds {
                net.replica.tick();
                net.check_accounts();
                let status = format!("{:?}", net.replica.ingress_status(&message));
                let done = status.starts_with("Done");
                assert_eq!(done, round == rounds, "{method} in round {round}");
            }
        }
        let outcomes = net.outcomes(Kind::Management);
        assert_eq!(
            outcomes[outcomes.len() - 5..],
            [(); 5].map(|()| Outcome::Ok)
        );
    }
}

#[test]
fn the_same_calls_get_the_same_signatures_also_in_a_fork() {
    let run = |replica: Option<Replica>| {
        let mut keys = Keys::new();
        keys.net.replica = replica.unwrap_or(keys.net.replica);
        let signatures = charged("test_key_1").map(|(method, payload)| {
            let (_, reply) = keys.net.call_through(keys.id, method, FEE, &payload);
            reply.unwrap()
        });
        (signatures, keys.net.replica.state_hash())
    };
    let fresh = run(None);
    assert_eq!(run(None), fresh);
    assert_eq!(run(Some(Keys::new().net.replica.clone())), fresh);
}

#[test]
fn each_canister_and_each_path_has_its_own_key() {
    let mut keys = Keys::new();
    let own = keys.id;
    let other = keys.net.create(T);
    let key = || ecdsa(Curve::Secp256k1, "test_key_1");
    let mut public = |canister, path| keys.public("ecdsa_public_key", canister, path, key());
    let (first, second) = (public(None, path()), public(Some(other), path()));
    assert_eq!(public(Some(own), path()), first);
    let all = [
        first,
        second,
        public(None, vec![]),
        public(None, vec![vec![]]),
        public(None, path()[..2].to_vec()),
    ];
    for (index, one) in all.iter().enumerate() {
        assert!(!all[..index].contains(one), "key {index} is another's");
    }
}

/// Calls a method of the management canister with an argument that has three million zeros in it.
/// Its own argument has the size of what comes before them, and what comes before and after them.
pub(crate) fn long_caller(method: &str) -> String {
    let body = r#"
        (func (export "canister_update long") (local $size i32) (local $before i32)
            (local.set $size (call $argument))
            (local.set $before (i32.load (i32.const 1000)))
            (drop (memory.grow (i32.const 64)))
            (call $call_new (i32.const 0) (i32.const 0) (i32.const 60000) (i32.const SIZE)
                (i32.const 1) (i32.const 0) (i32.const 2) (i32.const 0))
            (call $call_cycles_add128 (i64.const 0) (i64.const 10000000000))
            (call $call_data_append (i32.const 1004) (local.get $before))
            (call $call_data_append (i32.const 65536) (i32.const 3000000))
            (call $call_data_append (i32.add (i32.const 1004) (local.get $before))
                (i32.sub (i32.sub (local.get $size) (i32.const 4)) (local.get $before)))
            (if (call $call_perform) (then (unreachable))))
        (data (i32.const 60000) "METHOD")
    "#;
    let body = body.replace("SIZE", &method.len().to_string());
    format!("{CALLER}{}", body.replace("METHOD", method))
}

/// The argument of a [`long_caller`] for a payload with three million zeros.
pub(crate) fn long_argument(payload: &[u8]) -> Vec<u8> {
    let mut runs = payload.windows(64);
    let zeros = runs.position(|bytes| bytes == [0; 64]).unwrap();
    let size = (zeros as u32).to_le_bytes();
    [&size[..], &payload[..zeros], &payload[zeros + 3_000_000..]].concat()
}

/// The reject of a message that is too long for another subnet (dfinity/ic
/// `rs/messaging/src/routing/stream_builder.rs`).
pub(crate) fn too_long(sender: Principal, method: &str, payload: &[u8]) -> (u32, String) {
    let size = method.len() + payload.len();
    let why = format!(
        "Canister {sender} violated contract: attempted to send a message of size {size} exceeding \
         the limit 2097152"
    );
    (5, why)
}

#[test]
fn a_long_message_is_signed_on_the_keys_own_subnet_only() {
    const METHOD: &str = "sign_with_schnorr";
    let key = schnorr(types::SchnorrAlgorithm::Ed25519, "test_key_1");
    let payload = encode(schnorr_args(key, &[0; 3_000_000], None));
    let mut net = Net::with(vec![TestThresholdKeys, Application]);
    let mut sign = |subnet| {
        let id = install_on(&mut net, subnet, &long_caller(METHOD));
        let answer = net.update(id, "long", &long_argument(&payload)).unwrap();
        (id, decode_outcome(&answer))
    };
    let (_, (refund, reply)) = sign(0);
    let (Signature { signature },) = decode_args(&reply.unwrap()).unwrap();
    assert_eq!((refund, signature.len()), (0, 64));
    let (id, answer) = sign(1);
    assert_eq!(answer, (FEE, Err(too_long(id, METHOD, &payload))));
}

#[test]
fn a_long_message_to_the_management_canister_stays_on_its_subnet() {
    const METHOD: &str = "install_code";
    let mut net = Net::with(vec![Application, Application]);
    let id = install_on(&mut net, 0, &long_caller(METHOD));
    let [near, far] = [0, 1].map(|subnet| net.create_on(subnet, T));
    let mut install = |canister_id| {
        let payload = encode(types::InstallCodeArgs {
            mode: types::CanisterInstallMode::Install,
            canister_id,
            wasm_module: vec![0; 3_000_000],
            arg: vec![],
            sender_canister_version: None,
        });
        let answer = net.update(id, "long", &long_argument(&payload)).unwrap();
        (payload, decode_outcome(&answer).1.unwrap_err())
    };
    let (_, (_, why)) = install(near);
    assert!(why.contains("Only the controllers"), "{why}");
    let (payload, answer) = install(far);
    assert_eq!(answer, too_long(id, METHOD, &payload));
}
