//! Where code stands: what it sees, and what it declares when it needs it.

use crate::choices::Choices;
use crate::kinds::{COMMON, INTEGERS, Kind, SCALARS};
use crate::object::Hierarchy;
use crate::place::{Piece, Place, Rights};
use std::fmt::Write as _;

/// Nesting of expressions.
pub(crate) const DEPTH: u32 = 3;
/// Bytes of `%M` that located variables share.
const MEMORY: usize = 16;

/// Something that can be called with arguments: a function, a method, a function block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Callee {
    pub(crate) name: String,
    pub(crate) inputs: Vec<(String, Kind)>,
    pub(crate) in_outs: Vec<(String, Kind)>,
    /// `ARRAY[*]` of this, passed as VAR_IN_OUT.
    pub(crate) open: Option<(String, Kind)>,
    /// References, passed as VAR_INPUT.
    pub(crate) references: Vec<(String, Kind)>,
    pub(crate) outputs: Vec<(String, Kind)>,
    pub(crate) result: Option<Kind>,
    /// Of a function block: inputs alone, and a result.
    pub(crate) methods: Vec<Callee>,
}

impl Callee {
    /// Inputs are all that it has.
    pub(crate) fn is_simple(&self) -> bool {
        self.in_outs.is_empty()
            && self.open.is_none()
            && self.outputs.is_empty()
            && self.references.is_empty()
    }
}

/// What all parts of a unit share.
#[derive(Debug, Default)]
pub(crate) struct Unit {
    pub(crate) text: String,
    pub(crate) globals: Vec<Place>,
    pub(crate) functions: Vec<Callee>,
    /// Function blocks, and whether others may extend them.
    pub(crate) blocks: Vec<Callee>,
    pub(crate) objects: Option<Hierarchy>,
    /// Arrays that fit an open array: name, element.
    pub(crate) global_arrays: Vec<(String, Kind)>,
    /// See [`crate::unit::text`].
    pub(crate) one_nan: bool,
    /// Types that most variables have, so that they meet.
    pub(crate) favourites: Vec<Kind>,
    /// Many variables share few bytes of `%M`.
    pub(crate) located: bool,
    /// Names given so far.
    pub(crate) names: usize,
}

impl Unit {
    /// A type, mostly a favourite.
    pub(crate) fn kind(&self, choices: &mut Choices<'_>) -> Kind {
        if choices.percent(60) { choices.of(&self.favourites) } else { choices.of(&COMMON) }
    }

    /// The same among scalars and strings.
    pub(crate) fn scalar(&self, choices: &mut Choices<'_>) -> Kind {
        let kind = self.kind(choices);
        if SCALARS.contains(&kind) { kind } else { choices.of(&SCALARS) }
    }

    pub(crate) fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }
}

/// What kind of body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    Program,
    Block,
    /// Its variables are fresh at each call, and nothing may refer to them.
    Function,
}

/// Where code stands.
pub(crate) struct Scope<'u, 'c> {
    pub(crate) choices: Choices<'c>,
    pub(crate) unit: &'u mut Unit,
    pub(crate) home: Home,
    /// Of this body alone.
    pub(crate) places: Vec<Place>,
    /// As text.
    pub(crate) declarations: String,
    /// Statements before all others: references get their targets.
    pub(crate) preamble: String,
    /// Standard function blocks: name and type.
    pub(crate) standard: Vec<(String, &'static str)>,
    /// Instances of the unit's blocks: name, and number of the block.
    pub(crate) instances: Vec<(String, usize)>,
    /// Variables of the interface type.
    pub(crate) interfaces: Vec<String>,
    pub(crate) arrays: Vec<(String, Kind)>,
    /// Variables of the loops around: name, first value, type.
    pub(crate) loops: Vec<(String, i64, Kind)>,
    /// Loops around the statement.
    pub(crate) loops_open: u32,
}

impl<'u, 'c> Scope<'u, 'c> {
    pub(crate) fn new(choices: Choices<'c>, unit: &'u mut Unit, home: Home) -> Self {
        Self {
            choices,
            unit,
            home,
            places: Vec::new(),
            declarations: String::new(),
            preamble: String::new(),
            standard: Vec::new(),
            instances: Vec::new(),
            interfaces: Vec::new(),
            arrays: Vec::new(),
            loops: Vec::new(),
            loops_open: 0,
        }
    }

