//! Looks at the variables of programs: one at a time for each, however many people look.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lineshaft_plc_runtime::client::KeeperClient;
use lineshaft_plc_runtime::{Error, protocol};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::view::variables::{Variable, flatten};

/// A look is good for this long.
const GOOD_FOR: Duration = Duration::from_millis(240);
/// And for so many times the time that it took: a keeper with very many variables has other things to do.
const REST: u32 = 20;
/// The path of everything.
const ALL: &str = "";

/// Types change with the program only, and what may be written with it and its subscriptions.
const TYPES_GOOD_FOR: Duration = Duration::from_secs(3);

/// All variables of one scan.
#[derive(Debug)]
pub(crate) struct Sight {
    /// Its number.
    pub(crate) scan: u64,
    pub(crate) variables: Vec<Variable>,
}

/// The same, or why there are none.
pub(crate) type Seen = Result<Arc<Sight>, String>;

/// The last look at each runtime.
pub(crate) struct Looks {
    keepers: PathBuf,
    last: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<Last>>>>>,
}

struct Last {
    seen: Seen,
    good_until: Instant,
    kinds: Arc<Kinds>,
    kinds_good_until: Instant,
}

/// Type and obstacle of each variable, by its path.
type Kinds = HashMap<String, (String, Option<String>)>;

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
        let begun = Instant::now();
        let known = slot.as_ref().filter(|last| begun < last.kinds_good_until);
        let known = known.map(|last| (Arc::clone(&last.kinds), last.kinds_good_until));
        let wanted = known.is_none();
        let answer = self.ask(uid, move |keeper| {
            let values = keeper.read(vec![ALL.to_owned()])?;
            let kinds = if wanted { Some(kinds(keeper.variables()?)) } else { None };
            Ok((values, kinds))
        });
        let answer = answer.await;
        let now = Instant::now();
        let pause = |at_least: Duration| now + at_least.max((now - begun) * REST);
        let (seen, (kinds, kinds_good_until)) = match answer {
            Ok((mut values, fresh)) => {
                let fresh = fresh.map(|kinds| (Arc::new(kinds), pause(TYPES_GOOD_FOR)));
                let kinds = fresh.or(known).unwrap_or_else(|| (Arc::default(), now));
                let seen = match values.values.pop().map(|sample| sample.value) {
                    Some(Ok(value)) => {
                        let variables = flatten(&value).into_iter().map(|one| known_as(one, &kinds.0));
                        Ok(Arc::new(Sight { scan: values.scan, variables: variables.collect() }))
                    }
                    Some(Err(why)) => Err(why),
                    None => Err("The keeper gave no values.".to_owned()),
                };
                (seen, kinds)
            }
            Err(why) => (Err(why), (Arc::default(), now)),
        };
        let good_until = pause(GOOD_FOR);
        *slot = Some(Last { seen: seen.clone(), good_until, kinds, kinds_good_until });
        seen
    }

    /// Asks the keeper of the runtime with this uid; a sentence if there is none, or it fails.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        uid: &str,
        question: impl FnOnce(&mut KeeperClient) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, String> {
        let directory = self.keepers.join(uid);
        let answer = spawn_blocking(move || question(&mut KeeperClient::connect(&directory)?));
        match answer.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(format!("The program does not run here: {error}.")),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn kinds(variables: Vec<protocol::Variable>) -> Kinds {
    variables.into_iter().map(|one| (one.path, (one.ty, one.obstacle))).collect()
}

fn known_as(variable: Variable, kinds: &Kinds) -> Variable {
    match kinds.get(&variable.path) {
        Some((ty, obstacle)) => Variable { ty: ty.clone(), writable: obstacle.is_none(), ..variable },
        None => variable,
    }
}
