//! What the entries of subscriptions write in a program: each target exists, and has one writer. Pure.

use std::ops::Range;

use lineshaft_crds::MeshSubscriptionSpec;
use lineshaft_crds::mesh_subscription::{ALL_BELOW, Subscription};
use lineshaft_plc_compiler::layout::{Elementary, Layout, Place, TypeDesc, TypeId};
use lineshaft_plc_runtime::mesh::{Places, bits};

/// Something that is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Reason of the condition Accepted.
    pub reason: &'static str,
    /// Field of the subscription.
    pub path: String,
    /// What is wrong, beginning with that field.
    pub message: String,
}

impl Problem {
    fn new(reason: &'static str, path: &str, message: impl std::fmt::Display) -> Self {
        Self { reason, path: path.to_owned(), message: format!("{path}: {message}") }
    }
}

/// A place in the memory of a program that an entry writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Field of the subscription.
    pub path: String,
    /// Variable that it names.
    pub variable: String,
    bits: Range<u64>,
}

/// What a subscription writes, and what is wrong with it by itself. `places` are those of the receiving program.
pub fn claims(spec: &MeshSubscriptionSpec, places: &Places<'_>) -> (Vec<Claim>, Vec<Problem>) {
    let mut walk = Walk { places, claims: Vec::new(), problems: Vec::new() };
    for (index, entry) in spec.subscribe.iter().enumerate() {
        let at = format!("spec.subscribe[{index}]");
        if entry.from.runtime_ref.as_ref() == Some(&spec.runtime_ref) {
            let message =
                format!("{} would subscribe to itself: assign in its program", spec.runtime_ref.name);
            let path = format!("{at}.from.runtimeRef");
            walk.problems.push(Problem::new("SelfSubscription", &path, message));
        }
        walk.entry(entry, &at);
    }
    (walk.claims, walk.problems)
}

/// Targets of one subscription that overlap each other or those of subscriptions that were there before it.
pub fn conflicts(own: &[Claim], earlier: &[(String, Vec<Claim>)]) -> Vec<Problem> {
    let mut all: Vec<(Option<&str>, &Claim)> = own.iter().map(|claim| (None, claim)).collect();
    all.extend(
        earlier.iter().flat_map(|(name, claims)| claims.iter().map(|claim| (Some(name.as_str()), claim))),
    );
    // In the order of memory a claim can only overlap the one that reaches farthest of those before it.
    all.sort_by(|(a_owner, a), (b_owner, b)| {
        // At the same place, others come first: so it is the own claim that is reported.
        (a.bits.start, a_owner.is_none(), &a.path).cmp(&(b.bits.start, b_owner.is_none(), &b.path))
    });
    let mut problems = Vec::new();
    let mut farthest: Option<(Option<&str>, &Claim)> = None;
    for (owner, claim) in all {
        if let Some((other_owner, other)) = farthest
            && claim.bits.start < other.bits.end
        {
            let (mine, (owner, theirs)) = match (owner, other_owner) {
                (None, _) => (claim, (other_owner, other)),
                (Some(_), None) => (other, (owner, claim)),
                (Some(_), Some(_)) => continue,
            };
            let by = owner.map_or_else(String::new, |name| format!(" of MeshSubscription {name}"));
            let message = format!("{} is also written by {}{by}", mine.variable, theirs.path);
            problems.push(Problem::new("TargetConflict", &mine.path, message));
        }
        if farthest.is_none_or(|(_, other)| claim.bits.end > other.bits.end) {
            farthest = Some((owner, claim));
        }
    }
    problems
}

/// Every variable below a path, with its place: what `Status.*` stands for. Hidden ones are left out.
fn below<'a>(layout: &'a Layout, base: &str) -> Vec<(&'a str, Place)> {
    let leaves = layout.leaves.iter().filter(|leaf| !leaf.flags.hidden);
    leaves
        .filter(|leaf| {
            let (path, length) = (leaf.path.as_bytes(), base.len());
            path.len() > length
                && path[length] == b'.'
                && path[..length].eq_ignore_ascii_case(base.as_bytes())
        })
        .map(|leaf| (leaf.path.as_str(), Place { offset: leaf.offset, bit: leaf.bit, ty: leaf.ty }))
        .collect()
}

struct Walk<'a> {
    places: &'a Places<'a>,
    claims: Vec<Claim>,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn entry(&mut self, entry: &Subscription, at: &str) {
        let to = format!("{at}.to");
        if let Some(base) = entry.to.strip_suffix(ALL_BELOW) {
            let leaves = below(self.places.layout, base);
            if leaves.is_empty() {
                let message = format!("the program has no variables below {base:?}");
                self.problems.push(Problem::new("TargetNotFound", &to, message));
            }
            for (variable, place) in leaves {
                self.claim(&to, variable, place);
            }
        } else if let Some(place) = self.target(&to, &entry.to) {
            self.deadband(entry, at, place.ty);
        }
        for (field, variable, wanted) in
            [("quality", &entry.quality, Elementary::Byte), ("age", &entry.age, Elementary::Time)]
        {
            let Some(variable) = variable else { continue };
            let path = format!("{at}.{field}");
            if let Some(place) = self.target(&path, variable)
                && place.ty != Layout::elementary(wanted)
            {
                let found = self.places.layout.type_name(place.ty);
                let message = format!("{variable} must be a {}, and is a {found}", wanted.name());
                self.problems.push(Problem::new("TargetNotFound", &path, message));
            }
        }
    }

    fn target(&mut self, path: &str, variable: &str) -> Option<Place> {
        let place = self.places.find(variable);
        if let Some(place) = place {
            self.claim(path, variable, place);
        } else {
            let message = format!("the program has no variable {variable:?}");
            self.problems.push(Problem::new("TargetNotFound", path, message));
        }
        place
    }

    fn claim(&mut self, path: &str, variable: &str, place: Place) {
        if let Some(why) = self.places.obstacle(variable, place) {
            let message = format!("{variable} {why}: receive into a variable of its own");
            self.problems.push(Problem::new("TargetConflict", path, message));
            return;
        }
        let bits = bits(place.offset, self.places.layout.size_of(place.ty), place.bit);
        self.claims.push(Claim { path: path.to_owned(), variable: variable.to_owned(), bits });
    }

    fn deadband(&mut self, entry: &Subscription, at: &str, ty: TypeId) {
        let is_zero = entry.deadband.bytes().all(|digit| matches!(digit, b'0' | b'.'));
        if !is_zero && !is_number(&self.places.layout.types[ty.0 as usize]) {
            let found = self.places.layout.type_name(ty);
            let message = format!("only numbers have a deadband, and {} is a {found}", entry.to);
            self.problems.push(Problem::new("InvalidDeadband", &format!("{at}.deadband"), message));
        }
    }
}

/// The types that the mesh takes a deadband for.
fn is_number(ty: &TypeDesc) -> bool {
    use Elementary as E;
    matches!(
        ty,
        TypeDesc::Elementary(
            E::Sint
                | E::Int
                | E::Dint
                | E::Lint
                | E::Usint
                | E::Uint
                | E::Udint
                | E::Ulint
                | E::Real
                | E::Lreal
        )
    )
}

#[cfg(test)]
mod tests;
