//! Signatures of agents beyond plain keys: web authentication, sender info that a canister signed,
//! and canisters that cannot sign.

use std::collections::BTreeMap;

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use candid::Principal;
use ic_agent::{
    Identity, Signature,
    agent::EnvelopeContent,
    identity::{
        DelegatedIdentity, Delegation, DelegationPermissions, SenderInfo, SignedDelegation,
    },
};
use pocket_ic::common::rest::{CanisterCyclesCostSchedule, ExtendedSubnetConfigSet, SubnetSpec};
use serde_cbor::Value;
use sha2::{Digest, Sha256};

use crate::{
    agent::{Live, delegated_identity, ed25519, install_signer, refusal, sign_by},
    common::builder_of,
};

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// A passkey: a public key in COSE, and a function that signs bytes.
struct Passkey {
    cose: Vec<u8>,
    sign: Sign,
    /// Changes the challenge before it is signed.
    change: fn(&mut Vec<u8>),
}

impl Passkey {
    fn new(
        fields: Vec<(i128, Value)>,
        sign: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let fields = fields.into_iter();
        let map = fields.map(|(label, value)| (Value::Integer(label), value));
        let map: BTreeMap<_, _> = map.collect();
        Self {
            cose: serde_cbor::to_vec(&Value::Map(map)).unwrap(),
            sign: Box::new(sign),
            change: |_| {},
        }
    }

    fn ecdsa() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let point = pair.public_key().as_ref()[1..].to_vec();
        let fields = vec![
            (1, Value::Integer(2)),
            (3, Value::Integer(-7)),
            (-1, Value::Integer(1)),
            (-2, Value::Bytes(point[..32].to_vec())),
            (-3, Value::Bytes(point[32..].to_vec())),
        ];
        Self::new(fields, move |bytes| {
            let signature = pair.sign(&SystemRandom::new(), bytes).unwrap();
            signature.as_ref().to_vec()
        })
    }

    fn rsa() -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        // A sequence of the modulus, with a zero before it, and the exponent, in DER.
        let der = pair.public_key().as_ref().to_vec();
        assert_eq!((der.len(), &der[4..9]), (270, &b"\x02\x82\x01\x01\x00"[..]));
        let fields = vec![
            (1, Value::Integer(3)),
            (3, Value::Integer(-257)),
            (-1, Value::Bytes(der[9..265].to_vec())),
            (-2, Value::Bytes(der[267..].to_vec())),
        ];
        Self::new(fields, move |bytes| {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                bytes,
                &mut signature,
            )
            .unwrap();
            signature
        })
    }

    fn eddsa() -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let fields = vec![
            (1, Value::Integer(1)),
            (3, Value::Integer(-8)),
            (-1, Value::Integer(6)),
            (-2, Value::Bytes(pair.public_key().as_ref().to_vec())),
        ];
        Self::new(fields, move |bytes| pair.sign(bytes).as_ref().to_vec())
    }

    /// The public key in DER.
    fn der(&self) -> Vec<u8> {
        let header = |tag: u8, length: usize| match length {
            0..0x80 => vec![tag, length as u8],
            0x80..0x100 => vec![tag, 0x81, length as u8],
            _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
        };
        let mut content = b"\x30\x0c\x06\x0a\x2b\x06\x01\x04\x01\x83\xb8\x43\x01\x01".to_vec();
        content.extend(header(3, self.cose.len() + 1));
        content.push(0);
        content.extend(&self.cose);
        [header(0x30, content.len()), content].concat()
    }
}

impl Identity for Passkey {
    fn sender(&self) -> Result<Principal, String> {
        Ok(Principal::self_authenticating(self.der()))
    }

    fn public_key(&self) -> Option<Vec<u8>> {
        Some(self.der())
    }

