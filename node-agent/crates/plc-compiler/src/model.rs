//! Everything that the sources declare: names to types, variables and program organisation units (POUs).

mod initial;
mod interface;
mod kept;
mod list;
pub(crate) mod object;
mod resolve;
mod space;
pub(crate) mod test;

pub(crate) use resolve::elementary_name;

use crate::Options;
use crate::ast::{self, Access, Address, Configuration, Decl, Edge, Name, PouKind, VarSection};
use crate::diagnostic::{Code, Sink};
use crate::hir::{self, Init, Value};
use crate::layout::Elementary;
use crate::span::Span;
use crate::suggest;
use crate::types::{TypeId, Types};
use object::Dispatch;
use space::Space;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

/// How deep types and constants may refer to one another.
const MAX_REFERENCES: u32 = 256;

/// What a variable is to its POU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VarKind {
    Local,
    Input,
    Output,
    InOut,
    Temp,
    /// The result of a function.
    Result,
    /// Another name of a global: index into [`Model::globals`].
    External(usize),
    Global,
    /// Of a method, but kept in the object: index among the variables of the owner.
    Kept(usize),
    /// In a mock: a variable of its test, by POU and index.
    Enclosing(usize, usize),
}

/// State of the value of a CONSTANT.
#[derive(Clone, Debug, Default)]
pub(crate) enum ConstantState {
    #[default]
    Open,
    Running,
    Done(Option<Value>),
}

#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent marks of a declaration")]
pub(crate) struct Var<'a> {
    pub(crate) name: Name,
    pub(crate) ty: TypeId,
    pub(crate) kind: VarKind,
    pub(crate) constant: bool,
    pub(crate) retain: bool,
    pub(crate) persistent: bool,
    /// Made by the compiler.
    pub(crate) hidden: bool,
    pub(crate) edge: Option<Edge>,
    pub(crate) address: Option<(Address, Span)>,
    /// As written at the variable.
    pub(crate) init: Option<&'a ast::Expr>,
    /// Brought by the name of its type: index into [`Model::inits`].
    pub(crate) default: Option<usize>,
    /// What both come to, set when all types are known.
    pub(crate) initial: Option<Init>,
    pub(crate) value: ConstantState,
    /// Who may use it from outside of the POU.
    pub(crate) access: Access,
    /// Comes from the base class.
    pub(crate) inherited: bool,
    /// An `ARRAY[*]` that was declared as VAR_OUTPUT.
    pub(crate) open_output: bool,
    /// Of a global: where it is declared.
    pub(crate) space: usize,
}

impl Var<'_> {
    /// What the field devices report.
    pub(crate) fn is_input_image(&self) -> bool {
        matches!(self.address, Some((Address { area: ast::Area::Input, .. }, _)))
    }
}

#[derive(Debug)]
pub(crate) struct Pou<'a> {
    pub(crate) kind: PouKind,
    pub(crate) name: Name,
    pub(crate) decl: &'a ast::Pou,
    /// Where its names are looked up.
    pub(crate) space: usize,
    /// The class of a method.
    pub(crate) owner: Option<usize>,
    /// What it extends.
    pub(crate) base: Option<usize>,
    /// What extends it.
    pub(crate) derived: Vec<usize>,
    /// Interfaces that it names; those that an interface extends.
    pub(crate) implements: Vec<usize>,
    /// Its own methods by key.
    pub(crate) methods: HashMap<Rc<str>, usize>,
    /// Its variables are resolved.
    resolved: bool,
    /// Their initial values are known.
    initialised: bool,
    /// Part of the standard library.
    pub(crate) standard: bool,
    pub(crate) role: test::Role,
    /// What the placeholder types of a standard template stand for.
    pub(crate) substitute: Option<Elementary>,
    pub(crate) vars: Vec<Var<'a>>,
    pub(crate) scope: HashMap<Rc<str>, usize>,
    /// Of a function.
    pub(crate) result: Option<TypeId>,
    pub(crate) result_var: Option<usize>,
    /// Input with edge detection, its memory, its pulse.
    pub(crate) edges: Vec<(usize, usize, usize)>,
    pub(crate) body: Vec<hir::Stmt>,
    /// POUs that the body calls or holds, with the place.
    pub(crate) uses: Vec<(usize, Span)>,
    /// Calls whose target depends on an object.
    pub(crate) dispatches: Vec<Dispatch>,
}

