//! ECDSA on secp256k1 and secp256r1, and Schnorr signatures of BIP-340 and BIP-341 on secp256k1.
//!
//! Keys are derived by the generalization of BIP-32 to indices of any length that the interface
//! specification names (section "IC method `ecdsa_public_key`"; ia.cr/2021/1330, appendix D).

use hmac::{Hmac, Mac};
use k256::{
    Secp256k1,
    ecdsa::signature::hazmat::PrehashSigner,
    elliptic_curve::{
        AffinePoint, CurveArithmetic, FieldBytes, FieldBytesSize, NonZeroScalar, PrimeField,
        Scalar, SecretKey,
        ops::Reduce,
        sec1::{FromEncodedPoint, ModulusSize, ToEncodedPoint},
    },
};
use p256::NistP256;
use sha2::{Digest, Sha256, Sha512};

use crate::threshold::{Path, PublicKey};

/// The derived public key on secp256k1: SEC1, compressed.
pub(crate) fn public_key_k1(name: &str, path: Path<'_>) -> PublicKey {
    let (secret, chain_code) = derive::<Secp256k1>(name, path);
    let point = secret.public_key().to_encoded_point(true);
    (point.as_bytes().to_vec(), chain_code)
}

/// The derived public key on secp256r1: SEC1, compressed.
pub(crate) fn public_key_r1(name: &str, path: Path<'_>) -> PublicKey {
    let (secret, chain_code) = derive::<NistP256>(name, path);
    let point = secret.public_key().to_encoded_point(true);
    (point.as_bytes().to_vec(), chain_code)
}

/// An ECDSA signature on secp256k1: r and s, 32 bytes each. Of the two possible s it has the lower
/// one.
pub(crate) fn sign_ecdsa_k1(name: &str, path: Path<'_>, hash: &[u8; 32]) -> Vec<u8> {
    let key = k256::ecdsa::SigningKey::from(derive::<Secp256k1>(name, path).0);
    let signature: k256::ecdsa::Signature = key.sign_prehash(hash).expect("32 bytes are a hash");
    signature.to_bytes().to_vec()
}

/// An ECDSA signature on secp256r1: r and s, 32 bytes each.
pub(crate) fn sign_ecdsa_r1(name: &str, path: Path<'_>, hash: &[u8; 32]) -> Vec<u8> {
    let key = p256::ecdsa::SigningKey::from(derive::<NistP256>(name, path).0);
    let signature: p256::ecdsa::Signature = key.sign_prehash(hash).expect("32 bytes are a hash");
    signature.to_bytes().to_vec()
}

/// A signature of BIP-340. With `taproot`, an empty root or one of 32 bytes, the key is the output
/// key that BIP-341 makes of the derived key. `None`: the root makes no key.
pub(crate) fn sign_schnorr(
    name: &str,
    path: Path<'_>,
    message: &[u8],
    taproot: Option<&[u8]>,
) -> Option<Vec<u8>> {
    let (mut secret, _) = derive::<Secp256k1>(name, path);
    if let Some(root) = taproot {
        secret = tweak(&secret, root)?;
    }
    let key = k256::schnorr::SigningKey::from(secret);
    let signature = key.sign_raw(message, &[0; 32]).ok()?;
    Some(signature.to_bytes().to_vec())
}

/// BIP-341's `taproot_tweak_seckey`.
fn tweak(secret: &SecretKey<Secp256k1>, root: &[u8]) -> Option<SecretKey<Secp256k1>> {
    let point = secret.public_key().to_encoded_point(true);
    let (sign, x) = point.as_bytes().split_first()?;
    let tag = Sha256::digest(b"TapTweak");
    let hash = Sha256::new().chain_update(tag).chain_update(tag);
    let hash = hash.chain_update(x).chain_update(root).finalize();
    let offset = k256::Scalar::from_repr(hash).into_option()?;
    let scalar = *secret.to_nonzero_scalar();
    let even = if *sign == 2 { scalar } else { -scalar };
    let sum = NonZeroScalar::<Secp256k1>::new(even + offset);
    Some(sum.into_option()?.into())
}

/// A curve of this module.
trait Curve: CurveArithmetic + Sized {
    /// The secret from which PocketIC derives its master keys.
    fn root() -> SecretKey<Self>;
}

impl Curve for Secp256k1 {
    fn root() -> SecretKey<Self> {
        let seed = Sha256::digest([42; 32]);
        let scalar = <k256::Scalar as Reduce<k256::U256>>::reduce_bytes(&seed);
        let scalar = NonZeroScalar::<Self>::new(scalar).into_option();
        scalar
            .expect("the seed is not the order of the group")
            .into()
    }
}

impl Curve for NistP256 {
    fn root() -> SecretKey<Self> {
        /// `ic_secp256r1::PrivateKey::generate_insecure_key_for_testing(42)`.
        const ROOT: [u64; 4] = [
            0x7848_b5d7_11bc_9883,
            0x9963_17a3_f9c9_0269,
            0xd567_7100_5d54_0a19,
            0x1849_39c9_e8d0_db2a,
        ];
        let bytes = ROOT.map(u64::to_be_bytes).concat();
        SecretKey::from_slice(&bytes).expect("it is below the order of the group")
    }
}

/// The key of this name at the end of a path, and its chain code.
fn derive<C>(name: &str, path: Path<'_>) -> (SecretKey<C>, [u8; 32])
where
    C: Curve,
    AffinePoint<C>: FromEncodedPoint<C> + ToEncodedPoint<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let (master, _) = child(&C::root(), &[0; 32], name.as_bytes());
    path.all()
        .fold((master, [0; 32]), |(secret, chain_code), index| {
            child(&secret, &chain_code, index)
        })
}

/// The child of a key and a chain code at this index.
fn child<C>(parent: &SecretKey<C>, chain_code: &[u8; 32], index: &[u8]) -> (SecretKey<C>, [u8; 32])
where
    C: Curve,
    AffinePoint<C>: FromEncodedPoint<C> + ToEncodedPoint<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let mut input = parent
        .public_key()
        .to_encoded_point(true)
        .as_bytes()
        .to_vec();
    loop {
        let mut mac = Hmac::<Sha512>::new_from_slice(chain_code).expect("HMAC takes any key");
        mac.update(&input);
        mac.update(index);
        let output: [u8; 64] = mac.finalize().into_bytes().into();
        let mut next = [0; 32];
        next.copy_from_slice(&output[32..]);
        let offset = Scalar::<C>::from_repr(FieldBytes::<C>::clone_from_slice(&output[..32]));
        let sum = offset.map(|offset| *parent.to_nonzero_scalar() + offset);
        if let Some(sum) = sum.and_then(NonZeroScalar::<C>::new).into_option() {
            return (sum.into(), next);
        }
        // As SLIP-10 says; no such input is known.
        input = [&[1], next.as_slice()].concat();
    }
}
