//! From the events of one watch to the queues of those whom they concern.

use std::collections::HashMap;
use std::fmt::Debug;

use futures::channel::mpsc::Sender;
use futures::future::BoxFuture;
use futures::{FutureExt, SinkExt, Stream, StreamExt};
use kube::Resource;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use lineshaft_api_client::{Reachability, WatchBackoff};
use serde::de::DeserializeOwned;

use crate::metrics::Metrics;

/// The events of one watch.
pub(super) trait Events<K>: Stream<Item = Result<Event<K>, watcher::Error>> + Send {}

impl<K, S: Stream<Item = Result<Event<K>, watcher::Error>> + Send> Events<K> for S {}

/// What happened to an object.
pub(super) enum Change<'a, K> {
    Touched(&'a K),
    Gone(&'a K),
}

impl<'a, K: Resource<DynamicType = ()>> Change<'a, K> {
    pub(super) fn object(&self) -> &'a K {
        match self {
            Self::Touched(object) | Self::Gone(object) => object,
        }
    }

    /// The object itself, while there is one.
    pub(super) fn of_own_kind(&self) -> Vec<ObjectRef<K>> {
        match self {
            Self::Touched(object) => vec![ObjectRef::from_obj(*object)],
            Self::Gone(_) => Vec::new(),
        }
    }
}

/// Somebody who listens to the events of a watch.
pub(super) trait Hears<K>: Send {
    fn hear<'s>(&'s mut self, event: &'s Event<K>) -> BoxFuture<'s, ()>;
}

/// Wakes the objects of a controller by changes of one part of what is watched.
pub(super) struct Listener<K, W: Resource<DynamicType = ()> + 'static, T, F> {
    /// The part: its changes count, others do not.
    trigger: T,
    /// Its value when each object was last seen.
    values: HashMap<String, u64>,
    /// What changed in a list that still arrives: the store has it when the list is complete, and not before.
    listed: Vec<K>,
    woken: F,
    queue: Sender<ObjectRef<W>>,
}

