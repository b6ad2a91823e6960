//! `derive(TableDeserialize)`: serde's trait for a type, by few calls of shared code.
//!
//! serde's own derive writes kilobytes of Wasm for each type: it compares names and looks for
//! missing fields in code of its own for each.

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};
use syn::{Data, DataEnum, DeriveInput, Error, Fields, Result, Type};

use crate::candid_table::{label, serde_value};

/// The implementation of `Deserialize` for a struct with named fields, or for an enum.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    if !input.generics.params.is_empty() {
        let message = "only types without parameters have a table";
        return Err(Error::new_spanned(&input.generics, message));
    }
    let text = name.to_string();
    let (kind, names, visit) = match &input.data {
        Data::Struct(data) => {
            let record = Record::new(&data.fields)?;
            let (names, visit) = (record.names(), record.visit(&quote!(#name)));
            (format_ident!("deserialize_struct"), names, visit)
        }
        Data::Enum(data) => {
            let (names, visit) = enum_visit(name, data)?;
            (format_ident!("deserialize_enum"), names, visit)
        }
        Data::Union(_) => return Err(Error::new_spanned(name, "a union has no table")),
    };
    let expected = match input.data {
        Data::Enum(_) => format!("enum {text}"),
        _ => format!("struct {text}"),
    };
    Ok(quote! {
        const _: () = {
            use ::serde::de::{
                Deserialize, Deserializer, EnumAccess, MapAccess, VariantAccess, Visitor,
            };
            use ::std::fmt;
            use crate::tables::decode as tables;

            const NAMES: &[&str] = &[#(#names),*];

            struct TypeVisitor;

            impl<'de> Visitor<'de> for TypeVisitor {
                type Value = #name;

                fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                    formatter.write_str(#expected)
                }

                #visit
            }

            impl<'de> Deserialize<'de> for #name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    deserializer.#kind(#text, NAMES, TypeVisitor)
                }
            }
        };
    })
}

/// The fields of a struct, or of a variant.
struct Record<'a>(Vec<Field<'a>>);

struct Field<'a> {
    ident: &'a syn::Ident,
    label: String,
    ty: &'a Type,
    is_blob: bool,
}

impl<'a> Record<'a> {
    fn new(fields: &'a Fields) -> Result<Self> {
        if fields.len() > 64 {
            return Err(Error::new_spanned(fields, "64 fields at most"));
        }
        let fields = fields.iter().map(|field| {
            let Some(ident) = &field.ident else {
                return Err(Error::new_spanned(field, "name this field"));
            };
            let with = serde_value("with", &field.attrs)?;
            Ok(Field {
                ident,
                label: label(ident, &field.attrs)?,
                ty: &field.ty,
                is_blob: with.is_some_and(|with| with == "serde_bytes"),
            })
        });
        fields.collect::<Result<_>>().map(Self)
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().map(|field| field.label.clone()).collect()
    }

    /// The function that reads the fields, whose names are in `NAMES`, and constructs the value.
    fn visit(&self, constructor: &TokenStream) -> TokenStream {
        let slots: Vec<_> = (0..self.0.len())
            .map(|index| format_ident!("slot_{index}"))
            .collect();
        let types = self.0.iter().map(|Field { ty, is_blob, .. }| {
            if *is_blob {
                quote!(tables::Blob<#ty>)
            } else {
                quote!(#ty)
            }
        });
        let values = self.0.iter().zip(&slots).map(|(field, slot)| {
            let Field { ident, label, .. } = field;
            if field.is_blob {
                quote!(#ident: tables::present(#slot, #label)?.0)
            } else if is_option(field.ty) {
                quote!(#ident: #slot.unwrap_or_default())
            } else {
                quote!(#ident: tables::present(#slot, #label)?)
            }
        });
        quote! {
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                #(let mut #slots = None::<#types>;)*
                tables::read(map, NAMES, &mut [#(&mut #slots),*])?;
                Ok(#constructor { #(#values),* })
            }
        }
    }
}

/// The names of an enum's variants, and the function that reads one.
fn enum_visit(name: &syn::Ident, data: &DataEnum) -> Result<(Vec<String>, TokenStream)> {
    let (mut names, mut units, mut arms) = (Vec::new(), Vec::new(), Vec::new());
    for (index, variant) in data.variants.iter().enumerate() {
        let (ident, index) = (&variant.ident, Literal::usize_unsuffixed(index));
        names.push(label(ident, &variant.attrs)?);
        match &variant.fields {
            Fields::Unit => units.push((index, ident)),
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                arms.push(quote!(#index => variant.newtype_variant().map(#name::#ident),));
            }
            Fields::Unnamed(fields) => {
                return Err(Error::new_spanned(fields, "name these fields"));
            }
            Fields::Named(_) => {
                let record = Record::new(&variant.fields)?;
                let (names, visit) = (record.names(), record.visit(&quote!(#name::#ident)));
                let expected = format!("struct variant {name}::{ident}");
                arms.push(quote! {
                    #index => {
                        const NAMES: &[&str] = &[#(#names),*];

                        struct VariantVisitor;

                        impl<'de> Visitor<'de> for VariantVisitor {
                            type Value = #name;

                            fn expecting(
                                &self,
                                formatter: &mut fmt::Formatter<'_>,
                            ) -> fmt::Result {
                                formatter.write_str(#expected)
                            }

                            #visit
                        }

                        variant.struct_variant(NAMES, VariantVisitor)
                    }
                });
            }
        }
    }
    let other = match units.pop() {
        // The last variant without content needs no index: the name is one of these.
        Some((_, last)) => {
            let (indexes, idents): (Vec<_>, Vec<_>) = units.into_iter().unzip();
            quote! {
                _ => {
                    variant.unit_variant()?;
                    Ok(match index {
                        #(#indexes => #name::#idents,)*
                        _ => #name::#last,
                    })
                }
            }
        }
        None => quote!(_ => unreachable!("the name is one of these")),
    };
    let visit = quote! {
        fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<#name, A::Error> {
            let (index, variant) = data.variant_seed(tables::VariantName(NAMES))?;
            match index {
                #(#arms)*
                #other
            }
        }
    };
    Ok((names, visit))
}

/// Whether a message may lack a field of this type.
fn is_option(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    path.path
        .segments
        .last()
        .is_some_and(|last| last.ident == "Option")
}
