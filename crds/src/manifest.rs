//! YAML documents, with the position of every field, read as `kubectl` reads them.
//!
//! kubectl's parser follows YAML 1.1, where an unquoted `off` or `yes` is a boolean; the one used here follows 1.2,
//! where it is a string. What is checked must be what kubectl would send, so these words become booleans here too.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{Location, Spanned};

/// Lists and mappings in each other, at most. Kubernetes' own are not half as deep.
const DEPTH_MAX: usize = 64;
/// The parser calls itself for each level: this is several times what the deepest document needs.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// Line and column of a field, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line in the file.
    pub line: u64,
    /// Column in characters.
    pub column: u64,
}

/// A file that is not YAML.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// Where, as far as the parser knows.
    pub position: Option<Position>,
    /// What is wrong.
    pub message: String,
}

/// One document of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its content.
    pub value: Value,
    positions: BTreeMap<String, Position>,
}

impl Document {
    /// Where the field of a path such as `spec.tasks[0].name` stands; for a field that is missing, its nearest parent.
    pub fn position(&self, path: &str) -> Option<Position> {
        let mut path = path.trim_start_matches('.');
        loop {
            if let Some(position) = self.positions.get(path) {
                return Some(*position);
            }
            if path.is_empty() {
                return None;
            }
            path = &path[..path.rfind(['.', '[']).unwrap_or(0)];
        }
    }
}

/// The documents of a file; empty ones are left out. Text that is nested deeper than 64 levels is refused.
pub fn parse(text: &str) -> Result<Vec<Document>, ParseError> {
    // Whatever the caller's stack has left, no text runs it over.
    std::thread::scope(|scope| {
        let parser = std::thread::Builder::new()
            .name("yaml".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || read(text))
            .map_err(|error| ParseError {
                position: None,
                message: format!("no thread to read it on: {}; free some memory", error.kind()),
            })?;
        parser.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn read(text: &str) -> Result<Vec<Document>, ParseError> {
    let options = serde_saphyr::options! { budget: serde_saphyr::budget! { max_depth: DEPTH_MAX } };
    let nodes: Vec<Spanned<Node>> =
        serde_saphyr::from_multiple_with_options(text, options).map_err(|error| ParseError {
            position: error.location().map(Position::from),
            message: message(error.without_snippet()),
        })?;
    let mut documents = Vec::new();
    for node in nodes {
        let mut positions = BTreeMap::new();
        let value = node.value.into_value("", node.referenced, text, &mut positions);
        positions.insert(String::new(), node.referenced.into());
        if !value.is_null() {
            documents.push(Document { value, positions });
        }
    }
    Ok(documents)
}

/// The parser's words; its own bounds in ours.
fn message(error: &serde_saphyr::Error) -> String {
    /// What the parser says of flow collections that are nested too deep for itself.
    const TOO_DEEP: &str = "recursion limit exceeded";
    let text = error.to_string();
    let depth = matches!(error, serde_saphyr::Error::Budget { breach: BudgetBreach::Depth { .. }, .. });
    if depth || text.contains(TOO_DEEP) {
        format!("lists and mappings are nested deeper than {DEPTH_MAX} levels")
    } else {
        text
    }
}

/// The path of a member of `parent`.
pub(crate) fn member(parent: &str, name: &str) -> String {
    match (parent.is_empty(), name.contains(['.', '/'])) {
        (_, true) => format!("{parent}[{name}]"),
        (true, false) => name.to_owned(),
        (false, false) => format!("{parent}.{name}"),
    }
}

impl From<Location> for Position {
    fn from(location: Location) -> Self {
        Self { line: location.line(), column: location.column() }
    }
}

enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl Node {
    fn into_value(
        self,
        path: &str,
        location: Location,
        text: &str,
        positions: &mut BTreeMap<String, Position>,
    ) -> Value {
        match self {
            Self::Scalar(Value::String(word)) => {
                yaml_1_1_boolean(&word, location, text).map_or(Value::String(word), Value::Bool)
            }
            Self::Scalar(value) => value,
            Self::List(items) => Value::Array(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(index, item)| {
                        let path = format!("{path}[{index}]");
                        positions.insert(path.clone(), item.referenced.into());
                        item.value.into_value(&path, item.referenced, text, positions)
                    })
                    .collect(),
            ),
            Self::Map(members) => {
                let mut map = Map::new();
                for (key, item) in members {
                    let path = member(path, &key.value);
                    positions.insert(path.clone(), key.referenced.into());
                    map.insert(key.value, item.value.into_value(&path, item.referenced, text, positions));
                }
                Value::Object(map)
            }
        }
    }
}

/// The boolean that YAML 1.1 sees in an unquoted word.
fn yaml_1_1_boolean(word: &str, location: Location, text: &str) -> Option<bool> {
    let boolean = match word {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => true,
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => false,
        _ => return None,
    };
    let line = text.lines().nth(usize::try_from(location.line()).ok()?.checked_sub(1)?)?;
    let column = usize::try_from(location.column()).ok()?.checked_sub(1)?;
    let unquoted = line.chars().skip(column).zip(word.chars()).filter(|(a, b)| a == b).count() == word.len();
    unquoted.then_some(boolean)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value that JSON has too")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        let number = Number::from_f64(value)
            .ok_or_else(|| E::custom("infinities and NaN cannot be written in JSON"))?;
        Ok(Node::Scalar(Value::Number(number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members: Vec<(Spanned<String>, Spanned<Node>)> = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            if members.iter().any(|(earlier, _)| earlier.value == key.value) {
                return Err(A::Error::custom(format!("{:?} is given twice", key.value)));
            }
            members.push((key, map.next_value()?));
        }
        Ok(Node::Map(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_keep_the_position_of_every_field() {
        let text = "kind: A\n---\n# nothing\n---\nkind: B\nspec:\n  tasks:\n  - name: fast\n    cpus: [3, 4]\n  x/y.z: 1\n";
        let documents = parse(text).unwrap();
        assert_eq!(documents.len(), 2);
        let second = &documents[1];
        assert_eq!(second.value["spec"]["tasks"][0], json!({"name": "fast", "cpus": [3, 4]}));
        let at = |path| second.position(path).map(|position| (position.line, position.column));
        assert_eq!(at("kind"), Some((5, 1)));
        assert_eq!(at("spec.tasks[0].name"), Some((8, 5)));
        assert_eq!(at("spec.tasks[0].cpus[1]"), Some((9, 15)));
        assert_eq!(at("spec.tasks[0].missing.deeper"), Some((8, 5)));
        assert_eq!(at("spec[x/y.z]"), Some((10, 3)));
    }

    #[test]
    fn words_that_kubectl_reads_as_booleans_are_booleans() {
        let documents = parse("a: off\nb: \"off\"\nc: Yes\nd: offline\ne: |\n  on\n").unwrap();
        assert_eq!(
            documents[0].value,
            json!({"a": false, "b": "off", "c": true, "d": "offline", "e": "on\n"})
        );
    }

    #[test]
    fn a_syntax_error_has_a_position() {
        let error = parse("kind: A\nspec: [1, 2\nx: 3\n").unwrap_err();
        assert!(error.position.is_some_and(|position| position.line >= 2), "{error:?}");
        assert!(parse("a: 1\na: 2\n").is_err());
    }
}