    fn sign(&self, content: &EnvelopeContent) -> Result<Signature, String> {
        let mut challenge = content.to_request_id().signable();
        (self.change)(&mut challenge);
        let client = serde_json::json!({
            "type": "webauthn.get",
            "challenge": base64url(&challenge),
            "origin": "https://example.org",
        });
        let client = client.to_string();
        let data = b"data of the authenticator".to_vec();
        let signature = (self.sign)(&[data.as_slice(), &Sha256::digest(&client)].concat());
        let fields = [
            ("authenticator_data", Value::Bytes(data)),
            ("client_data_json", Value::Text(client)),
            ("signature", Value::Bytes(signature)),
        ];
        let fields = fields.map(|(name, value)| (Value::Text(name.into()), value));
        let mut bytes = serde_cbor::Serializer::new(Vec::new());
        bytes.self_describe().unwrap();
        serde::Serialize::serialize(&Value::Map(fields.into()), &mut bytes).unwrap();
        Ok(Signature {
            public_key: self.public_key(),
            signature: Some(bytes.into_inner()),
            delegations: None,
        })
    }
}

/// Written bit by bit, unlike what it tests.
fn base64url(bytes: &[u8]) -> String {
    let digits: Vec<char> = ('A'..='Z')
        .chain('a'..='z')
        .chain('0'..='9')
        .chain(['-', '_'])
        .collect();
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let value = |bits: &[u8]| {
        (0..6).fold(0, |sum, i| {
            sum << 1 | bits.get(i).map_or(0, |b| *b as usize)
        })
    };
    bits.chunks(6).map(|bits| digits[value(bits)]).collect()
}

/// Interface specification 0.62, "Web Authentication".
#[test]
fn a_passkey_of_each_allowed_kind_can_sign() {
    let live = Live::start();
    let kinds = [Passkey::ecdsa, Passkey::rsa, Passkey::eddsa];
    for (make, count) in kinds.into_iter().zip(1..) {
        let agent = live.agent(make());
        assert_eq!(live.update(&agent, "inc").unwrap(), count);
        assert_eq!(live.query(&agent, "get").unwrap(), count);
        let wrong_challenge = Passkey {
            change: |challenge| challenge[20] ^= 1,
            ..make()
        };
        let wrong_key = Passkey {
            sign: make().sign,
            ..Passkey::ecdsa()
        };
        for passkey in [wrong_challenge, wrong_key] {
            let (status, why) = refusal(live.update(&live.agent(passkey), "inc"));
            assert!(status == 400 && why.contains("Invalid signature"), "{why}");
        }
    }
    let mut other = Passkey::eddsa();
    let last = other.cose.iter().position(|byte| *byte == 0x27).unwrap();
    other.cose[last] = 0x26;
    let (status, why) = refusal(live.update(&live.agent(other), "inc"));
    assert!(status == 400 && why.contains("not allowed"), "{why}");
}

/// An identity with information about its sender.
struct Informed(DelegatedIdentity, SenderInfo);

impl Identity for Informed {
    fn sender(&self) -> Result<Principal, String> {
        self.0.sender()
    }

    fn public_key(&self) -> Option<Vec<u8>> {
        self.0.public_key()
    }

    fn sign(&self, content: &EnvelopeContent) -> Result<Signature, String> {
        self.0.sign(content)
    }

    fn delegation_chain(&self) -> Vec<SignedDelegation> {
        self.0.delegation_chain()
    }

    fn sender_info(&self) -> Option<SenderInfo> {
        Some(self.1.clone())
    }
}

/// A canister whose methods reply with the information about their caller, and with its signer.
const ECHO: &str = r#"
(module
  (import "ic0" "msg_caller_info_data_size" (func $data_size (result i32)))
  (import "ic0" "msg_caller_info_data_copy" (func $data_copy (param i32 i32 i32)))
  (import "ic0" "msg_caller_info_signer_size" (func $signer_size (result i32)))
  (import "ic0" "msg_caller_info_signer_copy" (func $signer_copy (param i32 i32 i32)))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_reply" (func $msg_reply))
  (memory 1)
  (func $who
    (call $data_copy (i32.const 0) (i32.const 0) (call $data_size))
    (call $append (i32.const 0) (call $data_size))
    (call $signer_copy (i32.const 0) (i32.const 0) (call $signer_size))
    (call $append (i32.const 0) (call $signer_size))
    (call $msg_reply))
  (export "canister_query ask" (func $who))
  (export "canister_update tell" (func $who)))
"#;

