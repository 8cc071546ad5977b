//! Variables of a program: what is shown of one scan's values.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::console::page::percent;
use crate::mesh::Received;

use super::{Cell, Part, Row, Table, Tone, note};

/// Rows that a page shows; a filter finds the others.
pub(crate) const ROWS_MAX: usize = 200;
/// A value that is longer is cut.
const VALUE_CHARS_MAX: usize = 160;

/// One variable and its value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) path: String,
    pub(crate) value: String,
    /// Name of its type; empty if it is not known.
    pub(crate) ty: String,
    /// Nothing else writes it.
    pub(crate) writable: bool,
    /// Where it comes from another runtime.
    pub(crate) received: Option<Received>,
}

impl Variable {
    /// With what is known of its value if it comes from another runtime.
    pub(crate) fn with(mut self, received: &BTreeMap<String, Received>) -> Self {
        self.received = received.get(&self.path.to_lowercase()).cloned();
        self
    }

    fn cells(&self, writes: Option<&str>) -> Vec<Cell> {
        let source = self.received.as_ref().map(|received| format!("from {}", received.from));
        let quality = match &self.received {
            None => Cell::default(),
            Some(received) => {
                let age = received.age_ms.map(|age| format!("{age} ms ago"));
                quality(received.quality, received.stale).note(age.unwrap_or_default())
            }
        };
        let write = match writes.filter(|_| self.writable) {
            Some(page) => Cell::new("Write").href(format!("{page}/write?path={}", percent(&self.path))),
            None => Cell::default(),
        };
        vec![
            Cell::new(self.path.clone()).note(source.unwrap_or_default()),
            Cell::new(self.ty.clone()),
            Cell::new(self.value.clone()),
            quality,
            write,
        ]
    }
}

/// The quality of a received value, in words.
pub(crate) fn quality(quality: u8, stale: bool) -> Cell {
    let (text, tone) = match quality {
        _ if stale => ("stale", Tone::Bad),
        0x04 => ("forced at the publisher", Tone::Good),
        0x00..0x40 => ("good", Tone::Good),
        0x40 => ("a newer one is missing", Tone::Doubtful),
        0x42 => ("uncertain at the source", Tone::Doubtful),
        0x80 => ("stale", Tone::Bad),
        0x81 => ("not connected", Tone::Bad),
        0x82 => ("other type", Tone::Bad),
        0x83 => ("refused", Tone::Bad),
        0x84 => ("publisher stopped", Tone::Bad),
        0x85 => ("bad at the source", Tone::Bad),
        0x41..0x80 => ("uncertain", Tone::Doubtful),
        _ => ("bad", Tone::Bad),
    };
    Cell::new(text).tone(tone)
}

/// The variables of a program, members of structures each on their own, arrays whole.
pub(crate) fn flatten(values: &Value) -> Vec<Variable> {
    let mut found = Vec::new();
    collect(String::new(), values, &mut found);
    found
}

fn collect(path: String, value: &Value, found: &mut Vec<Variable>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                collect(path, member, found);
            }
        }
        value => found.push(Variable { path, value: text(value), ..Variable::default() }),
    }
}

/// A value as the page shows it.
pub(crate) fn text(value: &Value) -> String {
    let mut text = match value {
        Value::Bool(true) => "TRUE".to_owned(),
        Value::Bool(false) => "FALSE".to_owned(),
        Value::Null => "NULL".to_owned(),
        Value::String(text) => format!("'{text}'"),
        other => other.to_string(),
    };
    if let Some((cut, _)) = text.char_indices().nth(VALUE_CHARS_MAX) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// Those whose path contains the filter, whatever its case; and how many there are in all.
pub(crate) fn filter<'a>(variables: &'a [Variable], filter: &str) -> (Vec<&'a Variable>, usize) {
    let wanted = filter.trim().to_lowercase();
    let found: Vec<&Variable> =
        variables.iter().filter(|variable| variable.path.to_lowercase().contains(&wanted)).collect();
    let all = found.len();
    (found.into_iter().take(ROWS_MAX).collect(), all)
}

