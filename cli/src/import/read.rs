//! Reads a `runtime.toml`: every key into the plan, or into a finding.

use lineshaft_plc_compiler::{Diagnostic, Severity};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::plan::Plan;
use crate::finding::point;
use crate::mapping::Mapping;
use crate::spelling;

const SUBSCRIBE: &str = "runtime.mesh.subscribe";
/// Every key that is known; for hints.
const KNOWN: [&str; 27] = [
    "bundle.version",
    "resource.name",
    "resource.cycle_interval_ms",
    "runtime.control.endpoint",
    "runtime.control.mode",
    "runtime.control.auth_token",
    "runtime.control.debug_enabled",
    "runtime.web.enabled",
    "runtime.web.listen",
    "runtime.web.auth",
    "runtime.discovery.enabled",
    "runtime.discovery.service_name",
    "runtime.discovery.advertise",
    "runtime.discovery.interfaces",
    "runtime.mesh.enabled",
    "runtime.mesh.listen",
    "runtime.mesh.auth_token",
    "runtime.mesh.publish",
    SUBSCRIBE,
    "runtime.log.level",
    "runtime.retain.mode",
    "runtime.retain.save_interval_ms",
    "runtime.watchdog.enabled",
    "runtime.watchdog.timeout_ms",
    "runtime.watchdog.action",
    "runtime.fault.policy",
    "runtime.fault",
];

const LOG_LEVELS: &[(&str, &str)] =
    &[("error", "Error"), ("warn", "Warn"), ("info", "Info"), ("debug", "Debug"), ("trace", "Trace")];
const RETAIN_MODES: &[(&str, &str)] = &[("none", "Disabled"), ("file", "File")];
const ACTIONS: &[(&str, &str)] = &[("halt", "Halt"), ("safe_halt", "SafeHalt"), ("restart", "Restart")];

/// A value at the end of a path of tables.
struct Leaf<'a> {
    path: String,
    /// Below [`SUBSCRIBE`], the key, which is no word of the format.
    from: Option<&'a str>,
    start: usize,
    value: &'a DeValue<'a>,
}

/// What was read so far.
pub(super) struct Reader<'a> {
    /// If the file could be read at all.
    pub(super) plan: Option<Plan>,
    pub(super) findings: Vec<Diagnostic>,
    file: &'a str,
    text: &'a str,
    interval_at: usize,
}

/// Reads all of it.
pub(super) fn read<'a>(file: &'a str, text: &'a str) -> Reader<'a> {
    let mut reader = Reader { plan: None, findings: Vec::new(), file, text, interval_at: 0 };
    let document = match DeTable::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let start = error.span().map_or(0, |span| span.start);
            reader.say(Severity::Error, "toml-syntax", start, error.message().to_owned(), None);
            return reader;
        }
    };
    let mut leaves = Vec::new();
    flatten(document.get_ref(), "", &mut leaves);
    leaves.sort_by_key(|leaf| leaf.start);
    let mut plan = Plan::default();
    for leaf in &leaves {
        reader.leaf(leaf, &mut plan);
    }
    if plan.name.is_empty() && reader.findings.is_empty() {
        let help = "add it: the object is named by it".to_owned();
        reader.say(Severity::Error, "import-missing", 0, "resource.name is missing".to_owned(), Some(help));
    }
    reader.unused(&mut plan, &leaves);
    reader.plan = Some(plan);
    reader
}

fn flatten<'a>(table: &'a DeTable<'a>, above: &str, leaves: &mut Vec<Leaf<'a>>) {
    for (key, value) in table {
        let path =
            if above.is_empty() { key.get_ref().to_string() } else { format!("{above}.{}", key.get_ref()) };
        let start = key.span().start;
        match value.get_ref() {
            DeValue::Table(entries) if path == SUBSCRIBE => {
                leaves.extend(entries.iter().map(|(from, value)| Leaf {
                    path: path.clone(),
                    from: Some(from.get_ref()),
                    start: from.span().start,
                    value: value.get_ref(),
                }));
            }
            DeValue::Table(inner) if !inner.is_empty() => flatten(inner, &path, leaves),
            value => leaves.push(Leaf { path, from: None, start, value }),
        }
    }
}

