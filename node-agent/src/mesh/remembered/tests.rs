use super::*;

use serde_json::json;

fn subscription(to: &str, good: i32) -> Arc<MeshSubscription> {
    let object = serde_json::from_value(json!({
        "apiVersion": "lineshaft.dev/v1alpha1", "kind": "MeshSubscription",
        "metadata": {"name": "remote", "namespace": "line", "uid": "5c8b", "generation": 2, "resourceVersion": "77"},
        "spec": {
            "runtimeRef": {"name": "plc"},
            "subscribe": [{"to": to, "from": {"peer": "LineB", "variable": "Main.n"}}],
        },
        "status": {
            "nodeName": "edge",
            "entries": {"total": 1, "good": good, "uncertain": 0, "bad": 1 - good},
            "conditions": [
                {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "",
                 "lastTransitionTime": "2026-11-21T08:00:00Z"},
                {"type": "Fresh", "status": "True", "reason": "AllFresh", "message": "",
                 "lastTransitionTime": "2026-11-21T08:00:00Z"},
            ],
        },
    }));
    Arc::new(object.unwrap())
}

fn remember(subscription: &Arc<MeshSubscription>) -> Remembered {
    Remembered::of(&Runtimes::new(), [].iter(), [subscription].into_iter())
}

/// Until nothing is being written any more.
async fn keep(memory: &mut Memory, revision: u64, subscription: &Arc<MeshSubscription>) {
    memory.keep((Arc::default(), 0, revision), || remember(subscription)).await;
    if let Some(writing) = memory.writing.take() {
        memory.finish(writing).await;
    }
}

#[tokio::test]
async fn what_was_kept_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (mut memory, nothing) = Memory::open(directory.path()).unwrap();
    assert_eq!(nothing, Remembered::default());
    let kept = subscription("Main.remote", 1);
    keep(&mut memory, 1, &kept).await;
    let (_, remembered) = Memory::open(directory.path()).unwrap();
    assert_eq!(remembered, remember(&kept));
    let again = &remembered.subscriptions[0];
    assert_eq!((again.uid().as_deref(), again.metadata.generation), (Some("5c8b"), Some(2)));
    let status = again.status.as_ref().unwrap();
    assert_eq!(status.node_name.as_deref(), Some("edge"));
    assert!(lineshaft_crds::condition::is_true(&status.conditions, ACCEPTED));
}

#[tokio::test]
async fn figures_in_a_status_do_not_touch_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let (mut memory, _) = Memory::open(directory.path()).unwrap();
    keep(&mut memory, 1, &subscription("Main.remote", 1)).await;
    let written = |directory: &Path| {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(directory.join(RECORD).join("bundle.cbor")).unwrap().ino()
    };
    let before = written(directory.path());
    keep(&mut memory, 2, &subscription("Main.remote", 0)).await;
    assert_eq!(written(directory.path()), before);
    keep(&mut memory, 3, &subscription("Main.other", 0)).await;
    let (_, remembered) = Memory::open(directory.path()).unwrap();
    assert_eq!(remembered.subscriptions[0].spec.subscribe[0].to, "Main.other");
}

#[tokio::test]
async fn damage_is_no_end() {
    let directory = tempfile::tempdir().unwrap();
    let (mut memory, _) = Memory::open(directory.path()).unwrap();
    keep(&mut memory, 1, &subscription("Main.remote", 1)).await;
    let file = directory.path().join(RECORD).join("bundle.cbor");
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let (mut memory, nothing) = Memory::open(directory.path()).unwrap();
    assert_eq!(nothing, Remembered::default());
    keep(&mut memory, 1, &subscription("Main.remote", 1)).await;
    assert_eq!(Memory::open(directory.path()).unwrap().1.subscriptions.len(), 1);
}