/// Interface specification 0.59, "Request: Call".
#[test]
fn sender_info_is_passed_on_if_the_canister_of_the_key_signed_it() {
    let live = Live::start();
    let [signer, other, echo] = [(); 3].map(|()| live.pic.create_canister());
    install_signer(&live.pic, signer);
    install_signer(&live.pic, other);
    live.pic
        .install_canister(echo, wat::parse_str(ECHO).unwrap(), vec![], None);
    let delegation = Delegation {
        pubkey: ed25519(2).public_key().unwrap(),
        expiration: i64::MAX as u64,
        targets: None,
        permissions: None,
    };
    let (key, signature) = sign_by(&live.pic, signer, &delegation.signable());
    let sign = |by| sign_by(&live.pic, by, b"\x0eic-sender-info a person").1;
    let agent = |info: &[u8], named: Principal, sig| {
        let signed = SignedDelegation {
            delegation: delegation.clone(),
            signature: signature.clone(),
        };
        let inner = Box::new(ed25519(2));
        let identity = DelegatedIdentity::new_unchecked(key.clone(), inner, vec![signed]);
        let info = SenderInfo {
            info: info.to_vec(),
            signer: named.as_slice().to_vec(),
            sig,
        };
        live.agent(Informed(identity, info))
    };
    let good = agent(b" a person", signer, sign(signer));
    let expected = [b" a person", signer.as_slice()].concat();
    let query = good.query(&echo, "ask").with_arg(vec![]);
    assert_eq!(live.runtime.block_on(query.call()).unwrap(), expected);
    let update = good.update(&echo, "tell").with_arg(vec![]);
    let reply = live.runtime.block_on(update.call_and_wait()).unwrap();
    assert_eq!(reply, expected);
    for bad in [
        agent(b" another", signer, sign(signer)),
        agent(b" a person", other, sign(other)),
        agent(b" a person", other, sign(signer)),
        agent(b" a person", signer, sign(other)),
    ] {
        let query = bad.query(&echo, "ask").with_arg(vec![]);
        let (status, why) = refusal(live.runtime.block_on(query.call()));
        assert!(status == 400 && why.contains("sender info"), "{why}");
        let update = bad.update(&echo, "tell").with_arg(vec![]);
        let (status, why) = refusal(live.runtime.block_on(update.call_and_wait()));
        assert!(status == 400 && why.contains("sender info"), "{why}");
    }
}

/// Interface specification 0.60, "Canister signatures".
#[test]
fn a_canister_of_a_cloud_engine_cannot_sign() {
    let engine = SubnetSpec::default().with_cost_schedule(CanisterCyclesCostSchedule::Free);
    let pic = builder_of(ExtendedSubnetConfigSet {
        nns: Some(SubnetSpec::default()),
        cloud_engine: vec![engine],
        application: vec![SubnetSpec::default()],
        ..Default::default()
    })
    .build();
    let topology = pic.topology();
    let root = pic.root_key().unwrap();
    let sign = |subnet| {
        let id = pic.create_canister_on_subnet(None, None, subnet);
        install_signer(&pic, id);
        let (key, signature) = sign_by(&pic, id, b"message");
        pic.verify_canister_signature(b"message".to_vec(), signature, key, root.clone())
    };
    assert_eq!(sign(topology.get_app_subnets()[0]), Ok(()));
    let refused = sign(topology.get_cloud_engines()[0]).unwrap_err();
    assert!(refused.contains("cloud engine"), "{refused}");
}

/// Interface specification 0.64, "Authentication".
#[test]
fn a_delegation_with_other_permissions_is_refused() {
    let live = Live::start();
    let identity = delegated_identity(&ed25519(1), |delegation| {
        delegation.permissions = Some(DelegationPermissions::Queries);
    });
    let agent = live.agent(identity);
    assert_eq!(live.query(&agent, "get").unwrap(), 0);
    let query = agent.query(&live.counter, "get").with_arg(vec![]);
    let mut bytes = query.sign().unwrap().signed_query;
    let at = bytes
        .windows(8)
        .position(|part| part == b"gqueries")
        .unwrap();
    bytes[at..at + 8].copy_from_slice(b"gnothing");
    let path = format!("/api/v3/canister/{}/query", live.counter);
    let (status, why) = live.post(&path, &bytes);
    assert!(status == 400 && why.contains("nothing"), "{status} {why}");
}
