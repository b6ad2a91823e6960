//! Answers of endpoints as values of the caller's types.

use candid::{
    CandidType, Decode, IDLArgs, IDLValue, idl_hash,
    types::{Label, Type, TypeInner, internal::find_type},
};
use canic::api::{
    GrantError, ImportError, ModuleError, MoveError, ProvisionError, RefuelError, RetireError,
    RolloutError,
};
use serde::de::DeserializeOwned;

use crate::error::Reason;

/// An answer as `R`. If the endpoint answers a `Result`, `R` is that or what its `Ok` holds.
pub(crate) fn decode<R: CandidType + DeserializeOwned>(bytes: &[u8]) -> Result<R, Reason> {
    let Some(answer) = result_of(bytes).filter(|_| !is_result(&R::ty())) else {
        return Decode!(bytes, R).map_err(|why| other_type(bytes, &why));
    };
    if answer.is_err {
        return Err(Reason::Refused(refusal(bytes, &answer.content)));
    }
    match Decode!(bytes, Result<R, candid::Reserved>) {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(Reason::Refused(answer.content.to_string())),
        Err(why) => Err(other_type(bytes, &why)),
    }
}

fn other_type(bytes: &[u8], why: &candid::Error) -> Reason {
    let answer = IDLArgs::from_bytes(bytes);
    Reason::OtherType {
        answer: answer.map_or_else(
            |_| format!("{} bytes", bytes.len()),
            |args| args.to_string(),
        ),
        // The lines before the last one have the bytes and the types of the whole answer.
        why: why.to_string().lines().last().unwrap_or("").to_string(),
    }
}

/// A `Result` as an answer.
struct Answered {
    is_err: bool,
    content: IDLValue,
}

/// The answer, if it is a `Result`.
fn result_of(bytes: &[u8]) -> Option<Answered> {
    let args = IDLArgs::from_bytes(bytes).ok()?.args;
    let [IDLValue::Variant(variant)] = args.as_slice() else {
        return None;
    };
    let label = Label::get_id(&variant.0.id);
    let is_err = label == idl_hash("Err");
    (is_err || label == idl_hash("Ok")).then(|| Answered {
        is_err,
        content: variant.0.val.clone(),
    })
}

/// Whether a type is a `Result`.
fn is_result(ty: &Type) -> bool {
    match ty.as_ref() {
        TypeInner::Variant(fields) => fields
            .iter()
            .any(|field| [idl_hash("Ok"), idl_hash("Err")].contains(&field.id.get_id())),
        TypeInner::Knot(id) => find_type(id).is_some_and(|ty| is_result(&ty)),
        _ => false,
    }
}

/// The content of an `Err` as text: a text as it is, canic's errors in their sentences, and
/// other values in Candid's textual form.
fn refusal(bytes: &[u8], content: &IDLValue) -> String {
    if let IDLValue::Text(text) = content {
        return text.clone();
    }
    macro_rules! first_of {
        ($($error:ty),*) => {
            $(if let Ok(Err(error)) = Decode!(bytes, Result<candid::Reserved, $error>) {
                return error.to_string();
            })*
        };
    }
    first_of!(
        ProvisionError,
        RetireError,
        MoveError,
        ImportError,
        ModuleError,
        RolloutError,
        GrantError,
        RefuelError
    );
    content.to_string()
}

#[cfg(test)]
mod tests {
    use candid::{Encode, Principal};

    use super::*;

    #[test]
    fn an_answer_is_decoded_as_it_is_or_as_what_its_ok_holds() {
        let ok: Result<u64, String> = Ok(7);
        let ok = Encode!(&ok).unwrap();
        assert_eq!(decode::<Result<u64, String>>(&ok), Ok(Ok(7)));
        assert_eq!(decode::<u64>(&ok), Ok(7));
        assert_eq!(
            decode::<Option<u64>>(&Encode!(&Some(3u64)).unwrap()),
            Ok(Some(3))
        );
        let nothing: Result<(), String> = Ok(());
        assert_eq!(decode::<()>(&Encode!(&nothing).unwrap()), Ok(()));
    }

    #[test]
    fn a_refusal_says_what_the_endpoint_said() {
        let said: Result<u64, String> = Err("no".to_string());
        let said = Encode!(&said).unwrap();
        assert_eq!(decode::<u64>(&said), Err(Reason::Refused("no".to_string())));
        assert_eq!(
            decode::<Result<u64, String>>(&said),
            Ok(Err("no".to_string()))
        );
        let full = ProvisionError::UnknownRole {
            role: "gardener".to_string(),
            known: Vec::new(),
        };
        let full: Result<Principal, ProvisionError> = Err(full);
        let Err(Reason::Refused(text)) = decode::<Principal>(&Encode!(&full).unwrap()) else {
            panic!("refused");
        };
        assert!(text.contains("no role 'gardener'"), "{text}");
    }

    #[test]
    fn an_answer_of_another_type_is_shown() {
        let Err(Reason::OtherType { answer, .. }) = decode::<u64>(&Encode!(&"text").unwrap())
        else {
            panic!("another type");
        };
        assert_eq!(answer, "(\"text\")");
    }
}
