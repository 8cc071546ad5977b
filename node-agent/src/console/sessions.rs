//! Who is logged in. Sessions live in memory: a restart ends them.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::cluster::Person;
use super::secret;

/// A session ends after this long.
pub(crate) const LASTS: Duration = Duration::from_hours(12);
/// More sessions at a time end the oldest one.
const SESSIONS_MAX: usize = 256;

/// Who has logged in.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    /// Whoever has the console's token: may do all that the console offers.
    Holder,
    /// Whoever has the token to look only.
    Viewer,
    /// Somebody whom the API server knows, and judges.
    Person(Box<Person>),
}

/// One login.
#[derive(Debug)]
pub(crate) struct Session {
    /// What each form of its pages carries.
    pub(crate) form: String,
    /// Who it is.
    pub(crate) who: Who,
    ends: Instant,
}

impl Session {
    /// Whether it still counts.
    pub(crate) fn is_open(&self, now: Instant) -> bool {
        now < self.ends
    }
}

/// All sessions, by the hash of their cookie.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: Mutex<HashMap<String, Arc<Session>>>,
}

impl Sessions {
    /// Begins a session; gives the value of its cookie.
    pub(crate) fn begin(&self, who: Who, now: Instant) -> io::Result<String> {
        let cookie = secret::make()?;
        let session = Arc::new(Session { form: secret::make()?, who, ends: now + LASTS });
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, session| session.is_open(now));
        if open.len() >= SESSIONS_MAX {
            let oldest = open.iter().min_by_key(|(_, session)| session.ends).map(|(key, _)| key.clone());
            open.remove(&oldest.unwrap_or_default());
        }
        open.insert(secret::hash(&cookie), session);
        Ok(cookie)
    }

    /// The session of a cookie.
    pub(crate) fn find(&self, cookie: &str, now: Instant) -> Option<Arc<Session>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(&secret::hash(cookie)).filter(|session| session.is_open(now)).cloned()
    }

    /// Ends the session of a cookie.
    pub(crate) fn end(&self, cookie: &str) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&secret::hash(cookie));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sessions_end_by_time_and_by_logout() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let (one, other) =
            (sessions.begin(Who::Holder, now).unwrap(), sessions.begin(Who::Holder, now).unwrap());
        let found = sessions.find(&one, now).unwrap();
        assert_ne!(found.form, sessions.find(&other, now).unwrap().form);
        assert!(sessions.find(&found.form, now).is_none());
        sessions.end(&one);
        assert!(sessions.find(&one, now).is_none());
        assert!(sessions.find(&other, now + LASTS - Duration::from_secs(1)).is_some());
        assert!(sessions.find(&other, now + LASTS).is_none());
    }

    #[tokio::test]
    async fn the_oldest_session_makes_room() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let first = sessions.begin(Who::Holder, now).unwrap();
        for number in 1..SESSIONS_MAX {
            sessions.begin(Who::Holder, now + Duration::from_millis(number as u64)).unwrap();
        }
        assert!(sessions.find(&first, now).is_some());
        sessions.begin(Who::Holder, now + Duration::from_secs(1)).unwrap();
        assert!(sessions.find(&first, now).is_none());
        assert_eq!(sessions.open.lock().unwrap().len(), SESSIONS_MAX);
    }
}
