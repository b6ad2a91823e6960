//! What root says of a caller.

use crate::{
    api::MemberRef,
    endpoint::access,
    member::subscription::Question,
    platform::{
        calls,
        ic::{self, Level},
    },
};
use candid::{CandidType, Principal, Reserved};
use serde::{
    Deserialize, Deserializer,
    de::{EnumAccess, VariantAccess, Visitor},
};
use std::fmt;

/// Asks root what a caller is, and remembers the answer. That root can't be reached counts as not knowing it.
pub(crate) async fn ask_root(caller: Principal) -> Option<MemberRef> {
    match standing(caller).await {
        Ok(standing) => standing,
        Err(reason) => {
            ic::log(
                Level::Warn,
                format_args!("root was not reached about {caller}: {reason:.200}"),
            );
            None
        }
    }
}

/// Asks root what a canister is, and remembers the answer.
///
/// # Errors
///
/// The reason why root did not answer.
pub(crate) async fn standing(canister: Principal) -> Result<Option<MemberRef>, String> {
    let root = access::membership().ok_or(NO_ROOT)?.root;
    let question = Question::new();
    match calls::ask(root, "canic_lookup", &canister).await? {
        Answer::Ok(standing) => {
            question.answered(canister, standing.as_ref());
            Ok(standing)
        }
        Answer::Err(_) => Ok(None),
    }
}

/// What a canister says that wants to ask and is unmanaged.
pub(crate) const NO_ROOT: &str = "this canister has no root yet";

/// The answer of `canic_lookup`.
///
/// Not read by what serde derives, nor as a `Result`: these can complain of any value in a variant's place, and to write
/// a float takes 15 kB of a member's Wasm.
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
        formatter.write_str("what root says of a canister")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, answer: A) -> Result<Answer, A::Error> {
        match answer.variant()? {
            (Variant::Ok, standing) => standing.newtype_variant().map(Answer::Ok),
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
        assert!(matches!(known, Answer::Ok(Some(standing)) if standing == shard));
        assert!(matches!(read(&Ok(None)), Answer::Ok(None)));
        let denied = Denied {
            caller: parent,
            allowed: "members".to_string(),
        };
        assert!(matches!(read(&Err(denied)), Answer::Err(_)));
    }

    #[test]
    fn what_is_no_answer_of_root_is_an_error() {
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
