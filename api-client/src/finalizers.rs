//! Changes a list of finalizers.

use std::fmt::Debug;

use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is stored.
    Applied,
    /// The object has changed since it was read: to be judged again, with its newer state that is on its way.
    Conflict,
    /// The object is gone.
    Gone,
}

impl Written {
    /// From an answer, where an error may be no failure.
    pub fn from_answer<T>(answer: Result<T, kube::Error>) -> Result<Self, kube::Error> {
        match answer {
            Ok(_) => Ok(Self::Applied),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Self::Conflict),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Self::Gone),
            Err(error) => Err(error),
        }
    }
}

/// Gives an object these finalizers, if it still is as it was read: a list that somebody else changed meanwhile is
/// never overwritten, and a new object of the same name is another object.
pub async fn set_finalizers<K>(
    api: &Api<K>,
    object: &K,
    finalizers: &[String],
) -> Result<Written, kube::Error>
where
    K: Resource + DeserializeOwned + Clone + Debug,
{
    let patch = json!({"metadata": {
        "uid": object.uid(),
        "resourceVersion": object.resource_version(),
        "finalizers": finalizers,
    }});
    Written::from_answer(api.patch(&object.name_any(), &PatchParams::default(), &Patch::Merge(&patch)).await)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::{DeleteParams, PostParams};
    use lineshaft_test_fixture::namespace;

    #[tokio::test]
    async fn an_object_that_changed_is_left_alone() {
        let namespace = namespace().await;
        let api: Api<ConfigMap> = Api::namespaced(namespace.client(), namespace.name());
        let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "a"}})).unwrap();
        let read = api.create(&PostParams::default(), &map).await.unwrap();
        let ours = ["lineshaft.dev/ours".to_owned()];
        assert_eq!(set_finalizers(&api, &read, &ours).await.unwrap(), Written::Applied);
        let both = ["lineshaft.dev/ours".to_owned(), "example.com/theirs".to_owned()];
        let newer = api.get("a").await.unwrap();
        assert_eq!(newer.finalizers(), ours);
        assert_eq!(set_finalizers(&api, &newer, &both).await.unwrap(), Written::Applied);
        // Read before: no error, and nothing is lost.
        assert_eq!(set_finalizers(&api, &read, &ours).await.unwrap(), Written::Conflict);
        assert_eq!(set_finalizers(&api, &newer, &[]).await.unwrap(), Written::Conflict);
        let newest = api.get("a").await.unwrap();
        assert_eq!(newest.finalizers(), both);
        assert_eq!(set_finalizers(&api, &newest, &[]).await.unwrap(), Written::Applied);
        api.delete("a", &DeleteParams::default()).await.unwrap();
        assert_eq!(set_finalizers(&api, &newest, &ours).await.unwrap(), Written::Gone);
    }
}
