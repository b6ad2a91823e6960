//! The header `IC-Certificate`.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ic_certification::{Certificate, HashTree};
use serde::de::DeserializeOwned;

/// Padding is optional, as the gateways of the network have it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The fields of the header.
pub(super) struct Header {
    pub(super) certificate: Certificate,
    pub(super) tree: HashTree,
    pub(super) version: u8,
    /// Mandatory in version 2.
    pub(super) expression_path: Option<Vec<String>>,
}

impl Header {
    /// Reads `certificate=:..:, tree=:..:, expr_path=:..:, version=2`. Bytes are CBOR in Base64.
    pub(super) fn parse(value: &str) -> Result<Self, String> {
        let field = |name: &str| {
            value.split(',').find_map(|field| {
                let (known, value) = field.trim().split_once('=')?;
                (known == name).then_some(value)
            })
        };
        let certificate = field("certificate")
            .ok_or("the header IC-Certificate has no certificate")
            .map(|value| decode(value, "certificate"))??;
        let tree = field("tree")
            .ok_or("the header IC-Certificate has no tree")
            .map(|value| decode(value, "tree"))??;
        let version = match field("version") {
            None => 1,
            Some(number) => number
                .parse()
                .map_err(|e| format!("the version `{number}` in IC-Certificate: {e}"))?,
        };
        let expression_path = field("expr_path")
            .map(|value| decode(value, "expr_path"))
            .transpose()?;
        Ok(Self {
            certificate,
            tree,
            version,
            expression_path,
        })
    }
}

fn decode<T: DeserializeOwned>(value: &str, name: &str) -> Result<T, String> {
    let value = value.strip_prefix(':').unwrap_or(value);
    let value = value.strip_suffix(':').unwrap_or(value);
    let bytes = BASE64
        .decode(value)
        .map_err(|e| format!("the {name} in IC-Certificate is not Base64: {e}"))?;
    serde_cbor::from_slice(&bytes)
        .map_err(|e| format!("the {name} in IC-Certificate is not the CBOR of one: {e}"))
}
