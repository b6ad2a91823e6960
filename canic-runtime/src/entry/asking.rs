//! What root says of a caller.

use crate::{
    access::{self, Standing},
    api::MemberRequest,
    platform::ic::{self, Level},
};
use candid::{CandidType, Principal, Reserved};
use serde::{
    Deserialize, Deserializer,
    de::{EnumAccess, VariantAccess, Visitor},
};
use std::fmt;

/// Asks root for a caller's role and parent. That root can't be reached counts as not knowing it.
pub(super) async fn ask_root(caller: Principal) -> Option<Standing> {
    let root = access::membership()?.root;
    let request = MemberRequest::Canister(caller);
    match ic::ask(root, "canic_member", &request).await {
        Ok(Answer::Ok(member)) => member.map(|member| Standing {
            role: member.role,
            parent: member.parent,
        }),
        Ok(Answer::Err(_)) => None,
        Err(reason) => {
            ic::log(
                Level::Warn,
                format_args!("root was not reached about {caller}: {reason:.200}"),
            );
            None
        }
    }
}

/// The fields of a member that matter here.
#[derive(CandidType, Deserialize)]
struct Member {
    role: String,
    parent: Principal,
}

/// The answer of `canic_member`.
///
/// Not read by what serde derives, nor as a `Result`: these can complain of any value in a variant's place, and to write
/// a float takes 15 kB of a member's Wasm.
#[derive(CandidType)]
enum Answer {
    Ok(Option<Member>),
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
            (Variant::Ok, member) => member.newtype_variant().map(Answer::Ok),
            (Variant::Err, denied) => denied.newtype_variant().map(Answer::Err),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Denied, MemberInfo, MemberState};

    fn read(answer: &Result<Option<MemberInfo>, Denied>) -> Answer {
        let bytes = candid::encode_one(answer).expect("root can encode it");
        candid::decode_one(&bytes).expect("a member can read it")
    }

    #[test]
    fn every_answer_of_root_is_read() {
        let parent = Principal::from_slice(&[2, 1]);
        let member = MemberInfo {
            canister: Principal::from_slice(&[3, 1]),
            role: "shard".to_string(),
            parent,
            key: None,
            state: MemberState::Active,
            module: vec![7; 32],
            since: 1,
            operation: 1,
        };
        let known = read(&Ok(Some(member)));
        assert!(matches!(known, Answer::Ok(Some(m)) if m.role == "shard" && m.parent == parent));
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
