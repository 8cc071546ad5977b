//! `make generate`: writes the list of feature tables in `docs/reference/language.md` and the list of cases in
//! `docs/reference/language-cases.md` anew from the cases.

use lineshaft_language_tests::{cases, cases_page, cases_path, page, page_path};
use std::process::ExitCode;

fn written() -> Result<(), String> {
    let path = page_path();
    let old = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let cases = cases()?;
    std::fs::write(&path, page(&old, &cases)?).map_err(|error| error.to_string())?;
    std::fs::write(cases_path(), cases_page(&cases)?).map_err(|error| error.to_string())
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
