//! A list of numbers as a source of decisions. What is missing counts as 0, and 0 is always the simplest way: so
//! a shorter list with smaller numbers makes a simpler program, and shrinking the list shrinks the program.

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

    /// Nothing is left but zeros.
    pub(crate) fn spent(&self) -> bool {
        self.numbers.len() == 0
    }
}
