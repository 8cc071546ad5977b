//! From two statuses of a keeper to what happened between them: pure.
//!
//! Told on transitions only, in the order in which things follow from each other, and with notes that are the same
//! for the same happening: no process numbers, no figures that move by themselves.

use lineshaft_plc_runtime::protocol::{ChangeState, DriverState, Outputs, State, Status};

use super::record::version_name;
use crate::events::Happening;

/// What happened between `before` and `now`. `before` is `None` for a keeper that was started just now; one that
/// was adopted has been told of by the agent before.
pub(crate) fn between(before: Option<&Status>, now: &Status) -> Vec<Happening> {
    let mut told = Vec::new();
    program(before, now, &mut told);
    fault(before, now, &mut told);
    drivers(before, now, &mut told);
    outputs(before, now, &mut told);
    state(before, now, &mut told);
    told
}

fn program(before: Option<&Status>, now: &Status, told: &mut Vec<Happening>) {
    let Some(program) = &now.program else { return };
    let known = before.and_then(|before| before.program.as_ref());
    let same =
        known.is_some_and(|known| known.hash == program.hash && known.generation == program.generation);
    if same && before.is_some_and(|before| before.change == now.change) {
        return;
    }
    let version = version_name(&program.hash);
    let change = now.change.clone().unwrap_or_default();
    let kept = format!(
        "{} variables kept, {} converted, {} initialised, {} dropped",
        change.copied, change.converted, change.initialised, change.dropped
    );
    told.push(match change.state {
        ChangeState::Started => {
            Happening::normal("ProgramLoaded", "Loading", format!("version {version} starts"))
        }
        ChangeState::Applied => Happening::normal(
            "OnlineChange",
            "Loading",
            format!("version {version} took over between two scans: {kept}"),
        ),
        ChangeState::Restarted => Happening::normal(
            "ProgramLoaded",
            "Loading",
            format!("version {version} starts anew, outputs were safe in between: {kept}"),
        ),
    });
}

fn fault(before: Option<&Status>, now: &Status, told: &mut Vec<Happening>) {
    let Some(fault) = &now.last_fault else { return };
    let known = before.and_then(|before| before.last_fault.as_ref());
    if known != Some(fault) {
        told.push(Happening::warning("Faulted", "Scanning", fault.summary()));
    }
}

fn drivers(before: Option<&Status>, now: &Status, told: &mut Vec<Happening>) {
    for driver in &now.drivers {
        let known =
            before.into_iter().flat_map(|before| &before.drivers).find(|known| known.name == driver.name);
        let known = known.map(|known| known.state);
        if known == Some(driver.state) {
            continue;
        }
        match (known, driver.state) {
            (_, DriverState::Failed) => told.push(Happening::warning(
                "DeviceUnreachable",
                "Exchanging",
                format!("driver {}: {}", driver.name, driver.error),
            )),
            (Some(DriverState::Failed), DriverState::Operational) => told.push(Happening::normal(
                "DeviceBack",
                "Exchanging",
                format!("driver {} exchanges data again", driver.name),
            )),
            (_, DriverState::Operational | DriverState::Connecting) => {}
        }
    }
}

fn outputs(before: Option<&Status>, now: &Status, told: &mut Vec<Happening>) {
    let known = before.map(|before| before.outputs);
    if known == Some(now.outputs) {
        return;
    }
    match now.outputs {
        Outputs::Live => told.push(Happening::normal(
            "OutputsLive",
            "Driving",
            "the program drives the outputs after its first good scan",
        )),
        Outputs::Safe => told.push(Happening::normal(
            "OutputsSafe",
            "Driving",
            "every device confirmed the safe values of its outputs",
        )),
        // A keeper that has just begun has asked nobody yet.
        Outputs::SafeUnconfirmed if known == Some(Outputs::Live) => {
            let silent: Vec<&str> = now
                .drivers
                .iter()
                .filter(|driver| driver.state != DriverState::Operational)
                .map(|driver| driver.name.as_str())
                .collect();
            if !silent.is_empty() {
                told.push(Happening::warning(
                    "OutputsUnconfirmed",
                    "Driving",
                    format!("no confirmation of safe values yet from: {}", silent.join(", ")),
                ));
            }
        }
        Outputs::SafeUnconfirmed => {}
    }
}

