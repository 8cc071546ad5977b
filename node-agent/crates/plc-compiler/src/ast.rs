//! The syntax tree: what the text says, before any name is looked up.

pub(crate) mod test;

use crate::layout::Elementary;
use crate::span::Span;
use std::rc::Rc;

/// A name as written, with its case-free key.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) text: Rc<str>,
    pub(crate) key: Rc<str>,
    pub(crate) span: Span,
}

impl Name {
    pub(crate) fn new(text: &str, span: Span) -> Self {
        let shared: Rc<str> = text.into();
        let key = if text.bytes().any(|b| b.is_ascii_lowercase()) {
            text.to_ascii_uppercase().into()
        } else {
            Rc::clone(&shared)
        };
        Self { text: shared, key, span }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) kind: ExprKind,
    pub(crate) span: Span,
    /// Longest path down to a leaf: bounds every recursion over the tree.
    pub(crate) height: u16,
}

#[derive(Clone, Debug)]
pub(crate) enum ExprKind {
    /// Already reported.
    Error,
    Literal {
        value: Literal,
        ty: Option<Name>,
    },
    /// `Color#Red`
    Qualified {
        ty: Name,
        value: Name,
    },
    Name(Name),
    Address(Address),
    Member(Box<Expr>, Name),
    Index(Box<Expr>, Vec<Expr>),
    Part(Box<Expr>, Part),
    Unary(UnaryOp, Box<Expr>),
    Binary(BinaryOp, Span, Box<Expr>, Box<Expr>),
    Call(Box<Expr>, Vec<Argument>),
    /// `p^`
    Deref(Box<Expr>),
    Null,
    This,
    Super,
    /// `[3(9), 1]`, initial values only.
    Elements(Vec<(Option<Expr>, Vec<Expr>)>),
    /// `(x := 1)`, initial values only.
    Members(Vec<(Name, Expr)>),
}

#[derive(Clone, Debug)]
pub(crate) enum Literal {
    Integer(i128),
    /// Rounded once to LREAL and once to REAL.
    Real(f64, f32),
    Bool(bool),
    /// A duration or date in nanoseconds.
    Temporal(Elementary, i64),
    String {
        wide: bool,
        units: Rc<[u16]>,
    },
}

/// `.%X3`, `.3`
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// 1, 8, 16, 32.
    pub(crate) bits: u32,
    pub(crate) number: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnaryOp {
    Negate,
    Plus,
    Not,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Power,
    Multiply,
    Divide,
    Modulo,
    Add,
    Subtract,
    Less,
    Greater,
    LessEqual,
    GreaterEqual,
    Equal,
    NotEqual,
    And,
    Xor,
    Or,
}

