//! Values of a state block by symbol path: out as JSON, in from IEC literals.
//!
//! The JSON form: BOOL as true and false; integers, times and dates (nanoseconds) as numbers; REAL and LREAL as
//! the shortest numbers that read back, NaN and infinities as the strings `NaN`, `Infinity`, `-Infinity`;
//! strings and characters as strings; enumerations by name; arrays row by row; structures and instances as
//! objects.

mod iec;
mod literal;
mod show;

pub use iec::literal_at;
pub(crate) use literal::write_at;
pub use literal::write_literal;
pub use show::{Members, Shown, read_json, read_ordered};

use lineshaft_plc_compiler::layout::{Elementary, Layout};

/// Size, signedness and family of an elementary type, in one place for both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Bool,
    Signed,
    Unsigned,
    Real,
    Char,
}

fn family(of: Elementary) -> Family {
    use Elementary as E;
    match of {
        E::Bool => Family::Bool,
        E::Usint | E::Uint | E::Udint | E::Ulint | E::Byte | E::Word | E::Dword | E::Lword => {
            Family::Unsigned
        }
        E::Real | E::Lreal => Family::Real,
        E::Char | E::Wchar => Family::Char,
        _ => Family::Signed,
    }
}

/// The bytes of an elementary value, zero-extended.
fn raw(state: &[u8], offset: u32, of: Elementary) -> Option<u64> {
    let start = offset as usize;
    let bytes = state.get(start..start + of.size() as usize)?;
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    Some(u64::from_le_bytes(word))
}

/// The bytes of an elementary integer, extended by its sign.
pub(crate) fn integer(state: &[u8], offset: u32, of: Elementary) -> Option<i64> {
    let value = raw(state, offset, of)?;
    let shift = 64 - of.size() * 8;
    Some(if family(of) == Family::Unsigned { value as i64 } else { (value << shift) as i64 >> shift })
}

/// Whether a path lies inside of the variable `of`, without regard to case; everything lies inside of "".
fn inside<'a>(path: &'a str, of: &str) -> Option<&'a str> {
    if of.is_empty() {
        return Some(path);
    }
    let head = path.get(..of.len())?;
    let rest = &path[of.len()..];
    (head.eq_ignore_ascii_case(of) && rest.starts_with('.')).then(|| &rest[1..])
}

/// Paths of the variables that users see, in order of their place.
pub fn visible_paths(layout: &Layout) -> impl Iterator<Item = &str> {
    layout.leaves.iter().filter(|leaf| !leaf.flags.hidden).map(|leaf| leaf.path.as_str())
}
