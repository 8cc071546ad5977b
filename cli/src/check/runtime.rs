//! A `PlcRuntime` beyond its schema: what it refers to, and what the operator would say of it and its programs.

use std::collections::BTreeMap;

use lineshaft_crds::PlcRuntime;
use lineshaft_crds::plc_runtime::{ConfigMaps, Unresolved};
use lineshaft_crds::validate::with_defaults;
use lineshaft_operator::judge;
use lineshaft_plc_compiler::SourceUnit;
use serde_json::Value;

use super::report::{Note, Report};
use crate::manifest::Manifest;
use crate::spelling;

/// Checks a runtime whose schema holds.
pub(super) fn check(manifest: &Manifest, all: &[Manifest], report: &mut Report) {
    let runtime: PlcRuntime = match serde_json::from_value(with_defaults(&manifest.value)) {
        Ok(runtime) => runtime,
        Err(error) => {
            report.error(manifest, Note::new("schema", "spec", format!("spec: {error}")));
            return;
        }
    };
    let config_maps = config_maps(all, manifest.identity.namespace_or_default());
    let sources = match runtime.spec.program.resolve(&config_maps) {
        Ok(sources) => sources,
        Err(missing) => {
            for one in missing {
                let hint = hint(&one, &config_maps);
                let message = format!("{one} among the manifests{hint}");
                report.error(manifest, Note::new("reference", one.path(), message));
            }
            return;
        }
    };
    let judgement = judge(&runtime.spec, &sources);
    let compiles = judgement.diagnostics.iter().all(|diagnostic| !crate::finding::is_error(diagnostic));
    let units =
        sources.into_iter().map(|source| SourceUnit { name: source.name, text: source.text }).collect();
    report.program(manifest, units, judgement.diagnostics);
    if let Err(refusal) = judgement.verdict
        && compiles
    {
        let tests_failed = refusal.reason == "TestsFailed";
        let (code, field) = if tests_failed { ("tests", "spec.program.tests") } else { ("spec", "spec") };
        // The operator's words begin with the path of the field that they speak of.
        let path = refusal.message.split_once(": ").map_or(field, |(path, _)| path);
        let path = if path.starts_with("spec") { path.to_owned() } else { field.to_owned() };
        report.error(manifest, Note::new(code, path, refusal.message));
    }
}

/// Texts of the `ConfigMap`s of a namespace. What is no text has a finding of its own.
pub(super) fn config_maps(all: &[Manifest], namespace: &str) -> ConfigMaps {
    all.iter()
        .filter(|manifest| {
            let identity = &manifest.identity;
            identity.group.is_empty()
                && identity.kind == "ConfigMap"
                && identity.namespace_or_default() == namespace
        })
        .map(|manifest| {
            let data = manifest.value.get("data").and_then(Value::as_object);
            let texts: BTreeMap<String, String> = data
                .into_iter()
                .flatten()
                .map(|(key, text)| (key.clone(), text.as_str().unwrap_or_default().to_owned()))
                .collect();
            (manifest.identity.name.clone(), texts)
        })
        .collect()
}

fn hint(missing: &Unresolved, config_maps: &ConfigMaps) -> String {
    match missing {
        Unresolved::ConfigMap { name, .. } => spelling::hint(name, config_maps.keys().map(String::as_str)),
        Unresolved::Key { name, key, .. } => spelling::hint(
            key,
            config_maps.get(name).into_iter().flat_map(BTreeMap::keys).map(String::as_str),
        ),
        Unresolved::NoSources { .. } => String::new(),
    }
}
