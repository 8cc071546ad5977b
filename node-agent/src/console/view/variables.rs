//! Variables of a program: what is shown of one scan's values.

use serde_json::Value;

use super::{Cell, Part, Row, Table, Tone, note};

/// Rows that a page shows; a filter finds the others.
pub(crate) const ROWS_MAX: usize = 200;
/// A value that is longer is cut.
const VALUE_CHARS_MAX: usize = 160;

/// One variable and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) path: String,
    pub(crate) value: String,
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
        value => found.push(Variable { path, value: text(value) }),
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

/// The page.
pub(crate) fn parts(look: &Look) -> Vec<Part> {
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
        columns: &["Variable", "Value"],
        rows: shown
            .iter()
            .map(|variable| Row {
                id: format!("var-{}", variable.path),
                cells: vec![Cell::new(variable.path.clone()), Cell::new(variable.value.clone())],
            })
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
            .map(|number| Variable { path: format!("Main.Speed{number}"), value: String::new() })
            .collect();
        let (shown, all) = filter(&many, "");
        assert_eq!((shown.len(), all), (ROWS_MAX, 1000));
        let (shown, all) = filter(&many, " speed123 ");
        assert_eq!((shown.len(), all), (1, 1));
        let html =
            parts(&Look::Values { scan: 3, shown: many[..ROWS_MAX].to_vec(), all: 1000 })[0].html.clone();
        assert!(html.contains("the first 200 of 1000"), "{html}");
    }
}
