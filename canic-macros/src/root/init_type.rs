//! The types of a module's `init`, from the interface that the module carries as metadata.
//!
//! `ic-wasm` and the build recipes of `icp` write the section `candid:service`; cargo alone does
//! not. Text that this reader does not understand means that the types are not known.

use std::str;

/// The arguments of `init`, and the types that they name, directly or not.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Init {
    pub(super) definitions: Vec<(String, Type)>,
    pub(super) arguments: Vec<Type>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Type {
    /// A type without parts, by the name of its variant in the runtime.
    Plain(&'static str),
    Opt(Box<Type>),
    Vec(Box<Type>),
    Record(Vec<(Field, Type)>),
    Variant(Vec<(Field, Type)>),
    Name(String),
}

#[derive(Debug, PartialEq)]
pub(super) enum Field {
    Text(String),
    Number(u32),
}

/// The types of the module's `init`, if the module tells them.
pub(super) fn of(module: &[u8]) -> Option<Init> {
    let text = str::from_utf8(service(module)?).ok()?;
    Some(Reader::of(text)?.interface()?.with_named_types_only())
}

impl Init {
    /// Leaves out the types of the service's methods.
    fn with_named_types_only(mut self) -> Self {
        let mut kept: Vec<(String, Type)> = Vec::new();
        let mut names: Vec<String> = self.arguments.iter().flat_map(Type::names).collect();
        while let Some(name) = names.pop() {
            let place = self
                .definitions
                .iter()
                .position(|(other, _)| *other == name);
            if let Some(place) = place {
                let definition = self.definitions.remove(place);
                names.extend(definition.1.names());
                kept.push(definition);
            }
        }
        self.definitions = kept;
        self
    }
}

impl Type {
    fn names(&self) -> Vec<String> {
        match self {
            Self::Plain(_) => Vec::new(),
            Self::Opt(inner) | Self::Vec(inner) => inner.names(),
            Self::Record(fields) | Self::Variant(fields) => {
                fields.iter().flat_map(|(_, ty)| ty.names()).collect()
            }
            Self::Name(name) => vec![name.clone()],
        }
    }
}

/// The content of the section `candid:service`, public or private.
fn service(module: &[u8]) -> Option<&[u8]> {
    let mut rest = module.strip_prefix(b"\0asm\x01\0\0\0")?;
    while let Some((&id, after)) = rest.split_first() {
        let section;
        (section, rest) = with_length(after)?;
        if id == 0 {
            let (name, content) = with_length(section)?;
            if [
                &b"icp:public candid:service"[..],
                b"icp:private candid:service",
            ]
            .contains(&name)
            {
                return Some(content);
            }
        }
    }
    None
}

/// The bytes whose number stands before them, in LEB128, and those that follow.
fn with_length(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let digits = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let length = bytes[..digits]
        .iter()
        .rev()
        .try_fold(0_usize, |sum, byte| {
            sum.checked_mul(128)
                .map(|sum| sum + usize::from(byte & 0x7f))
        })?;
    bytes[digits..].split_at_checked(length)
}

// Candid's text

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// A keyword, a name, or a number.
    Word(String),
    Quoted(String),
    Mark(char),
    Arrow,
}

struct Reader {
    /// The next one is the last.
    tokens: Vec<Token>,
    /// How many types the present one is within.
    depth: u32,
}

/// The deepest types that are read, so that no text exhausts the compiler's stack.
const MAX_DEPTH: u32 = 100;

impl Reader {
    fn of(text: &str) -> Option<Self> {
        let mut tokens = tokens(text)?;
        tokens.reverse();
        Some(Self { tokens, depth: 0 })
    }

    fn takes(&mut self, token: &Token) -> bool {
        let takes = self.tokens.last() == Some(token);
        if takes {
            self.tokens.pop();
        }
        takes
    }

    fn mark(&mut self, mark: char) -> Option<()> {
        self.takes(&Token::Mark(mark)).then_some(())
    }

