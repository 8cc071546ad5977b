//! "Did you mean …": the known name that is nearest to a misspelt one.

/// A hint to append to a message; empty if no name is near.
pub(crate) fn hint<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let lower = word.to_lowercase();
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= 1 + word.chars().count() / 4)
        .min()
        .map_or_else(String::new, |(_, name)| format!(", did you mean {name:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        assert_eq!(hint("main.cuont", ["Main.count", "Main.mode"]), ", did you mean \"Main.count\"?");
        assert_eq!(hint("Other.thing", ["Main.count"]), "");
    }
}