/// What one look at a program gave.
#[derive(Clone, Debug)]
pub(crate) enum Look {
    /// Values of a scan.
    Values {
        /// Its number.
        scan: u64,
        /// Those that are shown.
        shown: Vec<Variable>,
        /// How many fit the filter.
        all: usize,
    },
    /// There are none, for this reason.
    Nothing(String),
}

/// The page. `writes` is its path, where the variables may be written.
pub(crate) fn parts(look: &Look, writes: Option<&str>) -> Vec<Part> {
    let (said, shown) = match look {
        Look::Nothing(why) => (note("variables-note", Tone::Bad, why), [].as_slice()),
        Look::Values { scan, shown, all } => {
            let text = if shown.len() < *all {
                format!("Scan {scan}: the first {} of {all} variables; filter for the others.", shown.len())
            } else {
                format!("Scan {scan}: {all} variables.")
            };
            (note("variables-note", Tone::Plain, &text), shown.as_slice())
        }
    };
    let table = Table {
        id: "variables",
        title: String::new(),
        columns: &["Variable", "Type", "Value", "Quality", ""],
        rows: shown
            .iter()
            .map(|variable| Row { id: format!("var-{}", variable.path), cells: variable.cells(writes) })
            .collect(),
        empty: "No variable fits.",
    };
    vec![said, table.part()]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn structures_are_opened_and_arrays_are_not() {
        let values = json!({"Main": {"count": 7, "on": true, "name": "it's", "list": [1, 2], "inner": {"x": 0.5, "r": null}}});
        let shown: Vec<String> =
            flatten(&values).iter().map(|variable| format!("{}={}", variable.path, variable.value)).collect();
        assert_eq!(
            shown,
            [
                "Main.count=7",
                "Main.inner.r=NULL",
                "Main.inner.x=0.5",
                "Main.list=[1,2]",
                "Main.name='it's'",
                "Main.on=TRUE"
            ]
        );
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let cut = text(&json!("ä".repeat(500)));
        assert_eq!(cut.chars().count(), VALUE_CHARS_MAX + 1);
        assert!(cut.ends_with('…'));
    }

    #[test]
    fn a_filter_finds_what_a_page_has_no_room_for() {
        let many: Vec<Variable> = (0..1000)
            .map(|number| Variable { path: format!("Main.Speed{number}"), ..Variable::default() })
            .collect();
        let (shown, all) = filter(&many, "");
        assert_eq!((shown.len(), all), (ROWS_MAX, 1000));
        let (shown, all) = filter(&many, " speed123 ");
        assert_eq!((shown.len(), all), (1, 1));
        let html = parts(&Look::Values { scan: 3, shown: many[..ROWS_MAX].to_vec(), all: 1000 }, None)[0]
            .html
            .clone();
        assert!(html.contains("the first 200 of 1000"), "{html}");
    }
    #[test]
    fn what_is_received_says_from_where_and_how_good_and_cannot_be_written() {
        let received =
            Received { from: "LineB:Status.PLCState".to_owned(), quality: 0, stale: false, age_ms: Some(41) };
        let by_path = BTreeMap::from([("status.remotestate".to_owned(), received)]);
        let variable = |path: &str, writable| {
            let (path, ty, value) = (path.to_owned(), "DINT".to_owned(), "7".to_owned());
            Variable { path, ty, value, writable, received: None }.with(&by_path)
        };
        let shown = vec![variable("Status.RemoteState", false), variable("Main.a&b", true)];
        let look = Look::Values { scan: 3, shown, all: 2 };
        let html = parts(&look, Some("/runtimes/n.r/variables"))[1].html.clone();
        for text in
            ["from LineB:Status.PLCState", "41 ms ago", ">good<", ">DINT<", "variables/write?path=Main.a%26b"]
        {
            assert!(html.contains(text), "{text}: {html}");
        }
        assert!(!html.contains("write?path=Status"), "{html}");
        assert!(!parts(&look, None)[1].html.contains("/write?"), "whoever may not write is not led there");
    }

    #[test]
    fn qualities_in_words() {
        for (byte, stale, text) in [
            (0, false, "good"),
            (0, true, "stale"),
            (0x40, false, "a newer one is missing"),
            (0x84, false, "publisher stopped"),
            (0xff, false, "bad"),
        ] {
            assert_eq!(quality(byte, stale).text, text);
        }
    }
}
