//! What pages show, made of objects by functions that know no clock, socket or browser.
//!
//! A page is a list of [`Part`]s, each an element with an id of its own that can be replaced while the page is open;
//! [`changes`] says which. All text goes through the templates, which escape it.

pub(crate) mod discovery;
pub(crate) mod events;
pub(crate) mod mesh;
pub(crate) mod overview;
pub(crate) mod pairing;
pub(crate) mod variables;

use askama::Template;
use lineshaft_crds::condition::{Condition, ConditionStatus, find};

/// An element of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its id.
    pub(crate) id: String,
    /// All of it.
    pub(crate) html: String,
    /// Its rows, each with an id of its own.
    rows: Vec<(String, String)>,
    /// What stands around the rows.
    frame: String,
}

/// What is to be replaced in a page: ids and elements.
pub(crate) fn changes<'a>(before: &[Part], now: &'a [Part]) -> Vec<(&'a str, &'a str)> {
    let mut changes = Vec::new();
    for part in now {
        let old = before.iter().find(|old| old.id == part.id);
        match old {
            Some(old) if old.html == part.html => {}
            Some(old) if old.frame == part.frame && ids(old).eq(ids(part)) => {
                let rows = old.rows.iter().zip(&part.rows);
                let differ = rows.filter(|(old, new)| old.1 != new.1);
                changes.extend(differ.map(|(_, (id, html))| (id.as_str(), html.as_str())));
            }
            _ => changes.push((part.id.as_str(), part.html.as_str())),
        }
    }
    changes
}

fn ids(part: &Part) -> impl Iterator<Item = &String> {
    part.rows.iter().map(|(id, _)| id)
}

/// How good something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Neither.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// To be looked at.
    Doubtful,
    /// Wrong.
    Bad,
}

impl Tone {
    /// The class of its style.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Doubtful => "doubtful",
            Self::Bad => "bad",
        }
    }

    /// True is good; what nobody can say is doubtful.
    pub(crate) fn of(status: ConditionStatus) -> Self {
        match status {
            ConditionStatus::True => Self::Good,
            ConditionStatus::False => Self::Bad,
            ConditionStatus::Unknown => Self::Doubtful,
        }
    }
}

/// One field of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    /// What it says.
    pub(crate) text: String,
    /// How good that is.
    pub(crate) tone: Tone,
    /// A second line.
    pub(crate) note: String,
    /// Where it leads.
    pub(crate) href: String,
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A number, or a dash where there is none.
    pub(crate) fn maybe(text: Option<impl ToString>) -> Self {
        Self::new(text.map_or_else(|| "–".to_owned(), |text| text.to_string()))
    }

    pub(crate) fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    pub(crate) fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    pub(crate) fn href(self, href: impl Into<String>) -> Self {
        Self { href: href.into(), ..self }
    }

    /// A condition: its reason, and its message below.
    pub(crate) fn condition(conditions: &[Condition], type_: &str) -> Self {
        match find(conditions, type_) {
            None => Self::new("–"),
            Some(condition) => Self::new(condition.reason.clone())
                .tone(Tone::of(condition.status))
                .note(condition.message.lines().next().unwrap_or_default()),
        }
    }
}

/// A table with a row for each object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// Id of the element around it.
    pub(crate) id: &'static str,
    /// Its heading.
    pub(crate) title: String,
    /// Headings of the columns.
    pub(crate) columns: &'static [&'static str],
    /// In the order in which they are shown.
    pub(crate) rows: Vec<Row>,
    /// What is said instead of a table without rows.
    pub(crate) empty: &'static str,
}

/// One row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    /// Its id.
    pub(crate) id: String,
    /// One for each column.
    pub(crate) cells: Vec<Cell>,
}

#[derive(Template)]
#[template(path = "console/table.html")]
struct TableTemplate<'a> {
    table: &'a Table,
    rows: &'a [(String, String)],
}

#[derive(Template)]
#[template(path = "console/row.html")]
struct RowTemplate<'a> {
    id: &'a str,
    cells: Vec<(&'static str, &'a Cell)>,
}

