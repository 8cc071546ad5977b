//! The typed tree: names are resolved, every conversion is explicit, nothing in it can fail to lower.

use crate::ast::Area;
use crate::ir::{Cond, FloatOp, IntOp, MathFn};
use crate::span::Span;
use crate::types::TypeId;
use std::rc::Rc;

/// A constant. Integers, bit strings, times, enumerations and BOOL are `Int`, normalised to their type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Int(i128),
    Real(f64),
    /// An untyped literal, rounded to LREAL and to REAL: it is one of them once it meets a type.
    Decimal(f64, f32),
    Text(Rc<[u16]>),
}

#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) kind: ExprKind,
    pub(crate) ty: TypeId,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum ExprKind {
    Poison,
    Const(Value),
    Load(Box<Place>),
    /// To the expression's type.
    Convert(Box<Expr>, Mode),
    /// Faults outside the bounds.
    RangeCheck(Box<Expr>, i64, i64),
    Negate(Box<Expr>),
    Not(Box<Expr>),
    /// Both operands have the expression's type.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// Both operands have one type; the result is BOOL.
    Compare(Cond, Box<Expr>, Box<Expr>),
    /// BOOL AND, OR: the right side only if the left does not decide.
    Shortcut {
        or: bool,
        a: Box<Expr>,
        b: Box<Expr>,
    },
    /// The chosen one alone is evaluated; the selector clamps to the nearest end.
    Choose(Box<Expr>, Vec<Expr>),
    Intrinsic(Intrinsic, Vec<Expr>),
    Call(Box<Call>),
    /// The reference to a variable in the state block.
    Reference(Box<Place>),
    /// A bound of an array whose bounds came with it, by dimension from 0; DINT.
    Bound {
        of: Box<Place>,
        dimension: usize,
        upper: bool,
    },
    /// The reference if it leads to an object of one of these classes, else NULL.
    Attempt(Box<Expr>, Vec<usize>),
    /// Whether the reference is not NULL, after it went to the place.
    Taken(Box<Place>, Box<Expr>),
    /// The value if `enable` holds, else the default of its type; `enabled` gets `enable`.
    Enabled {
        enable: Box<Expr>,
        enabled: Option<Box<Place>>,
        value: Box<Expr>,
    },
}

/// How a conversion treats what does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nearest, ties to even; integers keep the low bits; numbers and times by unit.
    Value,
    /// Toward zero.
    Truncate,
    /// Same storage, other name.
    Same,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Int(IntOp),
    Divide,
    Modulo,
    Float(FloatOp),
    Power,
}

/// Functions that lowering knows. Arguments have exactly the types named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intrinsic {
    /// `(f) -> f`
    Math(MathFn),
    /// `(y, x) -> f`
    Atan2,
    /// `(x) -> x`, integers and floats.
    Abs,
    /// `(a, b)`: the smaller, any elementary type or string.
    Min,
    Max,
    /// `(low, value, high)`, the lower limit wins.
    Limit,
    /// `(a, b, c…)`, all of one type: whether each stands so to the next.
    Chain(Cond),
    /// `(LINT, LINT)`: the nearest quotient, ties to even.
    NearestQuotient,
    /// `(value, LINT count)`
    Shift(IntOp),
    /// `() -> TIME or LTIME`
    Now,
    /// `(BOOL)`
    Assert,
    Length,
    Left,
    Right,
    Mid,
    Concat,
    Insert,
    Delete,
    Replace,
    Find,
    /// `(pointer, LINT bytes)`
    MovePointer,
    /// `(pointer, pointer)`: bytes between them.
    PointerDistance,
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// What is called, as the caller sees it.
    pub(crate) pou: usize,
    pub(crate) receiver: Receiver,
    /// Class or interface and method, where the object decides what runs.
    pub(crate) dispatch: Option<(usize, Rc<str>)>,
    pub(crate) enable: Option<Expr>,
    pub(crate) enabled: Option<Place>,
    /// Variable of the callee and value, in order of evaluation.
    pub(crate) inputs: Vec<(usize, Expr)>,
    pub(crate) in_outs: Vec<(usize, Place)>,
    /// Variable of the callee, where it goes.
    pub(crate) outputs: Vec<(usize, Place)>,
}

