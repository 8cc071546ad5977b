//! What happens in the filling station as time passes. Pure: the caller brings the time.

use std::time::Duration;

const INLET_PERCENT_PER_SECOND: f64 = 8.0;
const OUTLET_PERCENT_PER_SECOND: f64 = 5.0;
/// Percent of the tank that make one bottle.
const BOTTLE_PERCENT_OF_TANK: f64 = 10.0;
const START_LEVEL_PERCENT: f64 = 20.0;
/// A bottle moves on once the outlet has been shut for this long: the last drops.
const DRIP: Duration = Duration::from_millis(200);
const NEXT_BOTTLE: Duration = Duration::from_secs(1);
const EMERGENCY_PATIENCE: Duration = Duration::from_millis(500);
/// Longest step that is calculated at once.
const STEP_MAX: Duration = Duration::from_millis(10);
/// A bottle counts as full a little before it runs over: sensors and valves are not exact.
const FULL_PERCENT: f64 = 98.0;
const OVER_PERCENT: f64 = 102.0;

/// Valve commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Valves {
    /// Inlet open.
    pub inlet: bool,
    /// Outlet open.
    pub outlet: bool,
}

/// Buttons of the operator panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Panel {
    /// Start is pressed.
    pub start: bool,
    /// Stop is pressed.
    pub stop: bool,
    /// Emergency stop is pressed.
    pub emergency: bool,
}

/// What went wrong since the last reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools)] // Five independent flags of the device, not states of one thing.
pub(super) struct Latched {
    pub(super) tank_overflow: bool,
    pub(super) spilled: bool,
    pub(super) ran_dry: bool,
    pub(super) emergency_ignored: bool,
    pub(super) watchdog: bool,
}

/// The station.
#[derive(Debug, Clone, PartialEq)]
pub struct Filler {
    /// What the controller commands.
    pub commands: Valves,
    /// What the operator presses.
    pub panel: Panel,
    /// Set-point of the level, 0.1 %; only kept for the program.
    pub set_point: u16,
    /// Communication watchdog; zero is off.
    pub watchdog: Duration,
    since_write: Duration,
    level_percent: f64,
    /// Fill of the bottle under the outlet, percent of a bottle.
    bottle_percent: Option<f64>,
    /// Since when the outlet is shut.
    shut_for: Duration,
    /// Until the next bottle stands there.
    arriving_in: Duration,
    commanded_in_emergency: Duration,
    bottles: u16,
    lost_percent: f64,
    latched: Latched,
}

impl Default for Filler {
    fn default() -> Self {
        Self {
            commands: Valves::default(),
            panel: Panel::default(),
            set_point: 600,
            watchdog: Duration::ZERO,
            since_write: Duration::ZERO,
            level_percent: START_LEVEL_PERCENT,
            bottle_percent: Some(0.0),
            shut_for: Duration::ZERO,
            arriving_in: Duration::ZERO,
            commanded_in_emergency: Duration::ZERO,
            bottles: 0,
            lost_percent: 0.0,
            latched: Latched::default(),
        }
    }
}

impl Filler {
    /// Lets `dt` pass.
    pub fn step(&mut self, dt: Duration) {
        let mut left = dt;
        while !left.is_zero() {
            let part = left.min(STEP_MAX);
            self.small_step(part);
            left -= part;
        }
    }

    fn small_step(&mut self, dt: Duration) {
        let seconds = dt.as_secs_f64();
        self.since_write = self.since_write.saturating_add(dt);
        if !self.watchdog.is_zero() && self.since_write >= self.watchdog && self.commands != Valves::default()
        {
            self.commands = Valves::default();
            self.latched.watchdog = true;
        }
        let positions = self.positions();
        if self.panel.emergency && self.commands != Valves::default() {
            self.commanded_in_emergency = self.commanded_in_emergency.saturating_add(dt);
            self.latched.emergency_ignored |= self.commanded_in_emergency >= EMERGENCY_PATIENCE;
        } else {
            self.commanded_in_emergency = Duration::ZERO;
        }
        if positions.inlet {
            self.level_percent += INLET_PERCENT_PER_SECOND * seconds;
        }
        if positions.outlet {
            self.shut_for = Duration::ZERO;
            self.pour(OUTLET_PERCENT_PER_SECOND * seconds);
        } else {
            self.shut_for = self.shut_for.saturating_add(dt);
        }
        if self.level_percent > 100.0 {
            self.lost_percent += self.level_percent - 100.0;
            self.level_percent = 100.0;
            self.latched.tank_overflow = true;
        }
        self.move_bottles(dt);
    }

