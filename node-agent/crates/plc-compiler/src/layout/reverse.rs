//! From a place in the state block to the path that leads there: what a reference refers to.

use super::{Layout, TypeDesc, TypeId};

/// Types in one another; a layout that nests deeper was not made by the compiler.
const DEPTH_MAX: u32 = 64;

impl Layout {
    /// The path of the variable at an offset: the one of type `want`, else the outermost that begins there and
    /// is no program.
    pub fn path_to(&self, offset: u32, want: Option<TypeId>) -> Option<String> {
        let end = |root: &super::Root| root.offset.saturating_add(self.size_of(root.ty));
        let root = self.roots.iter().find(|root| (root.offset..end(root)).contains(&offset))?;
        let exact = want.and_then(|want| self.descend(root.ty, root.offset, offset, &|ty| ty == want, 0));
        // Without a type it is an object that is asked for, which begins where an array of them does.
        let is_array = |ty: TypeId| matches!(self.types.get(ty.0 as usize), Some(TypeDesc::Array { .. }));
        let fallback = |ty| want.is_some() || !is_array(ty);
        let suffix = exact.or_else(|| {
            let is_program = self.sections.programs.contains(&root.offset);
            if root.offset == offset && !is_program && fallback(root.ty) {
                return Some(String::new());
            }
            self.inside(root.ty, root.offset, offset, &fallback, 0)
        })?;
        Some(format!("{}{suffix}", root.path))
    }

    fn descend(
        &self,
        ty: TypeId,
        at: u32,
        offset: u32,
        fits: &dyn Fn(TypeId) -> bool,
        depth: u32,
    ) -> Option<String> {
        if at == offset && fits(ty) {
            return Some(String::new());
        }
        self.inside(ty, at, offset, fits, depth)
    }

    fn inside(
        &self,
        ty: TypeId,
        at: u32,
        offset: u32,
        fits: &dyn Fn(TypeId) -> bool,
        depth: u32,
    ) -> Option<String> {
        if depth > DEPTH_MAX {
            return None;
        }
        match self.types.get(ty.0 as usize)? {
            TypeDesc::Struct { members, .. } => {
                members.iter().filter(|member| member.bit.is_none()).find_map(|member| {
                    let start = at.checked_add(member.offset)?;
                    let end = start.checked_add(self.size_of(member.ty))?;
                    let here = (start..end).contains(&offset);
                    let rest = here.then(|| self.descend(member.ty, start, offset, fits, depth + 1))??;
                    Some(format!(".{}{rest}", member.name))
                })
            }
            TypeDesc::Array { element, dimensions } => {
                let size = self.size_of(*element).max(1);
                let position = (offset - at) / size;
                let rest = self.descend(*element, at + position * size, offset, fits, depth + 1)?;
                Some(format!("[{}]{rest}", indices(dimensions, position)))
            }
            _ => None,
        }
    }
}

/// The indices of an element by its position, row-major.
fn indices(dimensions: &[(i64, i64)], position: u32) -> String {
    let mut left = i64::from(position);
    let mut indices: Vec<String> = Vec::new();
    for (low, high) in dimensions.iter().rev() {
        let length = (high - low + 1).max(1);
        indices.push((low + left % length).to_string());
        left /= length;
    }
    indices.reverse();
    indices.join(",")
}