/// A listener that wakes what `woken` names, whenever the value of `trigger` differs from that of before.
pub(super) fn listener<'a, K, W, T, F>(
    trigger: T,
    woken: F,
    queue: &Sender<ObjectRef<W>>,
) -> Box<dyn Hears<K> + 'a>
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'a,
    W: Resource<DynamicType = ()> + 'static,
    ObjectRef<W>: Send,
    T: Fn(&K) -> u64 + Send + 'a,
    F: Fn(&Change<'_, K>) -> Vec<ObjectRef<W>> + Send + 'a,
{
    Box::new(Listener { trigger, values: HashMap::new(), listed: Vec::new(), woken, queue: queue.clone() })
}

impl<K, W, T, F> Listener<K, W, T, F>
where
    K: Resource<DynamicType = ()> + Clone,
    W: Resource<DynamicType = ()> + 'static,
    T: Fn(&K) -> u64,
    F: Fn(&Change<'_, K>) -> Vec<ObjectRef<W>>,
{
    /// Whom an event wakes.
    fn woken(&mut self, event: &Event<K>) -> Vec<ObjectRef<W>> {
        match event {
            Event::InitApply(object) => {
                if self.is_news(object) {
                    self.listed.push(object.clone());
                }
                Vec::new()
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                listed.iter().flat_map(|object| (self.woken)(&Change::Touched(object))).collect()
            }
            Event::Apply(object) if self.is_news(object) => (self.woken)(&Change::Touched(object)),
            // At `Init`, what a list brought that broke off is kept: it is no news to the next one.
            Event::Apply(_) | Event::Init => Vec::new(),
            Event::Delete(object) => {
                self.values.remove(object.meta().uid.as_deref().unwrap_or_default());
                (self.woken)(&Change::Gone(object))
            }
        }
    }

    fn is_news(&mut self, object: &K) -> bool {
        let value = (self.trigger)(object);
        let uid = object.meta().uid.clone().unwrap_or_default();
        self.values.insert(uid, value) != Some(value)
    }
}

impl<K, W, T, F> Hears<K> for Listener<K, W, T, F>
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync,
    W: Resource<DynamicType = ()> + 'static,
    ObjectRef<W>: Send,
    T: Fn(&K) -> u64 + Send,
    F: Fn(&Change<'_, K>) -> Vec<ObjectRef<W>> + Send,
{
    fn hear<'s>(&'s mut self, event: &'s Event<K>) -> BoxFuture<'s, ()> {
        let references = self.woken(event);
        let queue = &mut self.queue;
        async move {
            for reference in references {
                // A closed queue means that the controller was dropped, and this with it.
                if queue.send(reference).await.is_err() {
                    return;
                }
            }
        }
        .boxed()
    }
}

/// Retries for ever, and without what is of no use here.
pub(super) fn events<K: Resource + Clone + DeserializeOwned + Debug + Send + 'static>(
    stream: impl Events<K>,
    seed: &str,
) -> impl Events<K> {
    stream.backoff(WatchBackoff::new(seed)).modify(|object| {
        object.meta_mut().managed_fields = None;
    })
}

/// Passes every event on; ends with the stream.
pub(super) async fn drive<K>(
    kind: &'static str,
    events: impl Events<K>,
    mut listeners: Vec<Box<dyn Hears<K> + '_>>,
    api: &Reachability,
    metrics: &Metrics,
) {
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        let Some(event) = received(kind, event, api, metrics) else { continue };
        for listener in &mut listeners {
            listener.hear(&event).await;
        }
    }
}

fn received<K>(
    kind: &'static str,
    event: Result<Event<K>, watcher::Error>,
    api: &Reachability,
    metrics: &Metrics,
) -> Option<Event<K>> {
    match event {
        // A list that begins is a question, no answer.
        Ok(Event::Init) => Some(Event::Init),
        Ok(event) => {
            api.answered(kind);
            if !matches!(event, Event::InitDone) {
                metrics.watch_events.with_label_values(&[kind]).inc();
            }
            Some(event)
        }
        Err(error) => {
            api.failed(kind, &error);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::ResourceExt;

    use super::*;

    fn object(uid: &str, version: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(uid.to_owned());
        object.metadata.uid = Some(uid.to_owned());
        object.metadata.resource_version = Some(version.to_owned());
        object
    }

    /// The names that each event wakes.
    fn heard(events: Vec<Event<ConfigMap>>) -> Vec<String> {
        let (queue, _kept) = futures::channel::mpsc::channel(1);
        let mut listener = Listener {
            trigger: |object: &ConfigMap| object.resource_version().map_or(0, |version| version.len() as u64),
            values: HashMap::new(),
            listed: Vec::new(),
            woken: |change: &Change<'_, ConfigMap>| vec![ObjectRef::from_obj(change.object())],
            queue,
        };
        let mut told = |event| {
            let names: Vec<_> = listener.woken(&event).into_iter().map(|woken| woken.name).collect();
            names.join(" ")
        };
        events.into_iter().map(&mut told).collect()
    }

    #[test]
    fn what_differs_wakes_and_what_does_not_is_let_pass() {
        let events = vec![
            Event::Apply(object("a", "1")),
            Event::Apply(object("a", "2")),
            Event::Apply(object("a", "10")),
            Event::Delete(object("a", "10")),
            Event::Apply(object("a", "11")),
        ];
        assert_eq!(heard(events), ["a", "", "a", "a", "a"]);
    }

    #[test]
    fn a_list_wakes_when_it_is_complete() {
        let list = |version: &str| {
            [
                Event::Init,
                Event::InitApply(object("a", version)),
                Event::InitApply(object("b", "1")),
                Event::InitDone,
            ]
        };
        let events = list("1").into_iter().chain(list("10")).collect();
        assert_eq!(heard(events), ["", "", "", "a b", "", "", "", "a"]);
    }

    #[test]
    fn a_list_that_breaks_off_wakes_when_it_comes_again() {
        let events = vec![
            Event::Init,
            Event::InitApply(object("a", "1")),
            Event::Init,
            Event::InitApply(object("a", "1")),
            Event::InitDone,
        ];
        assert_eq!(heard(events), ["", "", "", "", "a"]);
    }
}
