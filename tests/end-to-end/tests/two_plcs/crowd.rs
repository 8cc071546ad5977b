//! Thousands of variables from agent to agent: numbers, texts, arrays and structures of several programs, all of them new
//! with every scan. `LINESHAFT_CROWD=10` makes ten thousand of it.

use std::fmt::Write as _;
use std::time::Duration;

use lineshaft_end_to_end::{Host, Memory, Plant, wait_until};
use serde_json::{Value, json};

/// Longer than any pause of a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// Programs that publish, a thousand variables each.
const PUBLISHERS: usize = 2;
/// As many as the program that receives has room for.
const PUBLISHERS_MAX: usize = 10;
/// Their publishers share a subscription, which holds 2,048 entries.
const PUBLISHERS_OF_A_SUBSCRIPTION: usize = 2;
/// What each of them publishes: a thousand variables.
const PUBLISHED: [(&str, usize); 4] = [("v", 850), ("s", 80), ("f", 50), ("l", 20)];
const SCAN_MS: u64 = 100;

const TYPES: &str = "
TYPE ST_Frame : STRUCT n : DINT; ok : BOOL; text : STRING[12]; END_STRUCT END_TYPE
TYPE ST_Site : STRUCT
    v : ARRAY[1..850] OF DINT;
    s : ARRAY[1..80] OF STRING[12];
    f : ARRAY[1..50] OF ST_Frame;
    l : ARRAY[1..20] OF ARRAY[0..9] OF INT;
END_STRUCT END_TYPE
";

const B: &str = "
PROGRAM Main
VAR site : ST_Site; n, i, k : DINT; text : STRING[12]; END_VAR
    n := n + 1;
    text := DINT_TO_STRING(n);
    FOR i := 1 TO 850 DO site.v[i] := n; END_FOR;
    FOR i := 1 TO 80 DO site.s[i] := text; END_FOR;
    FOR i := 1 TO 50 DO
        site.f[i].n := n; site.f[i].ok := n MOD 2 = 1; site.f[i].text := text;
    END_FOR;
    FOR i := 1 TO 20 DO FOR k := 0 TO 9 DO site.l[i][k] := DINT_TO_INT(n); END_FOR; END_FOR;
END_PROGRAM
";

/// `torn` counts scans in which the values of a program are not all of one of its scans.
const A: &str = "
PROGRAM Main
VAR
    sites : ARRAY[0..9] OF ST_Site;
    torn, changes : ARRAY[0..9] OF DINT;
    last : ARRAY[0..9] OF DINT;
    p, i, k, n : DINT; text : STRING[12]; whole : BOOL;
END_VAR
    FOR p := 0 TO 9 DO
        n := sites[p].v[1];
        text := DINT_TO_STRING(n);
        whole := TRUE;
        FOR i := 2 TO 850 DO whole := whole AND sites[p].v[i] = n; END_FOR;
        IF n <> 0 THEN
            FOR i := 1 TO 80 DO whole := whole AND sites[p].s[i] = text; END_FOR;
            FOR i := 1 TO 50 DO
                whole := whole AND sites[p].f[i].n = n AND sites[p].f[i].ok = (n MOD 2 = 1)
                    AND sites[p].f[i].text = text;
            END_FOR;
        END_IF;
        FOR i := 1 TO 20 DO FOR k := 0 TO 9 DO
            whole := whole AND sites[p].l[i][k] = DINT_TO_INT(n);
        END_FOR; END_FOR;
        IF NOT whole THEN torn[p] := torn[p] + 1; END_IF;
        IF n <> last[p] THEN changes[p] := changes[p] + 1; END_IF;
        last[p] := n;
    END_FOR;
END_PROGRAM
";

fn publishers() -> usize {
    let asked = std::env::var("LINESHAFT_CROWD").ok();
    let asked = asked.map(|asked| asked.parse().expect("LINESHAFT_CROWD is a number of programs"));
    asked.unwrap_or(PUBLISHERS).clamp(1, PUBLISHERS_MAX)
}

fn variables() -> impl Iterator<Item = String> {
    PUBLISHED.into_iter().flat_map(|(name, count)| (1..=count).map(move |index| format!("{name}[{index}]")))
}