impl BinaryOp {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Power => "**",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "MOD",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Less => "<",
            Self::Greater => ">",
            Self::LessEqual => "<=",
            Self::GreaterEqual => ">=",
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::And => "AND",
            Self::Xor => "XOR",
            Self::Or => "OR",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Argument {
    pub(crate) name: Option<Name>,
    /// `=>`
    pub(crate) output: bool,
    /// Absent in `Q =>` alone.
    pub(crate) value: Option<Expr>,
    pub(crate) span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Area {
    Input,
    Output,
    Memory,
}

/// A direct address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) area: Area,
    /// `None`: `%I*`
    pub(crate) at: Option<AddressAt>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddressAt {
    /// In the area.
    pub(crate) byte: u32,
    /// X only.
    pub(crate) bit: u8,
    /// 1, 8, 16, 32, 64.
    pub(crate) bits: u32,
}

#[derive(Debug)]
pub(crate) struct Stmt {
    pub(crate) kind: StmtKind,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) enum StmtKind {
    Assign {
        target: Expr,
        value: Expr,
    },
    /// `a := b := c`: each target takes the value of the one after it.
    Chain {
        targets: Vec<Expr>,
        value: Expr,
    },
    /// `r ?= x`
    Attempt {
        target: Expr,
        value: Expr,
    },
    /// `r REF= x`
    Bind {
        target: Expr,
        value: Expr,
    },
    /// `x S= c`, `x R= c`: sets or resets while the condition holds.
    Latch {
        target: Expr,
        set: bool,
        condition: Expr,
    },
    Label(Name),
    Jump(Name),
    Call(Expr),
    If {
        branches: Vec<(Expr, Vec<Stmt>)>,
        otherwise: Vec<Stmt>,
    },
    Case {
        selector: Expr,
        arms: Vec<CaseArm>,
        otherwise: Vec<Stmt>,
    },
    For(Box<For>),
    While {
        condition: Expr,
        body: Vec<Stmt>,
    },
    Repeat {
        body: Vec<Stmt>,
        until: Expr,
    },
    Exit,
    Continue,
    Return,
}

#[derive(Debug)]
pub(crate) struct For {
    pub(crate) variable: Expr,
    pub(crate) start: Expr,
    pub(crate) end: Expr,
    pub(crate) step: Option<Expr>,
    pub(crate) body: Vec<Stmt>,
}

#[derive(Debug)]
pub(crate) struct CaseArm {
    /// Single values and ranges.
    pub(crate) labels: Vec<(Expr, Option<Expr>)>,
    pub(crate) body: Vec<Stmt>,
}

#[derive(Clone, Debug)]
pub(crate) struct TypeRef {
    pub(crate) kind: TypeRefKind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum TypeRefKind {
    Error,
    Named(Name),
    String {
        wide: bool,
        length: Option<Box<Expr>>,
    },
    Array {
        dimensions: Vec<(Expr, Expr)>,
        element: Box<TypeRef>,
    },
    /// `ARRAY[*, *]`: how many dimensions.
    OpenArray {
        dimensions: u32,
        element: Box<TypeRef>,
    },
    Subrange {
        base: Name,
        low: Box<Expr>,
        high: Box<Expr>,
    },
    Enum {
        base: Option<Name>,
        values: Vec<(Name, Option<Expr>)>,
    },
    /// `overlap`: all members begin at the same place.
    Struct {
        groups: Vec<VarGroup>,
        overlap: bool,
        /// `EXTENDS`: its members come first.
        base: Option<Name>,
    },
    Reference {
        kind: RefKind,
        target: Box<TypeRef>,
    },
}

/// How a reference is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RefKind {
    /// `REF_TO`
    To,
    /// `POINTER TO`: arithmetic moves it.
    Pointer,
    /// `REFERENCE TO`: stands for what it refers to.
    Alias,
}

/// `a, b AT %IX0.0 : BOOL R_EDGE := TRUE;`
#[derive(Clone, Debug)]
pub(crate) struct VarGroup {
    pub(crate) names: Vec<(Name, Option<(Address, Span)>)>,
    /// Places inside of a structure, by the position of the name: `a AT %B4`.
    pub(crate) places: Vec<(usize, AddressAt, Span)>,
    pub(crate) ty: TypeRef,
    pub(crate) init: Option<Expr>,
    pub(crate) edge: Option<Edge>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    Rising,
    Falling,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Local,
    Input,
    Output,
    InOut,
    Temp,
    External,
    Global,
    /// VAR_INST: of a method, but kept in the object.
    Instance,
}

#[derive(Debug)]
pub(crate) struct VarSection {
    pub(crate) section: Section,
    pub(crate) constant: bool,
    pub(crate) retain: bool,
    pub(crate) persistent: bool,
    pub(crate) access: Option<Access>,
    pub(crate) groups: Vec<VarGroup>,
    pub(crate) span: Span,
    /// The attribute `qualified_only`: its variables are found behind the name of their list only.
    pub(crate) qualified: Option<Span>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PouKind {
    Program,
    Function,
    FunctionBlock,
    Test,
    Class,
    Interface,
    /// Also an action, and GET and SET of a property.
    Method,
}

impl PouKind {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Function => "function",
            Self::FunctionBlock => "function block",
            Self::Test => "test",
            Self::Class => "class",
            Self::Interface => "interface",
            Self::Method => "method",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Pou {
    pub(crate) kind: PouKind,
    pub(crate) name: Name,
    pub(crate) result: Option<TypeRef>,
    pub(crate) modifiers: Modifiers,
    /// EXTENDS: one for classes, several for interfaces.
    pub(crate) extends: Vec<Name>,
    pub(crate) implements: Vec<Name>,
    /// Namespaces that USING opens inside.
    pub(crate) usings: Vec<Name>,
    pub(crate) methods: Vec<Pou>,
    /// Half of a property.
    pub(crate) accessor: Option<Accessor>,
    pub(crate) sections: Vec<VarSection>,
    /// VAR_ACCESS of a program.
    pub(crate) accesses: Vec<AccessDecl>,
    pub(crate) body: Vec<Stmt>,
}

impl Pou {
    /// One that has nothing of objects, and no result.
    pub(crate) fn plain(kind: PouKind, name: Name, sections: Vec<VarSection>, body: Vec<Stmt>) -> Self {
        Self {
            kind,
            name,
            result: None,
            modifiers: Modifiers::default(),
            extends: Vec::new(),
            implements: Vec::new(),
            usings: Vec::new(),
            methods: Vec::new(),
            accessor: None,
            sections,
            accesses: Vec::new(),
            body,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accessor {
    Get,
    Set,
}

impl Accessor {
    /// The key under which the accessor of a property is found among the methods.
    pub(crate) fn key(self, property: &str) -> Rc<str> {
        let word = if self == Self::Get { "GET" } else { "SET" };
        format!("__{word}_{property}").into()
    }
}

/// Who may use a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Public,
    /// The class and those derived from it.
    Protected,
    /// The class.
    Private,
    /// The namespace.
    Internal,
}

impl Access {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Public => "PUBLIC",
            Self::Protected => "PROTECTED",
            Self::Private => "PRIVATE",
            Self::Internal => "INTERNAL",
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Modifiers {
    pub(crate) access: Option<Access>,
    pub(crate) is_abstract: bool,
    pub(crate) is_final: bool,
    pub(crate) is_override: bool,
}

#[derive(Debug)]
pub(crate) struct TypeDecl {
    pub(crate) name: Name,
    pub(crate) ty: TypeRef,
    pub(crate) init: Option<Expr>,
    /// Of an enumeration with the attribute `qualified_only`: its values are found behind its name only.
    pub(crate) qualified: bool,
}

#[derive(Debug)]
pub(crate) enum Decl {
    Pou(Pou),
    Type(TypeDecl),
    /// VAR_GLOBAL at file level or in a namespace.
    Globals(VarSection),
    Namespace(Namespace),
    /// From here to the end of the file.
    Using(Vec<Name>),
    Configuration(Configuration),
    Tests(test::Suite),
}

/// `NAMESPACE A.B … END_NAMESPACE`
#[derive(Debug)]
pub(crate) struct Namespace {
    pub(crate) name: Name,
    pub(crate) decls: Vec<Decl>,
}

#[derive(Debug, Default)]
pub(crate) struct Configuration {
    pub(crate) globals: Vec<VarSection>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) bindings: Vec<ConfigBinding>,
    pub(crate) accesses: Vec<AccessDecl>,
}

/// `Name : Res.Main.level : INT READ_WRITE;` in VAR_ACCESS.
#[derive(Debug)]
pub(crate) struct AccessDecl {
    pub(crate) name: Name,
    /// What it stands for.
    pub(crate) path: String,
    pub(crate) span: Span,
    pub(crate) ty: TypeRef,
    pub(crate) writable: bool,
}

/// A resource. `name` is absent where tasks stand in the configuration itself.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) name: Option<Name>,
    pub(crate) globals: Vec<VarSection>,
    pub(crate) tasks: Vec<TaskDecl>,
    pub(crate) programs: Vec<ProgramDecl>,
}

#[derive(Debug)]
pub(crate) struct TaskDecl {
    pub(crate) name: Name,
    pub(crate) interval: Option<Expr>,
    pub(crate) single: Option<Expr>,
    pub(crate) priority: Option<Expr>,
}

#[derive(Debug)]
pub(crate) struct ProgramDecl {
    pub(crate) name: Name,
    pub(crate) task: Option<Name>,
    pub(crate) program: Name,
    pub(crate) connections: Vec<Argument>,
}

/// `Main.Start AT %IX0.0 : BOOL;` in VAR_CONFIG.
#[derive(Debug)]
pub(crate) struct ConfigBinding {
    pub(crate) path: String,
    pub(crate) address: Option<(Address, Span)>,
    pub(crate) init: Option<Expr>,
    pub(crate) span: Span,
}