impl Table {
    /// The element.
    pub(crate) fn part(&self) -> Part {
        let mut rows: Vec<(String, String)> = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            // Two objects may give the same id; a second element of that id could never be replaced.
            let taken = rows
                .iter()
                .filter(|(id, _)| *id == row.id || id.starts_with(&format!("{}--", row.id)))
                .count();
            let id = if taken == 0 { row.id.clone() } else { format!("{}--{taken}", row.id) };
            let cells = self.columns.iter().copied().zip(&row.cells).collect();
            let html = render(&RowTemplate { id: &id, cells });
            rows.push((id, html));
        }
        Part {
            id: self.id.to_owned(),
            html: render(&TableTemplate { table: self, rows: &rows }),
            frame: format!("{} {}", self.title, rows.is_empty()),
            rows,
        }
    }
}

#[derive(Template)]
#[template(path = "console/note.html")]
struct NoteTemplate<'a> {
    id: &'a str,
    tone: Tone,
    text: &'a str,
}

/// A paragraph; hidden while there is nothing to say.
pub(crate) fn note(id: &str, tone: Tone, text: &str) -> Part {
    let html = render(&NoteTemplate { id, tone, text });
    Part { id: id.to_owned(), frame: html.clone(), html, rows: Vec::new() }
}

/// A part of a template of its own.
pub(crate) fn part(id: &str, template: &impl Template) -> Part {
    let html = render(template);
    Part { id: id.to_owned(), frame: html.clone(), html, rows: Vec::new() }
}

/// The templates write to memory and call nothing that fails.
pub(crate) fn render(template: &impl Template) -> String {
    template.render().expect("a template without fallible parts renders")
}

/// Time since something, in the one unit that matters.
pub(crate) fn ago(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..=59 => format!("{seconds} s"),
        seconds @ 60..=3_599 => format!("{} min", seconds / 60),
        seconds @ 3_600..=86_399 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use serde::de::DeserializeOwned;
    use serde_json::Value;

    use super::*;

    /// An object, as the API server would give it.
    pub(crate) fn object<K: DeserializeOwned>(json: Value) -> Arc<K> {
        Arc::new(serde_json::from_value(json).unwrap())
    }

    fn table(rows: &[(&str, &str)]) -> Table {
        let rows = rows.iter().map(|(id, text)| Row { id: (*id).to_owned(), cells: vec![Cell::new(*text)] });
        Table { id: "t", title: "T".to_owned(), columns: &["A"], rows: rows.collect(), empty: "none" }
    }

    #[test]
    fn only_what_changed_is_replaced() {
        let before = [table(&[("a", "1"), ("b", "2")]).part(), note("n", Tone::Bad, "x")];
        assert!(changes(&before, &before).is_empty());
        let one = [table(&[("a", "1"), ("b", "3")]).part(), note("n", Tone::Bad, "x")];
        let changed = changes(&before, &one);
        assert_eq!(changed.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ["b"]);
        assert!(changed[0].1.contains(">3<"), "{changed:?}");
        let more = [table(&[("a", "1"), ("b", "2"), ("c", "1")]).part(), note("n", Tone::Bad, "y")];
        assert_eq!(changes(&before, &more).iter().map(|(id, _)| *id).collect::<Vec<_>>(), ["t", "n"]);
        let none = [table(&[]).part()];
        assert_eq!(changes(&before, &none)[0].0, "t");
        assert!(none[0].html.contains("none"));
    }

    #[test]
    fn text_never_becomes_markup() {
        let hostile = r#""><script>alert(1)</script>'&"#;
        let mut table = table(&[(hostile, hostile)]);
        table.title = hostile.to_owned();
        table.rows[0].cells[0] = Cell::new(hostile).note(hostile).href(hostile);
        for html in [table.part().html, note("n", Tone::Bad, hostile).html] {
            assert!(!html.contains("<script") && !html.contains(hostile), "{html}");
            assert!(html.contains("&#60;script&#62;"), "{html}");
        }
    }

    #[test]
    fn an_id_is_used_once() {
        let part = table(&[("a", "1"), ("a", "2"), ("a", "3")]).part();
        assert_eq!(ids(&part).collect::<Vec<_>>(), ["a", "a--1", "a--2"]);
    }

    #[test]
    fn times() {
        for (seconds, text) in [(-5, "0 s"), (59, "59 s"), (61, "1 min"), (7_300, "2 h"), (200_000, "2 d")] {
            assert_eq!(ago(seconds), text);
        }
    }
}
