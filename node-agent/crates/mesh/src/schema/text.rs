//! The canonical text of a type: everything that decides what a value means, and nothing else.

use lineshaft_plc_compiler::layout::{Layout, TypeDesc, TypeId};

/// Names as declared; bounds, capacities, member and enumeration names and values included.
pub(super) fn canonical(layout: &Layout, ty: TypeId) -> String {
    let mut text = String::new();
    write(layout, ty, &mut text);
    text
}

fn write(layout: &Layout, ty: TypeId, text: &mut String) {
    match &layout.types[ty.0 as usize] {
        TypeDesc::Enum { name, base, values } => {
            text.push_str("ENUM ");
            text.push_str(name);
            text.push(':');
            text.push_str(base.name());
            list(text, values, |text, (name, value)| {
                text.push_str(name);
                text.push('=');
                text.push_str(&value.to_string());
            });
        }
        TypeDesc::Array { element, dimensions } => {
            text.push_str("ARRAY[");
            for (index, (low, high)) in dimensions.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&low.to_string());
                text.push_str("..");
                text.push_str(&high.to_string());
            }
            text.push_str("]OF ");
            write(layout, *element, text);
        }
        TypeDesc::Struct { name, members, .. } => {
            text.push_str("STRUCT ");
            text.push_str(name);
            list(text, members, |text, member| {
                text.push_str(&member.name);
                text.push(':');
                write(layout, member.ty, text);
            });
        }
        _ => text.push_str(&layout.type_name(ty)),
    }
}

fn list<T>(text: &mut String, items: &[T], mut one: impl FnMut(&mut String, &T)) {
    text.push('{');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        one(text, item);
    }
    text.push('}');
}