    fn word(&mut self) -> Option<String> {
        match self.tokens.pop()? {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    /// Definitions, then the service: `service : (A, B) -> { .. }`.
    fn interface(mut self) -> Option<Init> {
        let mut init = Init::default();
        loop {
            match &*self.word()? {
                "type" => {
                    let name = self.word()?;
                    self.mark('=')?;
                    init.definitions.push((name, self.ty()?));
                    self.mark(';')?;
                }
                "service" => break,
                _ => return None,
            }
        }
        if self.mark(':').is_none() {
            self.word()?;
            self.mark(':')?;
        }
        if self.mark('(').is_some() {
            init.arguments = self.arguments()?;
            self.takes(&Token::Arrow).then_some(())?;
        }
        Some(init)
    }

    /// Types up to the closing parenthesis, each with or without a name.
    fn arguments(&mut self) -> Option<Vec<Type>> {
        let mut all = Vec::new();
        while self.mark(')').is_none() {
            let named = self.tokens.iter().nth_back(1) == Some(&Token::Mark(':'));
            if named {
                self.tokens.truncate(self.tokens.len() - 2);
            }
            all.push(self.ty()?);
            if self.mark(',').is_none() {
                self.mark(')')?;
                break;
            }
        }
        Some(all)
    }

    fn ty(&mut self) -> Option<Type> {
        (self.depth < MAX_DEPTH).then_some(())?;
        self.depth += 1;
        let ty = self.ty_within();
        self.depth -= 1;
        ty
    }

    fn ty_within(&mut self) -> Option<Type> {
        let word = self.word()?;
        Some(match &*word {
            "opt" => Type::Opt(Box::new(self.ty()?)),
            "vec" => Type::Vec(Box::new(self.ty()?)),
            "blob" => Type::Vec(Box::new(Type::Plain("Nat8"))),
            "record" => Type::Record(self.fields(true)?),
            "variant" => Type::Variant(self.fields(false)?),
            "func" => {
                self.function()?;
                Type::Plain("Reserved")
            }
            "service" => {
                self.skip_braces()?;
                Type::Plain("Reserved")
            }
            _ => match plain(&word) {
                Some(variant) => Type::Plain(variant),
                None => Type::Name(word),
            },
        })
    }

    /// The fields in braces. Without a name, a record's field has the number after the one before,
    /// and a variant's field has the type `null`.
    fn fields(&mut self, of_record: bool) -> Option<Vec<(Field, Type)>> {
        self.mark('{')?;
        let (mut all, mut next) = (Vec::new(), 0);
        while self.mark('}').is_none() {
            let named = self.tokens.iter().nth_back(1) == Some(&Token::Mark(':'));
            let field = match (named || !of_record).then(|| self.tokens.pop()) {
                None => Field::Number(next),
                Some(Some(Token::Quoted(name))) => Field::Text(name),
                Some(Some(Token::Word(name))) => match name.replace('_', "").parse() {
                    Ok(number) => Field::Number(number),
                    Err(_) => Field::Text(name),
                },
                Some(_) => return None,
            };
            if let Field::Number(number) = field {
                next = number.checked_add(1)?;
            }
            let ty = if named {
                self.mark(':')?;
                self.ty()?
            } else if of_record {
                self.ty()?
            } else {
                Type::Plain("Null")
            };
            all.push((field, ty));
            if self.mark(';').is_none() {
                self.mark('}')?;
                break;
            }
        }
        Some(all)
    }

    /// `(..) -> (..)`, and the words that may follow.
    fn function(&mut self) -> Option<()> {
        self.mark('(')?;
        self.arguments()?;
        self.takes(&Token::Arrow).then_some(())?;
        self.mark('(')?;
        self.arguments()?;
        while matches!(self.tokens.last(), Some(Token::Word(_))) {
            self.tokens.pop();
        }
        Some(())
    }

    fn skip_braces(&mut self) -> Option<()> {
        self.mark('{')?;
        let mut depth = 1;
        while depth > 0 {
            match self.tokens.pop()? {
                Token::Mark('{') => depth += 1,
                Token::Mark('}') => depth -= 1,
                _ => {}
            }
        }
        Some(())
    }
}

fn plain(word: &str) -> Option<&'static str> {
    Some(match word {
        "null" => "Null",
        "bool" => "Bool",
        "nat" => "Nat",
        "int" => "Int",
        "nat8" => "Nat8",
        "nat16" => "Nat16",
        "nat32" => "Nat32",
        "nat64" => "Nat64",
        "int8" => "Int8",
        "int16" => "Int16",
        "int32" => "Int32",
        "int64" => "Int64",
        "float32" => "Float32",
        "float64" => "Float64",
        "text" => "Text",
        "principal" => "Principal",
        "empty" => "Empty",
        "reserved" => "Reserved",
        _ => return None,
    })
}

fn tokens(mut text: &str) -> Option<Vec<Token>> {
    let mut all = Vec::new();
    loop {
        text = text.trim_start();
        let Some(first) = text.chars().next() else {
            return Some(all);
        };
        if text.starts_with("//") {
            text = text.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(comment) = text.strip_prefix("/*") {
            text = comment.split_once("*/")?.1;
        } else if let Some(rest) = text.strip_prefix("->") {
            all.push(Token::Arrow);
            text = rest;
        } else if let Some(quoted) = text.strip_prefix('"') {
            let (name, rest) = quoted.split_once('"')?;
            // Escapes are rare in names, and not worth a reader.
            (!name.contains('\\')).then_some(())?;
            all.push(Token::Quoted(name.to_owned()));
            text = rest;
        } else if "{}();:,=".contains(first) {
            all.push(Token::Mark(first));
            text = &text[1..];
        } else {
            let is_of_word =
                |character: char| character.is_ascii_alphanumeric() || character == '_';
            let end = text.find(|character| !is_of_word(character));
            let (word, rest) = text.split_at(end.unwrap_or(text.len()));
            (!word.is_empty()).then_some(())?;
            all.push(Token::Word(word.to_owned()));
            text = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Init> {
        let section = |content: &[u8]| {
            let length = u8::try_from(content.len() % 128).expect("it is small") | 0x80;
            let high = u8::try_from(content.len() / 128).expect("it is small");
            [&[length, high], content].concat()
        };
        let name = b"icp:public candid:service";
        let content = [&[name.len() as u8], &name[..], text.as_bytes()].concat();
        let other = [&[0][..], &section(b"\x04name.."), &[1], &section(b"\0")].concat();
        let module = [b"\0asm\x01\0\0\0", &other[..], &[0], &section(&content)].concat();
        of(&module)
    }

    fn arguments(text: &str) -> Vec<Type> {
        read(text).expect("it is understood").arguments
    }

    #[test]
    fn the_arguments_of_init_are_read() {
        let text = "// A comment
            type Args = record { owner : principal; \"to-do\" : vec text; 7 : Kind; };
            type Answer = opt Args;
            type Kind = variant { A; B : opt nat8; /* C */ };
            service Worker : (args : Args, blob) -> { get : () -> (Answer) query; }";
        let init = read(text).expect("it is understood");
        let blob = Type::Vec(Box::new(Type::Plain("Nat8")));
        assert_eq!(init.arguments, [Type::Name("Args".to_owned()), blob]);
        let (name, args) = &init.definitions[0];
        assert_eq!(name, "Args");
        let text = Type::Vec(Box::new(Type::Plain("Text")));
        let fields = vec![
            (Field::Text("owner".to_owned()), Type::Plain("Principal")),
            (Field::Text("to-do".to_owned()), text),
            (Field::Number(7), Type::Name("Kind".to_owned())),
        ];
        assert_eq!(args, &Type::Record(fields));
        let option = Type::Opt(Box::new(Type::Plain("Nat8")));
        let kinds = vec![
            (Field::Text("A".to_owned()), Type::Plain("Null")),
            (Field::Text("B".to_owned()), option),
        ];
        let kind = ("Kind".to_owned(), Type::Variant(kinds));
        assert_eq!(init.definitions[1..], [kind], "the others are not needed");
    }

    #[test]
    fn fields_without_names_are_numbered() {
        let numbered = vec![
            (Field::Number(0), Type::Plain("Nat")),
            (Field::Number(5), Type::Plain("Text")),
            (Field::Number(6), Type::Plain("Bool")),
        ];
        let text = "service : (record { nat; 5 : text; bool }) -> {}";
        assert_eq!(arguments(text), [Type::Record(numbered)]);
    }

    #[test]
    fn references_are_skipped() {
        let text = "service : (func (nat, a : text) -> () query, service { f : () -> () }) -> {}";
        assert_eq!(
            arguments(text),
            [Type::Plain("Reserved"), Type::Plain("Reserved")]
        );
    }

    #[test]
    fn a_service_without_arguments_takes_none() {
        assert_eq!(arguments("service : { f : () -> () }"), []);
        assert_eq!(arguments("service : () -> {}"), []);
    }

    #[test]
    fn other_text_means_that_nothing_is_known() {
        for text in [
            "",
            "import \"a.did\"; service : {}",
            "service : (nat",
            "type A = ;",
            "é",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        let deep = format!("service : ({}nat) -> {{}}", "opt ".repeat(2_000));
        assert_eq!(read(&deep), None);
        assert_eq!(of(b"\0asm\x01\0\0\0"), None);
        assert_eq!(
            of(b"\0asm\x01\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            None
        );
        assert_eq!(of(b"\x1f\x8b"), None);
    }
}
