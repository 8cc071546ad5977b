//! What the runtime publishes and receives: paths resolved for each program, and the mailbox, which belongs to this
//! process so that it outlives runners and agents.

use super::Keeper;
use super::runner::Loaded;
use crate::Error;
use crate::mesh::{Binding, Resolved, describe, resolve};
use crate::protocol::{MailboxInfo, MeshStatus, Problem, Response, Subscription};
use crate::runner::control::{How, MeshOrder, Order, Shape, TaskInfo};
use lineshaft_exchange::{Mailbox, Wakeup, monotonic_ns};
use lineshaft_plc_compiler::layout::Layout;
use std::os::fd::{AsFd, OwnedFd};

/// What is wanted, and what of it is in place.
#[derive(Default)]
pub(super) struct MeshSide {
    wanted: Vec<Subscription>,
    problems: Vec<Problem>,
    present: Option<Present>,
}

/// What a runner works with.
struct Present {
    /// Number of the runner.
    runner: u64,
    info: MailboxInfo,
    binding: Binding,
    mailbox: Mailbox,
    wakeup: Wakeup,
}

/// What would be in place next.
pub(super) struct NextMesh {
    problems: Vec<Problem>,
    present: Option<Present>,
    /// The mailbox is another one than the present.
    renewed: bool,
}

impl MeshSide {
    pub(super) fn status(&self) -> MeshStatus {
        let mailbox = self.present.as_ref().map(|present| present.info.number);
        MeshStatus { mailbox, problems: self.problems.clone() }
    }

    /// What is in place.
    pub(super) fn binding(&self) -> Option<&Binding> {
        self.present.as_ref().map(|present| &present.binding)
    }

    /// What of a bundle's variables and of the subscriptions a program has.
    pub(super) fn resolve(&self, layout: &Layout, publish: &[String]) -> Resolved {
        resolve(layout, publish, &self.wanted)
    }

    /// Prepares what was resolved for a runner. The mailbox stays if nothing in it moves.
    pub(super) fn prepare(
        &self,
        mut resolved: Resolved,
        tasks: &[TaskInfo],
        runner: u64,
        how: How,
    ) -> Result<NextMesh, Error> {
        let problems = std::mem::take(&mut resolved.unreceived);
        if resolved.info.published.is_empty() && resolved.info.received.is_empty() {
            return Ok(NextMesh { problems, present: None, renewed: false });
        }
        resolved.info.scan_ns = tasks.iter().map(|t| t.interval_ns).filter(|&ns| ns > 0).min().unwrap_or(0);
        let before = self.present.as_ref().filter(|p| p.runner == runner && how == How::Online);
        if let Some(before) = before {
            resolved.follow(&before.binding);
            resolved.info.number = before.info.number;
        }
        let kept = before.filter(|before| before.info == resolved.info);
        let failed = |e: lineshaft_exchange::ExchangeError| Error::Exchange(e.to_string());
        let (mailbox, wakeup) = if let Some(kept) = kept {
            (kept.mailbox.clone(), kept.wakeup.try_clone().map_err(failed)?)
        } else {
            // Of the clock, so that the next keeper does not count the same numbers again.
            resolved.info.number = monotonic_ns().max(1).cast_unsigned();
            let mailbox = Mailbox::create("plc-mailbox", resolved.info.plan()).map_err(failed)?;
            (mailbox, Wakeup::new().map_err(failed)?)
        };
        resolved.binding.number = resolved.info.number;
        let Resolved { binding, info, .. } = resolved;
        let present = Present { runner, info, binding, mailbox, wakeup };
        Ok(NextMesh { problems, present: Some(present), renewed: kept.is_none() })
    }

    /// What was prepared is in place.
    pub(super) fn settle(&mut self, next: NextMesh) {
        for problem in &next.problems {
            tracing::warn!(problem.message, "not received");
        }
        (self.problems, self.present) = (next.problems, next.present);
    }
}

impl Present {
    fn descriptors(&self) -> Result<Vec<OwnedFd>, Error> {
        let own = |fd: std::os::fd::BorrowedFd<'_>| {
            fd.try_clone_to_owned().map_err(Error::io("duplicate a descriptor of the mailbox"))
        };
        Ok(vec![own(self.mailbox.as_fd())?, own(self.wakeup.as_fd())?])
    }
}

impl NextMesh {
    /// For the runner.
    pub(super) fn order(&self) -> Result<(Option<Box<MeshOrder>>, Vec<OwnedFd>), Error> {
        let Some(present) = &self.present else { return Ok((None, Vec::new())) };
        let mailbox = self.renewed.then(|| Shape::from(present.mailbox.plan()));
        let fds = if self.renewed { present.descriptors()? } else { Vec::new() };
        Ok((Some(Box::new(MeshOrder { binding: present.binding.clone(), mailbox })), fds))
    }
}

impl Keeper {
    /// Receives other variables; the program runs on.
    pub(super) fn subscribe(&mut self, wanted: Vec<Subscription>) -> Response {
        let before = std::mem::replace(&mut self.mesh.wanted, wanted);
        match self.rebind() {
            Ok(()) => Response::Mesh(self.mesh.status()),
            Err(error) => {
                self.mesh.wanted = before;
                Response::Failed { message: format!("nothing was changed: {error}") }
            }
        }
    }

    /// Resolves everything anew for the program that runs.
    pub(super) fn rebind(&mut self) -> Result<(), Error> {
        let (Some(bundle), Some(loaded), Some(runner)) = (&self.bundle, &self.loaded, &self.runner) else {
            return Ok(());
        };
        if !self.is_installed() {
            // Follows with the program.
            return Ok(());
        }
        let resolved = self.mesh.resolve(&loaded.layout, &bundle.publish);
        let next = self.mesh.prepare(resolved, &loaded.tasks, runner.number, How::Online)?;
        let (order, fds) = next.order()?;
        runner.send(Order::Mesh(order), fds);
        self.mesh.settle(next);
        Ok(())
    }

    pub(super) fn describe(&self, paths: &[String]) -> Response {
        match &self.loaded {
            Some(Loaded { layout, .. }) => Response::Described(describe(layout, paths)),
            None => Response::Failed { message: "no program is loaded".to_owned() },
        }
    }

    /// The present mailbox, and its descriptors.
    pub(super) fn mailbox(&self) -> (Response, Vec<OwnedFd>) {
        let Some(present) = &self.mesh.present else { return (Response::Mailbox(None), Vec::new()) };
        match present.descriptors() {
            Ok(fds) => (Response::Mailbox(Some(Box::new(present.info.clone()))), fds),
            Err(error) => (Response::Failed { message: error.to_string() }, Vec::new()),
        }
    }
}
