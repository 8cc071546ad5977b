//! `lineshaft explain`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod common;

use std::path::Path;

use common::lineshaft;

#[test]
fn a_code_has_a_page_with_a_wrong_and_a_right_example() {
    let done = lineshaft(&["explain", "ls3002"], Path::new("/"));
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(
        done.stdout,
        "\
error[LS3002]: implicit conversion would lose information

Only conversions that keep every value are implicit. Say what you mean with the conversion function in the help.

    PROGRAM Main
    VAR small : INT; large : DINT; END_VAR
      small := large;
    END_PROGRAM

Convert, if it may be cut, or use a larger variable.

    PROGRAM Main
    VAR small : INT; large : DINT; END_VAR
      small := DINT_TO_INT(large);
    END_PROGRAM
"
    );
}

#[test]
fn an_unknown_code_is_a_mistake_on_the_command_line() {
    let done = lineshaft(&["explain", "LS4299"], Path::new("/"));
    assert_eq!((done.code, done.stdout.as_str()), (2, ""), "{done:?}");
    assert!(
        done.stderr.starts_with("error: the compiler has no code \"LS4299\"; there are LS4201, "),
        "{done:?}"
    );
}
