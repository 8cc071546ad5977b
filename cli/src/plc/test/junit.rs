//! Results for build servers: `JUnit`'s XML. A failed assertion is a `failure`, a run-time fault an `error`.

use std::fmt::{self, Write as _};

use super::Outcome;

/// The whole document. Times are left out: those of tests are virtual.
pub(super) fn text(outcome: &Outcome<'_>) -> String {
    let mut xml = String::new();
    write(outcome, &mut xml).expect("writing to a String cannot fail");
    xml
}

fn write(outcome: &Outcome<'_>, xml: &mut String) -> fmt::Result {
    let faults = outcome.report.failures().filter(|(_, failure)| !failure.assertion).count();
    let total = outcome.report.results.len();
    writeln!(xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    let failures = outcome.failed() - faults;
    writeln!(xml, "<testsuites tests=\"{total}\" failures=\"{failures}\" errors=\"{faults}\">")?;
    for (file, results) in outcome.by_file() {
        let failed = results.iter().filter_map(|result| result.failure.as_ref());
        let (broken, faulted): (Vec<_>, Vec<_>) = failed.partition(|failure| failure.assertion);
        let numbers = (results.len(), broken.len(), faulted.len());
        let (tests, failures, errors) = numbers;
        let file = Escaped(file);
        writeln!(
            xml,
            "  <testsuite name=\"{file}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">"
        )?;
        for result in results {
            let test = &outcome.tests.tests[result.test];
            let (name, line) = (Escaped(&test.name), test.at.line);
            write!(
                xml,
                "    <testcase classname=\"{file}\" name=\"{name}\" file=\"{file}\" line=\"{line}\""
            )?;
            let Some(failure) = &result.failure else {
                writeln!(xml, "/>")?;
                continue;
            };
            let element = if failure.assertion { "failure" } else { "error" };
            let (kind, message) = (Escaped(&failure.kind), Escaped(&failure.message));
            let place = &failure.place;
            let at = format!("{}:{}:{}", place.file, place.line, place.column);
            writeln!(xml, ">")?;
            writeln!(
                xml,
                "      <{element} type=\"{kind}\" message=\"{message}\">{}: {message}</{element}>",
                Escaped(&at)
            )?;
            writeln!(xml, "    </testcase>")?;
        }
        writeln!(xml, "  </testsuite>")?;
    }
    writeln!(xml, "</testsuites>")
}

/// Text inside of an element or attribute.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\n' | '\r' | '\t' => write!(f, "&#{};", character as u32)?,
                // XML has no other control characters, not even escaped.
                c if c.is_control() => f.write_char(char::REPLACEMENT_CHARACTER)?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_the_document() {
        assert_eq!(Escaped("a<b> & \"c\"\n\u{1}").to_string(), "a&lt;b&gt; &amp; &quot;c&quot;&#10;\u{fffd}");
    }
}
