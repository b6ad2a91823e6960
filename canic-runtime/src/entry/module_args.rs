//! The arguments of embedded modules: root compares its `args` with what a module's `init` takes.
//!
//! No macro knows the Candid type of `args`, which is a value of running code. So root compares
//! them when it is installed or upgraded, and refuses before it provisions anything.

use candid::{
    TypeEnv,
    types::{
        Field, Label, Type, TypeInner,
        subtype::{Gamma, OptReport, subtype_with_config},
    },
};

/// The arguments of a module's `init`, as the module's interface describes them.
#[derive(Debug)]
pub struct Init {
    /// The types that have a name, with that name.
    pub definitions: &'static [(&'static str, ArgumentType)],
    /// The types of the arguments.
    pub arguments: &'static [ArgumentType],
}

/// A Candid type.
#[derive(Debug)]
#[expect(missing_docs, reason = "Candid's own words")]
pub enum ArgumentType {
    Null,
    Bool,
    Nat,
    Int,
    Nat8,
    Nat16,
    Nat32,
    Nat64,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Text,
    Principal,
    Empty,
    /// Also a reference to a function or service: these are not compared.
    Reserved,
    Opt(&'static ArgumentType),
    Vec(&'static ArgumentType),
    Record(&'static [(FieldName, ArgumentType)]),
    Variant(&'static [(FieldName, ArgumentType)]),
    /// The name of a definition.
    Name(&'static str),
}

/// The name of a record's or variant's field.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "Candid's own words")]
pub enum FieldName {
    Text(&'static str),
    Number(u32),
}

/// Whether a module's `init` takes a value of the type that root sends it.
///
/// # Errors
///
/// If it does not, or if it would read a part of the value as `null`.
pub fn args_fit(role: &str, sent: fn() -> Type, init: &Init) -> Result<(), String> {
    let definitions = init.definitions.iter();
    let env = TypeEnv(
        definitions
            .map(|(name, ty)| ((*name).to_string(), candid_type(ty)))
            .collect(),
    );
    let sent = std::iter::once(sent()).chain(std::iter::repeat(TypeInner::Null.into()));
    for (sent, taken) in sent.zip(init.arguments) {
        let (mut seen, taken) = (Gamma::default(), candid_type(taken));
        let fits = subtype_with_config(OptReport::Error, &mut seen, &env, &sent, &taken);
        fits.map_err(|error| {
            format!(
                "root's `args` for the role `{role}` are not what the embedded module takes: \
                 {error:.500}"
            )
        })?;
    }
    Ok(())
}

fn candid_type(ty: &ArgumentType) -> Type {
    match ty {
        ArgumentType::Null => TypeInner::Null,
        ArgumentType::Bool => TypeInner::Bool,
        ArgumentType::Nat => TypeInner::Nat,
        ArgumentType::Int => TypeInner::Int,
        ArgumentType::Nat8 => TypeInner::Nat8,
        ArgumentType::Nat16 => TypeInner::Nat16,
        ArgumentType::Nat32 => TypeInner::Nat32,
        ArgumentType::Nat64 => TypeInner::Nat64,
        ArgumentType::Int8 => TypeInner::Int8,
        ArgumentType::Int16 => TypeInner::Int16,
        ArgumentType::Int32 => TypeInner::Int32,
        ArgumentType::Int64 => TypeInner::Int64,
        ArgumentType::Float32 => TypeInner::Float32,
        ArgumentType::Float64 => TypeInner::Float64,
        ArgumentType::Text => TypeInner::Text,
        ArgumentType::Principal => TypeInner::Principal,
        ArgumentType::Empty => TypeInner::Empty,
        ArgumentType::Reserved => TypeInner::Reserved,
        ArgumentType::Opt(inner) => TypeInner::Opt(candid_type(inner)),
        ArgumentType::Vec(inner) => TypeInner::Vec(candid_type(inner)),
        ArgumentType::Record(list) => TypeInner::Record(fields(list)),
        ArgumentType::Variant(list) => TypeInner::Variant(fields(list)),
        ArgumentType::Name(name) => TypeInner::Var((*name).to_string()),
    }
    .into()
}

/// The fields in the order of their ids, as Candid expects them.
fn fields(list: &[(FieldName, ArgumentType)]) -> Vec<Field> {
    let field = |(name, ty): &(FieldName, ArgumentType)| Field {
        id: match name {
            FieldName::Text(text) => Label::Named((*text).to_string()).into(),
            FieldName::Number(number) => Label::Id(*number).into(),
        },
        ty: candid_type(ty),
    };
    let mut fields: Vec<Field> = list.iter().map(field).collect();
    fields.sort_by_key(|field| field.id.get_id());
    fields
}

#[cfg(test)]
mod tests {
    use candid::{CandidType, Principal};

    use super::*;

    #[derive(CandidType)]
    struct Args {
        owner: Principal,
        parents: Vec<Args>,
    }

    const OWNER: (FieldName, ArgumentType) = (FieldName::Text("owner"), ArgumentType::Principal);
    const PARENTS: (FieldName, ArgumentType) = (
        FieldName::Text("parents"),
        ArgumentType::Vec(&ArgumentType::Name("Args")),
    );

    fn takes(fields: &'static [(FieldName, ArgumentType)]) -> Result<(), String> {
        let definitions = Vec::leak(vec![("Args", ArgumentType::Record(fields))]);
        let init = Init {
            definitions,
            arguments: &[ArgumentType::Name("Args")],
        };
        args_fit("worker", Args::ty, &init)
    }

    #[test]
    fn a_module_may_take_less_or_options_more() {
        assert_eq!(takes(&[PARENTS, OWNER]), Ok(()));
        assert_eq!(takes(&[OWNER]), Ok(()));
        const NAME: (FieldName, ArgumentType) = (
            FieldName::Text("name"),
            ArgumentType::Opt(&ArgumentType::Text),
        );
        assert_eq!(takes(&[OWNER, NAME]), Ok(()));
    }

    #[test]
    fn a_module_that_takes_more_or_other_values_does_not_fit() {
        let more = takes(&[OWNER, (FieldName::Number(7), ArgumentType::Nat)]);
        let reason = more.expect_err("a field is missing");
        assert!(reason.contains("role `worker`"), "{reason}");
        for other in [ArgumentType::Text, ArgumentType::Opt(&ArgumentType::Text)] {
            let fields = Vec::leak(vec![(FieldName::Text("owner"), other)]);
            let reason = takes(fields).expect_err("the owner is another type, or would get lost");
            assert!(reason.contains("owner"), "{reason}");
        }
    }

    #[test]
    fn a_module_without_arguments_ignores_them_and_missing_ones_are_null() {
        let init = |arguments| Init {
            definitions: &[],
            arguments,
        };
        assert_eq!(args_fit("worker", u64::ty, &init(&[])), Ok(()));
        let two = init(&[ArgumentType::Nat64, ArgumentType::Opt(&ArgumentType::Text)]);
        assert_eq!(args_fit("worker", u64::ty, &two), Ok(()));
        let two = init(&[ArgumentType::Nat64, ArgumentType::Text]);
        assert!(args_fit("worker", u64::ty, &two).is_err());
    }
}
