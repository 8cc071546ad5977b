//! What code can name, and how it names it.

use crate::kinds::Kind;
use crate::scope::Scope;

/// A part of the path to a variable.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Name(String),
    /// Indices with these bounds.
    Index(Vec<(i64, i64)>),
    /// The index into an open array that surely has these many elements, and its name.
    Open(String, i64),
}

/// What may be done with a variable besides reading it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rights {
    pub(crate) write: bool,
    /// REF may lead to it.
    pub(crate) refer: bool,
    /// Its type is exactly its kind: it can be passed as VAR_IN_OUT.
    pub(crate) pass: bool,
}

impl Rights {
    pub(crate) const READ: Self = Self { write: false, refer: false, pass: false };
    pub(crate) const WRITE: Self = Self { write: true, refer: false, pass: false };
    pub(crate) const PASS: Self = Self { write: true, refer: false, pass: true };
    pub(crate) const ALL: Self = Self { write: true, refer: true, pass: true };

    fn cover(self, need: Self) -> bool {
        (self.write || !need.write) && (self.refer || !need.refer) && (self.pass || !need.pass)
    }
}

/// A variable, an element or a member.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) kind: Kind,
    pub(crate) rights: Rights,
    /// It takes only values between these.
    pub(crate) range: Option<(i128, i128)>,
}

impl Place {
    pub(crate) fn plain(name: &str, kind: Kind, rights: Rights) -> Self {
        Self { pieces: vec![Piece::Name(name.to_owned())], kind, rights, range: None }
    }

    /// Itself and all that is in it.
    pub(crate) fn expand(self, places: &mut Vec<Self>) {
        for (name, bounds, kind) in self.kind.members() {
            let mut inner = self.clone();
            if !name.is_empty() {
                inner.pieces.push(Piece::Name((*name).to_owned()));
            }
            if !bounds.is_empty() {
                inner.pieces.push(Piece::Index(bounds.to_vec()));
            }
            inner.kind = *kind;
            inner.expand(places);
        }
        places.push(self);
    }

    /// Its path begins with one of these names.
    pub(crate) fn starts_with(&self, names: &[&String]) -> bool {
        matches!(self.pieces.first(), Some(Piece::Name(first)) if names.contains(&first))
    }

    fn is_plain(&self) -> bool {
        self.pieces.iter().all(|piece| matches!(piece, Piece::Name(_)))
    }
}

impl Scope<'_, '_> {
    /// A place of a kind with these rights, declared if there is none.
    pub(crate) fn place(&mut self, kind: Kind, need: Rights) -> String {
        if !need.pass
            && self.choices.percent(8)
            && let Some(part) = self.part(kind, need)
        {
            return part;
        }
        let found = self.find(kind, need, false);
        self.path(&found)
    }

    /// The same with the limits of what it takes.
    pub(crate) fn target(&mut self, kind: Kind) -> (String, Option<(i128, i128)>) {
        let found = self.find(kind, Rights::WRITE, false);
        (self.path(&found), found.range)
    }

    /// One whose path has no index: naming it evaluates nothing else.
    pub(crate) fn plain(&mut self, kind: Kind, need: Rights) -> String {
        let found = self.find(kind, need, true);
        self.path(&found)
    }

    fn find(&mut self, kind: Kind, need: Rights, plain: bool) -> Place {
        let fits =
            |place: &&Place| place.kind == kind && place.rights.cover(need) && (!plain || place.is_plain());
        let own = self.places.iter().filter(fits).count();
        let count = own + self.unit.globals.iter().filter(fits).count();
        if count > 0 && (count >= 7 || self.choices.below(8) < 6) {
            let chosen = self.choices.below(count);
            let mut all = self.places.iter().filter(fits).chain(self.unit.globals.iter().filter(fits));
            if let Some(place) = all.nth(chosen) {
                return place.clone();
            }
        }
        self.declare(kind, need, plain)
    }

    /// Bits of a number, characters of a string.
    fn part(&mut self, kind: Kind, need: Rights) -> Option<String> {
        let whole = match kind {
            Kind::Char => Kind::Text,
            Kind::Wchar => Kind::Wtext,
            Kind::Bool => self.choices.of(&[Kind::Word, Kind::Dint, Kind::Byte, Kind::Lword, Kind::Uint]),
            Kind::Byte => self.choices.of(&[Kind::Word, Kind::Dword, Kind::Lint]),
            Kind::Word => self.choices.of(&[Kind::Dword, Kind::Lword]),
            Kind::Dword => Kind::Lword,
            _ => return None,
        };
        let found = self.find(whole, Rights { write: need.write, ..Rights::READ }, false);
        if found.range.is_some() {
            return None;
        }
        let path = self.path(&found);
        let letter = match kind {
            Kind::Bool => 'X',
            Kind::Byte => 'B',
            Kind::Word => 'W',
            Kind::Dword => 'D',
            _ => {
                let index = self.index(1, 3);
                return Some(format!("{path}[{index}]"));
            }
        };
        let width = if kind == Kind::Bool { 1 } else { kind.bits() };
        let position = self.choices.below((whole.bits() / width) as usize);
        Some(format!("{path}.%{letter}{position}"))
    }

    pub(crate) fn path(&mut self, place: &Place) -> String {
        let mut path = String::new();
        for piece in &place.pieces {
            match piece {
                Piece::Name(name) => path.push_str(name),
                Piece::Index(bounds) => {
                    let indices: Vec<String> =
                        bounds.iter().map(|(low, high)| self.index(*low, *high)).collect();
                    path = format!("{path}[{}]", indices.join(", "));
                }
                Piece::Open(name, count) => {
                    let offset = self.masked(0, *count);
                    path = format!("{path}[LOWER_BOUND({name}, 1) + {offset}]");
                }
            }
        }
        path
    }

    /// Mostly inside of the bounds.
    pub(crate) fn index(&mut self, low: i64, high: i64) -> String {
        let count = high - low + 1;
        let literal = |scope: &mut Self| (low + scope.choices.below(count as usize) as i64).to_string();
        match self.choices.below(20) {
            0..5 => literal(self),
            5..13 if !self.loops.is_empty() => {
                let (name, start, kind) = self.loops[self.choices.below(self.loops.len())].clone();
                match (low - start, self.choices.below(8)) {
                    (0, 0..7) => name,
                    (shift, _) if shift.abs() > 50 || !kind.is_signed() && (shift < 0 || low < 0) => {
                        literal(self)
                    }
                    (_, 0..4) => format!("({name} MOD {count} + {low})"),
                    (shift, 4..7) => format!("({name} + {shift})"),
                    _ => format!("({name} + 1)"),
                }
            }
            5..17 => self.masked(low, count),
            17 => {
                let kind = self.choices.of(&[Kind::Uint, Kind::Udint, Kind::Usint, Kind::Ulint]);
                let variable = self.plain(kind, Rights::READ);
                if low == 0 { format!("({variable} MOD {count})") } else { literal(self) }
            }
            18 => self.plain(Kind::Int, Rights::READ),
            _ => {
                let kind = self.choices.of(&crate::kinds::INTEGERS);
                self.plain(kind, Rights::READ)
            }
        }
    }

    /// Always inside of the bounds.
    fn masked(&mut self, low: i64, count: i64) -> String {
        let kind = self.choices.of(&[Kind::Int, Kind::Dint, Kind::Sint, Kind::Lint]);
        let variable = self.plain(kind, Rights::READ);
        format!("(ABS({variable} MOD {count}) + {low})")
    }
}
