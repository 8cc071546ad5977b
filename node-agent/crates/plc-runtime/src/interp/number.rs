//! Conversions of numbers: total, with the rules of the language.

pub(super) fn mask(bits: u8) -> u64 {
    u64::MAX >> (64 - bits)
}

pub(super) fn sign_extend(value: u64, bits: u8) -> i64 {
    let shift = 64 - bits;
    (value << shift) as i64 >> shift
}

pub(super) fn int_to_float(value: u64, signed: bool, from: u8, to: u8) -> u64 {
    let signed_value = sign_extend(value, from);
    match (to, signed) {
        (32, true) => u64::from((signed_value as f32).to_bits()),
        (32, false) => u64::from((value as f32).to_bits()),
        (_, true) => (signed_value as f64).to_bits(),
        (_, false) => (value as f64).to_bits(),
    }
}

pub(super) fn float_to_int(value: u64, mode: u8, from: u8, to: u8) -> u64 {
    let value = if from == 32 { f64::from(f32::from_bits(value as u32)) } else { f64::from_bits(value) };
    let value = if mode & 2 == 0 { value.round_ties_even() } else { value.trunc() };
    // `as` saturates and takes NaN to 0, which is the rule here too.
    let integer = match (to, mode & 1 == 1) {
        (8, true) => value as i8 as u64,
        (8, false) => u64::from(value as u8),
        (16, true) => value as i16 as u64,
        (16, false) => u64::from(value as u16),
        (32, true) => value as i32 as u64,
        (32, false) => u64::from(value as u32),
        (_, true) => value as i64 as u64,
        (_, false) => value as u64,
    };
    integer & mask(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_become_integers_by_the_rules() {
        let dint = |v: f64, mode| float_to_int(v.to_bits(), mode, 64, 32) as i32;
        assert_eq!((dint(2.5, 1), dint(3.5, 1), dint(-2.5, 1)), (2, 4, -2), "ties to even");
        assert_eq!((dint(2.9, 3), dint(-2.9, 3)), (2, -2));
        assert_eq!((dint(1e10, 1), dint(-1e10, 1), dint(f64::NAN, 1)), (i32::MAX, i32::MIN, 0));
    }
}
