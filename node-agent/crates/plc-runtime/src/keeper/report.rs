//! What the keeper tells: its status with a revision, and values of the last scan.

use super::Keeper;
use crate::protocol::{
    Counters, Distribution, EngineKind, EngineStatus, Outputs, ProgramStatus, Response, Sample, Scheduling,
    Status, TaskStatus, Values,
};
use crate::state;

impl Keeper {
    pub(super) fn status(&self) -> Status {
        let outputs = match (&self.io, self.live) {
            (Some(_), true) => Outputs::Live,
            (Some(io), false) if !io.is_safe_confirmed() => Outputs::SafeUnconfirmed,
            _ => Outputs::Safe,
        };
        let tasks = self.tasks();
        let figures = self.io.as_ref().map(|io| io.board().total.snapshot()).unwrap_or_default();
        Status {
            revision: self.revision,
            pid: std::process::id(),
            runner_pid: self.runner.as_ref().map(|r| r.pid),
            generation: self.bundle.as_ref().map_or(0, |b| b.generation),
            state: self.state,
            reason: self.reason.clone(),
            program: self.loaded.as_ref().map(|l| ProgramStatus {
                hash: l.hash.clone(),
                generation: l.generation,
                layout_hash: l.layout.hash,
                compiler: env!("CARGO_PKG_VERSION").to_owned(),
                diagnostics: l.diagnostics.clone(),
            }),
            refused: self.refused.clone(),
            engine: self.engine(),
            realtime: self.realtime.clone(),
            tasks,
            drivers: self.io.as_ref().map_or_else(Vec::new, |io| io.statuses().to_vec()),
            outputs,
            last_fault: self.last_fault.clone(),
            change: self.change.clone(),
            mesh: self.mesh.status(),
            counters: Counters {
                scans: figures.scans,
                overruns: figures.overruns,
                missed: figures.missed,
                ..self.counters
            },
        }
    }

    fn engine(&self) -> EngineStatus {
        let asked = self.bundle.as_ref().map(|b| b.scheduling);
        let several = self.loaded.as_ref().is_some_and(|l| l.tasks.len() > 1);
        let (kind, refused) = match &self.loaded {
            Some(loaded) => (loaded.engine, loaded.engine_refused.as_deref()),
            None => (EngineKind::default(), None),
        };
        let one_thread = asked == Some(Scheduling::Preemptive) && several;
        let one_thread = one_thread.then_some(
            "all tasks run on one thread in order of priority; preemptive scheduling is not built in yet",
        );
        let notes: Vec<&str> = refused.into_iter().chain(one_thread).collect();
        EngineStatus { kind, one_thread: true, note: notes.join("; ") }
    }

    fn tasks(&self) -> Vec<TaskStatus> {
        let (Some(io), Some(loaded)) = (&self.io, &self.loaded) else { return Vec::new() };
        let described = loaded.tasks.iter().enumerate().map(|(i, task)| {
            let board = io.board();
            let mut status = TaskStatus {
                name: task.name.clone(),
                interval_ns: task.interval_ns,
                priority: task.priority,
                ..TaskStatus::default()
            };
            if let Some(task) = board.tasks.get(i) {
                let (figures, exec, late) = task.snapshot();
                status.exec_last_ns = figures.last_exec_ns;
                status.exec_avg_ns = figures.avg_exec_ns;
                status.exec_max_ns = figures.max_exec_ns;
                status.late_last_ns = figures.last_late_ns;
                status.late_max_ns = figures.max_late_ns;
                status.scans = figures.scans;
                status.overruns = figures.overruns;
                status.missed = figures.missed;
                status.exec = Distribution::of(&exec, figures.sum_exec_ns);
                status.late = Distribution::of(&late, figures.sum_late_ns);
            }
            status
        });
        described.collect()
    }

    /// Moves the revision if anything but figures has changed, and tells those who wait for that.
    pub(super) fn refresh(&mut self) {
        let mut status = self.status();
        let bare = without_figures(&status);
        if self.told.as_ref() == Some(&bare) {
            return;
        }
        self.told = Some(bare);
        self.revision += 1;
        status.revision = self.revision;
        for (since, reply) in std::mem::take(&mut self.watchers) {
            if since < self.revision {
                reply.send(Response::Status(Box::new(status.clone())));
            } else {
                self.watchers.push((since, reply));
            }
        }
    }

    /// Values of one scan.
    pub(super) fn read(&mut self, paths: Vec<String>) -> Response {
        let Some(loaded) = &mut self.loaded else {
            return Response::Failed { message: "no program is loaded".to_owned() };
        };
        let (header, state, _) = loaded.snapshot.latest();
        let sample = |path: String| {
            let value = state::read_json(&loaded.layout, state, &path).map_err(|e| e.to_string());
            Sample { path, value }
        };
        let values = paths.into_iter().map(sample).collect();
        Response::Values(Values { scan: header.sequence, task_time_ns: header.time_ns, values })
    }
}

fn without_figures(status: &Status) -> Status {
    let task = |t: &TaskStatus| TaskStatus {
        name: t.name.clone(),
        interval_ns: t.interval_ns,
        priority: t.priority,
        ..TaskStatus::default()
    };
    Status {
        revision: 0,
        tasks: status.tasks.iter().map(task).collect(),
        counters: Counters::default(),
        ..status.clone()
    }
}
