//! Products with a known factor.

use super::translate::Translation;
use cranelift_codegen::ir::{InstBuilder, Value as Machine};

impl Translation<'_, '_> {
    /// `value * factor`, wrapping. A factor of 3, 5 or 9 is one address computation; the multiplier, of which a
    /// processor has one, stays free.
    pub(super) fn times(&mut self, value: Machine, factor: i64) -> Machine {
        let power = i64::from(factor.trailing_zeros() & 63);
        let odd = match factor >> power {
            1 => value,
            odd @ (3 | 5 | 9) if self.build.func.dfg.value_type(value).bits() >= 32 => {
                let shifted = self.build.ins().ishl_imm_s(value, i64::from((odd - 1).trailing_zeros()));
                self.build.ins().iadd(value, shifted)
            }
            _ => return self.build.ins().imul_imm_s(value, factor),
        };
        if power == 0 { odd } else { self.build.ins().ishl_imm_s(odd, power) }
    }
}