/// On what a function block's body or a method works.
#[derive(Clone, Debug)]
pub(crate) enum Receiver {
    /// A function works on nothing.
    None,
    Object(Place),
    /// The value of an interface.
    Interface(Box<Expr>),
}

/// A variable or a part of one.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) root: Root,
    pub(crate) steps: Vec<Step>,
    pub(crate) ty: TypeId,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum Root {
    /// A variable of the POU that is being compiled.
    Local(usize),
    /// The object that a method or body works on.
    This,
    /// What a function or property has given.
    Value(Box<Expr>),
    Global(usize),
    Image {
        area: Area,
        byte: u32,
        bit: Option<u8>,
    },
    /// What a reference leads to.
    Reference(Box<Expr>),
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Of a structure.
    Field(usize, usize),
    /// Of an instance: POU and variable.
    Member(usize, usize),
    /// Of the array type; indices are LINT.
    Index(TypeId, Vec<Expr>),
    /// Of the string type; the position is LINT.
    Character(TypeId, Box<Expr>),
    /// Byte offset and, for one bit, its number.
    Part(u32, Option<u8>),
}

#[derive(Clone, Debug)]
pub(crate) struct Stmt {
    pub(crate) kind: StmtKind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum StmtKind {
    Assign(Place, Expr),
    Sequence(Vec<Stmt>),
    /// Where [`StmtKind::Jump`] of the same number goes on.
    Label(usize),
    Jump(usize),
    /// A call whose result, if any, is dropped.
    Evaluate(Expr),
    If(Vec<(Expr, Vec<Stmt>)>, Vec<Stmt>),
    /// Selector, arms of inclusive ranges.
    Case(Expr, Vec<CaseArm>, Vec<Stmt>),
    For(Box<For>),
    While(Expr, Vec<Stmt>),
    Repeat(Vec<Stmt>, Expr),
    Exit,
    Continue,
    Return,
    Assert(Box<Assertion>),
    /// In a test: by how many nanoseconds the clock goes on, a LINT that is not negative.
    AdvanceTime(Expr),
}

/// An assertion of a test.
#[derive(Clone, Debug)]
pub(crate) struct Assertion {
    /// `ASSERT_EQ`
    pub(crate) function: &'static str,
    pub(crate) claim: Claim,
    /// As given with the assertion.
    pub(crate) message: Option<String>,
    pub(crate) span: Span,
}

/// What must hold.
#[derive(Clone, Debug)]
pub(crate) enum Claim {
    /// The BOOL has this value.
    Is(Expr, bool),
    /// The comparison of two values of one type, or its contrary, holds.
    Compare { cond: Cond, left: Expr, right: Expr, holds: bool },
    /// All of one type, numbers or durations.
    Near { left: Expr, right: Expr, tolerance: Expr },
}

/// Inclusive ranges of the selector, and what to do.
pub(crate) type CaseArm = (Vec<(i128, i128)>, Vec<Stmt>);

#[derive(Clone, Debug)]
pub(crate) struct For {
    pub(crate) variable: Place,
    /// Of the variable's storage type.
    pub(crate) start: Expr,
    /// Of the variable's storage type.
    pub(crate) end: Expr,
    /// LINT.
    pub(crate) step: Expr,
    pub(crate) body: Vec<Stmt>,
}

/// An initial value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Init {
    Value(Value),
    /// Runs of equal values from the first element on; the rest has the default.
    Elements(Vec<(u64, Init)>),
    /// Index of a field or variable.
    Members(Vec<(usize, Init)>),
    /// `REF(x)`: where that is depends on the instance.
    Reference(Box<FixedPlace>),
}

/// A variable that lasts, or a part of one, at constant indices.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FixedPlace {
    pub(crate) root: FixedRoot,
    pub(crate) steps: Vec<FixedStep>,
    pub(crate) ty: TypeId,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum FixedRoot {
    /// Of the instance in whose declaration it is written: POU and variable.
    Member(usize, usize),
    Global(usize),
    /// Area and byte.
    Image(Area, u32),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum FixedStep {
    Field(usize, usize),
    Member(usize, usize),
    /// Type of the element, and how many come before it.
    Element(TypeId, u32),
    /// Bytes.
    Part(u32),
}