impl Reader<'_> {
    /// The interval is not imported, since the programs say when they run.
    pub(super) fn interval_is_declared_by(&mut self, tasks: &[String]) {
        let Some(plan) = &mut self.plan else { return };
        if plan.interval_microseconds.take().is_some() {
            let message = format!(
                "resource.cycle_interval_ms is not imported: the program declares its tasks itself ({})",
                tasks.join(", ")
            );
            self.say(Severity::Warning, "import-elsewhere", self.interval_at, message, None);
        }
    }

    fn leaf(&mut self, leaf: &Leaf<'_>, plan: &mut Plan) {
        match leaf.path.as_str() {
            "bundle.version" => self.version(leaf),
            "resource.name" => self.name(leaf, plan),
            "resource.cycle_interval_ms" => {
                self.interval_at = leaf.start;
                plan.interval_microseconds = self.milliseconds(leaf).map(|interval| interval * 1000);
            }
            "runtime.control.debug_enabled" => plan.debug_enabled = self.boolean(leaf).unwrap_or_default(),
            "runtime.discovery.enabled" => plan.discovery.enabled = self.boolean(leaf).unwrap_or_default(),
            "runtime.discovery.service_name" => plan.discovery.service_name = self.text(leaf),
            "runtime.discovery.advertise" => plan.discovery.advertise = self.boolean(leaf),
            "runtime.discovery.interfaces" => plan.discovery.interfaces = self.texts(leaf),
            "runtime.mesh.enabled" => plan.mesh.enabled = self.boolean(leaf).unwrap_or_default(),
            "runtime.mesh.listen" => plan.mesh.listen = self.text(leaf),
            "runtime.mesh.publish" => plan.mesh.publish = self.texts(leaf),
            SUBSCRIBE => self.subscription(leaf, plan),
            "runtime.log.level" => plan.log_level = self.word(leaf, LOG_LEVELS),
            "runtime.retain.mode" => plan.retain_mode = self.word(leaf, RETAIN_MODES),
            "runtime.retain.save_interval_ms" => {
                plan.retain_save_interval_milliseconds = self.milliseconds(leaf);
            }
            "runtime.watchdog.enabled" => plan.watchdog_enabled = self.boolean(leaf),
            "runtime.watchdog.timeout_ms" => plan.watchdog_timeout_milliseconds = self.milliseconds(leaf),
            "runtime.watchdog.action" => plan.watchdog_action = self.word(leaf, ACTIONS),
            "runtime.fault.policy" => plan.fault_policy = self.word(leaf, ACTIONS),
            _ => self.elsewhere(leaf),
        }
    }

    /// What a manifest has no field for.
    fn elsewhere(&mut self, leaf: &Leaf<'_>) {
        match leaf.path.as_str() {
            "runtime.control.endpoint" => {
                self.instead(leaf, "kubectl takes its place: see `lineshaft up --listen`");
            }
            "runtime.control.mode" => {
                self.instead(leaf, "there are no modes: the roles of the API server say who may do what");
            }
            // The console is always there, and on this machine alone unless it is told otherwise.
            "runtime.web.enabled" => {
                if self.boolean(leaf) == Some(false) {
                    self.instead(leaf, "the console belongs to the node, which always has one");
                }
            }
            "runtime.web.listen" => {
                if let Some(endpoint) = self.text(leaf) {
                    let help =
                        format!("the console belongs to the node: `lineshaft up --console {endpoint}`");
                    self.instead(leaf, &help);
                }
            }
            "runtime.web.auth" => {
                if self.text(leaf).is_some_and(|auth| auth != "local") {
                    self.instead(leaf, "the console belongs to the node, where its access is set up");
                }
            }
            path @ ("runtime.mesh.auth_token" | "runtime.control.auth_token") => {
                if self.text(leaf).is_some_and(|token| !token.is_empty()) {
                    let help = if path == "runtime.mesh.auth_token" {
                        "pair the two sides, with `lineshaft pair offer` and `lineshaft pair claim`, and remove the key"
                    } else {
                        "credentials are in a kubeconfig: remove the key"
                    };
                    let message = format!("{path} has no counterpart");
                    self.say(Severity::Error, "import-secret", leaf.start, message, Some(help.to_owned()));
                }
            }
            path => {
                let hint = spelling::hint(path, KNOWN);
                let message = format!("{path} has no counterpart{hint}");
                let help = "remove it, or put what it does into the manifests by hand afterwards".to_owned();
                self.say(Severity::Error, "import-unknown", leaf.start, message, Some(help));
            }
        }
    }

    /// Parts that are switched off, with something in them.
    fn unused(&mut self, plan: &mut Plan, leaves: &[Leaf<'_>]) {
        let parts = [
            (
                "runtime.mesh.",
                plan.mesh.enabled,
                plan.mesh.publish.is_empty() && plan.mesh.subscribe.is_empty(),
            ),
            ("runtime.discovery.", plan.discovery.enabled, plan.discovery.service_name.is_none()),
        ];
        for (prefix, enabled, empty) in parts {
            let switch = leaves.iter().find(|leaf| leaf.path.starts_with(prefix));
            if let (false, false, Some(leaf)) = (enabled, empty, switch) {
                let message = format!("{prefix}* is not imported: {prefix}enabled is not true");
                self.say(Severity::Warning, "import-disabled", leaf.start, message, None);
            }
        }
    }

    fn version(&mut self, leaf: &Leaf<'_>) {
        if !matches!(leaf.value, DeValue::Integer(version) if version.as_str() == "1") {
            let help = "only version 1 can be imported".to_owned();
            let message = "bundle.version is not 1".to_owned();
            self.say(Severity::Error, "import-value", leaf.start, message, Some(help));
        }
    }

    fn name(&mut self, leaf: &Leaf<'_>, plan: &mut Plan) {
        let Some(name) = self.text(leaf) else { return };
        let small = name.to_lowercase().replace(['_', ' '], "-");
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if small.is_empty()
            || small.len() > 63
            || !small.chars().all(fits)
            || small.starts_with('-')
            || small.ends_with('-')
        {
            let help = "write at most 63 letters, digits and dashes".to_owned();
            let message = format!("resource.name: {name:?} cannot be the name of an object");
            self.say(Severity::Error, "import-value", leaf.start, message, Some(help));
        }
        plan.name = small;
    }

    fn subscription(&mut self, leaf: &Leaf<'_>, plan: &mut Plan) {
        let Some(from) = leaf.from else {
            // An empty table, or no table at all.
            if !matches!(leaf.value, DeValue::Table(_)) {
                self.wrong(leaf, "a table of \"PEER:VARIABLE\" = \"VARIABLE\"");
            }
            return;
        };
        let Some(to) = self.text(leaf) else { return };
        match Mapping::of(from, &to) {
            Ok(mapping) => plan.mesh.subscribe.push(mapping),
            Err(error) => {
                self.say(Severity::Error, "import-value", leaf.start, format!("{SUBSCRIBE}: {error}"), None);
            }
        }
    }

    fn boolean(&mut self, leaf: &Leaf<'_>) -> Option<bool> {
        if let DeValue::Boolean(value) = leaf.value {
            return Some(*value);
        }
        self.wrong(leaf, "true or false");
        None
    }

    fn text(&mut self, leaf: &Leaf<'_>) -> Option<String> {
        if let DeValue::String(value) = leaf.value {
            return Some(value.to_string());
        }
        self.wrong(leaf, "a string");
        None
    }

    fn texts(&mut self, leaf: &Leaf<'_>) -> Vec<String> {
        let words = |values: &[Spanned<DeValue<'_>>]| {
            values.iter().map(|value| value.get_ref().as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        };
        let found = if let DeValue::Array(values) = leaf.value { words(values) } else { None };
        if found.is_none() {
            self.wrong(leaf, "a list of strings");
        }
        found.unwrap_or_default()
    }

    fn milliseconds(&mut self, leaf: &Leaf<'_>) -> Option<i64> {
        let value = match leaf.value {
            DeValue::Integer(value) => i64::from_str_radix(value.as_str(), value.radix()).ok(),
            _ => None,
        };
        // A day is far beyond any of these.
        let value = value.filter(|value| (1..=86_400_000).contains(value));
        if value.is_none() {
            self.wrong(leaf, "a number of milliseconds from 1 to 86400000");
        }
        value
    }

    fn word(&mut self, leaf: &Leaf<'_>, known: &[(&str, &'static str)]) -> Option<&'static str> {
        let text = self.text(leaf)?;
        let found = known.iter().find(|(word, _)| *word == text).map(|(_, word)| *word);
        if found.is_none() {
            let words: Vec<_> = known.iter().map(|(word, _)| *word).collect();
            self.wrong(leaf, &format!("one of {}", words.join(", ")));
        }
        found
    }

    fn wrong(&mut self, leaf: &Leaf<'_>, wanted: &str) {
        let message = format!("{} must be {wanted}", leaf.path);
        self.say(Severity::Error, "import-value", leaf.start, message, None);
    }

    fn instead(&mut self, leaf: &Leaf<'_>, help: &str) {
        let message = format!("{} is not imported", leaf.path);
        self.say(Severity::Warning, "import-elsewhere", leaf.start, message, Some(help.to_owned()));
    }

    fn say(&mut self, severity: Severity, code: &str, start: usize, message: String, help: Option<String>) {
        let before = self.text.get(..start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let small = |number| u32::try_from(number).unwrap_or(u32::MAX - 1);
        let place = point(self.file, small(line), small(column));
        let related = Vec::new();
        self.findings.push(Diagnostic { place, code: code.to_owned(), severity, message, help, related });
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    const VALUES: [&str; 12] = [
        "true",
        "-1",
        "0",
        "99999999999999999999",
        "1e400",
        "\"\"",
        "\"halt\"",
        "\"127.0.0.1:5212\"",
        "[]",
        "[\"A.b\", 3]",
        "{ a = 1 }",
        "\"LineB:A.b\"",
    ];

    /// Whatever stands in the file: findings with places in it, or a plan.
    fn check(text: &str) -> Result<(), TestCaseError> {
        let reader = read("runtime.toml", text);
        prop_assert!(reader.plan.is_some() || !reader.findings.is_empty());
        let lines = text.matches('\n').count() + 1;
        for finding in &reader.findings {
            prop_assert!(finding.place.line as usize <= lines, "{:?}", finding);
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn fuzz_runtime_toml(text in "\\PC{0,200}") {
            check(&text)?;
        }

        #[test]
        fn fuzz_runtime_toml_keys(lines in vec((select(KNOWN.to_vec()), select(VALUES.to_vec()), any::<bool>()), 0..8)) {
            let line = |(key, value, below): &(&str, &str, bool)| {
                if *below { format!("{key}.\"LineB:A.b\" = {value}\n") } else { format!("{key} = {value}\n") }
            };
            check(&lines.iter().map(line).collect::<Vec<_>>().concat())?;
        }
    }
}
