//! Ten thousand variables.

use crate::carrier::Carrier;
use crate::runtime::{Runtime, hold};
use crate::{MS, NEVER};

const COUNT: usize = 10_000;

#[test]
fn ten_thousand_variables_show_together() {
    let paths: Vec<String> = (1..=COUNT).map(|index| format!("Main.v[{index}]")).collect();
    let b = "
PROGRAM Main
VAR v : ARRAY[1..10000] OF DINT; n : DINT; i : DINT; END_VAR
n := n + 1;
FOR i := 1 TO 10000 DO v[i] := n; END_FOR;
END_PROGRAM";
    let a = "
PROGRAM Main
VAR v : ARRAY[1..10000] OF DINT; torn : DINT; scans : DINT; i : DINT; END_VAR
scans := scans + 1;
FOR i := 2 TO 10000 DO IF v[i] <> v[1] THEN torn := torn + 1; END_IF; END_FOR;
END_PROGRAM";
    let b = Runtime::start(b, &paths, 100);
    let a = Runtime::start(a, &["Main.v", "Main.torn"], 20);
    let wanted: Vec<_> = paths.iter().map(|path| hold(path, NEVER)).collect();
    a.subscribe(&wanted);
    let mut carrier = Carrier::between(&b, &a);
    let mut shown = a.shown();
    let mut seen = Vec::new();
    while seen.len() < 5 {
        carrier.carry();
        let sight = shown.newest(|head, values, places| {
            let number = |path: &str, index: usize| {
                let start = places.of(path).start + 4 * index;
                i32::from_le_bytes(values[start..start + 4].try_into().unwrap())
            };
            (head.start_ns, number("Main.v", 0), number("Main.v", COUNT - 1), number("Main.torn", 0))
        });
        let Some((start_ns, first, last, torn)) = sight else { continue };
        assert_eq!((first, torn), (last, 0), "values of different scans");
        if first == 0 {
            // The runner has not taken the list yet.
            continue;
        }
        assert!(first >= carrier.delivered_before(start_ns));
        if seen.last() != Some(&first) {
            seen.push(first);
        }
    }
    // One variable less, and all at once another timeout: nothing blinks.
    let shorter: Vec<_> = paths[1..].iter().map(|path| hold(path, 3_000 * MS)).collect();
    a.subscribe(&shorter);
    assert_eq!(a.mailbox().info.received.len(), COUNT - 1);
    assert_eq!(a.read("Main.torn"), 0);
}
