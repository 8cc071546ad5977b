//! Broken variants of every case: the compiler answers all of them without a panic, with diagnostics inside the
//! text, and whatever still compiles also runs without a panic.

use lineshaft_language_tests::Engine;
use lineshaft_plc_compiler::{Options, SourceUnit, compile};
use lineshaft_plc_runtime::engine::EngineKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

/// Variants of each case.
const VARIANTS: u64 = 6;
/// Longer cases would only repeat themselves.
const BYTES_MAX: usize = 2_000;

/// SplitMix64: the same variants in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % limit.max(1) as u64) as usize
    }
}

fn words(text: &str) -> Vec<&str> {
    text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect()
}

/// One word or character lost, doubled, swapped or taken from elsewhere, or the end cut off.
fn broken(text: &str, other: &str, random: &mut Random) -> String {
    let mut list = words(text);
    if list.is_empty() {
        return other.to_owned();
    }
    let (a, b) = (random.below(list.len()), random.below(list.len()));
    match random.below(6) {
        0 => drop(list.remove(a)),
        1 => list.insert(a, list[b]),
        2 => list.swap(a, b),
        3 => list.truncate(a),
        4 => {
            let from = words(other);
            list[a] = from[random.below(from.len())];
        }
        _ => {
            let mut characters: Vec<char> = text.chars().collect();
            let at = random.below(characters.len());
            characters[at] =
                ['(', ')', ';', '\'', '#', '%', '.', ':', '=', '*', '$', 'é', '9', '['][random.below(14)];
            return characters.into_iter().collect();
        }
    }
    list.concat()
}

fn check(text: &str) -> Result<(), String> {
    let units = [SourceUnit { name: "case.st".to_owned(), text: text.to_owned() }];
    let lines = text.split('\n').count() as u32 + 1;
    match compile(&units, &Options::default()) {
        Ok(program) => {
            let mut running = EngineKind::Interpreter.start(Arc::new(program), 10_000_000)?;
            for _ in 0..3 {
                if running.step().is_err() {
                    break;
                }
            }
        }
        Err(diagnostics) if diagnostics.is_empty() => return Err("refused without a word".to_owned()),
        Err(diagnostics) => {
            if let Some(outside) = diagnostics.iter().find(|it| it.place.line == 0 || it.place.line > lines) {
                return Err(format!("outside the text: {outside}"));
            }
        }
    }
    Ok(())
}

fn collect(folder: &Path, found: &mut Vec<String>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder of cases")
        .map(|it| it.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            if !path.ends_with("workloads") {
                collect(&path, found);
            }
        } else {
            let text = std::fs::read_to_string(&path).expect("a case is text");
            let lines: Vec<_> = text.lines().skip_while(|it| it.starts_with("//")).collect();
            let body = lines.join("\n");
            if body.len() <= BYTES_MAX && !body.is_empty() {
                found.push(body);
            }
        }
    }
}

#[test]
fn broken_variants_never_panic() {
    let mut texts = Vec::new();
    collect(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/cases")), &mut texts);
    let variants = std::env::var("LANGUAGE_VARIANTS").ok().and_then(|n| n.parse().ok()).unwrap_or(VARIANTS);
    let mut failures = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        for variant in 0..variants {
            let mut random = Random(number as u64 * 1_000_003 + variant);
            let other = &texts[random.below(texts.len())];
            let mut mutated = broken(text, other, &mut random);
            if random.below(2) == 0 {
                mutated = broken(&mutated, other, &mut random);
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| check(&mutated)));
            match outcome {
                Ok(Ok(())) => {}
                Ok(Err(why)) => failures.push(format!("{why}\n{mutated}")),
                Err(_) => failures.push(format!("PANIC\n{mutated}")),
            }
        }
    }
    let shown: Vec<_> = failures.iter().take(5).map(String::as_str).collect();
    assert!(failures.is_empty(), "{} variants:\n{}", failures.len(), shown.join("\n-----\n"));
}