    fn pour(&mut self, wanted_percent: f64) {
        let poured = wanted_percent.min(self.level_percent);
        self.latched.ran_dry |= poured < wanted_percent;
        self.level_percent -= poured;
        let Some(bottle) = &mut self.bottle_percent else {
            self.lost_percent += poured;
            self.latched.spilled |= poured > 0.0;
            return;
        };
        *bottle += poured / BOTTLE_PERCENT_OF_TANK * 100.0;
        if *bottle > OVER_PERCENT {
            self.lost_percent += (*bottle - OVER_PERCENT) / 100.0 * BOTTLE_PERCENT_OF_TANK;
            *bottle = OVER_PERCENT;
            self.latched.spilled = true;
        }
    }

    fn move_bottles(&mut self, dt: Duration) {
        match self.bottle_percent {
            Some(fill) if fill >= FULL_PERCENT && self.shut_for >= DRIP => {
                self.bottles = self.bottles.wrapping_add(1);
                self.bottle_percent = None;
                self.arriving_in = NEXT_BOTTLE;
            }
            Some(_) => {}
            None => {
                self.arriving_in = self.arriving_in.saturating_sub(dt);
                if self.arriving_in.is_zero() {
                    self.bottle_percent = Some(0.0);
                }
            }
        }
    }

    /// Somebody wrote: the watchdog starts anew.
    pub fn written(&mut self) {
        self.since_write = Duration::ZERO;
    }

    /// Forgets what went wrong.
    pub fn reset(&mut self) {
        self.latched = Latched::default();
        self.lost_percent = 0.0;
    }

    /// What the valves do, which is not always what was commanded.
    pub fn positions(&self) -> Valves {
        if self.panel.emergency { Valves::default() } else { self.commands }
    }

    /// Level of the tank, percent.
    pub fn level_percent(&self) -> f64 {
        self.level_percent
    }

    /// Fill of the bottle under the outlet, percent of a bottle; `None` without one.
    pub fn bottle_percent(&self) -> Option<f64> {
        self.bottle_percent
    }

    /// Bottles filled.
    pub fn bottles(&self) -> u16 {
        self.bottles
    }

    /// Product lost since the last reset, percent of a tank.
    pub fn lost_percent(&self) -> f64 {
        self.lost_percent
    }

    /// Whether anything went wrong since the last reset.
    pub fn is_clean(&self) -> bool {
        self.latched == Latched::default()
    }

