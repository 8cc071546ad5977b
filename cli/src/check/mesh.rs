//! What runtimes receive from each other: the part of it that needs no network. What each publishes is judged with it.
//!
//! A publisher is looked for among the manifests. One that belongs to another site and is not among them is left to
//! the mesh, which asks it.

use std::collections::HashMap;

use lineshaft_crds::mesh_subscription::{ALL_BELOW, Subscription, runtime_publisher};
use lineshaft_crds::plc_runtime::Publication;
use lineshaft_crds::validate::{self, with_defaults};
use lineshaft_crds::{GROUP, MeshSubscription, PlcRuntime};
use lineshaft_mesh::schema::Schema;
use lineshaft_operator::mesh::{self, Claim};
use lineshaft_plc_compiler::Program;
use lineshaft_plc_compiler::layout::Place;
use lineshaft_plc_runtime::mesh::Places;
use serde::de::DeserializeOwned;

use super::report::{Note, Report};
use super::runtime;
use crate::manifest::Manifest;
use crate::spelling;

/// A runtime whose schema holds.
struct Runtime<'a> {
    manifest: &'a Manifest,
    object: PlcRuntime,
    /// If it compiles: what keeps it from that has findings of its own.
    program: Option<Program>,
}

impl Runtime<'_> {
    fn publications(&self) -> &[Publication] {
        self.object.spec.mesh.as_ref().map_or(&[], |mesh| &mesh.publish)
    }

    fn service_name(&self) -> &str {
        let discovery = self.object.spec.discovery.as_ref();
        discovery.and_then(|found| found.service_name.as_deref()).unwrap_or(&self.manifest.identity.name)
    }
}

/// Checks all that subscriptions receive.
pub(super) fn check(manifests: &[Manifest], report: &mut Report) {
    let subscriptions: Vec<(&Manifest, MeshSubscription)> = of_kind(manifests, "MeshSubscription").collect();
    if subscriptions.is_empty() {
        return;
    }
    let runtimes = runtimes(manifests);
    let mut written: HashMap<*const Manifest, Vec<(String, Vec<Claim>)>> = HashMap::new();
    for (manifest, subscription) in &subscriptions {
        let receiver = in_namespace(&runtimes, manifest, &subscription.spec.runtime_ref.name);
        let Some(receiver) = receiver else {
            missing_runtime(
                manifest,
                &runtimes,
                "spec.runtimeRef",
                &subscription.spec.runtime_ref.name,
                report,
            );
            continue;
        };
        if let Some(program) = &receiver.program {
            let (claims, mut problems) = mesh::claims(&subscription.spec, &Places::new(&program.layout));
            let earlier = written.entry(std::ptr::from_ref(receiver.manifest)).or_default();
            problems.extend(mesh::conflicts(&claims, earlier));
            earlier.push((manifest.identity.name.clone(), claims));
            for problem in problems {
                let hint = target_hint(&problem, subscription, program);
                report.error(
                    manifest,
                    Note::new(code(problem.reason), problem.path, problem.message).help(hint),
                );
            }
        }
        for (index, entry) in subscription.spec.subscribe.iter().enumerate() {
            check_origin(manifest, index, entry, receiver, &runtimes, report);
        }
    }
}

/// The runtimes, with their programs.
fn runtimes(manifests: &[Manifest]) -> Vec<Runtime<'_>> {
    of_kind::<PlcRuntime>(manifests, "PlcRuntime")
        .map(|(manifest, object)| {
            let config_maps = runtime::config_maps(manifests, manifest.identity.namespace_or_default());
            let sources = object.spec.program.resolve(&config_maps).ok();
            let program = sources.and_then(|sources| lineshaft_operator::compiled(&object.spec, &sources));
            Runtime { manifest, object, program }
        })
        .collect()
}

/// Objects of a kind whose schemas hold.
fn of_kind<'a, K: DeserializeOwned>(
    manifests: &'a [Manifest],
    kind: &'a str,
) -> impl Iterator<Item = (&'a Manifest, K)> {
    manifests
        .iter()
        .filter(move |manifest| manifest.identity.group == GROUP && manifest.identity.kind == kind)
        .filter(|manifest| validate::manifest(&manifest.value).is_empty())
        .filter_map(|manifest| Some((manifest, serde_json::from_value(with_defaults(&manifest.value)).ok()?)))
}

fn in_namespace<'a, 'b>(
    runtimes: &'b [Runtime<'a>],
    beside: &Manifest,
    name: &str,
) -> Option<&'b Runtime<'a>> {
    let namespace = beside.identity.namespace_or_default();
    runtimes.iter().find(|runtime| {
        let identity = &runtime.manifest.identity;
        identity.name == name && identity.namespace_or_default() == namespace
    })
}

