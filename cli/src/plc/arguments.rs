//! The small languages inside the flags of `lineshaft plc`.

use lineshaft_plc_runtime::engine::EngineKind;

/// What executes a program.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Engine {
    /// Machine code, or the interpreter where the system does not let it run
    Jit,
    /// The interpreter
    Interpreter,
}

impl From<Engine> for EngineKind {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Jit => Self::Jit,
            Engine::Interpreter => Self::Interpreter,
        }
    }
}

use lineshaft_plc_compiler::Dialect;

/// Nanoseconds of `10ms`, `1.5s`, `250us`.
pub(super) fn interval(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 6] = [
        ("ns", 1),
        ("us", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let wanted = || "must be a number above 0 with a unit (ns, us, ms, s, m, h), such as 10ms".to_owned();
    let digits = text.find(|character: char| character.is_ascii_alphabetic()).ok_or_else(wanted)?;
    let (number, unit) = text.split_at(digits);
    let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wanted)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().map_err(|_| wanted())?;
    let mut nanoseconds = whole.checked_mul(*scale).ok_or_else(wanted)?;
    let mut place = *scale;
    for digit in fraction.chars() {
        place /= 10;
        let digit = digit.to_digit(10).ok_or_else(wanted)?;
        nanoseconds = nanoseconds.checked_add(u64::from(digit) * place).ok_or_else(wanted)?;
    }
    if nanoseconds == 0 { Err(wanted()) } else { Ok(nanoseconds) }
}

/// `iec`, `lineshaft`, `codesys`, as the manifest spells them too.
pub(super) fn dialect(text: &str) -> Result<Dialect, String> {
    let all = [("iec", Dialect::Iec), ("lineshaft", Dialect::Lineshaft), ("codesys", Dialect::Codesys)];
    let found = all.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    found.map(|(_, dialect)| dialect).ok_or_else(|| "must be iec, lineshaft or codesys".to_owned())
}

/// `PATH=VALUE`
pub(super) fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((path, value)) if !path.trim().is_empty() => {
            // `PATH:=VALUE` is what one writes in the language.
            let path = path.trim().trim_end_matches(':').trim_end();
            Ok((path.to_owned(), value.trim().to_owned()))
        }
        _ => Err("must be PATH=VALUE, such as Main.count=5".to_owned()),
    }
}

/// Splits `PATH,PATH` where the comma is not one between the indices of an array.
pub(super) fn paths(lists: &[String]) -> Vec<String> {
    let mut paths = Vec::new();
    for list in lists {
        let mut depth = 0_u32;
        let split = list.split(|character| {
            match character {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            character == ',' && depth == 0
        });
        paths.extend(split.map(str::trim).filter(|path| !path.is_empty()).map(str::to_owned));
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_have_a_unit() {
        for (text, nanoseconds) in [
            ("10ms", 10_000_000),
            ("1.5s", 1_500_000_000),
            ("250us", 250_000),
            ("1ns", 1),
            ("2h", 7_200_000_000_000),
        ] {
            assert_eq!(interval(text), Ok(nanoseconds), "{text}");
        }
        for text in ["", "10", "0ms", "-1ms", "ms", "1.5.5s", "99999999999h", "10 ms", "1d", "0.1ns"] {
            assert!(interval(text).is_err(), "{text}");
        }
    }

    #[test]
    fn paths_are_split_outside_of_indices() {
        assert_eq!(paths(&["a.b, c[1,2].d,".to_owned(), "e".to_owned()]), ["a.b", "c[1,2].d", "e"]);
    }

    #[test]
    fn assignments_have_a_path_and_a_value() {
        assert_eq!(assignment("a.b = 'x=y'"), Ok(("a.b".to_owned(), "'x=y'".to_owned())));
        assert_eq!(assignment("a:=1"), Ok(("a".to_owned(), "1".to_owned())));
        assert!(assignment("a").is_err() && assignment("=1").is_err());
    }
}
