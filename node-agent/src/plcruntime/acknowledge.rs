//! Ending a halt: a person annotates the object, and each new value of the annotation counts once.
//!
//! The value is on the disk before the keeper is told, so that no restart makes an old word end a new halt.

use kube::ResourceExt;
use lineshaft_crds::PlcRuntime;
use lineshaft_crds::plc_runtime::ACKNOWLEDGE;
use lineshaft_plc_runtime::Error;
use lineshaft_plc_runtime::protocol::State;

use super::trouble::Trouble;
use super::worker::Worker;
use crate::events::Happening;

/// Characters of the annotation that an event shows.
const SHOWN_MAX: usize = 64;

impl Worker {
    /// Passes on what the object's annotation says, if it is new. While nothing is halted there is nothing to
    /// acknowledge: such a value is used up.
    pub(super) async fn acknowledge(&mut self, object: &PlcRuntime) -> Result<(), Trouble> {
        let Some(value) = object.annotations().get(ACKNOWLEDGE).cloned() else { return Ok(()) };
        let Some(halted) = self.seen.as_ref().map(|seen| seen.state).map(is_halted) else { return Ok(()) };
        if self.acknowledged.as_ref() == Some(&value) {
            return Ok(());
        }
        let used_up = self.use_up(value.clone()).await?;
        let (true, false, Some(keeper)) = (halted, used_up, &self.keeper) else { return Ok(()) };
        let shown: String = value.chars().take(SHOWN_MAX).collect();
        match keeper.acknowledge().await {
            Err(Error::Keeper(why)) => {
                let note = format!("{why}; then annotate {ACKNOWLEDGE} with another value");
                self.tell(Happening::warning("NotAcknowledged", "Scanning", note));
            }
            answer => {
                self.checked(answer)?;
                let note = format!("annotation {ACKNOWLEDGE} is {shown:?}: the halt ends");
                self.tell(Happening::normal("Acknowledged", "Scanning", note));
            }
        }
        Ok(())
    }

    /// Whether the value was used before; from now on it was.
    async fn use_up(&mut self, value: String) -> Result<bool, Trouble> {
        let written = value.clone();
        let known = self.on_disk(move |store, uid| {
            let known = store.acknowledged(uid)?.as_ref() == Some(&written);
            if !known {
                store.save_acknowledged(uid, &written)?;
            }
            Ok(known)
        });
        let known = known.await?;
        self.acknowledged = Some(value);
        Ok(known)
    }
}

/// Whether a person's word ends this.
fn is_halted(state: State) -> bool {
    matches!(state, State::Halted | State::SafeHalted)
}
