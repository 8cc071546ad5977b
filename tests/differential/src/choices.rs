//! Lists of numbers as a source of decisions. What is missing counts as 0, and 0 is always the simplest way: so
//! a shorter list with smaller numbers makes a simpler program, and shrinking the lists shrinks the program.

/// Decides.
#[derive(Debug)]
pub(crate) struct Choices<'c> {
    numbers: std::slice::Iter<'c, u16>,
}

impl<'c> Choices<'c> {
    pub(crate) fn new(numbers: &'c [u16]) -> Self {
        Self { numbers: numbers.iter() }
    }

    /// One of `limit` ways, from 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::from(self.numbers.next().copied().unwrap_or(0)) % limit.max(1)
    }

    /// True in `percent` of all cases.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) >= 100 - percent
    }

    pub(crate) fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// A quarter of what is left, for a body of its own.
    pub(crate) fn branch(&mut self) -> Self {
        let rest = self.numbers.as_slice();
        let (branch, rest) = rest.split_at(rest.len() / 4);
        self.numbers = rest.iter();
        Self::new(branch)
    }

    /// Nothing is left but zeros.
    pub(crate) fn spent(&self) -> bool {
        self.numbers.len() == 0
    }
}

/// What a unit of programs is made from: a list of numbers for the whole, then one for each of its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    pub(crate) parts: Vec<Vec<u16>>,
}

/// Numbers from a seed, each list long enough to look like chance (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Decisions of the unit as a whole.
const HEADER: u64 = 40;

/// The first number of a part says what it is; this, classes behind an interface.
pub(crate) fn is_hierarchy(first: u16) -> bool {
    first % 12 == 11
}

impl Recipe {
    /// The same for the same seed, always.
    pub fn from_seed(seed: u64) -> Self {
        let mut chance = Chance(seed);
        let parts = 2 + chance.below(8);
        let mut lists = Vec::new();
        for part in 0..=parts {
            // Most parts are short, some long: what passes do with much code differs from what they do with little.
            let longest = [60, 150, 350, 900][chance.below(4) as usize];
            let length = if part == 0 { HEADER } else { 20 + chance.below(longest) };
            let mut list: Vec<u16> = (0..length).map(|_| chance.next() as u16).collect();
            // Classes have many bodies.
            if part > 0 && is_hierarchy(list[0]) {
                list.extend((0..600).map(|_| chance.next() as u16));
            }
            lists.push(list);
        }
        Self { parts: lists }
    }

    /// Simpler ones, the simplest first. Each may make quite another program.
    pub(crate) fn simpler(&self) -> Vec<Self> {
        let mut simpler = Vec::new();
        let mut offer = |part: usize, list: Option<Vec<u16>>| {
            let mut parts = self.parts.clone();
            match list {
                Some(list) => parts[part] = list,
                None => drop(parts.remove(part)),
            }
            simpler.push(Self { parts });
        };
        for part in 1..self.parts.len() {
            offer(part, None);
        }
        for (part, list) in self.parts.iter().enumerate() {
            for size in [2, 4, 8, 16, 32, 64].map(|pieces| list.len() / pieces).into_iter().filter(|s| *s > 0)
            {
                offer(part, Some(list[..list.len() - size].to_vec()));
                for start in (0..list.len()).step_by(size) {
                    let end = list.len().min(start + size);
                    offer(part, Some([&list[..start], &list[end..]].concat()));
                    if list[start..end].iter().any(|number| *number != 0) {
                        let mut zeroed = list.clone();
                        zeroed[start..end].fill(0);
                        offer(part, Some(zeroed));
                    }
                }
            }
        }
        simpler
    }
}
