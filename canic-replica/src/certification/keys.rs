//! The keys of subnets and of their nodes. They are derived from the number of the subnet, so that
//! instances with the same subnets have the same keys. No key is secret.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use candid::Principal;
use ic_verify_bls_signature::PrivateKey;
use sha2::{Digest, Sha256};

use crate::certification::tree::Hash;

/// The prefix of a BLS12-381 public key in DER.
pub(crate) const BLS_PREFIX: &[u8] =
    b"\x30\x81\x82\x30\x1d\x06\x0d\x2b\x06\x01\x04\x01\x82\xdc\x7c\x05\x03\x01\x02\x01\x06\x0c\x2b\
    \x06\x01\x04\x01\x82\xdc\x7c\x05\x03\x02\x01\x03\x61\x00";
/// The prefix of an Ed25519 public key in DER.
pub(crate) const ED25519_PREFIX: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// The keys of a subnet.
pub(crate) struct SubnetKeys {
    secret: PrivateKey,
    /// DER.
    pub(crate) public: Vec<u8>,
    pub(crate) nodes: Vec<NodeKey>,
}

/// The key of a node.
pub(crate) struct NodeKey {
    secret: ic_ed25519::PrivateKey,
    /// DER.
    pub(crate) public: Vec<u8>,
}

impl SubnetKeys {
    /// The keys of the subnet with this number and so many nodes. They are computed once per
    /// process.
    pub(crate) fn of(subnet: usize, nodes: u32) -> Arc<Self> {
        type Known = BTreeMap<(usize, u32), Arc<SubnetKeys>>;
        static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = known
            .entry((subnet, nodes))
            .or_insert_with(|| Arc::new(Self::generate(subnet, nodes)));
        Arc::clone(keys)
    }

    fn generate(subnet: usize, nodes: u32) -> Self {
        let mut secret = seed(&format!("subnet {subnet}"));
        // The order of the group has 255 bits.
        secret[0] &= 0x3f;
        let secret = PrivateKey::deserialize(&secret).expect("it is below the order of the group");
        let mut public = BLS_PREFIX.to_vec();
        public.extend(secret.public_key().serialize());
        let nodes = (0..nodes)
            .map(|node| NodeKey::generate(&seed(&format!("node {subnet} {node}"))))
            .collect();
        Self {
            secret,
            public,
            nodes,
        }
    }

    /// The subnet's principal.
    pub(crate) fn id(&self) -> Principal {
        Principal::self_authenticating(&self.public)
    }

    /// Signs the root hash of a state tree.
    pub(super) fn sign(&self, root: &Hash) -> [u8; 48] {
        let mut message = b"\x0dic-state-root".to_vec();
        message.extend(root);
        self.secret.sign(&message).serialize()
    }
}

impl NodeKey {
    fn generate(seed: &[u8; 32]) -> Self {
        let secret = ic_ed25519::PrivateKey::deserialize_raw_32(seed);
        let mut public = ED25519_PREFIX.to_vec();
        public.extend(secret.public_key().serialize_raw());
        Self { secret, public }
    }

    /// The node's principal.
    pub(crate) fn id(&self) -> Principal {
        Principal::self_authenticating(&self.public)
    }

    /// Signs bytes without a domain separator.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.secret.sign_message(message).to_vec()
    }
}

fn seed(of: &str) -> [u8; 32] {
    Sha256::digest(format!("canic-replica: {of}")).into()
}