    /// Declares a variable that gives a place of this kind, and gives it.
    pub(crate) fn declare(&mut self, kind: Kind, need: Rights, plain: bool) -> Place {
        let global = match self.home {
            Home::Function => need.refer || self.choices.percent(25),
            _ => self.choices.percent(30),
        };
        let name = self.unit.name(if global { "g" } else { "v" });
        let rights = Rights { refer: global || self.home != Home::Function, ..Rights::ALL };
        let before = if global { self.unit.globals.len() } else { self.places.len() };
        let (declared, place) = self.shape(kind, &name, rights, need, plain);
        let temporary = !global
            && !need.refer
            && !declared.starts_with(" AT")
            && self.home != Home::Function
            && self.choices.percent(8);
        let section = match (global, temporary) {
            (true, _) => "VAR_GLOBAL",
            (false, true) => "VAR_TEMP",
            (false, false) => "VAR",
        };
        let line = format!("{section} {name}{declared} END_VAR\n");
        let mut found = Vec::new();
        place.expand(&mut found);
        if temporary {
            for place in &mut found {
                place.rights.refer = false;
            }
        }
        if global {
            self.unit.text.push_str(&line);
            self.unit.globals.append(&mut found);
        } else {
            self.declarations.push_str(&line);
            self.places.append(&mut found);
        }
        let all = if global { &self.unit.globals } else { &self.places };
        let wanted = all[before..].iter().rev().find(|place| place.kind == kind);
        wanted.cloned().unwrap_or_else(|| Place::plain(&name, kind, rights))
    }

    /// What follows the name in the declaration, and the place.
    fn shape(
        &mut self,
        kind: Kind,
        name: &str,
        rights: Rights,
        need: Rights,
        plain: bool,
    ) -> (String, Place) {
        let mut place = Place::plain(name, kind, rights);
        let way = match (self.unit.located, self.choices.below(16)) {
            (true, 4..8) => 15,
            (true, 2 | 3) if kind == Kind::Bool => 15,
            (_, way) => way,
        };
        match way {
            9..12 if !plain => {
                let bounds = self.choices.of::<&[(i64, i64)]>(&[
                    &[(0, 7)],
                    &[(-2, 5)],
                    &[(1, 3), (0, 2)],
                    &[(5, 6)],
                    &[(-1, 1), (2, 3), (0, 1)],
                ]);
                if bounds.len() == 1 && !(rights.refer && need.refer) {
                    self.arrays.push((name.to_owned(), kind));
                }
                let dimensions: Vec<String> =
                    bounds.iter().map(|(low, high)| format!("{low}..{high}")).collect();
                let elements = bounds.iter().map(|(low, high)| high - low + 1).product();
                let start = self.initial(kind, elements);
                place.pieces.push(Piece::Index(bounds.to_vec()));
                (format!(" : ARRAY[{}] OF {}{start};", dimensions.join(", "), kind.declared()), place)
            }
            13 if !need.refer => {
                place.pieces.push(Piece::Name("^".to_owned()));
                place.rights = Rights { refer: false, ..Rights::ALL };
                if self.choices.percent(93) {
                    let target = self.plain(kind, Rights { refer: true, ..Rights::READ });
                    let _ = writeln!(self.preamble, "{name} := REF({target});");
                }
                (format!(" : REF_TO {};", kind.declared()), place)
            }
            14 if kind.is_integer() && !need.pass && !need.refer => {
                let (low, high) = kind.limits();
                let high = high.min(i64::MAX.into());
                let (low, high) = self.choices.of(&[(low.max(-5), 20), (0, high), (1, 100), (low, high / 2)]);
                place.range = Some((low, high));
                place.rights = Rights { pass: false, refer: false, ..rights };
                (format!(" : {} ({low}..{high});", kind.name()), place)
            }
            15 if self.home != Home::Function && (kind != Kind::Bool || !need.pass && !need.refer) => {
                match self.address(kind) {
                    Some(address) => {
                        let whole = kind != Kind::Bool;
                        place.rights = Rights { pass: whole, refer: whole, ..rights };
                        (format!(" AT {address} : {};", kind.declared()), place)
                    }
                    None => (format!(" : {};", kind.declared()), place),
                }
            }
            12 if kind == Kind::Text && !need.refer => {
                let length = self.choices.of(&[3, 2, 1, 20, 254]);
                place.rights.refer = false;
                (format!(" : STRING[{length}] := 'xyz';"), place)
            }
            _ => {
                let start = self.initial(kind, 1);
                (format!(" : {}{start};", kind.declared()), place)
            }
        }
    }

