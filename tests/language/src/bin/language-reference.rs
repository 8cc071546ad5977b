//! `make generate`: writes the list of feature tables in `docs/reference/language.md` anew from the cases.

use lineshaft_language_tests::{cases, page, page_path};
use std::process::ExitCode;

fn written() -> Result<(), String> {
    let path = page_path();
    let old = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let new = page(&old, &cases()?)?;
    std::fs::write(&path, new).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    match written() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("language-reference: {why}");
            ExitCode::FAILURE
        }
    }
}
