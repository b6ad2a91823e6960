//! Encoding of values and of type tables.
//!
//! The bytes are those of Candid's encoder. That one's errors bring code that prints backtraces,
//! some 60 kilobytes of a canister's module.

use std::{collections::BTreeMap, fmt};

use candid::{
    CandidType, Int, Nat,
    types::{Compound, FuncMode, Serializer, Type, TypeInner, internal},
};
use serde::ser;

use crate::tables::wire::{
    BOOL, EMPTY, FLOAT32, FLOAT64, FUNC, INT, INT8, INT16, INT32, INT64, MAGIC, NAT, NAT8, NAT16,
    NAT32, NAT64, NULL, OPT, PRINCIPAL, RECORD, RESERVED, SERVICE, TEXT, VARIANT, VEC,
};

/// A value that has no encoding: one of the type `empty`, or a path that is no text.
#[derive(Debug, PartialEq, Eq)]
pub struct Unencodable;

impl fmt::Display for Unencodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value has no encoding in Candid")
    }
}

impl std::error::Error for Unencodable {}

impl ser::Error for Unencodable {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// The values of a message, one after the other.
#[derive(Debug, Default)]
pub struct Values(pub(crate) Vec<u8>);

impl Values {
    fn number(&mut self, number: u64) {
        write_number(&mut self.0, number);
    }

    fn counted(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }
}

/// Numbers of a fixed length, lowest byte first.
macro_rules! numbers {
    ($($name:ident $type:ty;)*) => {$(
        fn $name(self, number: $type) -> Result<(), Unencodable> {
            self.0.extend_from_slice(&number.to_le_bytes());
            Ok(())
        }
    )*};
}

impl<'a> Serializer for &'a mut Values {
    type Error = Unencodable;
    type Compound = Parts<'a>;

    numbers! {
        serialize_nat8 u8;
        serialize_nat16 u16;
        serialize_nat32 u32;
        serialize_nat64 u64;
        serialize_int8 i8;
        serialize_int16 i16;
        serialize_int32 i32;
        serialize_int64 i64;
        serialize_float32 f32;
        serialize_float64 f64;
    }

    fn serialize_bool(self, value: bool) -> Result<(), Unencodable> {
        self.0.push(value.into());
        Ok(())
    }

    fn serialize_int(self, number: &Int) -> Result<(), Unencodable> {
        number.encode(&mut self.0).map_err(|_| Unencodable)
    }

    fn serialize_nat(self, number: &Nat) -> Result<(), Unencodable> {
        number.encode(&mut self.0).map_err(|_| Unencodable)
    }

    fn serialize_i128(self, number: i128) -> Result<(), Unencodable> {
        write_signed(&mut self.0, number);
        Ok(())
    }

    fn serialize_u128(self, number: u128) -> Result<(), Unencodable> {
        let mut rest = number;
        while rest > 0x7f {
            self.0.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.0.push(rest as u8);
        Ok(())
    }

    fn serialize_text(self, text: &str) -> Result<(), Unencodable> {
        self.counted(text.as_bytes());
        Ok(())
    }

    fn serialize_null(self, (): ()) -> Result<(), Unencodable> {
        Ok(())
    }

    fn serialize_empty(self) -> Result<(), Unencodable> {
        Err(Unencodable)
    }

    fn serialize_option<T: CandidType + ?Sized>(
        self,
        value: Option<&T>,
    ) -> Result<(), Unencodable> {
        self.0.push(value.is_some().into());
        match value {
            Some(value) => value.idl_serialize(self),
            None => Ok(()),
        }
    }

    fn serialize_struct(self) -> Result<Parts<'a>, Unencodable> {
        Ok(Parts(self))
    }

    fn serialize_vec(self, length: usize) -> Result<Parts<'a>, Unencodable> {
        self.number(length as u64);
        Ok(Parts(self))
    }

    fn serialize_blob(self, blob: &[u8]) -> Result<(), Unencodable> {
        self.counted(blob);
        Ok(())
    }

    fn serialize_variant(self, index: u64) -> Result<Parts<'a>, Unencodable> {
        self.number(index);
        Ok(Parts(self))
    }

    fn serialize_principal(self, id: &[u8]) -> Result<(), Unencodable> {
        self.0.push(1);
        self.counted(id);
        Ok(())
    }

    fn serialize_function(self, id: &[u8], method: &str) -> Result<(), Unencodable> {
        self.0.extend_from_slice(&[1, 1]);
        self.counted(id);
        self.counted(method.as_bytes());
        Ok(())
    }
}

/// The parts of a value, one after the other.
#[derive(Debug)]
pub struct Parts<'a>(&'a mut Values);

impl Compound for Parts<'_> {
    type Error = Unencodable;

    fn serialize_element<T: CandidType + ?Sized>(&mut self, value: &T) -> Result<(), Unencodable> {
        value.idl_serialize(&mut *self.0)
    }

    fn serialize_blob(&mut self, blob: &[u8]) -> Result<(), Unencodable> {
        self.0.counted(blob);
        Ok(())
    }

    fn try_write_raw_elements(&mut self, bytes: &[u8]) -> Result<bool, Unencodable> {
        self.0.0.extend_from_slice(bytes);
        Ok(true)
    }
}

