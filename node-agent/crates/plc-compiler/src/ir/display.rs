//! The IR as text, for tests and for people.

use super::{Function, Inst, Jump, Module, Op, Terminator, Value};
use std::fmt::{self, Display, Formatter};

impl Display for Module {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for function in &self.functions {
            writeln!(f, "{function}")?;
        }
        Ok(())
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

fn list(values: &[Value]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Display for Function {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let result = self.result.map(|ty| format!(" -> {ty:?}")).unwrap_or_default();
        writeln!(f, "function {}{result}, frame {}", self.name, self.frame_bytes)?;
        for (index, block) in self.blocks.iter().enumerate() {
            let params: Vec<String> =
                block.params.iter().map(|v| format!("{v}: {:?}", self.value_types[v.index()])).collect();
            writeln!(f, "block{index}({}):", params.join(", "))?;
            for inst in &block.insts {
                write!(f, "    ")?;
                if let Some(result) = inst.result {
                    write!(f, "{result}: {:?} = ", self.value_types[result.index()])?;
                }
                writeln!(f, "{inst}")?;
            }
            writeln!(f, "    {}", block.end)?;
        }
        Ok(())
    }
}

impl Display for Jump {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "block{}({})", self.block.0, list(&self.args))
    }
}

impl Display for Terminator {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jump(jump) => write!(f, "jump {jump}"),
            Self::Branch { cond, then, otherwise } => write!(f, "branch {cond}, {then}, {otherwise}"),
            Self::Return(value) => write!(f, "return {}", value.map(|v| v.to_string()).unwrap_or_default()),
            Self::Fault { code, operands, .. } => write!(f, "fault {} {}", code.name(), list(operands)),
        }
    }
}

impl Display for Inst {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.op {
            Op::Const(constant) => write!(f, "const {constant:?}"),
            Op::StateAddr(offset) => write!(f, "state {offset}"),
            Op::FrameAddr(offset) => write!(f, "frame {offset}"),
            Op::Offset { ptr, bytes } => write!(f, "{ptr} + {bytes}"),
            Op::Index { ptr, index, stride } => write!(f, "{ptr} + {index} * {stride}"),
            Op::Load { ptr, offset } => write!(f, "load {ptr} + {offset}"),
            Op::Store { ptr, offset, value } => write!(f, "store {ptr} + {offset}, {value}"),
            Op::LoadBit { ptr, offset, bit } => write!(f, "load bit {ptr} + {offset}.{bit}"),
            Op::StoreBit { ptr, offset, bit, value } => {
                write!(f, "store bit {ptr} + {offset}.{bit}, {value}")
            }
            Op::Copy { to, from, bytes } => write!(f, "copy {to}, {from}, {bytes}"),
            Op::Zero { to, bytes } => write!(f, "zero {to}, {bytes}"),
            Op::Int { op, a, b } => write!(f, "{op:?} {a}, {b}"),
            Op::Div { signed, a, b } => write!(f, "{} {a}, {b}", if *signed { "div" } else { "udiv" }),
            Op::Rem { signed, a, b } => write!(f, "{} {a}, {b}", if *signed { "rem" } else { "urem" }),
            Op::Float { op, a, b } => write!(f, "float {op:?} {a}, {b}"),
            Op::IntCmp { cond, signed, a, b } => {
                write!(f, "{} {cond:?} {a}, {b}", if *signed { "cmp" } else { "ucmp" })
            }
            Op::FloatCmp { cond, a, b } => write!(f, "float cmp {cond:?} {a}, {b}"),
            Op::Select { cond, a, b } => write!(f, "select {cond}, {a}, {b}"),
            Op::Call { func, args } => write!(f, "call function{}({})", func.0, list(args)),
            Op::Helper { helper, args } => write!(f, "helper {helper:?}({})", list(args)),
            Op::CheckIndex { index, low, high } => write!(f, "check index {index} in {low}..{high}"),
            Op::CheckRange { value, low, high } => write!(f, "check range {value} in {low}..{high}"),
            other => write!(f, "{other:?}"),
        }
    }
}