    fn initial(&mut self, kind: Kind, elements: i64) -> String {
        if kind.is_aggregate() || !self.choices.percent(65) {
            return String::new();
        }
        let first = kind.literal(&mut self.choices);
        match elements {
            1 => format!(" := {first}"),
            _ => format!(" := [{first}, {}({})]", elements / 2, kind.literal(&mut self.choices)),
        }
    }

    /// A place in memory, so that variables lie on each other.
    fn address(&mut self, kind: Kind) -> Option<String> {
        let (letter, size) = match kind {
            Kind::Bool => {
                return Some(format!("%MX{}.{}", self.choices.below(MEMORY / 2), self.choices.below(8)));
            }
            Kind::Real => ('D', 4),
            Kind::Lreal | Kind::Time => ('L', 8),
            kind if kind.is_integer() || kind.is_bits() => match kind.bits() {
                8 => ('B', 1),
                16 => ('W', 2),
                32 => ('D', 4),
                _ => ('L', 8),
            },
            _ => return None,
        };
        Some(format!("%M{letter}{}", self.choices.below(MEMORY / size)))
    }

    /// A table of constants.
    pub(crate) fn table(&mut self) {
        let kind = self.choices.of(&crate::kinds::NUMBERS);
        let name = self.unit.name("k");
        let values: Vec<String> = (0..5).map(|_| kind.literal(&mut self.choices)).collect();
        let _ = writeln!(
            self.unit.text,
            "VAR_GLOBAL CONSTANT {name} : ARRAY[-1..3] OF {} := [{}]; END_VAR",
            kind.name(),
            values.join(", ")
        );
        let mut place = Place::plain(&name, kind, Rights::READ);
        place.pieces.push(Piece::Index(vec![(-1, 3)]));
        self.unit.globals.push(place);
    }

    /// An array that fits an open one.
    pub(crate) fn array(&mut self, kind: Kind) -> String {
        let fits = |(_, element): &&(String, Kind)| *element == kind;
        let count =
            self.arrays.iter().filter(fits).count() + self.unit.global_arrays.iter().filter(fits).count();
        let chosen = self.choices.below(count + 1);
        let mut all = self.arrays.iter().filter(fits).chain(self.unit.global_arrays.iter().filter(fits));
        if let Some((name, _)) = all.nth(chosen) {
            return name.clone();
        }
        let name = self.unit.name("g");
        let bounds = self.choices.of(&[(0, 3), (-1, 6), (7, 9)]);
        let _ = writeln!(
            self.unit.text,
            "VAR_GLOBAL {name} : ARRAY[{}..{}] OF {}; END_VAR",
            bounds.0,
            bounds.1,
            kind.declared()
        );
        let mut place = Place::plain(&name, kind, Rights::ALL);
        place.pieces.push(Piece::Index(vec![bounds]));
        place.expand(&mut self.unit.globals);
        self.unit.global_arrays.push((name.clone(), kind));
        name
    }

    /// The value of an operation on floats.
    pub(crate) fn float_value(&self, kind: Kind, value: String) -> String {
        match (self.unit.one_nan, kind) {
            (true, Kind::Real) => format!("OneReal({value})"),
            (true, Kind::Lreal) => format!("OneLreal({value})"),
            _ => value,
        }
    }

    /// Any integer type.
    pub(crate) fn integer_kind(&mut self) -> Kind {
        self.choices.of(&INTEGERS)
    }
}