/// The bytes of a message of these types before its values: magic, type table, and the types'
/// indexes in it.
pub(crate) fn head(types: &[fn() -> Type]) -> Vec<u8> {
    // Types that were remembered in another order may refer to themselves at another place.
    internal::env_clear();
    let mut table = Table::default();
    let types: Vec<Type> = types.iter().map(|ty| ty()).collect();
    for ty in &types {
        table.add(ty);
    }
    let mut bytes = MAGIC.to_vec();
    write_number(&mut bytes, table.rows.len() as u64);
    for row in &table.rows {
        bytes.extend_from_slice(row);
    }
    write_number(&mut bytes, types.len() as u64);
    for ty in &types {
        table.write_index(&mut bytes, ty);
    }
    bytes
}

/// A type table that is being written.
#[derive(Default)]
struct Table {
    rows: Vec<Vec<u8>>,
    indexes: BTreeMap<Type, i64>,
}

impl Table {
    /// Adds a type, and all types within it.
    fn add(&mut self, ty: &Type) {
        if internal::is_primitive(ty) || self.indexes.contains_key(ty) {
            return;
        }
        let index = self.rows.len();
        self.indexes.insert(ty.clone(), index as i64);
        self.rows.push(Vec::new());
        let mut row = Vec::new();
        match ty.as_ref() {
            TypeInner::Opt(inner) => {
                self.add(inner);
                write_signed(&mut row, OPT);
                self.write_index(&mut row, inner);
            }
            TypeInner::Vec(inner) => {
                self.add(inner);
                write_signed(&mut row, VEC);
                self.write_index(&mut row, inner);
            }
            TypeInner::Record(fields) => self.write_fields(&mut row, RECORD, fields),
            TypeInner::Variant(fields) => self.write_fields(&mut row, VARIANT, fields),
            TypeInner::Service(methods) => {
                for (_, ty) in methods {
                    self.add(ty);
                }
                write_signed(&mut row, SERVICE);
                write_number(&mut row, methods.len() as u64);
                for (name, ty) in methods {
                    write_number(&mut row, name.len() as u64);
                    row.extend_from_slice(name.as_bytes());
                    self.write_index(&mut row, ty);
                }
            }
            TypeInner::Func(function) => {
                let both = [&function.args, &function.rets];
                for ty in both.into_iter().flatten() {
                    self.add(ty);
                }
                write_signed(&mut row, FUNC);
                for types in both {
                    write_number(&mut row, types.len() as u64);
                    for ty in types {
                        self.write_index(&mut row, ty);
                    }
                }
                write_number(&mut row, function.modes.len() as u64);
                for mode in &function.modes {
                    row.push(match mode {
                        FuncMode::Query => 1,
                        FuncMode::Oneway => 2,
                        FuncMode::CompositeQuery => 3,
                    });
                }
            }
            _ => {}
        }
        self.rows[index] = row;
    }

    fn write_fields(
        &mut self,
        row: &mut Vec<u8>,
        constructor: i64,
        fields: &[candid::types::Field],
    ) {
        for field in fields {
            self.add(&field.ty);
        }
        write_signed(row, constructor);
        write_number(row, fields.len() as u64);
        for field in fields {
            write_number(row, field.id.get_id().into());
            self.write_index(row, &field.ty);
        }
    }

    /// The number of a type: its index in the table, or a negative one.
    fn write_index(&self, bytes: &mut Vec<u8>, ty: &Type) {
        let index = match ty.as_ref() {
            TypeInner::Knot(id) => {
                let ty = internal::find_type(id);
                ty.and_then(|ty| self.indexes.get(&ty).copied())
            }
            _ => self.indexes.get(ty).copied(),
        };
        write_signed(bytes, index.unwrap_or_else(|| primitive(ty)));
    }
}

/// The number of a type that is not in a table. All others are `empty`, which has no values.
fn primitive(ty: &Type) -> i64 {
    match ty.as_ref() {
        TypeInner::Null => NULL,
        TypeInner::Bool => BOOL,
        TypeInner::Nat => NAT,
        TypeInner::Int => INT,
        TypeInner::Nat8 => NAT8,
        TypeInner::Nat16 => NAT16,
        TypeInner::Nat32 => NAT32,
        TypeInner::Nat64 => NAT64,
        TypeInner::Int8 => INT8,
        TypeInner::Int16 => INT16,
        TypeInner::Int32 => INT32,
        TypeInner::Int64 => INT64,
        TypeInner::Float32 => FLOAT32,
        TypeInner::Float64 => FLOAT64,
        TypeInner::Text => TEXT,
        TypeInner::Reserved => RESERVED,
        TypeInner::Principal => PRINCIPAL,
        _ => EMPTY,
    }
}

/// Appends a number in LEB128.
fn write_number(bytes: &mut Vec<u8>, number: u64) {
    let mut rest = number;
    while rest > 0x7f {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// Appends a number in signed LEB128.
fn write_signed(bytes: &mut Vec<u8>, number: impl Into<i128>) {
    let mut rest = number.into();
    loop {
        let byte = rest as u8 & 0x7f;
        rest >>= 7;
        // The highest bit of the last byte but one is the sign.
        let ends = (rest == 0 && byte & 0x40 == 0) || (rest == -1 && byte & 0x40 != 0);
        bytes.push(if ends { byte } else { byte | 0x80 });
        if ends {
            return;
        }
    }
}
