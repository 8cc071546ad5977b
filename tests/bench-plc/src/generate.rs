//! Long sources.

use std::fmt::Write;

/// Statements in the body of one generated function block.
const STATEMENTS_A_BLOCK: usize = 199;

/// Workload (d) without arrays: 200 instances of each block, each called by its name.
pub(crate) fn named_blocks() -> String {
    let mut text = String::from("PROGRAM Main\nVAR\n  clk : BOOL;\n  n, m : INT;\n");
    for k in 1..=200 {
        push(&mut text, format_args!("  trg{k} : R_TRIG;\n  ctu{k} : CTU;\n  ton{k} : TON;\n"));
    }
    text.push_str("END_VAR\n  clk := NOT clk;\n  n := 0;\n  m := 0;\n");
    for k in 1..=200 {
        push(
            &mut text,
            format_args!(
                "  trg{k}(CLK := clk);\n  ctu{k}(CU := trg{k}.Q, R := FALSE, PV := 1000);\n  \
                 ton{k}(IN := NOT ctu{k}.Q, PT := T#100ms);\n  IF ton{k}.Q THEN\n    n := n + 1;\n  END_IF;\n  \
                 IF ctu{k}.Q THEN\n    m := m + 1;\n  END_IF;\n"
            ),
        );
    }
    text.push_str("END_PROGRAM\n");
    text
}

/// A program of at least so many statements: function blocks of 199 each, an instance of each, called once a scan.
/// `n` counts the blocks that were called.
pub(crate) fn statements(wanted: usize) -> String {
    program(blocks_of(wanted))
}

/// How many function blocks that are: each is called by one more statement.
pub(crate) fn blocks_of(statements: usize) -> usize {
    statements.div_ceil(STATEMENTS_A_BLOCK + 1)
}

/// The same kind of program with at least so many lines.
pub(crate) fn lines(wanted: usize) -> String {
    let one = program(1).lines().count();
    let two = program(2).lines().count();
    program(1 + wanted.saturating_sub(one).div_ceil(two - one))
}

fn program(blocks: usize) -> String {
    let mut text = String::new();
    for number in 0..blocks {
        block(&mut text, number);
    }
    text.push_str("PROGRAM Main\nVAR\n  n : DINT;\n");
    for number in 0..blocks {
        push(&mut text, format_args!("  unit{number} : Unit{number};\n"));
    }
    text.push_str("END_VAR\n");
    for number in 0..blocks {
        push(&mut text, format_args!("  unit{number}(enable := TRUE, count := n);\n"));
    }
    text.push_str("END_PROGRAM\n");
    text
}

/// One function block of [`STATEMENTS_A_BLOCK`] statements; its numbers differ from those of the others.
fn block(text: &mut String, number: usize) {
    push(
        text,
        format_args!(
            "FUNCTION_BLOCK Unit{number}\nVAR_INPUT\n  enable : BOOL;\n  level : REAL := {number}.5;\nEND_VAR\n\
             VAR_IN_OUT\n  count : DINT;\nEND_VAR\nVAR\n  state, step : INT;\n  total : DINT;\n  \
             alarm, valve, pump : BOOL;\n  scaled : REAL;\n  list : ARRAY[0..31] OF INT;\n  \
             wait : TON;\n  edge : R_TRIG;\nEND_VAR\n"
        ),
    );
    let mut left = STATEMENTS_A_BLOCK - 1;
    for kind in 0.. {
        let (statement, count) = statement(kind, kind + number);
        if count <= left {
            text.push_str(&statement);
            left -= count;
        }
        if left == 0 {
            break;
        }
    }
    text.push_str("  count := count + 1;\nEND_FUNCTION_BLOCK\n");
}

/// What programs of plants consist of: interlocks, states, tables, scaling, timers, edges. The text, and how many
/// statements it has.
fn statement(kind: usize, k: usize) -> (String, usize) {
    match kind % 10 {
        0 => (
            format!(
                "  IF enable AND level > {k}.25 THEN\n    valve := TRUE;\n    state := {};\n  ELSE\n    \
                 valve := FALSE;\n  END_IF;\n",
                k % 5
            ),
            4,
        ),
        1 => (
            format!(
                "  CASE state OF\n    0: step := step + 1;\n    1..3: step := step - 1;\n  ELSE\n    \
                 step := {};\n  END_CASE;\n",
                k % 100
            ),
            4,
        ),
        2 => (format!("  list[{}] := list[{}] + step;\n", k % 32, (k + 7) % 32), 1),
        3 => (format!("  total := total + INT_TO_DINT(step) * {};\n", k % 1000), 1),
        4 => (format!("  scaled := level * {k}.125 - 3.0;\n"), 1),
        5 => (format!("  wait(IN := valve AND NOT alarm, PT := T#{k}ms);\n"), 1),
        6 => ("  FOR step := 0 TO 3 DO\n    total := total + list[step];\n  END_FOR;\n".to_owned(), 2),
        7 => ("  edge(CLK := wait.Q);\n".to_owned(), 1),
        8 => ("  IF edge.Q THEN\n    pump := NOT pump;\n  END_IF;\n".to_owned(), 2),
        _ => (format!("  alarm := scaled > {k}.0 OR total < -{k} AND NOT enable;\n"), 1),
    }
}

fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a String takes any text");
}

#[cfg(test)]
mod tests {
    use super::*;
    use lineshaft_plc_compiler::{Options, SourceUnit, check};

    #[test]
    fn long_sources_are_correct_and_as_long_as_asked_for() {
        let small = lines(1000);
        assert!((1000..1400).contains(&small.lines().count()), "{}", small.lines().count());
        assert!((20_000..20_400).contains(&lines(20_000).lines().count()));

        let text = statements(1000);
        let calls = text.lines().filter(|line| line.contains("(enable := TRUE, count := n)")).count();
        assert_eq!((calls, blocks_of(1000)), (5, 5));
        let statements = text.lines().filter(|line| is_statement(line)).count();
        assert_eq!(statements, 1000);

        let unit = SourceUnit { name: "long.st".to_owned(), text };
        assert_eq!(check(&[unit], &Options::default()), []);
    }

    /// An assignment, a call, or the head of another statement: neither a declaration nor an end.
    fn is_statement(line: &str) -> bool {
        let heads = ["  IF ", "  CASE ", "  FOR "];
        let simple = line.ends_with(';') && !line.contains(" : ") && !line.trim_start().starts_with("END_");
        simple || heads.iter().any(|head| line.starts_with(head))
    }
}
