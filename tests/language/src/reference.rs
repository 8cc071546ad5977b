//! The list of feature tables in `docs/reference/language.md`, made from the cases: a table is claimed as far
//! as cases show it.

use crate::case::Case;
use lineshaft_plc_compiler::Severity;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Where the list begins in the page.
const BEGIN: &str = "<!-- Written by `make generate` from tests/language/cases. -->";
/// Where it ends.
const END: &str = "<!-- The end of what is written by `make generate`. -->";

/// Tables of IEC 61131-3 Ed. 3 (2013), and what is not in them, in order.
const TABLES: &[(&str, &str)] = &[
    ("T1", "character set"),
    ("T2", "identifiers"),
    ("T3", "comments"),
    ("T4", "pragmas"),
    ("T5", "numeric literals"),
    ("T6", "string literals"),
    ("T7", "escapes in strings"),
    ("T8", "duration literals"),
    ("T9", "date and time literals"),
    ("T10", "elementary types"),
    ("T11", "user-defined types"),
    ("T12", "references"),
    ("T13", "declaration of variables"),
    ("T14", "initial values"),
    ("T15", "arrays of variable length"),
    ("T16", "directly represented variables"),
    ("T17", "partial access"),
    ("T18", "EN and ENO"),
    ("T19", "function declarations"),
    ("T20", "function calls"),
    ("T21", "typed and overloaded functions"),
    ("T22", "conversions: names"),
    ("T23", "conversions of numbers"),
    ("T24", "conversions of bit strings"),
    ("T25", "conversions between bit strings and numbers"),
    ("T26", "conversions of dates and times"),
    ("T27", "conversions of characters"),
    ("T28", "numeric functions"),
    ("T29", "arithmetic functions"),
    ("T30", "shifts"),
    ("T31", "bitwise functions"),
    ("T32", "selection"),
    ("T33", "comparison"),
    ("T34", "string functions"),
    ("T35", "functions of times and dates"),
    ("T36", "CONCAT and SPLIT of dates"),
    ("T37", "byte order"),
    ("T38", "functions of enumerations"),
    ("T39", "IS_VALID"),
    ("T40", "function block declarations"),
    ("T41", "function block instances"),
    ("T42", "function block calls"),
    ("T43", "bistables"),
    ("T44", "edge detection"),
    ("T45", "counters"),
    ("T46", "timers"),
    ("T47", "programs"),
    ("T48", "classes"),
    ("T49", "class instances"),
    ("T50", "calls of methods"),
    ("T51", "interfaces"),
    ("T52", "assignment attempt"),
    ("T53", "object-oriented function blocks"),
    ("T54", "chart: steps"),
    ("T55", "chart: transitions"),
    ("T56", "chart: actions"),
    ("T57", "chart: action blocks of steps"),
    ("T58", "chart: action block features"),
    ("T59", "chart: qualifiers"),
    ("T60", "chart: action control"),
    ("T61", "chart: sequences"),
    ("T62", "configurations and resources"),
    ("T63", "tasks"),
    ("T64", "namespaces"),
    ("T65", "nested namespaces"),
    ("T66", "USING"),
    ("T71", "operators"),
    ("T72", "statements"),
    ("Ed4", "PROPERTY, of Ed. 4"),
    ("Faults", "errors at run time"),
    ("Recovery", "broken sources"),
    ("Dialects", "dialects and vendors' extensions"),
];

/// Links in a cell of the overview.
const IN_A_CELL: usize = 3;

/// What stands before the list of all cases.
const CASES_HEAD: &str = "# Cases of Structured Text

Every case of the conformance tests, by the feature table of IEC 61131-3 Ed. 3 that it is about. Written by
`make generate` from tests/language/cases; [the overview](language.md) says what the tables are.
";

/// Tables of which one side can have no case: side and reason.
const NONE: &[(&str, &str, &str)] = &[
    ("T54", "runs", "not supported"),
    ("T55", "runs", "not supported"),
    ("T56", "runs", "not supported"),
    ("T57", "runs", "not supported"),
    ("T58", "runs", "not supported"),
    ("T59", "runs", "not supported"),
    ("T60", "runs", "not supported"),
    ("T61", "runs", "not supported"),
    ("Recovery", "runs", "none can: each is broken"),
];