fn state(before: Option<&Status>, now: &Status, told: &mut Vec<Happening>) {
    let known = before.map(|before| before.state);
    if known == Some(now.state) {
        return;
    }
    let because = |text: &str| {
        if now.reason.is_empty() { text.to_owned() } else { format!("{text}: {}", now.reason) }
    };
    let halted = matches!(known, Some(State::Halted | State::SafeHalted | State::Restarting));
    let (warning, reason, note) = match now.state {
        State::Stopped => (false, "Stopped", because("the program stands still")),
        State::Paused => (false, "Paused", because("the program holds its values")),
        State::Running if matches!(known, Some(State::Stopped | State::Paused)) => {
            (false, "Resumed", "the program scans again".to_owned())
        }
        State::Running if halted => (false, "Recovered", "the program scans again".to_owned()),
        State::Halted => (true, "Halted", because("the program stands still")),
        State::SafeHalted => {
            (true, "SafeHalted", because("the program stands still until it is acknowledged"))
        }
        State::Restarting => (true, "Restarting", because("the program will start again")),
        State::Running | State::Starting => return,
    };
    told.push(Happening::new(warning, reason, "Scanning", note));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plcruntime::sample;
    use lineshaft_plc_runtime::protocol::ChangeStatus;

    fn reasons(before: Option<&Status>, now: &Status) -> Vec<&'static str> {
        between(before, now).iter().map(|happening| happening.reason).collect()
    }

    #[test]
    fn a_start_and_then_nothing() {
        let mut seen = sample::running();
        seen.change = Some(ChangeStatus::default());
        assert_eq!(reasons(None, &seen), ["ProgramLoaded", "OutputsLive"]);
        let mut later = seen.clone();
        later.counters.scans += 100;
        later.revision += 1;
        assert_eq!(reasons(Some(&seen), &later), [""; 0]);
    }

    #[test]
    fn an_online_change_counts_its_variables() {
        let before = sample::running();
        let mut now = before.clone();
        if let Some(program) = &mut now.program {
            program.hash = format!("{}+00aa", sample::sources_hash('1'));
            program.generation = 3;
        }
        now.change = Some(ChangeStatus {
            state: ChangeState::Applied,
            copied: 812,
            initialised: 3,
            ..ChangeStatus::default()
        });
        let told = between(Some(&before), &now);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].reason, "OnlineChange");
        assert_eq!(
            told[0].note,
            "version 0123456789ab took over between two scans: 812 variables kept, 0 converted, 3 initialised, 0 dropped"
        );
    }

    #[test]
    fn a_device_that_leaves_and_comes_back() {
        let before = sample::running();
        let mut gone = before.clone();
        gone.drivers[0].state = DriverState::Failed;
        gone.drivers[0].error = "connection refused".to_owned();
        let told = between(Some(&before), &gone);
        assert_eq!(
            (told[0].reason, told[0].note.as_str()),
            ("DeviceUnreachable", "driver press: connection refused")
        );
        assert!(told[0].warning);
        gone.drivers[0].error = "timed out".to_owned();
        assert_eq!(reasons(Some(&gone), &gone), [""; 0], "another text of the same state is no transition");
        assert_eq!(reasons(Some(&gone), &before), ["DeviceBack"]);
    }

    #[test]
    fn a_fault_with_its_place_then_safe_outputs() {
        let before = sample::running();
        let mut now = before.clone();
        now.last_fault = Some(sample::fault());
        now.state = State::Halted;
        now.outputs = Outputs::Safe;
        let told = between(Some(&before), &now);
        assert_eq!(told[0].note, "IndexOutOfBounds at main.st:42:17 in Main.Conv (12, 0, 9)");
        assert_eq!(reasons(Some(&before), &now), ["Faulted", "OutputsSafe", "Halted"]);
        assert_eq!(reasons(Some(&now), &before), ["OutputsLive", "Recovered"]);
    }

    #[test]
    fn unconfirmed_outputs_name_the_driver() {
        let before = sample::running();
        let mut now = before.clone();
        now.outputs = Outputs::SafeUnconfirmed;
        assert_eq!(reasons(Some(&before), &now), [""; 0], "a device that answers needs a moment");
        now.drivers[0].state = DriverState::Failed;
        let told = between(Some(&before), &now);
        assert_eq!(told[1].note, "no confirmation of safe values yet from: press");
    }
}
