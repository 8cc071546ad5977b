//! The objects of one kind, as the last complete list and the events since say.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::core::DeserializeGuard;
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};

use super::remembered::by_uid;

/// Objects by UID.
pub(crate) struct Mirror<K> {
    objects: BTreeMap<String, Arc<K>>,
    /// A list that has begun.
    listing: Option<BTreeMap<String, Arc<K>>>,
    listed: bool,
    revision: u64,
}

impl<K> Default for Mirror<K> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), listing: None, listed: false, revision: 0 }
    }
}

impl<K: Resource> Mirror<K> {
    /// Objects that were there when the API server was last heard: they count until there is a complete list.
    pub(crate) fn remembering(objects: Vec<K>) -> Self {
        Self { objects: by_uid(objects), ..Self::default() }
    }

    /// Takes an event. An object that cannot be read stays what it was.
    pub(crate) fn see(&mut self, event: Event<DeserializeGuard<K>>) {
        self.revision += 1;
        match event {
            Event::Init => self.listing = Some(BTreeMap::new()),
            Event::InitApply(DeserializeGuard(object)) => {
                let (uid, object) = self.read(object);
                if let (Some(listing), Some(object)) = (&mut self.listing, object) {
                    listing.insert(uid, object);
                }
            }
            Event::InitDone => {
                self.objects = self.listing.take().unwrap_or_default();
                self.listed = true;
            }
            Event::Apply(DeserializeGuard(object)) => {
                if let (uid, Some(object)) = self.read(object) {
                    self.objects.insert(uid, object);
                }
            }
            Event::Delete(DeserializeGuard(object)) => {
                let uid = match object {
                    Ok(object) => object.uid(),
                    Err(invalid) => invalid.metadata.uid,
                };
                self.objects.remove(&uid.unwrap_or_default());
            }
        }
    }

    /// Whether there has been a complete list: before that, what is not here may still be there.
    pub(crate) fn is_listed(&self) -> bool {
        self.listed
    }

    /// Moves with every event.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<K>> {
        self.objects.values()
    }

    fn read(&self, object: Result<K, kube::core::error_boundary::InvalidObject>) -> (String, Option<Arc<K>>) {
        match object {
            Ok(object) => (object.uid().unwrap_or_default(), Some(Arc::new(object))),
            Err(invalid) => {
                let uid = invalid.metadata.uid.unwrap_or_default();
                tracing::warn!(
                    name = invalid.metadata.name,
                    error = invalid.error,
                    "an object cannot be read"
                );
                let known = self.objects.get(&uid).cloned();
                (uid, known)
            }
        }
    }
}
