//! A page of the documentation that is followed word by word: its code blocks are the commands, and what they print.
//!
//! Lines that begin with a program are commands, those below are what it prints. Codes, times, figures and names that
//! are made up on the way are other ones each time: where one stands in the page, one of its kind is expected, and
//! later commands that name it are given the real one.

use crate::plant::repository;
use std::collections::{BTreeMap, VecDeque};

/// First words of commands; every other line is something that was printed.
const PROGRAMS: [&str; 6] = ["export", "cp", "mv", "grep", "lineshaft", "kubectl"];

/// What is left of a page.
#[derive(Debug)]
pub struct Tutorial {
    blocks: VecDeque<Block>,
    /// From what the page says to what there is.
    real: BTreeMap<String, String>,
}

/// A code block.
#[derive(Clone, Debug)]
pub struct Block {
    /// Heading that it stands below.
    pub heading: String,
    /// Its commands.
    pub commands: Vec<String>,
    /// What the last one prints.
    pub prints: Vec<String>,
}

impl Tutorial {
    /// Reads a page of `docs/tutorials`.
    ///
    /// # Panics
    /// When there is none.
    pub fn read(page: &str) -> Self {
        let text = std::fs::read_to_string(repository("docs/tutorials").join(page)).unwrap();
        Self { blocks: blocks(&text), real: BTreeMap::new() }
    }

    /// The next block, which must stand below a heading that begins so, with the real names in its commands.
    ///
    /// # Panics
    /// When there is none, or it stands elsewhere.
    pub fn next(&mut self, heading: &str) -> Block {
        let mut block = self.blocks.pop_front().unwrap_or_else(|| panic!("no block below {heading:?}"));
        assert!(block.heading.starts_with(heading), "{heading:?}: {block:?}");
        for command in &mut block.commands {
            for (told, real) in &self.real {
                *command = command.replace(told, real);
            }
        }
        block
    }

    /// That lines are what the page says; names are learned.
    ///
    /// # Errors
    /// What differs.
    pub fn compare(&mut self, told: &[String], printed: &str) -> Result<(), String> {
        let lines: Vec<&str> = printed.lines().collect();
        if lines.len() != told.len() {
            return Err(format!("{} lines, not {}:\n{printed}", lines.len(), told.len()));
        }
        let mut learned = Vec::new();
        for (told, printed) in told.iter().zip(lines) {
            let (words, real): (Vec<_>, Vec<_>) =
                (told.split_whitespace().collect(), printed.split_whitespace().collect());
            if words.len() != real.len() {
                return Err(format!("{printed:?}, not {told:?}"));
            }
            for (word, real) in words.into_iter().zip(real) {
                match (kind(word), kind(real)) {
                    (Some(told), Some(found)) if told == found => learned.push((bare(word), bare(real))),
                    _ if word == real => {}
                    _ => return Err(format!("{real:?} in {printed:?}, not {told:?}")),
                }
            }
        }
        self.real.extend(learned.into_iter().map(|(told, real)| (told.to_owned(), real.to_owned())));
        Ok(())
    }

    /// That all of it was done.
    ///
    /// # Panics
    /// When a block is left.
    pub fn finish(self) {
        assert!(self.blocks.is_empty(), "not followed: {:?}", self.blocks);
    }
}

fn blocks(text: &str) -> VecDeque<Block> {
    let (mut found, mut heading, mut open) = (VecDeque::new(), String::new(), None::<Block>);
    for line in text.lines() {
        if line.starts_with("```") {
            if let Some(block) = open.take() {
                found.push_back(block);
            } else {
                let heading = heading.clone();
                open = Some(Block { heading, commands: Vec::new(), prints: Vec::new() });
            }
        } else if let Some(block) = &mut open {
            if line.split_whitespace().next().is_some_and(|word| PROGRAMS.contains(&word)) {
                block.commands.push(line.to_owned());
            } else {
                block.prints.push(line.to_owned());
            }
        } else if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut heading);
        }
    }
    found
}

/// What is another one each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Code,
    Name,
    Time,
    Figure,
}

fn kind(word: &str) -> Option<Kind> {
    let word = bare(word);
    let shape: String =
        word.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    let made_up = ["lineb-", "offer-", "claim-"].iter().any(|prefix| word.starts_with(prefix));
    match shape.as_str() {
        "0000-0000" => Some(Kind::Code),
        "0000-00-00T00:00:00Z" => Some(Kind::Time),
        _ if made_up => Some(Kind::Name),
        _ if ["µs", "/s"].iter().any(|unit| is_figure(word, unit)) => Some(Kind::Figure),
        _ => None,
    }
}

fn is_figure(word: &str, unit: &str) -> bool {
    word.strip_suffix(unit).is_some_and(|number| number.parse::<u64>().is_ok())
}

/// Without the comma or colon behind it.
fn bare(word: &str) -> &str {
    word.trim_end_matches([',', ':'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_up_is_learned_and_used() {
        let page = "# Page\n## 1. Offer\n```\nlineshaft offer\n1234-5678\non the other side, until 2026-11-21T15:16:00Z: claim 1234-5678\n```\ntext\n## 2. Claim\n```\nlineshaft claim 1234-5678\n```\n";
        let mut tutorial = Tutorial { blocks: blocks(page), real: BTreeMap::new() };
        let offer = tutorial.next("1");
        assert_eq!(offer.commands, ["lineshaft offer"]);
        let same = "8888-0000\non the other side, until 2027-01-01T00:00:00Z: claim 8888-0000\n";
        assert!(tutorial.compare(&offer.prints, &same.replace("other", "same")).is_err());
        assert!(tutorial.compare(&offer.prints, "8888-000").is_err());
        tutorial.compare(&offer.prints, same).unwrap();
        assert_eq!(tutorial.next("2").commands, ["lineshaft claim 8888-0000"]);
        tutorial.finish();
    }
}
