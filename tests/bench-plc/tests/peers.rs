//! The scripts of the peers, with a stand-in for the compiler: real ones are rarely installed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What matiec writes, in short: the program counts its calls and keeps the nanoseconds of the clock.
const IEC2C: &str = r#"#!/bin/bash
set -e
while [ $# -gt 1 ]; do [ "$1" = -T ] && out=$2; shift; done
grep -q 'PROGRAM instance0 WITH task0 : Main;' "$1"
! grep -q '//' "$1"
cat >"$out/POUS.h" <<'END'
typedef struct { __IEC_DINT_t N; __IEC_LREAL_t T; } MAIN;
END
cat >"$out/Res0.c" <<'END'
#include "iec_std_lib.h"
#include "accessor.h"
#include "POUS.h"
MAIN RES0__INSTANCE0;
void RES0_init__(void) { RES0__INSTANCE0.N.value = 10; }
void RES0_run__(unsigned long tick) {
  RES0__INSTANCE0.N.value += tick < 3;
  RES0__INSTANCE0.T.value = __CURRENT_TIME.tv_sec + __CURRENT_TIME.tv_nsec / 1e9;
}
END
cat >"$out/Config0.c" <<'END'
void RES0_init__(void);
void RES0_run__(unsigned long tick);
void config_init__(void) { RES0_init__(); }
void config_run__(unsigned long tick) { RES0_run__(tick); }
END
"#;

const STANDARD: &str = "\
typedef struct { long tv_sec; long tv_nsec; } TIME;
typedef unsigned char BOOL;
extern TIME __CURRENT_TIME;
";

const ACCESSOR: &str = "\
#ifndef ACCESSOR
#define ACCESSOR
typedef struct { int value; } __IEC_DINT_t;
typedef struct { double value; } __IEC_LREAL_t;
#endif
";

fn matiec(checkout: &Path, program: &Path) -> std::process::Output {
    let mut command = Command::new(format!("{ROOT}/peers/matiec"));
    command.arg(format!("{ROOT}/workloads/empty.st")).arg(program).args(["Main.n", "Main.t"]);
    command.env("MATIEC", checkout).output().unwrap()
}

#[test]
fn matiec_runs_like_the_reference() {
    let checkout = tempfile::tempdir().unwrap();
    let library = checkout.path().join("lib/C");
    std::fs::create_dir_all(&library).unwrap();
    std::fs::write(library.join("iec_std_lib.h"), STANDARD).unwrap();
    std::fs::write(library.join("accessor.h"), ACCESSOR).unwrap();
    let compiler = checkout.path().join("iec2c");
    std::fs::write(&compiler, IEC2C).unwrap();
    std::fs::set_permissions(&compiler, std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = checkout.path().join("out");
    let built = matiec(checkout.path(), &program);
    assert!(built.status.success(), "{built:?}");

    let run = Command::new(&program).arg("1500").output().unwrap();
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(report["scans"], 1500);
    assert_eq!(
        (&report["values"]["Main.n"], &report["values"]["Main.t"]),
        (&Value::from(13), &Value::from(1.5))
    );
}

#[test]
fn a_compiler_that_is_not_here_is_no_failure() {
    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(matiec(nothing.path(), &nothing.path().join("out")).status.code(), Some(69));
}
