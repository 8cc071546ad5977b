//! A plan as manifests: YAML as a person would write it.

use std::fmt::Write;

use super::plan::Plan;

/// Name and text of each file.
pub(super) fn manifests(
    plan: &Plan,
    sources: &[(String, String)],
    namespace: &str,
) -> Vec<(&'static str, String)> {
    let mut files = vec![
        ("program.yaml", program(plan, sources, namespace)),
        ("runtime.yaml", runtime(plan, sources, namespace)),
    ];
    if plan.mesh.enabled && !plan.mesh.subscribe.is_empty() {
        files.push(("subscription.yaml", subscription(plan, namespace)));
    }
    files
}

/// Any text as a scalar that is read as this text.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_word = text.chars().all(plain) && text.starts_with(|c: char| c.is_ascii_alphabetic());
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if is_word && !reserved.contains(&text.to_lowercase().as_str()) {
        return text.to_owned();
    }
    // A string of JSON is one of YAML.
    serde_json::Value::from(text).to_string()
}

fn header(api_version: &str, kind: &str, name: &str, namespace: &str) -> String {
    let (name, namespace) = (quoted(name), quoted(namespace));
    format!("apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: {name}\n  namespace: {namespace}\n")
}

fn program(plan: &Plan, sources: &[(String, String)], namespace: &str) -> String {
    let mut yaml = header("v1", "ConfigMap", &format!("{}-program", plan.name), namespace) + "data:\n";
    for (name, text) in sources {
        block(&mut yaml, name, text);
    }
    yaml
}

/// A text as it stands, if a block of YAML can hold it.
fn block(yaml: &mut String, name: &str, text: &str) {
    let text = text.replace("\r\n", "\n");
    let odd = |c: char| (c.is_control() && c != '\n' && c != '\t') || c == '\u{FEFF}';
    let first = text.trim_start_matches('\n');
    if text.contains(odd) || !text.ends_with('\n') || first.starts_with([' ', '\t']) || first.is_empty() {
        let _ = writeln!(yaml, "  {}: {}", quoted(name), serde_json::Value::from(text));
        return;
    }
    // `+` keeps empty lines at the end.
    let style = if text.ends_with("\n\n") { "|+" } else { "|" };
    let _ = writeln!(yaml, "  {}: {style}", quoted(name));
    for line in text.lines() {
        let indent = if line.is_empty() { "" } else { "    " };
        let _ = writeln!(yaml, "{indent}{line}");
    }
}

fn runtime(plan: &Plan, sources: &[(String, String)], namespace: &str) -> String {
    let mut yaml = header("lineshaft.dev/v1alpha1", "PlcRuntime", &plan.name, namespace);
    let keys: Vec<String> = sources.iter().map(|(name, _)| quoted(name)).collect();
    let _ = write!(
        yaml,
        "spec:\n  program:\n    sources:\n    - configMap: {{name: {}, keys: [{}]}}\n",
        quoted(&format!("{}-program", plan.name)),
        keys.join(", ")
    );
    if let Some(interval) = plan.interval_microseconds {
        let _ = write!(yaml, "  tasks:\n  - {{name: main, intervalMicroseconds: {interval}}}\n");
    }
    discovery(plan, &mut yaml);
    mesh(plan, &mut yaml);
    behaviour(plan, &mut yaml);
    yaml
}

fn discovery(plan: &Plan, yaml: &mut String) {
    let found = &plan.discovery;
    if !found.enabled {
        return;
    }
    let mut fields = Vec::new();
    fields.extend(found.service_name.as_ref().map(|name| format!("serviceName: {}", quoted(name))));
    fields.extend(found.advertise.map(|advertise| format!("advertise: {advertise}")));
    if !found.interfaces.is_empty() {
        let names: Vec<String> = found.interfaces.iter().map(|name| quoted(name)).collect();
        fields.push(format!("interfaces: [{}]", names.join(", ")));
    }
    let _ = writeln!(yaml, "  discovery: {{{}}}", fields.join(", "));
}

fn mesh(plan: &Plan, yaml: &mut String) {
    if !plan.mesh.enabled {
        return;
    }
    if plan.mesh.listen.is_none() && plan.mesh.publish.is_empty() {
        yaml.push_str("  mesh: {}\n");
        return;
    }
    yaml.push_str("  mesh:\n");
    if let Some(endpoint) = &plan.mesh.listen {
        let _ = writeln!(yaml, "    listen: {}", quoted(endpoint));
    }
    if !plan.mesh.publish.is_empty() {
        yaml.push_str("    publish:\n");
        for variable in &plan.mesh.publish {
            let _ = writeln!(yaml, "    - variable: {}", quoted(variable));
        }
    }
}

fn behaviour(plan: &Plan, yaml: &mut String) {
    let number = |name: &str, value: Option<i64>| value.map(|value| format!("{name}: {value}"));
    let word = |name: &str, value: Option<&str>| value.map(|value| format!("{name}: {value}"));
    let parts = [
        (
            "watchdog",
            vec![
                plan.watchdog_enabled.map(|enabled| format!("enabled: {enabled}")),
                number("timeoutMilliseconds", plan.watchdog_timeout_milliseconds),
                word("action", plan.watchdog_action),
            ],
        ),
        ("fault", vec![word("policy", plan.fault_policy)]),
        (
            "retain",
            vec![
                word("mode", plan.retain_mode),
                number("saveIntervalMilliseconds", plan.retain_save_interval_milliseconds),
            ],
        ),
        ("debug", vec![plan.debug_enabled.then(|| "enabled: true".to_owned())]),
        ("log", vec![word("level", plan.log_level)]),
    ];
    for (name, fields) in parts {
        let fields: Vec<String> = fields.into_iter().flatten().collect();
        if !fields.is_empty() {
            let _ = writeln!(yaml, "  {name}: {{{}}}", fields.join(", "));
        }
    }
}

fn subscription(plan: &Plan, namespace: &str) -> String {
    let name = format!("{}-remote", plan.name);
    let mut yaml = header("lineshaft.dev/v1alpha1", "MeshSubscription", &name, namespace);
    let _ = write!(yaml, "spec:\n  runtimeRef: {{name: {}}}\n  subscribe:\n", quoted(&plan.name));
    for mapping in &plan.mesh.subscribe {
        let _ = write!(
            yaml,
            "  - to: {}\n    from: {{peer: {}, variable: {}}}\n",
            quoted(&mapping.to),
            quoted(&mapping.peer),
            quoted(&mapping.variable)
        );
    }
    yaml
}
