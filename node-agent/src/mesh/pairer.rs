//! Carries pairings out: makes offers, claims those of others, takes trust back.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use lineshaft_crds::pairing::{Approval, Claim, FINALIZER};
use lineshaft_crds::{MeshPeer, Pairing};
use lineshaft_mesh::identity::AgentId;
use lineshaft_mesh::pairing::{Code, PairingError, Refusal};
use lineshaft_mesh::trust::Pin;
use tokio::task::JoinSet;

use super::mirror::Mirror;
use super::pairings::{self, Stage, Step};
use super::plan::Seen;
use super::thread::{Claimed, Mesh, Served};
use super::writer::{Status, Write};
use crate::events::{Happening, Teller};

/// What events say was being done.
const ACTION: &str = "Pairing";
/// Steps of one pairing in one pass: one leads to another, but not for ever.
const STEPS_MAX: usize = 4;

/// The pairings of this node.
pub(crate) struct Pairer {
    teller: Teller,
    /// How far each is, by UID.
    stages: BTreeMap<String, Stage>,
}

impl Pairer {
    pub(crate) fn new(teller: Teller) -> Self {
        Self { teller, stages: BTreeMap::new() }
    }

    /// Whether a code is shown.
    pub(crate) fn is_offering(&self) -> bool {
        self.stages.values().any(|stage| matches!(stage, Stage::Offering { .. }))
    }

    /// Whether any pairing has to be carried out, or was.
    pub(crate) fn is_needed(&self, pairings: &Mirror<Pairing>) -> bool {
        pairings.all().any(|object| {
            let over = matches!(self.stage(object), Some(Stage::Over { .. }));
            object.spec.approval == Approval::Approved && !over
        })
    }

    fn stage(&self, object: &Pairing) -> Option<&Stage> {
        self.stages.get(&object.uid()?)
    }

    /// Somebody has claimed the offer of this agent.
    pub(crate) fn served(&mut self, served: &Served, pairings: &Mirror<Pairing>) {
        let from = served.from;
        let (uid, happening) = match &served.outcome {
            Ok(paired) => {
                let uid = paired.peer.pairing.clone();
                self.stages.insert(uid.clone(), Stage::Paired { one_sided: paired.one_sided });
                let note =
                    format!("paired with {}, agent {}, at {from}", paired.peer.name, paired.peer.agent);
                (Some(uid), Happening::normal("Paired", ACTION, note))
            }
            Err(error) => {
                let offering = |stage: &Stage| matches!(stage, Stage::Offering { .. });
                let uid = self.stages.iter().find(|(_, stage)| offering(stage)).map(|(uid, _)| uid.clone());
                (uid, Happening::warning("PairingFailed", ACTION, format!("a claim from {from}: {error}")))
            }
        };
        self.tell(uid.as_deref(), pairings, happening);
    }

    /// The claim of a pairing of this node is over.
    pub(crate) fn claimed(
        &mut self,
        uid: &str,
        address: Option<SocketAddr>,
        outcome: &Result<Pin, PairingError>,
        pairings: &Mirror<Pairing>,
    ) {
        let at = address.map(|address| format!(" at {address}")).unwrap_or_default();
        let (stage, happening) = match outcome {
            Ok(pin) => {
                let note = format!("paired with {}, agent {}{at}", pin.name, pin.agent);
                (Stage::Paired { one_sided: false }, Happening::normal("Paired", ACTION, note))
            }
            Err(error) => {
                let note = format!("the claim{at} failed: {error}");
                (Stage::failed(error, Timestamp::now()), Happening::warning("PairingFailed", ACTION, note))
            }
        };
        // Not if it was deleted meanwhile.
        if let Some(known) = self.stages.get_mut(uid) {
            *known = stage;
            self.tell(Some(uid), pairings, happening);
        }
    }

    /// Takes each pairing as far as it goes now; gives what is to be written of it.
    pub(crate) fn pass(
        &mut self,
        mesh: &Mesh,
        pairings: &Mirror<Pairing>,
        peers: &Mirror<MeshPeer>,
        seen: &Seen,
        now: Timestamp,
        claims: &mut JoinSet<(String, Claimed)>,
    ) -> Vec<Write> {
        self.forget(mesh, pairings);
        let mut writes = Vec::new();
        for object in pairings.all() {
            let Some(uid) = object.uid() else { continue };
            self.count_attempts(mesh, &uid, seen);
            for _ in 0..STEPS_MAX {
                match pairings::step(object, self.stages.get(&uid), seen, now) {
                    Step::Wait => break,
                    Step::Enter(stage) => {
                        if matches!(self.stages.get(&uid), Some(Stage::Offering { .. })) {
                            mesh.offers.withdraw();
                        }
                        self.stages.insert(uid.clone(), stage);
                    }
                    Step::Protect => {
                        let mut finalizers = object.finalizers().to_vec();
                        finalizers.push(FINALIZER.to_owned());
                        writes.push(Write::Finalizers(object.clone(), finalizers));
                        break;
                    }
                    Step::Release => {
                        if self.release(mesh, object, &uid, seen) {
                            let others = object.finalizers().iter().filter(|name| *name != FINALIZER);
                            writes.push(Write::Finalizers(object.clone(), others.cloned().collect()));
                        }
                        break;
                    }
                    Step::Offer(ttl) => {
                        let stage = self.offer(mesh, ttl, &uid, now);
                        self.stages.insert(uid.clone(), stage);
                    }
                    Step::Claim(claim) => {
                        let stage = begin_claim(mesh, &claim, &uid, peers, seen, now, claims);
                        self.stages.insert(uid.clone(), stage);
                    }
                }
            }
            if object.metadata.deletion_timestamp.is_none()
                && let Some(status) = pairings::news(object, self.stages.get(&uid), seen, now)
            {
                writes.push(Write::Pairing(Status::of(&**object, &status)));
            }
        }
        writes
    }

