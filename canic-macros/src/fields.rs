//! The fields and labels of canic's own types, for the derives that read and write them.

use syn::{
    Attribute, Error, Expr, ExprLit, Fields, Ident, Lit, LitStr, Meta, Result, Type, ext::IdentExt,
};

/// A named field.
pub(crate) struct Field<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) label: String,
    pub(crate) ty: &'a Type,
    pub(crate) docs: Vec<String>,
    pub(crate) is_blob: bool,
}

/// Fields in Candid's order: by the hash of the label.
pub(crate) fn named_fields(fields: &Fields) -> Result<Vec<Field<'_>>> {
    let mut named = Vec::new();
    for field in fields {
        let Some(ident) = &field.ident else {
            return Err(Error::new_spanned(field, "name this field"));
        };
        named.push(Field {
            ident,
            label: label(ident, &field.attrs)?,
            ty: &field.ty,
            docs: docs(&field.attrs),
            is_blob: serde_value("with", &field.attrs)?.is_some_and(|with| with == "serde_bytes"),
        });
    }
    named.sort_by_key(|field| hash(&field.label));
    Ok(named)
}

/// A field's or variant's name in Candid.
pub(crate) fn label(ident: &Ident, attributes: &[Attribute]) -> Result<String> {
    let renamed = serde_value("rename", attributes)?;
    Ok(renamed.unwrap_or_else(|| ident.unraw().to_string()))
}

/// The value of an option of serde's attribute.
fn serde_value(option: &str, attributes: &[Attribute]) -> Result<Option<String>> {
    let mut found = None;
    for attribute in attributes.iter().filter(|a| a.path().is_ident("serde")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("rename") && !meta.path.is_ident("with") {
                return Err(meta.error("this derive does not know this option"));
            }
            let value: LitStr = meta.value()?.parse()?;
            if meta.path.is_ident(option) {
                found = Some(value.value());
            }
            Ok(())
        })?;
    }
    Ok(found)
}

/// Doc comments line by line, as Candid's derive takes them.
pub(crate) fn docs(attributes: &[Attribute]) -> Vec<String> {
    let mut lines = Vec::new();
    for attribute in attributes {
        if let Meta::NameValue(meta) = &attribute.meta
            && meta.path.is_ident("doc")
            && let Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) = &meta.value
        {
            let text = text.value();
            if text.is_empty() {
                lines.push(String::new());
            }
            lines.extend(text.lines().map(|line| line.trim().to_string()));
        }
    }
    lines
}

/// Candid's hash of a label.
pub(crate) fn hash(label: &str) -> u32 {
    label.bytes().fold(0, |hash: u32, byte| {
        hash.wrapping_mul(223).wrapping_add(byte.into())
    })
}
