//! Where every variable is: the layout of the state block by symbol path.
//!
//! The state block is 64-byte aligned; offset 0 is NULL. A leaf is a variable that is not a structure or an
//! instance: those are flattened. An array is one leaf. Readers of snapshots, online change and retain use
//! nothing but this descriptor.

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Index into [`Layout::types`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TypeId(pub u32);

/// An elementary type (IEC 61131-3 Table 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are the types")]
pub enum Elementary {
    Bool,
    Sint,
    Int,
    Dint,
    Lint,
    Usint,
    Uint,
    Udint,
    Ulint,
    Byte,
    Word,
    Dword,
    Lword,
    Real,
    Lreal,
    Time,
    Ltime,
    Date,
    Ldate,
    Tod,
    Ltod,
    Dt,
    Ldt,
    Char,
    Wchar,
}

/// A type as it lies in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TypeDesc {
    /// BOOL takes a byte holding 0 or 1.
    Elementary(Elementary),
    /// `u16` length and `capacity` bytes; size rounded up to a multiple of 2.
    String {
        /// In characters.
        capacity: u16,
    },
    /// `u16` length and `capacity` 16-bit units.
    Wstring {
        /// In units.
        capacity: u16,
    },
    /// An enumeration or named values.
    Enum {
        /// As declared.
        name: String,
        /// Storage.
        base: Elementary,
        /// Names with their values, in order of declaration.
        values: Vec<(String, i64)>,
    },
    /// A subrange of an integer type.
    Subrange {
        /// Storage.
        base: Elementary,
        /// Lowest value.
        low: i64,
        /// Highest value.
        high: i64,
    },
    /// Row-major.
    Array {
        /// Of each element.
        element: TypeId,
        /// Lower and upper bound of each dimension.
        dimensions: Vec<(i64, i64)>,
    },
    /// A structure, or the instance of a function block or program.
    Struct {
        /// As declared.
        name: String,
        /// Members with their offsets, in order of declaration.
        members: Vec<Member>,
        /// With padding at the end.
        bytes: u32,
    },
    /// `{u32 state offset, u32 type id}`.
    Reference {
        /// What it refers to.
        target: TypeId,
    },
}

/// A member of a structure or instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// As declared.
    pub name: String,
    /// Its type.
    pub ty: TypeId,
    /// From the start of the structure.
    pub offset: u32,
}

/// What is known of a leaf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent marks of a declaration")]
pub struct LeafFlags {
    /// RETAIN.
    pub retain: bool,
    /// PERSISTENT.
    pub persistent: bool,
    /// CONSTANT: may not be written from outside.
    pub constant: bool,
    /// VAR_INPUT.
    pub input: bool,
    /// VAR_OUTPUT.
    pub output: bool,
    /// Located at an address of the process image.
    pub located: bool,
    /// Made by the compiler (edge memory): not shown to users.
    pub hidden: bool,
}

/// One variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaf {
    /// `Main.tank.level`, globals bare or `List.Name`; as declared. Compared without regard to case.
    pub path: String,
    /// Its type.
    pub ty: TypeId,
    /// In the state block.
    pub offset: u32,
    /// A BOOL located at one bit of an image byte.
    pub bit: Option<u8>,
    /// Length in bytes.
    pub bytes: u32,
    /// Marks.
    pub flags: LeafFlags,
}

/// Sections of the state block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sections {
    /// `%I`: byte n of the image is byte `inputs.start + n`.
    pub inputs: Range<u32>,
    /// `%Q`.
    pub outputs: Range<u32>,
    /// `%M`.
    pub memory: Range<u32>,
    /// String literals, aggregate initialisers, CONSTANT variables.
    pub constants: Range<u32>,
    /// VAR_GLOBAL.
    pub globals: Range<u32>,
    /// Program instances.
    pub programs: Range<u32>,
}

/// The layout of a state block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Of the whole block, a multiple of 64.
    pub bytes: u32,
    /// Its parts.
    pub sections: Sections,
    /// In order of offset.
    pub leaves: Vec<Leaf>,
    /// Indexed by [`TypeId`].
    pub types: Vec<TypeDesc>,
    /// Of paths, types and offsets: equal hashes mean that blocks can be exchanged as they are.
    pub hash: u64,
}
