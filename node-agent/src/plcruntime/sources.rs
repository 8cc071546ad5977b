//! The source texts of an object, inline and from ConfigMaps.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use lineshaft_crds::plc_runtime::Source;
use lineshaft_plc_compiler::SourceUnit;
use tokio::time::timeout;

/// Longest wait for the API server with one ConfigMap.
const READ_MAX: Duration = Duration::from_secs(10);
/// Ending of the keys that are taken where none are named.
const SOURCE_ENDING: &str = ".st";

/// Why the sources cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourcesError {
    /// The API server refused or could not be reached.
    #[error("cannot read ConfigMap {name}: {source}")]
    Read { name: String, source: Box<kube::Error> },
    /// It did not answer.
    #[error("cannot read ConfigMap {name}: the API server did not answer")]
    Timeout { name: String },
    /// The object names a ConfigMap that is not there.
    #[error("ConfigMap {name} does not exist")]
    NoConfigMap { name: String },
    /// It is there, without the key.
    #[error("ConfigMap {name} has no key {key}")]
    NoKey { name: String, key: String },
}

/// Reads what `sources` names, in its order.
pub(crate) async fn read(
    client: &Client,
    namespace: &str,
    sources: &[Source],
) -> Result<Vec<SourceUnit>, SourcesError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let mut maps = BTreeMap::new();
    for name in sources.iter().filter_map(|source| Some(&source.config_map.as_ref()?.name)) {
        if maps.contains_key(name) {
            continue;
        }
        let map = match timeout(READ_MAX, api.get_opt(name)).await {
            Ok(Ok(Some(map))) => map,
            Ok(Ok(None)) => return Err(SourcesError::NoConfigMap { name: name.clone() }),
            Ok(Err(source)) => {
                return Err(SourcesError::Read { name: name.clone(), source: Box::new(source) });
            }
            Err(_) => return Err(SourcesError::Timeout { name: name.clone() }),
        };
        maps.insert(name.clone(), map.data.unwrap_or_default());
    }
    units(sources, &maps)
}

/// The units in the order in which operator and agent hash them: as in the spec, keys of a ConfigMap as listed,
/// or sorted where none are listed.
fn units(
    sources: &[Source],
    maps: &BTreeMap<String, BTreeMap<String, String>>,
) -> Result<Vec<SourceUnit>, SourcesError> {
    let mut units = Vec::new();
    for source in sources {
        if let (Some(name), Some(text)) = (&source.name, &source.inline) {
            units.push(SourceUnit { name: name.clone(), text: text.clone() });
        }
        let Some(reference) = &source.config_map else { continue };
        let name = &reference.name;
        let Some(map) = maps.get(name) else {
            return Err(SourcesError::NoConfigMap { name: name.clone() });
        };
        if reference.keys.is_empty() {
            let taken = map.iter().filter(|(key, _)| key.ends_with(SOURCE_ENDING));
            units.extend(taken.map(|(key, text)| SourceUnit { name: key.clone(), text: text.clone() }));
        }
        for key in &reference.keys {
            let Some(text) = map.get(key) else {
                return Err(SourcesError::NoKey { name: name.clone(), key: key.clone() });
            };
            units.push(SourceUnit { name: key.clone(), text: text.clone() });
        }
    }
    Ok(units)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lineshaft_crds::plc_runtime::ConfigMapSource;

    fn inline(name: &str, text: &str) -> Source {
        Source { name: Some(name.to_owned()), inline: Some(text.to_owned()), config_map: None }
    }

    fn reference(name: &str, keys: &[&str]) -> Source {
        let keys = keys.iter().map(|&key| key.to_owned()).collect();
        Source { config_map: Some(ConfigMapSource { name: name.to_owned(), keys }), ..Source::default() }
    }

    fn names(sources: &[Source]) -> Result<Vec<String>, String> {
        let map = |entries: &[(&str, &str)]| {
            entries.iter().map(|&(key, text)| (key.to_owned(), text.to_owned())).collect::<BTreeMap<_, _>>()
        };
        let maps =
            BTreeMap::from([("lib".to_owned(), map(&[("b.st", "B"), ("a.st", "A"), ("notes.txt", "")]))]);
        units(sources, &maps)
            .map(|units| units.into_iter().map(|unit| unit.name).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn order_is_that_of_the_spec() {
        for (sources, expected) in [
            (vec![inline("main.st", "M"), reference("lib", &[])], vec!["main.st", "a.st", "b.st"]),
            (
                vec![reference("lib", &["b.st", "a.st"]), inline("main.st", "M")],
                vec!["b.st", "a.st", "main.st"],
            ),
            (vec![reference("lib", &["notes.txt"])], vec!["notes.txt"]),
        ] {
            assert_eq!(names(&sources).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(names(&[reference("lib", &["c.st"])]).unwrap_err(), "ConfigMap lib has no key c.st");
        assert_eq!(names(&[reference("other", &[])]).unwrap_err(), "ConfigMap other does not exist");
    }
}
