//! One object: which checks its kind has.

use std::collections::HashMap;

use lineshaft_crds::validate::{self, Check};

use super::report::{Note, Report};
use super::{foreign, runtime};
use crate::manifest::{Identity, Manifest};

/// Refuses a second object of the same kind, namespace and name: which one counts would depend on the order.
pub(super) fn check_duplicates(manifests: &[Manifest], report: &mut Report) {
    let mut seen: HashMap<(&str, &str, &str, &str), &Manifest> = HashMap::new();
    for manifest in manifests {
        let Identity { group, kind, name, .. } = &manifest.identity;
        let key = (group.as_str(), kind.as_str(), manifest.identity.namespace_or_default(), name.as_str());
        if let Some(first) = seen.get(&key) {
            let message = format!("is given twice, first in {}", first.place());
            report.error(manifest, Note::new("duplicate", "metadata.name", message));
        } else {
            seen.insert(key, manifest);
        }
    }
}

/// Checks one object; the others are what it may refer to.
pub(super) fn check(manifest: &Manifest, all: &[Manifest], report: &mut Report) {
    if manifest.identity.group != lineshaft_crds::GROUP {
        foreign::check(manifest, report);
        return;
    }
    let findings = validate::manifest(&manifest.value);
    if findings.is_empty() && manifest.identity.kind == "PlcRuntime" {
        runtime::check(manifest, all, report);
    }
    for finding in findings {
        let code = match finding.check {
            Check::Object => "manifest-object",
            Check::UnknownField => "unknown-field",
            Check::Structure => "schema",
            Check::Rule => "rule",
        };
        // The path stands at the beginning of each message, as the API server writes it.
        let message = finding.to_string();
        report.error(manifest, Note::new(code, finding.path, message));
    }
}
