//! The type of a shared variable: its canonical text, which both ends compare, and the codec of its values.
//!
//! Values travel only between variables of equal types. Equal means: same canonical text without regard to case.
//! Its hash goes over the wire, the text into messages for people.

mod codec;
mod text;

use std::fmt;

use lineshaft_plc_compiler::layout::{Layout, TypeDesc, TypeId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hex::Hex;

pub use codec::{Codec, Value, WireLen};

/// Longest value on the wire, bytes.
pub const MAX_VALUE: u32 = 64 * 1024;

/// The type of a variable as both ends of a subscription must agree on it.
#[derive(Clone, Debug)]
pub struct Schema {
    text: String,
    hash: SchemaHash,
    codec: Codec,
}

/// First 16 bytes of the SHA-256 of the canonical text in upper case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SchemaHash(Hex<16>);

/// Why a variable cannot be shared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A reference or an interface variable means something in its own state block only.
    #[error(
        "{0} cannot be shared: it refers to something in its own program; share the variable it refers to"
    )]
    Reference(String),
    /// Longer than [`MAX_VALUE`].
    #[error("{0} cannot be shared: a value may take 65,536 bytes at most; share parts of it")]
    TooLong(String),
}

impl Schema {
    /// The schema of a type of a program.
    pub fn of(layout: &Layout, ty: TypeId) -> Result<Self, SchemaError> {
        if layout.size_of(ty) > 2 * MAX_VALUE {
            return Err(SchemaError::TooLong(layout.type_name(ty)));
        }
        if let Some(reference) = reference_in(layout, ty) {
            return Err(SchemaError::Reference(layout.type_name(reference)));
        }
        let codec = Codec::of(layout, ty);
        if codec.wire_len().longest() > MAX_VALUE {
            return Err(SchemaError::TooLong(layout.type_name(ty)));
        }
        let text = text::canonical(layout, ty);
        Ok(Self { hash: SchemaHash::of(&text), text, codec })
    }

    /// The canonical text, names as declared: `STRUCT ST_Status{PLCState:DINT,Alarm:ARRAY[0..3]OF BOOL}`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What both ends compare.
    pub fn hash(&self) -> SchemaHash {
        self.hash
    }

    /// Between memory and wire.
    pub fn codec(&self) -> &Codec {
        &self.codec
    }
}

impl SchemaHash {
    fn of(text: &str) -> Self {
        let digest = Sha256::digest(text.to_ascii_uppercase());
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest[..16]);
        Self(Hex(hash))
    }
}

impl fmt::Display for SchemaHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The first reference or interface variable in a value of the type.
fn reference_in(layout: &Layout, ty: TypeId) -> Option<TypeId> {
    match &layout.types[ty.0 as usize] {
        TypeDesc::Reference { .. } | TypeDesc::Interface { .. } => Some(ty),
        TypeDesc::Array { element, .. } => reference_in(layout, *element),
        TypeDesc::Struct { members, .. } => members.iter().find_map(|m| reference_in(layout, m.ty)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
