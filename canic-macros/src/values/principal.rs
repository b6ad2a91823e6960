//! Controllers of a role's members, besides root.

use darling::{FromMeta, ast::NestedMeta};
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Lit, LitStr, Meta, Path};

use crate::options::name_of;

/// The items of `controllers(..)`, as they are written.
pub(crate) struct Controllers(pub(crate) Vec<Controller>);

/// One controller: the member's parent, or a principal.
#[derive(Clone)]
pub(crate) enum Controller {
    Parent(Path),
    Text(LitStr),
}

impl Controller {
    /// As the author wrote it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Parent(_) => "parent".to_owned(),
            Self::Text(text) => text.value(),
        }
    }
}

impl ToTokens for Controller {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Parent(path) => path.to_tokens(tokens),
            Self::Text(text) => text.to_tokens(tokens),
        }
    }
}

impl FromMeta for Controllers {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        let Meta::List(list) = meta else {
            return Err(darling::Error::custom(format!(
                "expected a list: `{}(parent, \"<principal>\")`",
                name_of(meta)
            ))
            .with_span(meta));
        };
        let items = NestedMeta::parse_meta_list(list.tokens.clone())?;
        let mut errors = darling::Error::accumulator();
        let controllers = items
            .iter()
            .filter_map(|item| errors.handle(controller(item)))
            .collect();
        errors.finish_with(Self(controllers))
    }
}

fn controller(item: &NestedMeta) -> darling::Result<Controller> {
    match item {
        NestedMeta::Meta(Meta::Path(path)) if path.is_ident("parent") => {
            Ok(Controller::Parent(path.clone()))
        }
        NestedMeta::Lit(Lit::Str(text)) => match text_error(&text.value()) {
            None => Ok(Controller::Text(text.clone())),
            Some(error) => {
                Err(darling::Error::custom(format!("not a principal: {error}")).with_span(text))
            }
        },
        _ => Err(darling::Error::custom(
            "a controller is `parent` or a principal in quotes; root is one always",
        )
        .with_span(item)),
    }
}

/// The error in the text of a principal, if there is one.
///
/// The text is the base32 form of a CRC-32 and at most 29 bytes, in groups of five characters.
fn text_error(text: &str) -> Option<&'static str> {
    let characters = text.replace('-', "");
    if text.is_empty() || in_groups(&characters) != text {
        return Some("its text has groups of five characters, joined by dashes");
    }
    let Some(bytes) = base32(&characters) else {
        return Some("a character of it is wrong");
    };
    match bytes.split_first_chunk() {
        Some((_, principal)) if principal.len() > 29 => Some("it is too long"),
        Some((checksum, principal)) if crc32(principal) == u32::from_be_bytes(*checksum) => None,
        Some(_) => Some("a character of it is wrong, since its checksum does not match"),
        None => Some("it is too short"),
    }
}

fn in_groups(characters: &str) -> String {
    let characters: Vec<_> = characters.chars().collect();
    let groups: Vec<String> = characters
        .chunks(5)
        .map(|group| group.iter().collect())
        .collect();
    groups.join("-")
}

fn base32(characters: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut buffer, mut bits) = (0_u32, 0);
    for character in characters.bytes() {
        let value = match character {
            b'a'..=b'z' => character - b'a',
            b'2'..=b'7' => character - b'2' + 26,
            _ => return None,
        };
        buffer = (buffer << 5 | u32::from(value)) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits & 0xff) as u8);
        }
    }
    // Bits of the last character that are part of no byte are zero in the canonical spelling.
    let rest = buffer & ((1 << bits) - 1);
    (rest == 0).then_some(bytes)
}

/// CRC-32 as in ISO 3309, bit by bit: it runs over a few dozen bytes.
fn crc32(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ POLYNOMIAL & (crc & 1).wrapping_neg();
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_are_accepted() {
        for text in [
            "aaaaa-aa",
            "2vxsx-fae",
            "ryjl3-tyaaa-aaaaa-aaaba-cai",
            "un4fu-tqaaa-aaaab-qadjq-cai",
        ] {
            assert_eq!(text_error(text), None, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "aaaaa",
            "aaaaaaa",
            "aaaaa-ab-",
            "ryjl3-tyaaa-aaaaa-aaaba-caj",
            "ryjl3-tyaaa-aaaaa-aaabacai",
            "RYJL3-TYAAA-AAAAA-AAABA-CAI",
            "ryjl3-1yaaa-aaaaa-aaaba-cai",
        ] {
            assert!(text_error(text).is_some(), "{text}");
        }
    }
}