    pub(super) fn latched(&self) -> Latched {
        self.latched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 0.2, "{found} is not near {expected}");
    }

    #[test]
    fn valves_move_the_level() {
        for (inlet, outlet, level, bottle) in [
            (false, false, 20.0, 0.0),
            (true, false, 36.0, 0.0),
            (false, true, 10.0, 100.0),
            (true, true, 26.0, 100.0),
        ] {
            let mut filler = Filler { commands: Valves { inlet, outlet }, ..Filler::default() };
            filler.step(seconds(2.0));
            near(filler.level_percent(), level);
            near(filler.bottle_percent().unwrap(), bottle);
            assert!(filler.is_clean());
        }
    }

    #[test]
    fn a_full_bottle_moves_on_once_the_outlet_is_shut() {
        let mut filler = Filler { commands: Valves { inlet: true, outlet: true }, ..Filler::default() };
        filler.step(seconds(2.0));
        assert_eq!((filler.bottles(), filler.bottle_percent().is_some()), (0, true));
        filler.commands.outlet = false;
        filler.step(seconds(0.25));
        assert_eq!((filler.bottles(), filler.bottle_percent()), (1, None));
        filler.step(seconds(1.0));
        assert_eq!(filler.bottle_percent(), Some(0.0));
        assert!(filler.is_clean());
    }

    #[test]
    fn a_half_full_bottle_stays() {
        let mut filler = Filler { commands: Valves { inlet: false, outlet: true }, ..Filler::default() };
        filler.step(seconds(1.0));
        filler.commands.outlet = false;
        filler.step(seconds(5.0));
        near(filler.bottle_percent().unwrap(), 50.0);
    }

    #[test]
    fn what_goes_wrong_stays_visible() {
        let mut filler = Filler { commands: Valves { inlet: true, outlet: false }, ..Filler::default() };
        filler.step(seconds(11.0));
        near(filler.level_percent(), 100.0);
        assert!(filler.latched().tank_overflow);
        near(filler.lost_percent(), 8.0);

        let mut filler = Filler { commands: Valves { inlet: false, outlet: true }, ..Filler::default() };
        filler.step(seconds(3.0));
        assert!(filler.latched().spilled && !filler.latched().ran_dry, "a full bottle runs over");
        filler.step(seconds(3.0));
        assert!(filler.latched().ran_dry);
        filler.reset();
        assert!(filler.is_clean());

        let mut filler = Filler { commands: Valves { inlet: true, outlet: true }, ..Filler::default() };
        filler.step(seconds(2.0));
        filler.commands.outlet = false;
        filler.step(seconds(0.3));
        filler.commands.outlet = true;
        filler.step(seconds(0.3));
        assert!(filler.latched().spilled, "nothing stands under the outlet");
    }

    #[test]
    fn the_emergency_stop_shuts_the_valves_and_sees_who_ignores_it() {
        let mut filler = Filler { commands: Valves { inlet: true, outlet: true }, ..Filler::default() };
        filler.panel.emergency = true;
        filler.step(seconds(0.4));
        near(filler.level_percent(), START_LEVEL_PERCENT);
        assert!(filler.is_clean());
        filler.step(seconds(0.2));
        assert!(filler.latched().emergency_ignored);
    }

    #[test]
    fn without_writes_the_watchdog_shuts_the_valves() {
        let mut filler = Filler { commands: Valves { inlet: true, outlet: false }, ..Filler::default() };
        filler.watchdog = seconds(0.5);
        for _ in 0..10 {
            filler.step(seconds(0.4));
            filler.written();
        }
        assert!(filler.commands.inlet && filler.is_clean());
        filler.step(seconds(0.6));
        assert_eq!(filler.commands, Valves::default());
        assert!(filler.latched().watchdog);
    }

    /// A simple program keeps the level and fills bottles without losing a drop.
    #[test]
    fn a_sensible_program_is_possible() {
        let mut filler = Filler::default();
        for _ in 0..120 * 100 {
            let level = filler.level_percent();
            filler.commands.inlet = level < 60.0 || (filler.commands.inlet && level < 70.0);
            filler.commands.outlet = level > 5.0 && filler.bottle_percent().is_some_and(|fill| fill < 99.0);
            filler.step(seconds(0.01));
        }
        assert!(filler.is_clean());
        assert!(filler.bottles() > 30, "{}", filler.bottles());
        assert!((55.0..75.0).contains(&filler.level_percent()));
    }

    #[test]
    fn the_size_of_the_steps_does_not_matter() {
        let run = |step: u64| {
            let mut filler = Filler { commands: Valves { inlet: true, outlet: true }, ..Filler::default() };
            for _ in 0..1200 / step {
                filler.step(Duration::from_millis(step));
            }
            filler
        };
        near(run(1).level_percent(), run(1200).level_percent());
        near(run(7).bottle_percent().unwrap(), run(300).bottle_percent().unwrap());
    }
}
