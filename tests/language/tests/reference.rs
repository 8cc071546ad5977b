//! The page of the book claims what the cases show, no more and no less.

use lineshaft_language_tests::{cases, cases_page, cases_path, page, page_path};

#[test]
fn the_list_of_tables_is_made_from_the_cases() {
    let old = std::fs::read_to_string(page_path()).expect("the page exists");
    let new = page(&old, &cases().expect("every case can be read")).expect("the page has a list");
    assert!(old == new, "docs/reference/language.md is not what the cases say: run `make generate`");
}

#[test]
fn the_list_of_cases_is_made_from_the_cases() {
    let old = std::fs::read_to_string(cases_path()).expect("the page exists");
    let new = cases_page(&cases().expect("every case can be read")).expect("every table has its cases");
    assert!(old == new, "docs/reference/language-cases.md is not what the cases say: run `make generate`");
}
