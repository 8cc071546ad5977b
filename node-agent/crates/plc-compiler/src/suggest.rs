//! Did-you-mean: the nearest of the known names.

pub(crate) mod vendor;

/// Longest name for which distances are computed: bounds the time on hostile input.
const MAX_LENGTH: usize = 64;

/// The candidate that differs in few enough letters to be meant.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<u8> = name.bytes().map(|b| b.to_ascii_uppercase()).collect();
    if wanted.len() > MAX_LENGTH {
        return None;
    }
    let allowed = wanted.len().div_ceil(3).min(3);
    candidates
        .filter(|c| c.len() <= MAX_LENGTH && c.len().abs_diff(wanted.len()) <= allowed)
        .map(|c| (distance(&wanted, c), c))
        .filter(|(d, _)| *d <= allowed)
        .min()
        .map(|(_, c)| c)
}

/// Edits (insert, delete, replace) from one to the other, without regard to case.
fn distance(a: &[u8], b: &str) -> usize {
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (i, y) in b.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, x) in a.iter().enumerate() {
            let replace = diagonal + usize::from(*x != y.to_ascii_uppercase());
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[a.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_the_near_and_only_the_near() {
        let names = ["Level", "Valve", "Bottle"];
        assert_eq!(nearest("levle", names.into_iter()), Some("Level"));
        assert_eq!(nearest("conveyor", names.into_iter()), None);
    }
}
