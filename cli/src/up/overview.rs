//! What `up` shows of the objects: one row each, and which changes are worth a line.

use std::collections::BTreeMap;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

/// Names an object as kubectl does: `plcruntime/filler`, with the namespace before it unless that is `default`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectName {
    namespace: String,
    kind: String,
    name: String,
}

impl ObjectName {
    pub(crate) fn new(namespace: &str, kind: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), kind: kind.to_lowercase(), name: name.to_owned() }
    }
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.namespace.as_str() {
            "" | "default" => write!(f, "{}/{}", self.kind, self.name),
            namespace => write!(f, "{namespace}/{}/{}", self.kind, self.name),
        }
    }
}

/// What is shown of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    ready: String,
    /// Why it is not ready.
    reason: String,
    node: String,
    scan: String,
}

impl Row {
    /// From an object of a kind of ours.
    pub(crate) fn of(object: &Value) -> Self {
        let text =
            |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
        let ready = conditions.and_then(|all| all.iter().find(|condition| condition["type"] == "Ready"));
        let of_ready = |field: &str| {
            ready.and_then(|ready| ready.get(field)).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let status = of_ready("status");
        let deleted = object.pointer("/metadata/deletionTimestamp").is_some();
        let (ready, reason) = match (deleted, status.as_str()) {
            (true, _) => ("Deleting".to_owned(), String::new()),
            (false, "") => ("Unknown".to_owned(), String::new()),
            (false, "True") => (status, String::new()),
            (false, _) => (status, sentence(&of_ready("reason"), &of_ready("message"))),
        };
        Self { ready, reason, node: text("/status/nodeName"), scan: text("/status/scan") }
    }

    /// The row as a line of its own.
    fn line(&self, name: &ObjectName) -> String {
        let mut line = format!("{name}: Ready={}", self.ready);
        for (before, text) in [(" on ", &self.node), (", scan ", &self.scan), (": ", &self.reason)] {
            if !text.is_empty() {
                line.push_str(before);
                line.push_str(text);
            }
        }
        line
    }
}

fn sentence(reason: &str, message: &str) -> String {
    // A diagnostic with an excerpt would fill the screen.
    let first = message.lines().next().unwrap_or_default();
    match (reason, first) {
        (reason, "") => reason.to_owned(),
        (reason, first) => format!("{reason}: {first}"),
    }
}

/// All objects.
#[derive(Debug, Default)]
pub(crate) struct Overview {
    rows: BTreeMap<ObjectName, Row>,
    /// The last event of each; it may be seen before its object.
    events: BTreeMap<ObjectName, String>,
}

impl Overview {
    /// Takes an object's new state. Returns a line where it changed visibly.
    pub(crate) fn put(&mut self, name: ObjectName, row: Row) -> Option<String> {
        if self.rows.get(&name) == Some(&row) {
            return None;
        }
        let line = row.line(&name);
        self.rows.insert(name, row);
        Some(line)
    }

    /// Forgets an object that is gone.
    pub(crate) fn remove(&mut self, name: &ObjectName) -> Option<String> {
        self.events.remove(name);
        self.rows.remove(name).map(|_| format!("{name}: deleted"))
    }

    /// Takes an event of an object of our kinds. Returns a line.
    pub(crate) fn event(&mut self, name: ObjectName, time: &str, reason: &str, note: &str) -> String {
        let text = sentence(reason, note);
        let line = format!("{name}: {text}");
        self.events.insert(name, format!("{time} {text}"));
        line
    }

    /// Whether there is a program, and every object is Ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.rows.keys().any(|name| name.kind == "plcruntime")
            && self.rows.values().all(|row| row.ready == "True")
    }

    /// The table, as wide as the terminal.
    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(["OBJECT", "READY", "NODE", "SCAN", "LAST EVENT"]);
        for (name, row) in &self.rows {
            let ready = if row.reason.is_empty() {
                row.ready.clone()
            } else {
                format!("{} ({})", row.ready, row.reason)
            };
            let event = self.events.get(name).cloned().unwrap_or_default();
            table.add_row([name.to_string(), ready, row.node.clone(), row.scan.clone(), event]);
        }
        table.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filler() -> ObjectName {
        ObjectName::new("default", "PlcRuntime", "filler")
    }

    fn object(ready: &str) -> Value {
        json!({"metadata": {}, "status": {"nodeName": "box", "scan": "10ms", "conditions": [
            {"type": "Ready", "status": ready, "reason": "CompileError", "message": "filler.st:1:2: no\nmore"}]}})
    }

    #[test]
    fn only_visible_changes_are_said() {
        let mut overview = Overview::default();
        assert_eq!(
            overview.put(filler(), Row::of(&object("True"))).as_deref(),
            Some("plcruntime/filler: Ready=True on box, scan 10ms")
        );
        assert_eq!(overview.event(filler(), "12:00:00", "Started", ""), "plcruntime/filler: Started");
        assert_eq!(overview.put(filler(), Row::of(&object("True"))), None);
        assert_eq!(
            overview.put(filler(), Row::of(&object("False"))).as_deref(),
            Some("plcruntime/filler: Ready=False on box, scan 10ms: CompileError: filler.st:1:2: no")
        );
        assert_eq!(overview.remove(&filler()).as_deref(), Some("plcruntime/filler: deleted"));
    }

    #[test]
    fn the_table_has_a_row_for_each_object() {
        let mut overview = Overview::default();
        overview.put(filler(), Row::of(&object("True")));
        overview.put(ObjectName::new("", "EdgeNode", "box"), Row::of(&json!({})));
        overview.event(filler(), "12:00:00", "Started", "by request");
        let table = overview.table();
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["OBJECT", "READY", "NODE", "SCAN", "LAST", "EVENT"]);
        assert_eq!(lines[1], ["edgenode/box", "Unknown"]);
        assert_eq!(
            lines[2],
            ["plcruntime/filler", "True", "box", "10ms", "12:00:00", "Started:", "by", "request"]
        );
    }
}
