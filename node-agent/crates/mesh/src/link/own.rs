//! Values between runtimes of one agent: the rules and the codec of a connection, without one.
//!
//! The same [`Sending`] and [`Receiving`] as over the network stand back to back, so what is published, refused, stale
//! or of another type is the same whichever node a runtime is on. Nothing is lost on the way; nobody has to be trusted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::LinkError;
use super::hub::Hub;
use super::receiving::Receiving;
use super::sending::Sending;
use super::session::until;
use crate::control::{FlowName, Message};
use crate::identity::AgentId;
use crate::now_ns;

/// Longest datagram: as nothing carries it, it may be long.
const DATAGRAM: usize = 16 << 10;
/// After a breach of the protocol, which would be a mistake of ours.
const PAUSE: Duration = Duration::from_secs(1);

/// Brings the wishes for this agent's own runtimes to them, for as long as it is polled. `me` is the peer that such
/// wishes name.
pub async fn run(hub: Arc<Hub>, me: AgentId) {
    loop {
        let mut own = Own {
            receiving: Receiving::default(),
            sending: Sending::new(rand_core::RngCore::next_u32(&mut rand_core::OsRng)),
            hub: hub.clone(),
            me,
        };
        let Err(error) = own.run().await;
        tracing::error!(%error, "values between runtimes of this agent");
        own.receiving.disconnected();
        tokio::time::sleep(PAUSE).await;
    }
}

enum Never {}

struct Own {
    receiving: Receiving,
    sending: Sending,
    hub: Arc<Hub>,
    me: AgentId,
}

impl Own {
    async fn run(&mut self) -> Result<Never, LinkError> {
        let mut plans = self.hub.plans.subscribe();
        let mut scans = self.hub.scans.subscribe();
        let runtimes = self.sending.introduce(&self.hub);
        self.hub.update_link(self.me, |link| {
            link.connected = true;
            link.in_process = true;
            link.runtimes.clone_from(&runtimes);
        });
        self.hub.link_changed();
        self.receiving.hello(runtimes);
        self.wish()?;
        self.receiving.show();
        loop {
            let next_due = self.receiving.next_due(0);
            tokio::select! {
                biased;
                _ = plans.changed() => {
                    let news = self.sending.news(&self.hub);
                    self.exchange(news)?;
                    self.wish()?;
                }
                _ = scans.changed() => self.scanned()?,
                () = until(next_due) => {
                    let todo = self.receiving.due(now_ns(), 0);
                    self.exchange(todo.send)?;
                }
            }
            self.receiving.show();
        }
    }

    fn wish(&mut self) -> Result<(), LinkError> {
        let asked = self.receiving.wish(self.hub.wishes_of(self.me));
        self.exchange(asked)
    }

    fn scanned(&mut self) -> Result<(), LinkError> {
        let datagrams = self.sending.scanned(&self.hub, now_ns(), DATAGRAM);
        let mut brought = datagrams.len() as u64;
        for datagram in datagrams {
            self.receiving.datagram(&datagram, now_ns())?;
        }
        while let Some((name, slot, stream)) = self.sending.bulk(&self.hub) {
            self.receiving.stream(&stream, now_ns())?;
            self.sending.bulk_arrived(name, slot);
            brought += 1;
        }
        if brought > 0 {
            self.hub.update_link(self.me, |link| link.received += brought);
        }
        if self.sending.states_moved(&self.hub) {
            let news = self.sending.news(&self.hub);
            self.exchange(news)?;
        }
        Ok(())
    }

    /// Each side answers the other until nothing is left to say.
    fn exchange(&mut self, messages: Vec<Message>) -> Result<(), LinkError> {
        let mut messages = VecDeque::from(messages);
        while let Some(message) = messages.pop_front() {
            match message {
                Message::Subscribe(wish) => messages.extend(self.sending.subscribe(&self.hub, &wish)),
                Message::SubscribeResult(result) => messages.extend(self.receiving.result(result)?),
                Message::Ready(name) => {
                    let snapshot = self.sending.ready(&self.hub, name);
                    self.show(snapshot, name)?;
                }
                Message::Resync(request) => {
                    let snapshot = self.sending.resync(request);
                    self.show(snapshot, request.name)?;
                }
                Message::Unsubscribe(name) => self.sending.unsubscribe(name),
                Message::Runtimes(runtimes) => {
                    self.hub.update_link(self.me, |link| link.runtimes.clone_from(&runtimes));
                    self.hub.link_changed();
                    messages.extend(self.receiving.runtimes(runtimes));
                }
                Message::LayoutChanged(name) => messages.extend(self.receiving.layout_changed(&name.runtime)),
                Message::PublisherState(state) => self.receiving.publisher_state(&state.runtime, state.state),
                // Nobody has to be told of the own keys.
                Message::Hello(_)
                | Message::Bye(_)
                | Message::Rotate(_)
                | Message::RotateAck(_)
                | Message::OnlyKey(_) => {}
            }
        }
        Ok(())
    }

    fn show(&mut self, snapshot: Option<Vec<u8>>, name: FlowName) -> Result<(), LinkError> {
        if let Some(snapshot) = snapshot {
            self.receiving.stream(&snapshot, now_ns())?;
            self.sending.snapshot_arrived(name);
        }
        Ok(())
    }
}