/// Tables of the cases that name none, by the beginning of their names; the longest counts.
const TOPICS: &[(&str, &[&str])] = &[
    ("access", &["T48"]),
    ("access_paths", &["T13"]),
    ("arithmetic", &["T29", "T71"]),
    ("arrays", &["T11", "T14"]),
    ("bistables", &["T43"]),
    ("bits", &["T31"]),
    ("bits/partial", &["T17"]),
    ("bits/rotate", &["T30"]),
    ("bits/sh", &["T30"]),
    ("classes", &["T48", "T49"]),
    ("codesys", &["Dialects"]),
    ("codesys/pointer", &["T12", "Dialects"]),
    ("configuration", &["T62", "T63"]),
    ("conversions", &["T22", "T23"]),
    ("conversions/bit_string", &["T24"]),
    ("conversions/dword_real", &["T25"]),
    ("conversions/from_string", &["T27"]),
    ("conversions/implicit_bit", &["T24"]),
    ("conversions/implicit_time", &["T26"]),
    ("conversions/integer_to_bit", &["T25"]),
    ("conversions/ltime", &["T26"]),
    ("conversions/negative_time", &["T26", "T27"]),
    ("conversions/refused_word", &["T24", "T25"]),
    ("conversions/time", &["T26"]),
    ("conversions/to_string", &["T27"]),
    ("counters", &["T45"]),
    ("dates", &["T9", "T35"]),
    ("dialects", &["Dialects"]),
    ("edges", &["T44"]),
    ("en_eno", &["T18"]),
    ("enums", &["T11", "T38"]),
    ("expressions", &["T71"]),
    ("faults", &["Faults"]),
    ("function_blocks", &["T40", "T41", "T42"]),
    ("functions", &["T19", "T20"]),
    ("functions_standard", &["T28"]),
    ("functions_standard/arithmetic", &["T29"]),
    ("functions_standard/chains", &["T33"]),
    ("functions_standard/comparison", &["T33"]),
    ("functions_standard/div", &["T29"]),
    ("functions_standard/limit", &["T32"]),
    ("functions_standard/logic", &["T31"]),
    ("functions_standard/max", &["T32"]),
    ("functions_standard/min", &["T32"]),
    ("functions_standard/mux", &["T32"]),
    ("functions_standard/sel", &["T32"]),
    ("functions_standard/too", &["T21"]),
    ("functions_standard/typed", &["T21"]),
    ("functions_standard/unknown", &["T21"]),
    ("inheritance", &["T48"]),
    ("interfaces", &["T51"]),
    ("lexical", &["T1", "T5"]),
    ("lexical/case_insensitive", &["T2"]),
    ("lexical/comment", &["T3"]),
    ("lexical/identifier", &["T2"]),
    ("lexical/ltime", &["T8"]),
    ("lexical/pragma", &["T4"]),
    ("lexical/string", &["T6", "T7"]),
    ("lexical/time", &["T8"]),
    ("located", &["T16"]),
    ("methods", &["T50"]),
    ("namespaces", &["T64"]),
    ("open_arrays", &["T15"]),
    ("pitfalls", &["T72"]),
    ("pragmas", &["T4"]),
    ("precedence", &["T71"]),
    ("programs", &["T47"]),
    ("properties", &["Ed4"]),
    ("recovery", &["Recovery"]),
    ("references", &["T12"]),
    ("statements", &["T72"]),
    ("strings", &["T34"]),
    ("structs", &["T11", "T14"]),
    ("time", &["T8", "T35"]),
    ("timers", &["T46"]),
    ("types", &["T10", "T11"]),
    ("variables", &["T13", "T14"]),
    ("workloads", &["T72"]),
];

/// What the cases show of one table.
#[derive(Default)]
struct Shown<'a> {
    runs: Vec<&'a str>,
    refused: Vec<&'a str>,
}

/// The page with its list made anew. `Err`: a case or the page does not fit, or a table lacks a case.
pub fn page(page: &str, cases: &[Case]) -> Result<String, String> {
    let (before, rest) = page.split_once(BEGIN).ok_or("the page has no list")?;
    let (_, after) = rest.split_once(END).ok_or("the list has no end")?;
    Ok(format!("{before}{BEGIN}\n\n{}\n{END}{after}", overview(&sorted(cases)?)?))
}

