//! Agents of a live instance. `ic-agent` itself verifies every certificate and every signature of a
//! node.

use std::{borrow::Cow, time::Duration};

use candid::Principal;
use ic_agent::{
    Agent, AgentError, Identity,
    agent::{Envelope, EnvelopeContent, RejectCode},
    identity::{
        AnonymousIdentity, BasicIdentity, DelegatedIdentity, Delegation, DelegationPermissions,
        Prime256v1Identity, Secp256k1Identity, SignedDelegation,
    },
};
use ic_certification::{Certificate, HashTree, Label, LookupResult, labeled, leaf};
use ic_management_canister_types::ProvisionalCreateCanisterWithCyclesArgs;
use ic_transport_types::ReadStateResponse;
use pocket_ic::{PocketIc, SubnetBlockmakers, TickConfigs};
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

use crate::common::{COUNTER, builder, counter, number, raw};

/// A live instance with a counter on an application subnet, to which the NNS subnet delegates.
pub(crate) struct Live {
    pub(crate) pic: PocketIc,
    pub(crate) counter: Principal,
    pub(crate) runtime: Runtime,
}

impl Live {
    pub(crate) fn start() -> Self {
        let mut pic = builder()
            .with_nns_subnet()
            .with_application_subnet()
            .build();
        let counter = counter(&pic);
        pic.make_live(None);
        let runtime = Runtime::new().unwrap();
        Self {
            pic,
            counter,
            runtime,
        }
    }

    /// An agent that has the root key of the instance.
    pub(crate) fn agent(&self, identity: impl Identity + 'static) -> Agent {
        let agent = Agent::builder()
            .with_url(self.pic.url().unwrap())
            .with_identity(identity)
            .build()
            .unwrap();
        agent.set_root_key(self.pic.root_key().unwrap());
        agent
    }

    pub(crate) fn update(&self, agent: &Agent, method: &str) -> Result<u64, AgentError> {
        let call = agent.update(&self.counter, method).with_arg(vec![]);
        self.runtime.block_on(call.call_and_wait()).map(number)
    }

    pub(crate) fn query(&self, agent: &Agent, method: &str) -> Result<u64, AgentError> {
        let query = agent.query(&self.counter, method).with_arg(vec![]);
        self.runtime.block_on(query.call()).map(number)
    }

    /// Sends an unsigned request to the gateway; returns the status and the answer.
    fn send(&self, path: &str, content: EnvelopeContent) -> (u16, Vec<u8>) {
        let envelope = Envelope {
            content: Cow::Owned(content),
            sender_pubkey: None,
            sender_sig: None,
            sender_delegation: None,
        };
        let request = reqwest::Client::new()
            .post(self.pic.url().unwrap().join(path).unwrap())
            .header("content-type", "application/cbor")
            .body(envelope.encode_bytes());
        self.runtime.block_on(async {
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            (status, response.bytes().await.unwrap().to_vec())
        })
    }

    /// Sends a request to the gateway; returns the status and the text.
    pub(crate) fn post(&self, path: &str, body: &[u8]) -> (u16, String) {
        let port = self.pic.url().unwrap().port().unwrap();
        raw(
            port,
            "POST",
            path,
            "host: localhost\r\ncontent-type: application/cbor\r\n",
            body,
        )
    }
}

pub(crate) fn ed25519(seed: u8) -> BasicIdentity {
    BasicIdentity::from_raw_key(&[seed; 32])
}

/// An identity to which `from` delegates.
pub(crate) fn delegated_identity(
    from: &BasicIdentity,
    change: impl FnOnce(&mut Delegation),
) -> DelegatedIdentity {
    let to = ed25519(2);
    let mut delegation = Delegation {
        pubkey: to.public_key().unwrap(),
        expiration: i64::MAX as u64,
        targets: None,
        permissions: None,
    };
    change(&mut delegation);
    let signature = from
        .sign_delegation(&delegation)
        .unwrap()
        .signature
        .unwrap();
    let chain = vec![SignedDelegation {
        delegation,
        signature,
    }];
    DelegatedIdentity::new_unchecked(from.public_key().unwrap(), Box::new(to), chain)
}