fn missing_runtime(
    manifest: &Manifest,
    runtimes: &[Runtime<'_>],
    path: &str,
    name: &str,
    report: &mut Report,
) {
    let namespace = manifest.identity.namespace_or_default();
    let beside = runtimes.iter().map(|runtime| &runtime.manifest.identity);
    let names = beside
        .filter(|identity| identity.namespace_or_default() == namespace)
        .map(|identity| identity.name.as_str());
    let hint = spelling::hint(name, names);
    let message = format!("{path}: there is no PlcRuntime {namespace}/{name} among the manifests{hint}");
    report.error(manifest, Note::new("reference", format!("{path}.name"), message));
}

/// The publisher of an entry, if it is among the manifests, publishes the variable with the type of the target.
fn check_origin(
    manifest: &Manifest,
    index: usize,
    entry: &Subscription,
    receiver: &Runtime<'_>,
    runtimes: &[Runtime<'_>],
    report: &mut Report,
) {
    let at = format!("spec.subscribe[{index}].from");
    let (publisher, name) = match (&entry.from.runtime_ref, &entry.from.peer) {
        (Some(reference), _) => {
            let Some(found) = in_namespace(runtimes, manifest, &reference.name) else {
                missing_runtime(manifest, runtimes, &format!("{at}.runtimeRef"), &reference.name, report);
                return;
            };
            (found, runtime_publisher(&reference.name))
        }
        (None, Some(peer)) => {
            // Of two with that name, the mesh takes the one that is trusted: which, is not written here.
            let mut named = runtimes.iter().filter(|runtime| runtime.service_name() == peer);
            match (named.next(), named.next()) {
                (Some(found), None) => (found, peer.clone()),
                _ => return,
            }
        }
        (None, None) => return,
    };
    if std::ptr::eq(publisher.manifest, receiver.manifest) {
        // By its own reference, this has been said already.
        if entry.from.peer.is_some() {
            let message = format!("{at}.peer: {name} is the receiving runtime itself: assign in its program");
            report.error(manifest, Note::new("mesh-target", format!("{at}.peer"), message));
        }
        return;
    }
    Route { manifest, at, entry, receiver, publisher, name }.check(report);
}

/// An entry whose publisher is among the manifests.
struct Route<'a> {
    manifest: &'a Manifest,
    at: String,
    entry: &'a Subscription,
    receiver: &'a Runtime<'a>,
    publisher: &'a Runtime<'a>,
    /// The publisher, as the entry names it.
    name: String,
}

impl Route<'_> {
    fn check(&self, report: &mut Report) {
        let pairs = self.pairs();
        for (variable, target) in &pairs {
            self.check_pair(variable, target, report);
        }
        if pairs.is_empty() {
            let Self { at, entry, name, .. } = self;
            let message = format!("{at}.variable: {name} publishes nothing below {}", entry.from.variable);
            report.error(self.manifest, Note::new("mesh-publish", format!("{at}.variable"), message));
        }
    }

    /// Publisher's variable and target: one pair, or one for each published variable below.
    fn pairs(&self) -> Vec<(String, String)> {
        let (from, to) = (&self.entry.from.variable, &self.entry.to);
        let Some((from, to)) = from.strip_suffix(ALL_BELOW).zip(to.strip_suffix(ALL_BELOW)) else {
            return vec![(from.clone(), to.clone())];
        };
        let offered = self.publisher.publications().iter().map(|one| one.variable.as_str());
        let below = offered.filter_map(|variable| {
            let (head, rest) = variable.split_at_checked(from.len())?;
            let is_below = head.eq_ignore_ascii_case(from) && rest.starts_with('.');
            is_below.then(|| (variable.to_owned(), format!("{to}{rest}")))
        });
        below.collect()
    }

    fn check_pair(&self, variable: &str, target: &str, report: &mut Report) {
        let (path, name) = (format!("{}.variable", self.at), &self.name);
        let offered = self.publisher.publications();
        if !offered.iter().any(|one| one.variable.eq_ignore_ascii_case(variable)) {
            let hint = spelling::hint(variable, offered.iter().map(|one| one.variable.as_str()));
            let message = format!("{path}: {name} does not publish {variable}{hint}");
            let object = &self.publisher.manifest.identity;
            let help = format!("add {{variable: {variable}}} to spec.mesh.publish of {object}");
            report.error(self.manifest, Note::new("mesh-publish", path, message).help(Some(help)));
            return;
        }
        let Some(theirs) = schema_in(self.publisher, variable) else { return };
        let Some(ours) = schema_in(self.receiver, target) else {
            // A target that is written in the manifest has a finding already; one that `.*` stands for has none.
            if self.entry.to.ends_with(ALL_BELOW) && self.receiver.program.is_some() {
                let message =
                    format!("{path}: {name} publishes {variable}, and the receiving program has no {target}");
                report.error(self.manifest, Note::new("mesh-target", path, message));
            }
            return;
        };
        if theirs.hash() != ours.hash() {
            let (theirs, ours) = (theirs.text(), ours.text());
            let message = format!("{path}: {variable} of {name} is {theirs}, and {target} is {ours}");
            let help = "only equal types are received: declare the target with the publisher's type, and convert in the \
                        program";
            report.error(self.manifest, Note::new("mesh-type", path, message).help(Some(help.to_owned())));
        }
    }
}

fn schema_in(runtime: &Runtime<'_>, variable: &str) -> Option<Schema> {
    let layout = &runtime.program.as_ref()?.layout;
    let place: Place = layout.find(variable)?;
    Schema::of(layout, place.ty).ok()
}

/// Words for a reason that stay the same.
fn code(reason: &str) -> &'static str {
    match reason {
        "InvalidDeadband" => "mesh-deadband",
        _ => "mesh-target",
    }
}

/// For a target that is missing: the nearest variable of the program.
fn target_hint(
    problem: &mesh::Problem,
    subscription: &MeshSubscription,
    program: &Program,
) -> Option<String> {
    let entries = subscription.spec.subscribe.iter();
    let mut named = entries.flat_map(|entry| [Some(&entry.to), entry.quality.as_ref(), entry.age.as_ref()]);
    let quoted = |name: &&String| problem.message.contains(&format!("{name:?}"));
    let name = named.by_ref().flatten().find(quoted)?;
    (problem.reason == "TargetNotFound").then(|| hint_for(name, program)).flatten()
}

fn hint_for(variable: &str, program: &Program) -> Option<String> {
    let leaves = program.layout.leaves.iter().filter(|leaf| !leaf.flags.hidden);
    let hint = spelling::hint(variable, leaves.map(|leaf| leaf.path.as_str()));
    let near = hint.strip_prefix(", did you mean ")?;
    Some(format!("did you mean {near}"))
}
