//! Texts for API fields that have a limit.

/// At most `bytes_max` bytes, cut between characters and marked as cut.
pub fn bounded(text: &str, bytes_max: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let mut end = bytes_max.saturating_sub(MARK.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{MARK}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_between_characters() {
        assert_eq!(bounded("short", 5), "short");
        assert_eq!(bounded("äöüäöü", 8), "äö…");
        assert!(bounded(&"ä".repeat(2000), 1024).len() <= 1024);
    }
}
