//! Judgements, made beside the reconciliations and kept: the same program is compiled once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use lineshaft_crds::PlcRuntimeSpec;
use lineshaft_crds::plc_runtime::{SourceFile, sources_hash};
use sha2::{Digest, Sha256};

use super::validate::{Judgement, judge};
use crate::metrics::Metrics;

/// Judgements that are kept. One is a few kilobytes at most.
const KEPT: usize = 1024;

type Key = [u8; 32];

/// The kept judgements.
#[derive(Default)]
pub(super) struct Judgements {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    judgements: HashMap<Key, Arc<Judgement>>,
    /// Oldest first.
    order: VecDeque<Key>,
}

impl Judgements {
    /// Judges on a thread for long work, unless this was judged before. `None` if the judge panicked.
    pub(super) async fn judge(
        &self,
        spec: &PlcRuntimeSpec,
        sources: Vec<SourceFile>,
        metrics: &Metrics,
    ) -> Option<Arc<Judgement>> {
        let key = key(spec, &sources);
        if let Some(judgement) = self.lock().judgements.get(&key) {
            return Some(judgement.clone());
        }
        let start = Instant::now();
        let spec = spec.clone();
        let judgement = tokio::task::spawn_blocking(move || Arc::new(judge(&spec, &sources))).await.ok()?;
        let result = if judgement.verdict.is_ok() { "accepted" } else { "refused" };
        metrics.compile_duration.with_label_values(&[result]).observe(start.elapsed().as_secs_f64());
        self.lock().keep(key, judgement.clone());
        Some(judgement)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Losing an entry to a panic between two statements only costs compiling it again.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, key: Key, judgement: Arc<Judgement>) {
        if self.judgements.insert(key, judgement).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > KEPT {
            if let Some(oldest) = self.order.pop_front() {
                self.judgements.remove(&oldest);
            }
        }
    }
}

/// Everything that a judgement depends on: neither where the runtime is to run, nor whether.
fn key(spec: &PlcRuntimeSpec, sources: &[SourceFile]) -> Key {
    let mut relevant = spec.clone();
    relevant.node_name = None;
    relevant.node_selector.clear();
    relevant.run = lineshaft_crds::plc_runtime::RunMode::default();
    let mut sum = Sha256::new();
    sum.update(serde_json::to_vec(&relevant).expect("a spec is JSON"));
    sum.update(sources_hash(sources));
    sum.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_judgements_are_forgotten() {
        let mut kept = Kept::default();
        let judgement = Arc::new(Judgement { verdict: Ok(()), diagnostics: Vec::new() });
        for number in 0..KEPT + 10 {
            let mut key = Key::default();
            key[..8].copy_from_slice(&number.to_le_bytes());
            kept.keep(key, judgement.clone());
            kept.keep(key, judgement.clone());
        }
        assert_eq!((kept.judgements.len(), kept.order.len()), (KEPT, KEPT));
        assert!(!kept.judgements.contains_key(&Key::default()));
    }
}
