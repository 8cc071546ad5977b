//! Where every variable is: the layout of the state block by symbol path.
//!
//! The state block is 64-byte aligned; offset 0 is NULL. A leaf is a variable that is not a structure or an
//! instance: those are flattened. An array is one leaf. Readers of snapshots, online change and retain use
//! nothing but this descriptor.

mod excerpt;
mod path;
mod reverse;

pub use path::Place;

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Index into [`Layout::types`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TypeId(pub u32);

/// An elementary type (IEC 61131-3 Table 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[repr(u8)]
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
    /// A reference to an object of any class that implements the interface.
    Interface {
        /// As declared.
        name: String,
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
    /// A BOOL that is one bit of that byte.
    #[serde(default)]
    pub bit: Option<u8>,
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

/// A program instance or a global variable as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// `Main`, `Status.PLCState`; as declared.
    pub path: String,
    /// Its type.
    pub ty: TypeId,
    /// In the state block.
    pub offset: u32,
}

/// Another name of a variable, from VAR_ACCESS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// As declared; that of a program behind the name of the instance.
    pub path: String,
    /// What it stands for.
    pub place: Place,
    /// READ_WRITE: others may write it.
    pub writable: bool,
}

/// Where the objects of a class hold its number, by which their methods are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassNumber {
    /// Of the objects.
    pub ty: TypeId,
    /// In the object; 4 bytes.
    pub offset: u32,
    /// Means something in this program only.
    pub number: u32,
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
    /// Program instances and global variables as a whole, in order of offset: where a path to something
    /// that is no leaf (a structure, an instance) begins.
    pub roots: Vec<Root>,
    /// Of the classes that hold their number.
    #[serde(default)]
    pub classes: Vec<ClassNumber>,
    /// VAR_ACCESS, in order of declaration.
    #[serde(default)]
    pub aliases: Vec<Alias>,
    /// Indexed by [`TypeId`]. The first entries are the elementary types, see [`Layout::elementary`].
    pub types: Vec<TypeDesc>,
    /// Of paths, types and offsets: equal hashes mean that blocks can be exchanged as they are.
    pub hash: u64,
}

impl Elementary {
    /// All of them, in the order of their [`TypeId`]s.
    pub const ALL: [Self; 25] = [
        Self::Bool,
        Self::Sint,
        Self::Int,
        Self::Dint,
        Self::Lint,
        Self::Usint,
        Self::Uint,
        Self::Udint,
        Self::Ulint,
        Self::Byte,
        Self::Word,
        Self::Dword,
        Self::Lword,
        Self::Real,
        Self::Lreal,
        Self::Time,
        Self::Ltime,
        Self::Date,
        Self::Ldate,
        Self::Tod,
        Self::Ltod,
        Self::Dt,
        Self::Ldt,
        Self::Char,
        Self::Wchar,
    ];

    /// The keyword.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::Sint => "SINT",
            Self::Int => "INT",
            Self::Dint => "DINT",
            Self::Lint => "LINT",
            Self::Usint => "USINT",
            Self::Uint => "UINT",
            Self::Udint => "UDINT",
            Self::Ulint => "ULINT",
            Self::Byte => "BYTE",
            Self::Word => "WORD",
            Self::Dword => "DWORD",
            Self::Lword => "LWORD",
            Self::Real => "REAL",
            Self::Lreal => "LREAL",
            Self::Time => "TIME",
            Self::Ltime => "LTIME",
            Self::Date => "DATE",
            Self::Ldate => "LDATE",
            Self::Tod => "TOD",
            Self::Ltod => "LTOD",
            Self::Dt => "DT",
            Self::Ldt => "LDT",
            Self::Char => "CHAR",
            Self::Wchar => "WCHAR",
        }
    }

    /// Bytes in memory.
    pub fn size(self) -> u32 {
        match self {
            Self::Bool | Self::Sint | Self::Usint | Self::Byte | Self::Char => 1,
            Self::Int | Self::Uint | Self::Word | Self::Wchar => 2,
            Self::Dint | Self::Udint | Self::Dword | Self::Real => 4,
            _ => 8,
        }
    }
}

impl Layout {
    /// The id of an elementary type: the same in every layout.
    pub fn elementary(of: Elementary) -> TypeId {
        TypeId(of as u32)
    }

    /// Whether a leaf is the number of an object's class: no value, and another one in each program.
    pub fn is_class_number(leaf: &Leaf) -> bool {
        let name = leaf.path.rsplit('.').next().unwrap_or_default();
        leaf.flags.hidden && name == crate::model::object::CLASS_MEMBER
    }

    /// Bytes that a value of the type takes.
    pub fn size_of(&self, ty: TypeId) -> u32 {
        match &self.types[ty.0 as usize] {
            TypeDesc::Elementary(e) => e.size(),
            TypeDesc::String { capacity } => (2 + u32::from(*capacity)).next_multiple_of(2),
            TypeDesc::Wstring { capacity } => 2 + 2 * u32::from(*capacity),
            TypeDesc::Enum { base, .. } | TypeDesc::Subrange { base, .. } => base.size(),
            TypeDesc::Array { element, dimensions } => {
                let count =
                    dimensions.iter().fold(1u32, |n, (low, high)| n.saturating_mul((high - low + 1) as u32));
                self.size_of(*element).saturating_mul(count)
            }
            TypeDesc::Struct { bytes, .. } => *bytes,
            TypeDesc::Reference { .. } | TypeDesc::Interface { .. } => 8,
        }
    }

    /// The type as a user would write it.
    pub fn type_name(&self, ty: TypeId) -> String {
        match &self.types[ty.0 as usize] {
            TypeDesc::Elementary(e) => e.name().to_owned(),
            TypeDesc::String { capacity } => format!("STRING[{capacity}]"),
            TypeDesc::Wstring { capacity } => format!("WSTRING[{capacity}]"),
            TypeDesc::Enum { name, .. } | TypeDesc::Struct { name, .. } | TypeDesc::Interface { name } => {
                name.clone()
            }
            TypeDesc::Subrange { base, low, high } => format!("{}({low}..{high})", base.name()),
            TypeDesc::Array { element, dimensions } => {
                let bounds: Vec<_> = dimensions.iter().map(|(low, high)| format!("{low}..{high}")).collect();
                format!("ARRAY[{}] OF {}", bounds.join(", "), self.type_name(*element))
            }
            TypeDesc::Reference { target } => format!("REF_TO {}", self.type_name(*target)),
        }
    }
}