impl Pou<'_> {
    /// Its variables live during a call only.
    pub(crate) fn is_on_frame(&self) -> bool {
        matches!(self.kind, PouKind::Function | PouKind::Method)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Item {
    Type,
    Pou(usize),
    Global(usize),
    Namespace,
}

#[derive(Debug)]
enum TypeState {
    Open,
    Running,
    Done(Resolved),
}

/// A type with the initial value that its name brings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resolved {
    pub(crate) ty: TypeId,
    pub(crate) init: Option<usize>,
}

#[derive(Debug)]
struct TypeEntry<'a> {
    decl: &'a ast::TypeDecl,
    space: usize,
    /// Of a structure, which references may name before its members are known.
    id: Option<TypeId>,
    state: TypeState,
}

/// Who has an enumeration value of some name.
#[derive(Clone, Debug)]
enum EnumOwner {
    Named(Rc<str>),
    Anonymous(TypeId),
}

pub(crate) struct Model<'a> {
    /// Source texts by unit.
    pub(crate) texts: Vec<&'a str>,
    /// Names of the files, by unit.
    unit_names: Vec<&'a str>,
    pub(crate) options: &'a Options,
    pub(crate) sink: &'a mut Sink,
    pub(crate) types: Types<'a>,
    pub(crate) pous: Vec<Pou<'a>>,
    pub(crate) globals: Vec<Var<'a>>,
    pub(crate) names: HashMap<Rc<str>, (Item, Span)>,
    pub(crate) spaces: Vec<Space>,
    /// Where the declaration that is being resolved stands, outside of POUs.
    pub(crate) space: usize,
    pub(crate) inits: Vec<Init>,
    pub(crate) configurations: Vec<&'a Configuration>,
    pub(crate) tests: Vec<test::TestCase<'a>>,
    /// Initial values of structure fields, by structure and field.
    pub(crate) field_inits: HashMap<(usize, usize), Init>,
    /// Members that structures have from others, all together.
    inherited_members: usize,
    /// A method uses a VAR_IN_OUT of its function block, so instances remember whether it is bound.
    pub(crate) in_outs_shared: bool,
    /// The instances of programs that others name, as globals: by program.
    pub(crate) named_programs: BTreeMap<usize, usize>,
    /// One past the highest byte of I, Q, M that is addressed directly.
    pub(crate) image_high: [u32; 3],
    /// Variables of instances, not scalars, are filled from the process image.
    pub(crate) image_fills: bool,
    type_entries: HashMap<Rc<str>, TypeEntry<'a>>,
    /// Keys of the declared types, in order.
    type_order: Vec<Rc<str>>,
    enum_values: HashMap<Rc<str>, Vec<EnumOwner>>,
    /// What the attribute `qualified_only` hides, by bare name: how it must be written.
    qualified: HashMap<Rc<str>, String>,
    /// Names that exist because a file with variables has them.
    file_lists: HashSet<Rc<str>>,
    /// Full keys of globals that USING does not bring: their lists are `qualified_only`.
    hidden_globals: HashSet<Rc<str>>,
    /// Declarations of the standard library, by name, with what their placeholders become.
    standard: HashMap<Rc<str>, (&'a ast::Pou, Option<Elementary>)>,
    /// Interfaces that are still to be resolved.
    open_interfaces: Vec<usize>,
    depth: u32,
}

