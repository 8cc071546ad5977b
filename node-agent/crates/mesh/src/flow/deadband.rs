//! Changes too small to be sent.

use lineshaft_plc_compiler::layout::Elementary;

/// A number is sent when it differs by more than this from the value that was sent last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deadband {
    of: Elementary,
    limit: f64,
}

impl Deadband {
    /// `None` if the type is no number, or the limit no positive one.
    pub fn new(of: Elementary, limit: f64) -> Option<Self> {
        use Elementary as E;
        let number = matches!(
            of,
            E::Sint
                | E::Int
                | E::Dint
                | E::Lint
                | E::Usint
                | E::Uint
                | E::Udint
                | E::Ulint
                | E::Real
                | E::Lreal
        );
        (number && limit.is_finite() && limit > 0.0).then_some(Self { of, limit })
    }

    /// Whether the step from `sent` to `now`, two values in memory that differ, is worth a message. NaN is: it
    /// must not hide behind a comparison that is never true.
    pub(super) fn passes(self, sent: &[u8], now: &[u8]) -> bool {
        let difference = match (self.exact(sent), self.exact(now)) {
            (Some(sent), Some(now)) => sent.abs_diff(now) as f64,
            _ => (real(sent) - real(now)).abs(),
        };
        difference > self.limit || difference.is_nan()
    }

    fn exact(self, bytes: &[u8]) -> Option<i128> {
        use Elementary as E;
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let value = u64::from_le_bytes(wide);
        Some(match self.of {
            E::Sint => i128::from(value as i8),
            E::Int => i128::from(value as i16),
            E::Dint => i128::from(value as i32),
            E::Lint => i128::from(value as i64),
            E::Usint | E::Uint | E::Udint | E::Ulint => i128::from(value),
            _ => return None,
        })
    }
}

fn real(bytes: &[u8]) -> f64 {
    if let Ok(single) = <[u8; 4]>::try_from(bytes) {
        f64::from(f32::from_le_bytes(single))
    } else {
        <[u8; 8]>::try_from(bytes).map_or(f64::NAN, f64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_steps_stay_at_home() {
        let lint = Deadband::new(Elementary::Lint, 2.0).unwrap();
        let at = |value: i64| value.to_le_bytes();
        assert!(!lint.passes(&at(5), &at(7)));
        assert!(lint.passes(&at(5), &at(8)));
        assert!(lint.passes(&at(i64::MIN), &at(i64::MAX)));
        assert!(!lint.passes(&at(i64::MAX), &at(i64::MAX - 1)), "exact where a double is not");
        let real = Deadband::new(Elementary::Real, 0.5).unwrap();
        assert!(!real.passes(&1.0f32.to_le_bytes(), &1.5f32.to_le_bytes()));
        assert!(real.passes(&1.0f32.to_le_bytes(), &f32::NAN.to_le_bytes()));
        assert!(real.passes(&f32::NAN.to_le_bytes(), &1.0f32.to_le_bytes()));
        assert!(real.passes(&f32::NEG_INFINITY.to_le_bytes(), &1.0f32.to_le_bytes()));
    }

    #[test]
    fn only_numbers_have_one() {
        assert!(Deadband::new(Elementary::Bool, 1.0).is_none());
        assert!(Deadband::new(Elementary::Time, 1.0).is_none());
        assert!(Deadband::new(Elementary::Int, 0.0).is_none());
        assert!(Deadband::new(Elementary::Int, f64::NAN).is_none());
    }
}
