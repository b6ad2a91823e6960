//! Lookups: a member asks root about another canister, `canic_lookup`.

use std::fmt;

use candid::{CandidType, Principal, Reserved};
use serde::{
    Deserialize, Deserializer,
    de::{EnumAccess, VariantAccess, Visitor},
};

use crate::{
    api::MemberRef,
    error::LookupError,
    member::{ask_root::ask_root, subscription::Lookup},
    platform::ic::{self, Level},
};

/// Asks root about the caller of an endpoint and caches the answer. If root does not answer, the
/// caller counts as a stranger.
pub(crate) async fn caller(caller: Principal) -> Option<MemberRef> {
    match member(caller).await {
        Ok(member) => member,
        Err(error) => {
            let reason = error.to_string();
            ic::log(
                Level::Warn,
                format_args!("the caller {caller} could not be looked up: {reason:.200}"),
            );
            None
        }
    }
}

/// Asks root about a canister and caches the answer. None: the canister is not a member.
///
/// # Errors
///
/// See [`ask_root`].
pub(crate) async fn member(canister: Principal) -> Result<Option<MemberRef>, LookupError> {
    let lookup = Lookup::begin();
    match ask_root("canic_lookup", &canister).await? {
        Answer::Ok(member) => {
            lookup.finish(canister, member.as_ref());
            Ok(member)
        }
        Answer::Err(_) => Ok(None),
    }
}

/// The answer of `canic_lookup`.
///
/// It is decoded by hand, neither by serde's derive nor as a `Result`. The errors of these name the
/// value that was found instead of a variant, whatever its type, and the code that formats a float
/// takes 15 kB of a member's Wasm.
#[derive(CandidType)]
enum Answer {
    Ok(Option<MemberRef>),
    Err(Reserved),
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_enum("Answer", &["Ok", "Err"], AnswerVisitor)
    }
}

struct AnswerVisitor;

#[derive(Deserialize)]
#[serde(field_identifier)]
enum Variant {
    Ok,
    #[serde(other)]
    Err,
}

impl<'de> Visitor<'de> for AnswerVisitor {
    type Value = Answer;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("root's answer about a canister")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, answer: A) -> Result<Answer, A::Error> {
        match answer.variant()? {
            (Variant::Ok, member) => member.newtype_variant().map(Answer::Ok),
            (Variant::Err, denied) => denied.newtype_variant().map(Answer::Err),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Denied;

    fn read(answer: &Result<Option<MemberRef>, Denied>) -> Answer {
        let bytes = candid::encode_one(answer).expect("root can encode it");
        candid::decode_one(&bytes).expect("a member can read it")
    }

    #[test]
    fn every_answer_of_root_is_read() {
        let parent = Principal::from_slice(&[2, 1]);
        let shard = MemberRef {
            role: "shard".to_string(),
            parent,
            key: None,
        };
        let known = read(&Ok(Some(shard.clone())));
        assert!(matches!(known, Answer::Ok(Some(member)) if member == shard));
        assert!(matches!(read(&Ok(None)), Answer::Ok(None)));
        let denied = Denied {
            caller: parent,
            allowed: "members".to_string(),
        };
        assert!(matches!(read(&Err(denied)), Answer::Err(_)));
    }

    #[test]
    fn another_type_than_the_answer_is_an_error() {
        #[derive(CandidType)]
        enum Other {
            Maybe,
        }
        let text = candid::encode_one("Ok").expect("it is Candid");
        assert!(candid::decode_one::<Answer>(&text).is_err());
        let variant = candid::encode_one(Other::Maybe).expect("it is Candid");
        assert!(candid::decode_one::<Answer>(&variant).is_err());
    }
}