/// The status and the text with which a request was refused.
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, AgentError>) -> (u16, String) {
    match result {
        Err(AgentError::HttpError(error)) => (
            error.status,
            String::from_utf8_lossy(&error.content).into_owned(),
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_agent_calls_queries_and_verifies() {
    let live = Live::start();
    let agent = live.agent(AnonymousIdentity);
    assert_eq!(live.update(&agent, "inc").unwrap(), 1);
    assert_eq!(live.update(&agent, "inc").unwrap(), 2);
    assert_eq!(live.query(&agent, "get").unwrap(), 2);

    let status = live.runtime.block_on(agent.status()).unwrap();
    assert_eq!(status.root_key, live.pic.root_key());
    assert_eq!(status.replica_health_status.as_deref(), Some("healthy"));
}

#[test]
fn an_agent_with_another_root_key_accepts_no_answer() {
    let live = Live::start();
    let agent = live.agent(AnonymousIdentity);
    let mut key = live.pic.root_key().unwrap();
    // The generator of the group is a valid key, but not that of the instance.
    key.truncate(37);
    key.extend(hex::decode(GENERATOR).unwrap());
    agent.set_root_key(key);
    assert!(matches!(
        live.update(&agent, "inc"),
        Err(AgentError::CertificateVerificationFailed())
    ));
    assert!(live.query(&agent, "get").is_err());
}

const GENERATOR: &str = "93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049\
                         334cf11213945d57e5ac7d055d042b7e024aa2b2f08f0a91260805272dc51051\
                         c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8";

#[test]
fn an_agent_gets_the_code_and_message_of_a_reject() {
    let live = Live::start();
    let agent = live.agent(ed25519(1));
    match live.update(&agent, "rejecting") {
        Err(AgentError::CertifiedReject { reject, .. }) => {
            assert_eq!(reject.reject_code, RejectCode::CanisterReject);
            assert_eq!(reject.reject_message, "no more of this");
        }
        other => panic!("{other:?}"),
    }
    match live.query(&agent, "trapping_query") {
        Err(AgentError::UncertifiedReject { reject, .. }) => {
            assert_eq!(reject.reject_code, RejectCode::CanisterError);
            assert_eq!(reject.error_code.as_deref(), Some("IC0503"));
        }
        other => panic!("{other:?}"),
    }
    // The call is refused at ingress.
    let nobody = Principal::from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xc0, 0, 9, 1, 1]);
    let call = agent.update(&nobody, "inc").with_arg(vec![]);
    match live.runtime.block_on(call.call_and_wait()) {
        Err(AgentError::UncertifiedReject { reject, .. }) => {
            assert_eq!(reject.reject_code, RejectCode::DestinationInvalid);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_kind_of_key_can_sign() {
    let live = Live::start();
    let secp256k1 = k256::SecretKey::from_slice(&[7; 32]).unwrap();
    let p256 = p256::SecretKey::from_slice(&[7; 32]).unwrap();
    let agents = [
        live.agent(ed25519(1)),
        live.agent(Secp256k1Identity::from_private_key(secp256k1)),
        live.agent(Prime256v1Identity::from_private_key(p256)),
        live.agent(delegated_identity(&ed25519(1), |_| {})),
    ];
    for (agent, count) in agents.iter().zip(1..) {
        assert_eq!(live.update(agent, "inc").unwrap(), count);
        assert_eq!(live.query(agent, "get").unwrap(), count);
    }
    assert_eq!(agents[0].get_principal(), agents[3].get_principal());
}

/// An identity that signs with another key than its sender's.
struct Impostor(BasicIdentity);

impl Identity for Impostor {
    fn sender(&self) -> Result<Principal, String> {
        ed25519(1).sender()
    }
    fn public_key(&self) -> Option<Vec<u8>> {
        ed25519(1).public_key()
    }
    fn sign(
        &self,
        content: &ic_agent::agent::EnvelopeContent,
    ) -> Result<ic_agent::Signature, String> {
        let mut signature = self.0.sign(content)?;
        signature.public_key = self.public_key();
        Ok(signature)
    }
}

/// A canister that certifies its argument, and replies with the certificate.
const CERTIFIER: &str = r#"
(module
  (import "ic0" "msg_reply" (func $msg_reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_arg_data_copy" (func $argument (param i32 i32 i32)))
  (import "ic0" "certified_data_set" (func $certify (param i32 i32)))
  (import "ic0" "data_certificate_size" (func $size (result i32)))
  (import "ic0" "data_certificate_copy" (func $copy (param i32 i32 i32)))
  (memory 1)
  (func (export "canister_update certify")
    (call $argument (i32.const 0) (i32.const 0) (i32.const 32))
    (call $certify (i32.const 0) (i32.const 32))
    (call $msg_reply))
  (func (export "canister_query certificate")
    (call $copy (i32.const 0) (i32.const 0) (call $size))
    (call $append (i32.const 0) (call $size))
    (call $msg_reply)))
"#;

#[derive(serde::Serialize)]
struct CanisterSignature {
    #[serde(with = "serde_bytes")]
    certificate: Vec<u8>,
    tree: HashTree,
}

/// Lets a new canister sign; returns its public key for the empty seed, and the signature.
fn sign_by_canister(live: &Live, message: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let id = live.pic.create_canister();
    install_signer(&live.pic, id);
    sign_by(&live.pic, id, message)
}

pub(crate) fn install_signer(pic: &PocketIc, id: Principal) {
    let module = wat::parse_str(CERTIFIER).unwrap();
    pic.install_canister(id, module, vec![], None);
}

/// Lets a canister sign; returns its public key for the empty seed, and the signature.
pub(crate) fn sign_by(pic: &PocketIc, id: Principal, message: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let sha256 = |bytes: &[u8]| Sha256::digest(bytes).to_vec();
    let tree = labeled(
        "sig",
        labeled(sha256(b""), labeled(sha256(message), leaf(vec![]))),
    );
    let sender = Principal::anonymous();
    let root = tree.digest().to_vec();
    pic.update_call(id, sender, "certify", root).unwrap();
    let certificate = pic.query_call(id, sender, "certificate", vec![]).unwrap();
    let mut key =
        b"\x30\x1b\x30\x0c\x06\x0a\x2b\x06\x01\x04\x01\x83\xb8\x43\x01\x02\x03\x0c\x00\x0a"
            .to_vec();
    key.extend(id.as_slice());
    key[1] = key.len() as u8 - 2;
    let mut signature = serde_cbor::Serializer::new(Vec::new());
    signature.self_describe().unwrap();
    let content = CanisterSignature { certificate, tree };
    serde::Serialize::serialize(&content, &mut signature).unwrap();
    (key, signature.into_inner())
}

#[test]
fn a_canister_can_sign_a_delegation() {
    let live = Live::start();
    let to = ed25519(2);
    let delegation = Delegation {
        pubkey: to.public_key().unwrap(),
        expiration: i64::MAX as u64,
        targets: None,
        permissions: None,
    };
    let message = delegation.signable();
    let (key, signature) = sign_by_canister(&live, &message);
    let root = live.pic.root_key().unwrap();
    let verify = |message: &[u8], signature: &[u8], root: &[u8]| {
        live.pic.verify_canister_signature(
            message.to_vec(),
            signature.to_vec(),
            key.clone(),
            root.to_vec(),
        )
    };
    assert_eq!(verify(&message, &signature, &root), Ok(()));
    assert!(verify(b"another message", &signature, &root).is_err());
    assert!(verify(&message, b"no signature", &root).is_err());
    let mut other = root[..37].to_vec();
    other.extend(hex::decode(GENERATOR).unwrap());
    assert!(verify(&message, &signature, &other).is_err());

    let chain = |signature| {
        let delegation = delegation.clone();
        vec![SignedDelegation {
            delegation,
            signature,
        }]
    };
    let identity = |signature| {
        DelegatedIdentity::new_unchecked(key.clone(), Box::new(ed25519(2)), chain(signature))
    };
    let agent = live.agent(identity(signature.clone()));
    assert_eq!(live.update(&agent, "inc").unwrap(), 1);
    let mut forged = signature;
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let agent = live.agent(identity(forged));
    assert_eq!(refusal(live.update(&agent, "inc")).0, 400);
}

#[test]
fn a_wrong_signature_is_refused() {
    let live = Live::start();
    let agent = live.agent(Impostor(ed25519(9)));
    let (status, why) = refusal(live.update(&agent, "inc"));
    assert!(status == 400 && why.contains("signature"), "{status} {why}");
    let (status, why) = refusal(live.query(&agent, "get"));
    assert!(status == 400 && why.contains("signature"), "{status} {why}");
    assert_eq!(
        live.query(&live.agent(AnonymousIdentity), "get").unwrap(),
        0
    );
}

#[test]
fn a_delegation_is_limited_in_time_targets_and_kinds_of_requests() {
    let live = Live::start();
    let of = |change: fn(&mut Delegation)| live.agent(delegated_identity(&ed25519(1), change));
    let expired = of(|delegation| delegation.expiration = 1);
    let elsewhere =
        of(|delegation| delegation.targets = Some(vec![Principal::management_canister()]));
    for agent in [expired, elsewhere] {
        let (status, why) = refusal(live.update(&agent, "inc"));
        assert!((400..500).contains(&status), "{status} {why}");
    }
    let reader = of(|delegation| delegation.permissions = Some(DelegationPermissions::Queries));
    assert_eq!(live.query(&reader, "get").unwrap(), 0);
    let (status, why) = refusal(live.update(&reader, "inc"));
    assert!((400..500).contains(&status), "{status} {why}");
}

#[test]
fn a_request_that_expires_too_late_is_refused() {
    let live = Live::start();
    let agent = Agent::builder()
        .with_url(live.pic.url().unwrap())
        .with_ingress_expiry(Duration::from_secs(3600))
        .build()
        .unwrap();
    agent.set_root_key(live.pic.root_key().unwrap());
    let (status, why) = refusal(live.update(&agent, "inc"));
    assert!(
        status == 400 && why.contains("ingress_expiry"),
        "{status} {why}"
    );
}

#[test]
fn an_agent_reads_the_certified_state_of_a_canister() {
    let live = Live::start();
    let controller = ed25519(1);
    let sender = controller.sender().unwrap();
    let module = COUNTER.trim().strip_suffix(')').unwrap().to_owned()
        + r#"(@custom "icp:public motto" "for all") (@custom "icp:private diary" "for few"))"#;
    let module = wat::parse_str(module).unwrap();
    let id = live.pic.create_canister_with_settings(Some(sender), None);
    live.pic
        .install_canister(id, module.clone(), vec![], Some(sender));

    let agent = live.agent(controller);
    let info = |agent: &Agent, path: &str| {
        live.runtime
            .block_on(agent.read_state_canister_info(id, path))
    };
    let metadata = |agent: &Agent, name: &str| {
        live.runtime
            .block_on(agent.read_state_canister_metadata(id, name))
    };
    let hash = Sha256::digest(&module).to_vec();
    assert_eq!(info(&agent, "module_hash").unwrap(), hash);
    let controllers = info(&agent, "controllers").unwrap();
    let controllers: Vec<Principal> = serde_cbor::from_slice(&controllers).unwrap();
    assert_eq!(controllers, [sender]);
    assert_eq!(metadata(&agent, "motto").unwrap(), b"for all");
    assert_eq!(metadata(&agent, "diary").unwrap(), b"for few");
    assert!(matches!(
        metadata(&agent, "nothing"),
        Err(AgentError::LookupPathAbsent(_))
    ));

    let stranger = live.agent(AnonymousIdentity);
    assert_eq!(metadata(&stranger, "motto").unwrap(), b"for all");
    assert_eq!(refusal(metadata(&stranger, "diary")).0, 403);
    assert!((400..500).contains(&refusal(info(&stranger, "certified_data")).0));
}

#[test]
fn only_the_sender_of_a_request_can_poll_for_its_outcome() {
    let live = Live::start();
    let agent = live.agent(ed25519(1));
    let signed = agent
        .update(&live.counter, "inc")
        .with_arg(vec![])
        .sign()
        .unwrap();
    let path = format!("/api/v2/canister/{}/call", live.counter);
    let sent = live.post(&path, &signed.signed_update);
    assert_eq!(sent, (202, String::new()));
    // A request that is sent twice is executed once.
    assert_eq!(live.post(&path, &signed.signed_update).0, 202);
    let outcome = agent.wait(&signed.request_id, live.counter);
    let (reply, _) = live.runtime.block_on(outcome).unwrap();
    assert_eq!(number(reply), 1);
    assert_eq!(live.query(&agent, "get").unwrap(), 1);

    let stranger = live.agent(ed25519(3));
    let status = stranger.request_status_raw(&signed.request_id, live.counter);
    assert_eq!(refusal(live.runtime.block_on(status)).0, 403);
}

#[test]
fn an_agent_finds_the_nodes_of_a_subnet() {
    let live = Live::start();
    let agent = live.agent(AnonymousIdentity);
    let topology = live.pic.topology();
    for subnet in [topology.get_nns().unwrap(), topology.get_app_subnets()[0]] {
        let found = live
            .runtime
            .block_on(agent.fetch_subnet_by_id(&subnet))
            .unwrap();
        assert!(found.iter_nodes().count() > 0);
        let own = live.pic.get_subnet(live.counter) == Some(subnet);
        assert_eq!(found.contains_canister(&live.counter), own);
    }
}

/// Interface specification 0.50, "Request: Read state".
#[test]
fn the_third_version_reads_the_older_ranges_of_the_root_subnet_only() {
    let live = Live::start();
    let topology = live.pic.topology();
    let (root, other) = (topology.get_nns().unwrap(), topology.get_app_subnets()[0]);
    let found = |version: &str, path: &[&[u8]], subnet: Principal| {
        let content = EnvelopeContent::ReadState {
            ingress_expiry: 0,
            sender: Principal::anonymous(),
            paths: vec![path.iter().map(|label| Label::from_bytes(label)).collect()],
        };
        let path = format!("api/{version}/canister/{}/read_state", live.counter);
        let (status, answer) = live.send(&path, content);
        assert_eq!(status, 200);
        let answer: ReadStateResponse = serde_cbor::from_slice(&answer).unwrap();
        let certificate: Certificate = serde_cbor::from_slice(&answer.certificate).unwrap();
        let lookup = |leaf: &[u8]| {
            let path = [b"subnet", subnet.as_slice(), leaf];
            matches!(certificate.tree.lookup_path(path), LookupResult::Found(_))
        };
        (lookup(b"canister_ranges"), lookup(b"public_key"))
    };
    for subnet in [root, other] {
        let id = subnet.as_slice();
        for path in [
            &[b"subnet".as_slice()][..],
            &[b"subnet", id],
            &[b"subnet", id, b"canister_ranges"],
        ] {
            let others = path.len() < 3;
            assert_eq!(found("v2", path, subnet), (true, others));
            assert_eq!(found("v3", path, subnet), (subnet == root, others));
        }
    }
}

/// Interface specification 0.60, "Effective subnet id".
#[test]
fn a_subnet_is_called_for_creations_only() {
    let live = Live::start();
    let subnet = live.pic.topology().get_app_subnets()[0];
    let call = |version: &str, method: &str| {
        let arg = ProvisionalCreateCanisterWithCyclesArgs::default();
        let content = EnvelopeContent::Call {
            nonce: None,
            ingress_expiry: live.pic.get_time().as_nanos_since_unix_epoch() + 60_000_000_000,
            sender: Principal::anonymous(),
            canister_id: Principal::management_canister(),
            method_name: method.into(),
            arg: candid::encode_one(arg).unwrap(),
            sender_info: None,
        };
        live.send(&format!("api/{version}/subnet/{subnet}/call"), content)
    };
    let create = "provisional_create_canister_with_cycles";
    let (status, answer) = call("v4", create);
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    assert_eq!(call("v4", "raw_rand").0, 400);
    assert_eq!(call("v3", create).0, 404);
    let content = EnvelopeContent::Query {
        nonce: None,
        ingress_expiry: 0,
        sender: Principal::anonymous(),
        canister_id: Principal::management_canister(),
        method_name: "canister_status".into(),
        arg: Vec::new(),
        sender_info: None,
    };
    let query = |version: &str| {
        live.send(
            &format!("api/{version}/subnet/{subnet}/query"),
            content.clone(),
        )
        .0
    };
    assert_eq!((query("v3"), query("v2")), (400, 404));
}

#[test]
fn a_tick_can_name_the_blockmaker() {
    let live = Live::start();
    let agent = live.agent(AnonymousIdentity);
    let subnet = live.pic.topology().get_app_subnets()[0];
    let found = agent.fetch_subnet_by_id(&subnet);
    let found = live.runtime.block_on(found).unwrap();
    let nodes: Vec<_> = found.iter_nodes().collect();
    live.pic.stop_progress();
    let before = live.pic.get_time();
    live.pic.tick_with_configs(TickConfigs {
        blockmakers: Some(vec![SubnetBlockmakers {
            subnet,
            blockmaker: nodes[0],
            failed_blockmakers: nodes[1..].to_vec(),
        }]),
    });
    assert!(live.pic.get_time() > before);
}

/// What an API boundary node answers, `dfinity/ic rs/boundary_node/ic_boundary/src/errors.rs`:
/// PocketIC answers the same to a request for a canister of no subnet.
#[test]
fn a_request_for_no_subnet_is_refused_as_on_the_network() {
    let live = Live::start();
    let agent = live.agent(ed25519(1));
    // A canister of the mainnet, a user, and the management canister, which is on no subnet.
    for nobody in [
        Principal::from_text("5v3p4-iyaaa-aaaaa-qaaaa-cai").unwrap(),
        agent.get_principal().unwrap(),
        Principal::management_canister(),
    ] {
        let update = agent
            .update(&nobody, "inc")
            .with_arg(vec![])
            .sign()
            .unwrap();
        let query = agent.query(&nobody, "get").with_arg(vec![]).sign().unwrap();
        let state = agent
            .sign_request_status(nobody, update.request_id)
            .unwrap()
            .signed_request_status;
        let canister = "error: canister_not_found\ndetails: The specified canister does not exist.";
        let subnet = "error: subnet_not_found\ndetails: The specified subnet cannot be found.";
        for (kind, request, versions, body, refusal) in [
            (
                "canister",
                "call",
                &["v2", "v3", "v4"][..],
                &update.signed_update,
                canister,
            ),
            (
                "canister",
                "query",
                &["v2", "v3"],
                &query.signed_query,
                canister,
            ),
            ("canister", "read_state", &["v2", "v3"], &state, canister),
            ("subnet", "read_state", &["v2", "v3"], &state, subnet),
        ] {
            for version in versions {
                let path = format!("/api/{version}/{kind}/{nobody}/{request}");
                assert_eq!(live.post(&path, body), (400, refusal.to_owned()), "{path}");
            }
        }
        // The agent passes it on.
        let call = agent.update(&nobody, "inc").with_arg(vec![]);
        let (status, why) = refusal(live.runtime.block_on(call.call_and_wait()));
        assert_eq!((status, why.as_str()), (400, canister));
    }
}

/// The texts are those of `dfinity/ic rs/http_endpoints/public/src` (`common.rs`, `query.rs`,
/// `call.rs`) and of `rs/boundary_node/ic_boundary/src/http/middleware/validate.rs`.
#[test]
fn malformed_requests_are_refused_with_the_platforms_text() {
    let live = Live::start();
    let counter = live.counter;
    let agent = live.agent(AnonymousIdentity);
    let query = agent
        .query(&counter, "get")
        .with_arg(vec![])
        .sign()
        .unwrap();
    let other = live.pic.create_canister();
    let at = |version: &str, id: &str, kind: &str| format!("/api/{version}/canister/{id}/{kind}");
    let (own, foreign) = (counter.to_string(), other.to_string());
    let cases: [(String, &[u8], &str); 9] = [
        (
            at("v2", &own, "query"),
            b"no CBOR",
            "Failed to deserialize cbor request: ",
        ),
        (
            at("v3", &own, "query"),
            b"\xd9\xd9\xf7\xa0",
            "Failed to deserialize cbor request: ",
        ),
        (
            at("v2", &own, "read_state"),
            b"",
            "Failed to deserialize cbor request: ",
        ),
        (
            at("v2", &own, "call"),
            b"",
            "Could not parse body as call message: ",
        ),
        (
            at("v3", &own, "call"),
            b"",
            "Could not parse body as call message: ",
        ),
        (
            at("v2", "nobody", "read_state"),
            b"\xa0",
            "error: malformed_request\ndetails: Unable to decode canister_id from URL: ",
        ),
        (
            "/api/v2/subnet/nobody/read_state".into(),
            b"\xa0",
            "error: malformed_request\ndetails: Unable to decode subnet_id from URL: ",
        ),
        (
            at("v2", &own, "read_state"),
            &query.signed_query,
            "Failed to deserialize cbor request: unknown variant `query`, expected `read_state`",
        ),
        (
            at("v2", &foreign, "query"),
            &query.signed_query,
            &format!(
                "Specified CanisterId {counter} does not match effective canister id in URL {other}"
            ),
        ),
    ];
    for (path, body, text) in cases {
        let (status, why) = live.post(&path, body);
        assert!(
            status == 400 && why.starts_with(text),
            "{path}: {status} {why}"
        );
    }
    let port = live.pic.url().unwrap().port().unwrap();
    let path = at("v2", &own, "query");
    for header in ["", "content-type: application/json\r\n"] {
        let headers = format!("host: localhost\r\n{header}");
        assert_eq!(
            raw(port, "POST", &path, &headers, &query.signed_query),
            (
                400,
                "Unexpected content-type, expected application/cbor.".to_owned()
            )
        );
    }
    assert_eq!(live.query(&agent, "get").unwrap(), 0);
}

/// The texts are those of `dfinity/ic rs/validator/src/ingress_validation.rs`.
#[test]
fn a_request_that_is_not_authentic_is_refused_with_the_platforms_text() {
    let live = Live::start();
    let of = |change: fn(&mut Delegation)| live.agent(delegated_identity(&ed25519(1), change));
    let cases = [
        (
            of(|delegation| delegation.expiration = 1_700_000_000_000_000_000),
            "Invalid delegation expiry: Specified sender delegation has expired:\n\
             Provided expiry:    2023-11-14 22:13:20 UTC\nLocal replica time: 20",
        ),
        (
            of(|delegation| delegation.targets = Some(vec![])),
            &format!(
                "Canister '{}' is not one of the delegation targets.",
                live.counter
            ),
        ),
        (
            of(|delegation| delegation.pubkey = ed25519(1).public_key().unwrap()),
            "Invalid delegation: Chain of delegations contains at least one cycle: first repeating \
             public key encountered 302a",
        ),
        (
            live.agent(Impostor(ed25519(9))),
            "Invalid signature: Invalid basic signature: ",
        ),
        (live.agent(Unsigned), "Missing signature from user: "),
    ];
    for (agent, text) in cases {
        for (status, why) in [
            refusal(live.update(&agent, "inc")),
            refusal(live.query(&agent, "get")),
        ] {
            assert!(status == 400 && why.starts_with(text), "{status} {why}");
        }
    }
    let late = Agent::builder()
        .with_url(live.pic.url().unwrap())
        .with_ingress_expiry(Duration::from_secs(3600))
        .build()
        .unwrap();
    late.set_root_key(live.pic.root_key().unwrap());
    let (_, why) = refusal(live.update(&late, "inc"));
    let text = "Invalid request expiry: Specified ingress_expiry not within expected range: \
                Minimum allowed expiry: 20";
    assert!(
        why.starts_with(text) && why.contains(" UTC, Maximum allowed expiry: 20"),
        "{why}"
    );
}

/// An identity that signs nothing.
struct Unsigned;

impl Identity for Unsigned {
    fn sender(&self) -> Result<Principal, String> {
        ed25519(1).sender()
    }
    fn public_key(&self) -> Option<Vec<u8>> {
        None
    }
    fn sign(&self, _: &ic_agent::agent::EnvelopeContent) -> Result<ic_agent::Signature, String> {
        Ok(ic_agent::Signature {
            public_key: None,
            signature: None,
            delegations: None,
        })
    }
}

/// The limits of `dfinity/ic rs/http_endpoints/public/src/call.rs` and of
/// `rs/boundary_node/ic_boundary/src/errors.rs`.
#[test]
fn requests_that_are_too_large_are_refused() {
    let live = Live::start();
    let agent = live.agent(AnonymousIdentity);
    let counter = live.counter;
    let call = |size| {
        agent
            .update(&counter, "inc")
            .with_arg(vec![0; size])
            .sign()
            .unwrap()
    };
    let path = format!("/api/v2/canister/{counter}/call");
    let small = call((2 << 20) - 1_000);
    assert_eq!(live.post(&path, &small.signed_update).0, 202);
    let large = call(2 << 20);
    let text = format!(
        "Request 0x{} is too large. Message byte size {} is larger than the max allowed 2097152.",
        hex::encode(large.request_id.as_slice()),
        large.signed_update.len()
    );
    assert_eq!(live.post(&path, &large.signed_update), (413, text));
    let query = agent.query(&counter, "get").with_arg(vec![0; 3 << 20]);
    assert!(live.runtime.block_on(query.call()).is_ok());
    let query = agent.query(&counter, "get").with_arg(vec![0; 4 << 20]);
    let text = "error: payload_too_large\ndetails: Payload is too large: maximum body size is \
                4194304 bytes.";
    let refused = refusal(live.runtime.block_on(query.call()));
    assert_eq!(refused, (413, text.to_owned()));
}
