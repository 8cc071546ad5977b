//! Looks at the variables of programs: one at a time for each, however many people look.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lineshaft_plc_runtime::client::KeeperClient;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::view::variables::{Variable, flatten};

/// A look is good for this long.
const GOOD_FOR: Duration = Duration::from_millis(240);
/// And for so many times the time that it took: a keeper with very many variables has other things to do.
const REST: u32 = 20;
/// The path of everything.
const ALL: &str = "";

/// All variables of one scan, or why there are none.
pub(crate) type Seen = Result<Arc<(u64, Vec<Variable>)>, String>;

/// The last look at each runtime.
pub(crate) struct Looks {
    keepers: PathBuf,
    last: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<Last>>>>>,
}

struct Last {
    seen: Seen,
    good_until: Instant,
}

impl Looks {
    /// `keepers` is where each keeper has its directory.
    pub(crate) fn new(keepers: PathBuf) -> Self {
        Self { keepers, last: Mutex::default() }
    }

    /// The variables of the runtime with this uid; `alive` are the uids of all runtimes that there are.
    pub(crate) async fn look(&self, uid: &str, alive: impl Fn(&str) -> bool) -> Seen {
        let slot = {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            last.retain(|uid, _| alive(uid));
            Arc::clone(last.entry(uid.to_owned()).or_default())
        };
        let mut slot = slot.lock().await;
        if let Some(last) = slot.as_ref()
            && Instant::now() < last.good_until
        {
            return last.seen.clone();
        }
        let directory = self.keepers.join(uid);
        let begun = Instant::now();
        let seen = spawn_blocking(move || {
            let mut keeper = KeeperClient::connect(&directory)?;
            keeper.read(vec![ALL.to_owned()])
        });
        let seen = match seen.await {
            Ok(Ok(mut values)) => match values.values.pop().map(|sample| sample.value) {
                Some(Ok(value)) => Ok(Arc::new((values.scan, flatten(&value)))),
                Some(Err(why)) => Err(why),
                None => Err("The keeper gave no values.".to_owned()),
            },
            Ok(Err(error)) => Err(format!("The program does not run here: {error}.")),
            Err(error) => Err(error.to_string()),
        };
        let now = Instant::now();
        let good_until = now + GOOD_FOR.max((now - begun) * REST);
        *slot = Some(Last { seen: seen.clone(), good_until });
        seen
    }
}