/// The page with every case of every table.
pub fn cases_page(cases: &[Case]) -> Result<String, String> {
    let shown = sorted(cases)?;
    let mut text = String::from(CASES_HEAD);
    for (table, what) in TABLES {
        let _ = write!(text, "\n## {table}\n\n{what}\n\n");
        let side = |side, list| {
            Ok::<_, String>(match reason(table, side, list)? {
                Some(why) => format!("* {side}: {why}\n"),
                // A line each: additions of several people then stand beside each other.
                None => {
                    list.iter().fold(format!("* {side}\n"), |text, case| text + "  * " + &link(case) + "\n")
                }
            })
        };
        let empty = Shown::default();
        let shown = shown.get(table).unwrap_or(&empty);
        text.push_str(&side("runs", &shown.runs)?);
        text.push_str(&side("refused", &shown.refused)?);
    }
    Ok(text)
}

fn sorted(cases: &[Case]) -> Result<BTreeMap<&str, Shown<'_>>, String> {
    let mut shown: BTreeMap<&str, Shown<'_>> = BTreeMap::new();
    for case in cases {
        let (topic, _) = case.name.split_once('/').ok_or("a case outside of every topic")?;
        for table in tables(case, topic)? {
            let entry = shown.entry(table).or_default();
            let errors = case.findings.iter().any(|finding| finding.severity == Severity::Error);
            let list = if errors || case.more_errors { &mut entry.refused } else { &mut entry.runs };
            if !list.contains(&case.name.as_str()) {
                list.push(&case.name);
            }
        }
    }
    Ok(shown)
}

fn overview(shown: &BTreeMap<&str, Shown<'_>>) -> Result<String, String> {
    let mut text = String::from("| Table | What | Runs | Refused |\n| --- | --- | --- | --- |\n");
    for (table, what) in TABLES {
        let empty = Shown::default();
        let shown = shown.get(table).unwrap_or(&empty);
        let runs = cell(table, "runs", &shown.runs)?;
        let refused = cell(table, "refused", &shown.refused)?;
        let _ = writeln!(text, "| {table} | {what} | {runs} | {refused} |");
    }
    Ok(text)
}

/// A few cases and the way to the others, or why there is none.
fn cell(table: &str, side: &str, list: &[&str]) -> Result<String, String> {
    if let Some(why) = reason(table, side, list)? {
        return Ok(why.to_owned());
    }
    if list.len() <= IN_A_CELL {
        return Ok(links(list));
    }
    let first = links(&list[..IN_A_CELL]);
    Ok(format!("{first}, [all](language-cases.md#{})", table.to_lowercase()))
}

fn links(list: &[&str]) -> String {
    list.iter().map(|case| link(case)).collect::<Vec<_>>().join(", ")
}

fn link(case: &str) -> String {
    let short = case.rsplit('/').next().unwrap_or(case).replace('_', " ");
    format!("[{short}](../../tests/language/cases/{case}.st)")
}

/// Why a table has no case of a side. `Err`: it has none and no reason, or one although a reason says it cannot.
fn reason(table: &str, side: &str, list: &[&str]) -> Result<Option<&'static str>, String> {
    let why = NONE.iter().find(|(t, s, _)| *t == table && *s == side).map(|(.., why)| *why);
    match (why, list.first()) {
        (None, None) => Err(format!("{table} has no case that {side}, and nothing says why")),
        (Some(why), Some(case)) => Err(format!("{table}: `{why}`, but there is {case}")),
        _ => Ok(why),
    }
}

/// The tables that a case is about.
fn tables<'a>(case: &'a Case, topic: &str) -> Result<Vec<&'a str>, String> {
    let named: Vec<&str> = case.tables.iter().map(String::as_str).collect();
    let list = if named.is_empty() {
        let fitting = TOPICS.iter().filter(|(name, _)| case.name.starts_with(name));
        let found = fitting.max_by_key(|(name, _)| name.len());
        found.ok_or(format!("the topic {topic} has no table"))?.1.to_vec()
    } else {
        named
    };
    match list.iter().find(|table| TABLES.iter().all(|(name, _)| name != *table)) {
        Some(unknown) => Err(format!("{}: no table {unknown}", case.name)),
        None => Ok(list),
    }
}
