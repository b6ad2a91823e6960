//! `derive(CandidTable)`: Candid's trait for a type, as a table that shared code reads.
//!
//! Candid's own derive writes code that builds a type and its comments, up to three kilobytes of
//! Wasm for each. This one is for the types of canic's own endpoints, which every canister of a
//! fleet links.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Error, Fields, GenericArgument, PathArguments, Result, Type};

use crate::fields::{Field, docs, hash, label, named_fields};

/// The implementation of `CandidType` for a struct with named fields, or for an enum.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    if !input.generics.params.is_empty() {
        let message = "only types without parameters have a table";
        return Err(Error::new_spanned(&input.generics, message));
    }
    let (body, serialize) = match &input.data {
        Data::Struct(data) => {
            let fields = named_fields(&data.fields)?;
            let rows = fields.iter().map(row);
            let elements = fields.iter().map(|field| {
                let ident = field.ident;
                element(field, &quote!(&self.#ident))
            });
            (
                quote!(tables::Body::Record(&[#(#rows),*])),
                quote! {
                    let mut compound = serializer.serialize_struct()?;
                    #(#elements)*
                },
            )
        }
        Data::Enum(data) => enum_body(data)?,
        Data::Union(_) => return Err(Error::new_spanned(name, "a union has no table")),
    };
    let docs = docs(&input.attrs);
    Ok(quote! {
        const _: () = {
            use ::candid::types::{Compound as _, Serializer, Type, TypeId};
            use ::canic_runtime::tables;

            static TABLE: tables::Table = tables::Table {
                id: TypeId::of::<#name>,
                docs: &[#(#docs),*],
                body: #body,
            };

            impl ::candid::types::CandidType for #name {
                fn ty() -> Type {
                    TABLE.ty()
                }

                fn _ty() -> Type {
                    TABLE.body()
                }

                fn idl_serialize<S: Serializer>(&self, serializer: S) -> Result<(), S::Error> {
                    #serialize
                    Ok(())
                }
            }
        };
    })
}

/// The table and the serialization of an enum.
fn enum_body(data: &syn::DataEnum) -> Result<(TokenStream, TokenStream)> {
    let mut variants: Vec<_> = data
        .variants
        .iter()
        .map(|variant| Ok((label(&variant.ident, &variant.attrs)?, variant)))
        .collect::<Result<_>>()?;
    variants.sort_by_key(|(label, _)| hash(label));
    let (mut rows, mut arms) = (Vec::new(), Vec::new());
    for (index, (label, variant)) in variants.iter().enumerate() {
        let (ident, index) = (&variant.ident, index as u64);
        let (shape, pattern, elements) = match &variant.fields {
            Fields::Unit => (quote!(tables::Shape::Null), quote!(), Vec::new()),
            Fields::Named(_) => {
                let fields = named_fields(&variant.fields)?;
                let rows = fields.iter().map(row);
                let idents = fields.iter().map(|field| field.ident);
                let elements = fields.iter().map(|field| {
                    let ident = field.ident;
                    element(field, &quote!(#ident))
                });
                (
                    quote!(tables::Shape::Record(&[#(#rows),*])),
                    quote!({ #(#idents),* }),
                    elements.collect(),
                )
            }
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                let value = format_ident!("value");
                let element = quote!(compound.serialize_element(#value)?;);
                (
                    shape(&fields.unnamed[0].ty),
                    quote!((#value)),
                    vec![element],
                )
            }
            Fields::Unnamed(fields) => {
                return Err(Error::new_spanned(fields, "name these fields"));
            }
        };
        let docs = docs(&variant.attrs);
        rows.push(quote!(tables::Field { name: #label, docs: &[#(#docs),*], shape: #shape }));
        arms.push(if elements.is_empty() {
            quote!(Self::#ident #pattern => { serializer.serialize_variant(#index)?; })
        } else {
            quote! {
                Self::#ident #pattern => {
                    let mut compound = serializer.serialize_variant(#index)?;
                    #(#elements)*
                }
            }
        });
    }
    Ok((
        quote!(tables::Body::Variant(&[#(#rows),*])),
        quote!(match self { #(#arms)* }),
    ))
}

/// A field's row of the table.
fn row(field: &Field<'_>) -> TokenStream {
    let Field { label, docs, .. } = field;
    let shape = shape(field.ty);
    quote!(tables::Field { name: #label, docs: &[#(#docs),*], shape: #shape })
}

/// The statement that serializes a field.
fn element(field: &Field<'_>, value: &TokenStream) -> TokenStream {
    if field.is_blob {
        quote!(compound.serialize_blob(#value)?;)
    } else {
        quote!(compound.serialize_element(#value)?;)
    }
}

/// A type as a shape: options and vectors of shapes, or what the type says of itself.
fn shape(ty: &Type) -> TokenStream {
    let inner = |name: &str| {
        let Type::Path(path) = ty else { return None };
        let last = path
            .path
            .segments
            .last()
            .filter(|last| last.ident == name)?;
        let PathArguments::AngleBracketed(arguments) = &last.arguments else {
            return None;
        };
        match arguments.args.first() {
            Some(GenericArgument::Type(inner)) => Some(shape(inner)),
            _ => None,
        }
    };
    if let Some(inner) = inner("Option") {
        quote!(tables::Shape::Opt(&#inner))
    } else if let Some(inner) = inner("Vec") {
        quote!(tables::Shape::Vec(&#inner))
    } else {
        quote!(tables::Shape::Of(<#ty as ::candid::types::CandidType>::ty))
    }
}