impl<'a> Model<'a> {
    /// Collects all declarations, then resolves types and interfaces.
    pub(crate) fn new(
        units: &'a [Vec<Decl>],
        texts: Vec<&'a str>,
        unit_names: Vec<&'a str>,
        standard: HashMap<Rc<str>, (&'a ast::Pou, Option<Elementary>)>,
        options: &'a Options,
        sink: &'a mut Sink,
    ) -> Self {
        let mut model = Self {
            texts,
            unit_names,
            options,
            sink,
            types: Types::new(options.dialect == crate::Dialect::Codesys),
            pous: Vec::new(),
            globals: Vec::new(),
            names: HashMap::new(),
            spaces: vec![Self::global_space()],
            space: 0,
            inits: Vec::new(),
            configurations: Vec::new(),
            tests: Vec::new(),
            field_inits: HashMap::new(),
            inherited_members: 0,
            in_outs_shared: false,
            named_programs: BTreeMap::new(),
            image_high: [0; 3],
            image_fills: false,
            type_entries: HashMap::new(),
            type_order: Vec::new(),
            enum_values: HashMap::new(),
            qualified: HashMap::new(),
            file_lists: HashSet::new(),
            hidden_globals: HashSet::new(),
            standard,
            open_interfaces: Vec::new(),
            depth: 0,
        };
        let mut sections = Vec::new();
        for unit in units {
            model.collect_all(unit, 0, &mut sections);
        }
        model.check_usings();
        // Constants first: bounds and lengths of types are made of them.
        let (constants, others): (Vec<_>, Vec<_>) =
            sections.into_iter().partition(|(_, section): &(_, &VarSection)| section.constant);
        for (space, section) in constants {
            model.global_section(space, section);
        }
        model.link_inheritance();
        model.resolve_all_types();
        for (space, section) in others {
            model.global_section(space, section);
        }
        model.resolve_interfaces();
        model.add_mocks();
        model.check_objects();
        model
    }

    /// Declarations of a file or namespace; USING holds from its place on.
    fn collect_all(
        &mut self,
        decls: &'a [Decl],
        mut space: usize,
        sections: &mut Vec<(usize, &'a VarSection)>,
    ) {
        for decl in decls {
            match decl {
                Decl::Using(names) => space = self.open_space(space, names),
                Decl::Namespace(namespace) => {
                    let inner = self.open_namespace(space, &namespace.name);
                    self.collect_all(&namespace.decls, inner, sections);
                }
                _ => self.collect(decl, space, sections),
            }
        }
    }

    fn collect(&mut self, decl: &'a Decl, space: usize, sections: &mut Vec<(usize, &'a VarSection)>) {
        match decl {
            Decl::Pou(pou) => {
                let index = self.pous.len();
                if self.declare(space, &pou.name, Item::Pou(index)) {
                    let inner =
                        if pou.usings.is_empty() { space } else { self.open_space(space, &pou.usings) };
                    self.add_pou(pou, pou.name.clone(), inner, None, false);
                }
            }
            Decl::Type(decl) => {
                if self.declare(space, &decl.name, Item::Type) {
                    let key = self.full_key(space, &decl.name);
                    if let ast::TypeRefKind::Enum { values, .. } = &decl.ty.kind {
                        for (value, _) in values {
                            if decl.qualified {
                                let full = format!("{}#{}", decl.name.text, value.text);
                                self.qualified.insert(Rc::clone(&value.key), full);
                                continue;
                            }
                            let owner = EnumOwner::Named(Rc::clone(&key));
                            self.enum_values.entry(Rc::clone(&value.key)).or_default().push(owner);
                        }
                    }
                    self.type_order.push(Rc::clone(&key));
                    self.type_entries
                        .insert(key, TypeEntry { decl, space, id: None, state: TypeState::Open });
                }
            }
            Decl::Globals(section) => sections.push((space, section)),
            Decl::Configuration(configuration) => {
                self.configurations.push(configuration);
                sections.extend(configuration.globals.iter().map(|section| (space, section)));
                for resource in &configuration.resources {
                    sections.extend(resource.globals.iter().map(|section| (space, section)));
                }
            }
            Decl::Tests(suite) => self.collect_suite(suite, space),
            Decl::Using(_) | Decl::Namespace(_) => {}
        }
    }

    /// Enters a name into a namespace, which all units share.
    fn declare(&mut self, space: usize, name: &Name, item: Item) -> bool {
        let key = self.full_key(space, name);
        if let Some((_, first)) = self.names.get(&key) {
            let first = *first;
            self.sink
                .report(Code::DuplicateName, name.span, format!("`{}` is declared twice", name.text))
                .related(first, "first declared here");
            return false;
        }
        self.names.insert(key, (item, name.span));
        true
    }

    fn add_pou(
        &mut self,
        decl: &'a ast::Pou,
        name: Name,
        space: usize,
        substitute: Option<Elementary>,
        standard: bool,
    ) -> usize {
        let index = self.pous.len();
        self.types.pou_names.push(Rc::clone(&name.text));
        self.pous.push(Pou {
            kind: decl.kind,
            name,
            decl,
            space,
            owner: None,
            base: None,
            derived: Vec::new(),
            implements: Vec::new(),
            methods: HashMap::new(),
            resolved: false,
            initialised: false,
            standard,
            role: test::Role::Plain,
            substitute,
            vars: Vec::new(),
            scope: HashMap::new(),
            result: None,
            result_var: None,
            edges: Vec::new(),
            body: Vec::new(),
            uses: Vec::new(),
            dispatches: Vec::new(),
        });
        self.open_interfaces.push(index);
        for method in &decl.methods {
            self.add_method(index, method, space);
        }
        index
    }

    fn add_method(&mut self, owner: usize, decl: &'a ast::Pou, space: usize) {
        if let Some(first) = self.pous[owner].methods.get(&decl.name.key) {
            let first = self.pous[*first].decl.name.span;
            let message = format!("`{}` is declared twice", decl.name.text);
            self.sink
                .report(Code::DuplicateName, decl.name.span, message)
                .related(first, "first declared here");
            return;
        }
        let method = self.add_pou(decl, decl.name.clone(), space, None, false);
        self.pous[method].owner = Some(owner);
        self.types.pou_names[method] = format!("{}.{}", self.pous[owner].name.text, decl.name.text).into();
        self.pous[owner].methods.insert(Rc::clone(&decl.name.key), method);
    }

    /// The POU of that name; one of the standard library is brought in at its first use.
    pub(crate) fn find_pou(&mut self, name: &Name, scope: Option<usize>) -> Option<usize> {
        match self.find(name, scope) {
            Some(Item::Pou(index)) => return Some(index),
            Some(_) => return None,
            None => {}
        }
        let key = &name.key;
        let (decl, substitute) = *self.standard.get(key)?;
        let name = Name { text: Rc::clone(key), key: Rc::clone(key), span: decl.name.span };
        let index = self.add_pou(decl, name, 0, substitute, true);
        self.names.insert(Rc::clone(key), (Item::Pou(index), decl.name.span));
        Some(index)
    }

    /// Reports an unknown name, with the nearest known one.
    pub(crate) fn unknown_name(&mut self, name: &Name, scope: Option<usize>) {
        let locals = scope.into_iter().flat_map(|pou| self.pous[pou].scope.keys());
        let known = locals
            .chain(self.names.keys())
            .chain(self.enum_values.keys())
            .filter(|key| !key.starts_with("__"))
            .map(AsRef::as_ref);
        let nearest = suggest::nearest(&name.text, known).map(str::to_owned);
        let full = self.qualified.get(&name.key);
        let finding =
            self.sink.report(Code::UnknownName, name.span, format!("`{}` is not declared", name.text));
        if let Some(full) = full {
            finding.help(format!("write `{full}`: it is declared with the attribute qualified_only"));
            return;
        }
        if let Some(help) = suggest::vendor::help(&name.text) {
            finding.help(help);
        } else if let Some(nearest) = nearest {
            let spelled = scope
                .and_then(|pou| {
                    self.pous[pou].scope.get(nearest.as_str()).map(|v| &self.pous[pou].vars[*v].name)
                })
                .map_or(nearest.clone(), |name| name.text.to_string());
            finding.help(format!("did you mean `{spelled}`?"));
        }
    }

    /// All types in which a bare enumeration value of that name exists.
    pub(crate) fn enums_with_value(&mut self, key: &str) -> Vec<TypeId> {
        let owners = self.enum_values.get(key).cloned().unwrap_or_default();
        let mut found = Vec::new();
        for owner in owners {
            let ty = match owner {
                EnumOwner::Named(name) => self.named_type(&name).map(|resolved| resolved.ty),
                EnumOwner::Anonymous(ty) => Some(ty),
            };
            found.extend(ty);
        }
        found
    }

    /// Counts a step from one declaration to another; `false` when the chain is too long.
    pub(crate) fn enter(&mut self, span: Span) -> bool {
        if self.depth >= MAX_REFERENCES {
            let message = format!("declarations refer to one another more than {MAX_REFERENCES} levels deep");
            self.sink.report(Code::TooDeep, span, message);
            return false;
        }
        self.depth += 1;
        true
    }

    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// The source text of a span, shortened for a message.
    pub(crate) fn excerpt(&self, span: Span) -> &'a str {
        let text =
            self.texts.get(span.unit as usize).and_then(|t| t.get(span.start as usize..span.end as usize));
        match text {
            Some(text) if text.len() <= 40 && !text.contains('\n') => text,
            _ => "…",
        }
    }

    pub(crate) fn pou(&self, index: usize) -> &Pou<'a> {
        &self.pous[index]
    }
}
