//! From what an engine knows of a fault to the record that users read.

use super::Raised;
use crate::fault::{CALL_STACK_MAX, CallSite, FaultRecord, place};
use lineshaft_plc_compiler::layout::{Layout, TypeDesc, TypeId};
use lineshaft_plc_compiler::{Instance, Program};

/// The record's task, scan and wall time are left for the caller to fill.
pub(super) fn record(program: &Program, instance: usize, raised: &Raised, now_ns: i64) -> FaultRecord {
    let module = &program.module;
    let site = |at: u32| module.sites.get(at as usize).map_or_else(String::new, place);
    let name = |func: u32| module.functions.get(func as usize).map_or("", |f| f.name.as_str());
    let levels = raised.levels.iter();
    let calls = levels.map(|level| CallSite { function: name(level.func).to_owned(), at: site(level.site) });
    // From the program inwards: what runs, and the first argument of each call, which is the instance if it is
    // a function block's body or method.
    let mut path = InstancePath::new(&program.layout, &program.instances[instance]);
    for level in raised.levels.iter().rev() {
        path.descend(level.this, name(level.func));
    }
    FaultRecord {
        code: raised.code,
        at: raised.levels.first().map_or_else(String::new, |level| site(level.site)),
        instance: path.text,
        task: String::new(),
        operands: raised.operands[..usize::from(raised.count)].to_vec(),
        call_stack: calls.take(CALL_STACK_MAX).collect(),
        scan: 0,
        task_time_ns: now_ns,
        unix_ms: 0,
    }
}

/// Finds the path of a function-block instance from its address, call by call.
struct InstancePath<'a> {
    layout: &'a Layout,
    text: String,
    ty: Option<TypeId>,
    offset: u32,
}

impl<'a> InstancePath<'a> {
    fn new(layout: &'a Layout, program: &Instance) -> Self {
        let ty = layout.roots.iter().find(|r| r.path.eq_ignore_ascii_case(&program.name)).map(|r| r.ty);
        Self { layout, text: program.name.clone(), ty, offset: program.offset }
    }

    /// Follows a call if what it got is an instance, inside of the present one or global, of the function
    /// block that the function's name names; methods are named `Block.method`.
    fn descend(&mut self, this: u32, function: &str) {
        let block = function.split_once('.').map_or(function, |(block, _)| block);
        let inside = self.ty.and_then(|ty| self.search(ty, self.offset, this, block, 0));
        if let Some((suffix, ty)) = inside {
            self.text.push_str(&suffix);
            (self.ty, self.offset) = (Some(ty), this);
            return;
        }
        for root in &self.layout.roots {
            if let Some((suffix, ty)) = self.search(root.ty, root.offset, this, block, 0) {
                self.text = format!("{}{suffix}", root.path);
                (self.ty, self.offset) = (Some(ty), this);
                return;
            }
        }
    }

    fn search(&self, ty: TypeId, at: u32, this: u32, block: &str, depth: u32) -> Option<(String, TypeId)> {
        let end = at.checked_add(self.layout.size_of(ty))?;
        // The nesting of types is bounded by the compiler; this bound keeps a wrong layout from looping.
        if this < at || this >= end || depth > 64 {
            return None;
        }
        match self.layout.types.get(ty.0 as usize)? {
            TypeDesc::Struct { name, .. } if this == at && name.eq_ignore_ascii_case(block) => {
                Some((String::new(), ty))
            }
            TypeDesc::Struct { members, .. } => members.iter().find_map(|member| {
                let (rest, ty) = self.search(member.ty, at + member.offset, this, block, depth + 1)?;
                Some((format!(".{}{rest}", member.name), ty))
            }),
            TypeDesc::Array { element, dimensions } => {
                let size = self.layout.size_of(*element).max(1);
                let position = (this - at) / size;
                let (rest, ty) = self.search(*element, at + position * size, this, block, depth + 1)?;
                let mut left = i64::from(position);
                let mut indices: Vec<String> = Vec::new();
                for (low, high) in dimensions.iter().rev() {
                    let length = (high - low + 1).max(1);
                    indices.push((low + left % length).to_string());
                    left /= length;
                }
                indices.reverse();
                Some((format!("[{}]{rest}", indices.join(",")), ty))
            }
            _ => None,
        }
    }
}
