//! `derive(TableRead)`: the decoding of a type, by few calls of shared code.

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};
use syn::{Data, DataEnum, DeriveInput, Error, Fields, Result};

use crate::fields::{Field, hash, label, named_fields};

/// The implementation of `Read` for a struct with named fields, or for an enum.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    if !input.generics.params.is_empty() {
        let message = "only types without parameters have a table";
        return Err(Error::new_spanned(&input.generics, message));
    }
    let body = match &input.data {
        Data::Struct(data) => read_record(&data.fields, &quote!(Self))?,
        Data::Enum(data) => read_variant(data)?,
        Data::Union(_) => return Err(Error::new_spanned(name, "a union has no table")),
    };
    Ok(quote! {
        const _: () = {
            use ::canic_runtime::tables::read as tables;

            impl tables::Read for #name {
                fn read(
                    reader: &mut tables::Reader<'_>,
                    ty: i64,
                ) -> Result<Self, tables::Misfit> {
                    #body
                }
            }
        };
    })
}

/// The code that reads a record of the type `ty`, and constructs the value.
fn read_record(fields: &Fields, constructor: &TokenStream) -> Result<TokenStream> {
    let fields = named_fields(fields)?;
    let slots = || (0..fields.len()).map(|index| format_ident!("slot_{index}"));
    let types = fields.iter().map(|field| field.ty);
    let (one, other) = (slots(), slots());
    let labels = fields.iter().map(|field| {
        let (hash, name) = (hash(&field.label), &field.label);
        quote!(tables::Label { hash: #hash, name: #name })
    });
    let values = fields.iter().zip(slots()).map(|(field, slot)| {
        let Field { ident, label, .. } = field;
        quote!(#ident: tables::present(#slot, #label)?)
    });
    Ok(quote! {
        const LABELS: &[tables::Label] = &[#(#labels),*];
        #(let mut #one = None::<#types>;)*
        reader.record(ty, LABELS, &mut [#(&mut #other),*])?;
        Ok(#constructor { #(#values),* })
    })
}

/// The code that reads a variant.
fn read_variant(data: &DataEnum) -> Result<TokenStream> {
    let (mut labels, mut arms) = (Vec::new(), Vec::new());
    for (index, variant) in data.variants.iter().enumerate() {
        let ident = &variant.ident;
        labels.push(hash(&label(ident, &variant.attrs)?));
        let value = match &variant.fields {
            Fields::Unit => quote!(tables::Read::read(reader, ty).map(|()| Self::#ident)),
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                quote!(tables::Read::read(reader, ty).map(Self::#ident))
            }
            Fields::Unnamed(fields) => {
                return Err(Error::new_spanned(fields, "name these fields"));
            }
            Fields::Named(_) => {
                let value = read_record(&variant.fields, &quote!(Self::#ident))?;
                quote!({ #value })
            }
        };
        // The index is that of a label.
        let pattern = if index + 1 == data.variants.len() {
            quote!(_)
        } else {
            let index = Literal::usize_unsuffixed(index);
            quote!(#index)
        };
        arms.push(quote!(#pattern => #value));
    }
    Ok(quote! {
        let (index, ty) = reader.variant(ty, &[#(#labels),*])?;
        match index {
            #(#arms,)*
        }
    })
}