fn runtime(name: &str, listen: &str, source: &str, publish: &[Value]) -> Value {
    json!({
        "apiVersion": "lineshaft.dev/v1alpha1", "kind": "PlcRuntime",
        "metadata": {"name": name.to_lowercase(), "namespace": "default"},
        "spec": {
            "program": {"sources": [{"name": "main.st", "inline": format!("{TYPES}{source}")}]},
            "tasks": [{"name": "main", "intervalMicroseconds": SCAN_MS * 1_000}],
            "discovery": {"serviceName": name},
            "mesh": {"listen": listen, "publish": publish},
        },
    })
}

/// All that A receives of some programs.
fn subscription(publishers: &[usize]) -> Value {
    let entry = |publisher: usize, variable: String| {
        json!({
            "to": format!("Main.sites[{publisher}].{variable}"),
            "from": {"peer": format!("Line{publisher}"), "variable": format!("Main.site.{variable}")},
            "timeoutMilliseconds": 5_000,
        })
    };
    let of = |&publisher: &usize| variables().map(move |variable| entry(publisher, variable));
    json!({
        "apiVersion": "lineshaft.dev/v1alpha1", "kind": "MeshSubscription",
        "metadata": {"name": format!("from-{}", publishers[0]), "namespace": "default"},
        "spec": {"runtimeRef": {"name": "hub"}, "subscribe": publishers.iter().flat_map(of).collect::<Vec<_>>()},
    })
}

fn manifests(objects: impl IntoIterator<Item = Value>) -> String {
    objects.into_iter().fold(String::new(), |mut all, object| {
        writeln!(all, "---\n{object}").unwrap();
        all
    })
}

fn numbers(of_a: &Memory, name: &str) -> Option<Vec<i64>> {
    let paths: Vec<String> = (0..publishers()).map(|publisher| format!("Main.{name}[{publisher}]")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    of_a.read(&paths)?.into_iter().map(|value| value.as_i64()).collect()
}

#[test]
fn thousands_of_variables_stay_fresh() {
    let count = publishers();
    let host = Host::alone();
    let (mut a, mut b) = (Plant::new(), Plant::new());
    a.move_to(&host);
    b.move_to(&host);
    let publish: Vec<Value> =
        variables().map(|variable| json!({"variable": format!("Main.site.{variable}")})).collect();
    let line = |number: usize| runtime(&format!("Line{number}"), "127.0.0.1:5212", B, &publish);
    b.write_manifest("lines.yaml", &manifests((0..count).map(line)));
    a.write_manifest("hub.yaml", &manifests([runtime("Hub", "127.0.0.1:5211", A, &[])]));
    a.start();
    b.start();
    a.wait_ready("hub");
    for number in 0..count {
        b.wait_ready(&format!("line{number}"));
    }
    wait_until(PATIENCE, "A sees all of B", || {
        (a.lineshaft(&["peers"]).matches("Line").count() == count).then_some(())
    });
    let code = b.lineshaft(&["pair", "offer"]);
    a.lineshaft(&["pair", "claim", "Line0", code.trim()]);

    let publishers: Vec<usize> = (0..count).collect();
    let wanted = publishers.chunks(PUBLISHERS_OF_A_SUBSCRIPTION).map(subscription);
    let kubectl = a.kubectl();
    kubectl.ok_with(&["apply", "--server-side", "-f", "-"], &manifests(wanted));
    kubectl.ok(&["wait", "--for=condition=Ready", "msub", "--all", "--timeout=120s"]);
    let good = kubectl.ok(&["get", "msub", "-o=jsonpath={.items[*].status.entries.good}"]);
    let good: usize = good.split(' ').map(|good| good.parse::<usize>().unwrap()).sum();
    assert_eq!(good, count * variables().count());

    let of_a = a.memory("hub");
    let starts = of_a.status().unwrap().counters.starts;
    // Not all of the entries begin in the same scan.
    let (torn, begun) = (numbers(&of_a, "torn").unwrap(), numbers(&of_a, "changes").unwrap());
    wait_until(PATIENCE, "50 values of each", || {
        let changes = numbers(&of_a, "changes")?;
        changes.iter().zip(&begun).all(|(now, begun)| *now >= begun + 50).then_some(())
    });
    assert_eq!(numbers(&of_a, "torn").unwrap(), torn, "values of different scans of a program");
    kubectl.ok(&["wait", "--for=condition=Fresh", "msub", "--all", "--timeout=1s"]);
    assert_eq!(of_a.status().unwrap().counters.starts, starts, "nothing hung");
}