    /// Pairings that are no more.
    fn forget(&mut self, mesh: &Mesh, pairings: &Mirror<Pairing>) {
        if !pairings.is_listed() {
            return;
        }
        self.stages.retain(|uid, stage| {
            let exists = pairings.all().any(|object| object.metadata.uid.as_ref() == Some(uid));
            if !exists && matches!(stage, Stage::Offering { .. }) {
                mesh.offers.withdraw();
            }
            exists
        });
    }

    /// A success closes the offer as well: what became of it then is about to be told.
    fn count_attempts(&mut self, mesh: &Mesh, uid: &str, seen: &Seen) {
        if let Some(Stage::Offering { left, .. }) = self.stages.get_mut(uid)
            && !seen.pins.iter().any(|pin| pin.pairing == uid)
        {
            *left = mesh.offers.attempts_left();
        }
    }

    fn offer(&mut self, mesh: &Mesh, ttl: std::time::Duration, uid: &str, now: Timestamp) -> Stage {
        match mesh.offers.offer(ttl, uid.to_owned()) {
            Ok(code) => {
                for other in self.stages.values_mut().filter(|stage| matches!(stage, Stage::Offering { .. }))
                {
                    *other = Stage::over("Expired", "another offer of this node took its place");
                }
                let expires = now.checked_add(ttl).unwrap_or(now);
                let expires = Timestamp::from_second(expires.as_second()).unwrap_or(expires);
                Stage::Offering { code: code.to_string(), expires, left: mesh.offers.attempts_left() }
            }
            Err(refusal) => {
                let reason = if matches!(refusal, Refusal::Locked { .. }) { "Locked" } else { "Expired" };
                Stage::later(reason, format!("no offer can be made at present: {refusal}"), now)
            }
        }
    }

    /// Whether nothing of the pairing is left.
    fn release(&mut self, mesh: &Mesh, object: &Pairing, uid: &str, seen: &Seen) -> bool {
        if matches!(self.stages.remove(uid), Some(Stage::Offering { .. })) {
            mesh.offers.withdraw();
        }
        let Some(pin) = pairings::pin_of(object, seen) else { return true };
        match mesh.trust.unpin(pin.agent) {
            Ok(()) => {
                let note = format!("{}, agent {}, is trusted no more", pin.name, pin.agent);
                self.teller.tell(&object.object_ref(&()), Happening::normal("Unpaired", ACTION, note));
                true
            }
            Err(error) => {
                tracing::error!(%error, "the pin stays on the disk: it is trusted again after a restart");
                false
            }
        }
    }

    fn tell(&self, uid: Option<&str>, pairings: &Mirror<Pairing>, happening: Happening) {
        let object = pairings.all().find(|object| uid.is_some() && object.metadata.uid.as_deref() == uid);
        if let Some(object) = object {
            self.teller.tell(&object.object_ref(&()), happening);
        } else {
            tracing::warn!(reason = happening.reason, "{}", happening.note);
        }
    }
}

/// Agents that were paired through the object of a peer, by its name.
pub(crate) fn claimed_peers(pairings: &Mirror<Pairing>, seen: &Seen) -> BTreeMap<String, AgentId> {
    let claimed = |object: &Pairing| {
        let peer = object.spec.claim.as_ref()?.peer_ref.as_ref()?;
        Some((peer.name.clone(), pairings::pin_of(object, seen)?.agent))
    };
    pairings.all().filter_map(|object| claimed(object)).collect()
}

fn begin_claim(
    mesh: &Mesh,
    claim: &Claim,
    uid: &str,
    peers: &Mirror<MeshPeer>,
    seen: &Seen,
    now: Timestamp,
    claims: &mut JoinSet<(String, Claimed)>,
) -> Stage {
    let code: Code = match claim.code.parse() {
        Ok(code) => code,
        Err(error) => return Stage::over("BadCheckDigit", format!("{error}")),
    };
    let addresses = match addresses(claim, peers, seen) {
        Ok(addresses) => addresses,
        Err(message) => return Stage::later("PeerUnreachable", message, now),
    };
    let (mesh, uid) = (mesh.clone(), uid.to_owned());
    claims.spawn(async move {
        let claimed = mesh.claim(addresses, code, uid.clone()).await;
        (uid, claimed)
    });
    Stage::Claiming
}

/// Where the other side is.
fn addresses(claim: &Claim, peers: &Mirror<MeshPeer>, seen: &Seen) -> Result<Vec<SocketAddr>, String> {
    let read = |text: &String| text.parse().map_err(|_| format!("{text} is no IP address and port"));
    if let Some(address) = &claim.address {
        return Ok(vec![read(address)?]);
    }
    let name = claim.peer_ref.as_ref().map(|peer| peer.name.as_str()).unwrap_or_default();
    let object = peers.all().find(|object| object.metadata.name.as_deref() == Some(name));
    let object = object.ok_or_else(|| format!("there is no MeshPeer {name}"))?;
    let runtime = object.status.as_ref().and_then(|status| status.runtime_id.as_ref()?.parse().ok());
    let sighting = runtime.and_then(|runtime| seen.peers.get(&runtime));
    let mut addresses: Vec<SocketAddr> =
        sighting.into_iter().flat_map(|peer| peer.addresses.values().flatten().copied()).collect();
    for address in &object.spec.addresses {
        addresses.push(read(address)?);
    }
    if addresses.is_empty() {
        return Err(format!("{name} is not seen by this node"));
    }
    Ok(addresses)
}
