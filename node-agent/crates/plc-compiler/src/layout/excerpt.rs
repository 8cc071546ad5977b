//! A part of a layout's types, for those who need to know a few variables and not the whole program.

use super::{Elementary, Layout, TypeDesc, TypeId};

impl Layout {
    /// A layout with these types and what they consist of, without variables; and their numbers in it.
    pub fn excerpt(&self, types: impl IntoIterator<Item = TypeId>) -> (Self, Vec<TypeId>) {
        let elementary = Elementary::ALL.map(TypeDesc::Elementary).to_vec();
        let mut excerpt = Excerpt { whole: self, numbers: vec![None; self.types.len()], types: elementary };
        for (number, place) in excerpt.numbers.iter_mut().take(Elementary::ALL.len()).enumerate() {
            *place = Some(TypeId(number as u32));
        }
        let numbers = types.into_iter().map(|ty| excerpt.take(ty)).collect();
        (Self { types: excerpt.types, ..Self::default() }, numbers)
    }
}

struct Excerpt<'a> {
    whole: &'a Layout,
    /// Of each type of the whole, once it is taken.
    numbers: Vec<Option<TypeId>>,
    types: Vec<TypeDesc>,
}

impl Excerpt<'_> {
    fn take(&mut self, ty: TypeId) -> TypeId {
        let at = ty.0 as usize;
        if let Some(number) = self.numbers[at] {
            return number;
        }
        let number = TypeId(self.types.len() as u32);
        // Known before its parts are looked at: a structure may hold a reference to its own type.
        self.numbers[at] = Some(number);
        self.types.push(self.whole.types[at].clone());
        let mut desc = self.whole.types[at].clone();
        match &mut desc {
            TypeDesc::Array { element: part, .. } | TypeDesc::Reference { target: part } => {
                *part = self.take(*part);
            }
            TypeDesc::Struct { members, .. } => {
                for member in members {
                    member.ty = self.take(member.ty);
                }
            }
            TypeDesc::Elementary(_)
            | TypeDesc::String { .. }
            | TypeDesc::Wstring { .. }
            | TypeDesc::Enum { .. }
            | TypeDesc::Subrange { .. }
            | TypeDesc::Interface { .. } => {}
        }
        self.types[number.0 as usize] = desc;
        number
    }
}

#[cfg(test)]
mod tests {
    use crate::{Options, SourceUnit, compile};

    const PROGRAM: &str = "
TYPE ST_Node : STRUCT next : REF_TO ST_Node; values : ARRAY[1..3] OF STRING[7]; END_STRUCT END_TYPE
PROGRAM Main VAR unused : ARRAY[0..9] OF LREAL; n : DINT; node : ST_Node; END_VAR END_PROGRAM";

    #[test]
    fn types_mean_the_same_without_the_program() {
        let unit = SourceUnit { name: "main.st".into(), text: PROGRAM.into() };
        let layout = compile(&[unit], &Options::default()).unwrap().layout;
        let asked = ["Main.node", "Main.n", "Main.node"].map(|path| layout.find(path).unwrap().ty);
        let (types, numbers) = layout.excerpt(asked);
        assert_eq!(numbers[0], numbers[2]);
        for (ty, number) in asked.into_iter().zip(numbers) {
            assert_eq!(types.type_name(number), layout.type_name(ty));
            assert_eq!(types.size_of(number), layout.size_of(ty));
        }
        assert!(types.leaves.is_empty() && types.types.len() < layout.types.len());
    }
}
