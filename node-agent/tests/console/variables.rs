//! Variables of a program that really runs: seen, filtered, written.

use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use lineshaft_node_agent::{Error, Lifeline, Options, Scope, default_exe, run};
use lineshaft_test_fixture::eventually;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::browser::{Browser, ENTER, Look, TAB};
use crate::http::{Answer, Request};
use crate::requests::update;
use crate::site::{SOON, Site};

const SOURCE: &str = "
TYPE Mode : (Idle, Fill, Drain); END_TYPE
PROGRAM Main
VAR CONSTANT largest : INT := 100; END_VAR
VAR
  beats : UDINT; name : STRING[20] := '<b>'; on : BOOL := TRUE;
  limit : INT (0..100) := 50; twice : INT; mode : Mode; list : ARRAY[1..3] OF INT;
END_VAR
beats := beats + 1;
twice := 2 * limit;
END_PROGRAM
";

/// An agent with one program.
pub(crate) struct Program {
    pub(crate) path: String,
    shutdown: CancellationToken,
    agent: JoinHandle<Result<(), Error>>,
}

impl Program {
    pub(crate) async fn run(site: &Site) -> Self {
        let mut options =
            Options::new(site.node.clone(), site.state.path().to_owned(), default_exe().unwrap());
        options.lifeline = Lifeline::WithParent;
        options.scope = Scope::Namespace(site.namespace.name().to_owned());
        site.namespace.name().clone_into(&mut options.lease_namespace);
        let shutdown = CancellationToken::new();
        let client = std::future::ready(site.namespace.client());
        let agent = tokio::spawn(run(client, options, shutdown.clone()));
        let object = site.runtime("counter", SOURCE, json!({})).await;
        let hash = lineshaft_crds::program_hash([("main.st", SOURCE)]);
        let generation = object.metadata.generation;
        let status = json!({"nodeName": site.node, "observedGeneration": generation,
            "accepted": {"generation": generation, "sourcesHash": hash}});
        let api: Api<lineshaft_crds::PlcRuntime> = site.namespace.api();
        site.say(&api, "counter", status).await;
        let path = format!("/runtimes/{}.counter/variables", site.namespace.name());
        Self { path, shutdown, agent }
    }

    pub(crate) async fn end(self) {
        self.shutdown.cancel();
        self.agent.await.unwrap().unwrap();
    }
}

/// Notes of the events that tell of writes.
pub(crate) async fn told(site: &Site) -> Vec<String> {
    let api: Api<Event> = site.namespace.api();
    let events = api.list(&ListParams::default()).await.unwrap();
    let writes = events.items.into_iter().filter(|event| event.reason.as_deref() == Some("VariableWritten"));
    writes.filter_map(|event| event.note).collect()
}

/// Through a console with a login.
pub(crate) async fn log_in(site: &Site, token: &str) -> String {
    let answer = site.form("/login", &[("token", token)]).send(site.address).await;
    answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

pub(crate) async fn get(site: &Site, path: &str, cookie: &str) -> Answer {
    Request::get(path).with("Cookie", cookie).send(site.address).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_of_a_running_program() {
    let site = Site::local().await;
    let program = Program::run(&site).await;
    let path = &program.path;
    let page = site.shows(path, "8 variables").await;
    for text in
        ["id=\"var-Main.beats\"", "TRUE", "&#39;&#60;b&#62;&#39;", "INT(0..100)", "Mode (Idle, Fill, Drain)"]
    {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    assert!(page.body.contains("/write?path=Main.limit"), "{}", page.body);
    assert!(!page.body.contains("/write?path=Main.largest"), "a constant has no such link");
    let filtered = site.get(&format!("{path}?q=BEAT")).await.body;
    assert!(
        filtered.contains("1 variables") && filtered.contains("Main.beats") && !filtered.contains("Main.on"),
        "{filtered}"
    );

    let (_, mut stream) = Request::get(format!("/events?page={path}&q=beats")).stream(site.address).await;
    let value = |changed: &[(String, String)]| -> Option<String> {
        changed.iter().find(|(id, _)| id == "var-Main.beats").map(|(_, html)| html.clone())
    };
    let one = value(&update(&mut stream, |changed| value(changed).is_some()).await);
    let two = value(&update(&mut stream, |changed| value(changed).is_some()).await);
    assert_ne!(one, two, "it counts");

    let path = program.path.clone();
    program.end().await;
    assert_eq!(site.shows(&path, "does not run here").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_asks_first_and_tells_who_did_it() {
    let site = Site::local().await;
    let program = Program::run(&site).await;
    let path = program.path.as_str();
    site.shows(path, "8 variables").await;
    let page = site.get(&format!("{path}/write?path=Main.limit")).await;
    assert!(page.body.contains("value=\"Main.limit\""), "{}", page.body);
    let form = page.form();
    let send = async |step: &str, name: &str, value: &str| {
        let fields = [("form", form.as_str()), ("path", name), ("value", value)];
        site.form(&format!("{path}/{step}"), &fields).send(site.address).await
    };
    let question = send("check", "main.LIMIT", "7").await;
    assert_eq!(question.status, 200);
    let runtime = format!("{}.counter", site.namespace.name());
    for text in ["id=\"old\">50<", "id=\"new\">7<", "INT(0..100)", &runtime] {
        assert!(question.body.contains(text), "{text}: {}", question.body);
    }
    let limit = format!("{path}?q=limit");
    assert!(site.get(&limit).await.body.contains(">50<"), "a question writes nothing");
    assert!(told(&site).await.is_empty());

    let done = send("write", "Main.limit", "7").await;
    assert_eq!((done.status, done.header("location")), (303, Some(format!("{path}?q=Main.limit").as_str())));
    site.shows(&limit, ">7<").await;
    site.shows(&format!("{path}?q=twice"), ">14<").await;
    assert_eq!(send("write", "Main.mode", "Drain").await.status, 303);
    assert_eq!(send("write", "Main.list[3]", "-9").await.status, 303);
    site.shows(&format!("{path}?q=list"), "[0,0,-9]").await;
    let notes =
        eventually(SOON, "three events", async || Some(told(&site).await).filter(|all| all.len() == 3));
    let notes = notes.await.join("\n");
    for text in
        ["somebody at the machine of the console wrote Main.limit: 50 to 7, after scan", "'Idle' to 'Drain'"]
    {
        assert!(notes.contains(text), "{text}: {notes}");
    }

    for (name, value, why) in [
        ("Main.limit", "101", "outside of 0..100"),
        ("Main.limit", "", "Name a variable"),
        ("Main.largest", "1", "is a constant"),
        ("Main.name", "'<script>alert(1)</script>'", "too long"),
        ("<script>", "1", "no variable"),
    ] {
        for step in ["check", "write"] {
            let refused = send(step, name, value).await;
            assert_eq!(refused.status, 422, "{step} {name} {value}");
            assert!(refused.body.contains(why), "{step} {name} {value}: {}", refused.body);
            assert!(!refused.body.contains("<script>"), "{}", refused.body);
        }
    }
    let fields = [("form", "0".repeat(48)), ("path", "Main.limit".to_owned()), ("value", "9".to_owned())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let foreign = site.form(&format!("{path}/write"), &fields).send(site.address).await;
    assert_eq!(foreign.status, 403, "a form of another session");
    assert_eq!(site.get("/runtimes/no.such/variables/write?path=x").await.status, 404);
    site.shows(&limit, ">7<").await;
    assert_eq!(told(&site).await.len(), 3, "nothing else was written");
    program.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_to_look_writes_nothing() {
    let site = Site::with_login().await;
    let program = Program::run(&site).await;
    let path = program.path.as_str();
    let (viewer, holder) = (log_in(&site, &site.look).await, log_in(&site, &site.token).await);
    let page = eventually(SOON, "its variables", async || {
        Some(get(&site, path, &viewer).await).filter(|page| page.body.contains("Main.limit"))
    })
    .await;
    assert!(!page.body.contains("/write?path="), "it is not led there");
    assert_eq!(get(&site, &format!("{path}/write?path=Main.limit"), &viewer).await.status, 403);
    let form = get(&site, "/network/mesh", &viewer).await.form();
    let post = async |path: &str, cookie: &str, form: &str| {
        let fields = [("form", form), ("path", "Main.limit"), ("value", "7")];
        site.form(path, &fields).with("Cookie", cookie).send(site.address).await
    };
    for step in ["check", "write"] {
        let refused = post(&format!("{path}/{step}"), &viewer, &form).await;
        assert_eq!(refused.status, 403, "{step}");
        assert!(refused.body.contains("may only look"), "{}", refused.body);
    }
    // An open offer shows its code, and whoever has it is trusted.
    assert_eq!(get(&site, "/network/pairing", &viewer).await.status, 403);
    assert_eq!(post("/network/pairing/offer", &viewer, &form).await.status, 403);
    assert!(site.pairings().await.is_empty());
    assert!(get(&site, &format!("{path}?q=limit"), &viewer).await.body.contains(">50<"));

    let own = get(&site, &format!("{path}/write?path=Main.limit"), &holder).await.form();
    assert_eq!(post(&format!("{path}/write"), &holder, &own).await.status, 303);
    eventually(SOON, "an event", async || {
        told(&site).await.iter().any(|note| note.contains("the holder of the console's token")).then_some(())
    })
    .await;
    assert_eq!(post("/logout", &viewer, &form).await.header("location"), Some("/login"));
    program.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_by_keyboard() {
    let site = Site::local().await;
    let program = Program::run(&site).await;
    let browser = Browser::start(Look::default()).await;
    site.shows(&program.path, "8 variables").await;
    browser.go(&site.url(&program.path)).await;
    browser.reads("#live", "live").await;
    browser.reads("#var-Main\\.limit", "50").await;
    browser.picture("variables").await;
    browser.click("#var-Main\\.limit a").await;
    // The field for the value has the focus.
    browser.reads("h1", "Write a variable").await;
    browser.keys("7").await;
    browser.keys(ENTER).await;
    browser.reads("#old", "50").await;
    browser.reads("#new", "7").await;
    browser.picture("write").await;
    browser.click("#confirm").await;
    browser.reads("h1", "Variables").await;
    browser.reads("#var-Main\\.limit", "7").await;
    assert_eq!(browser.complaints().await, json!([]));

    // A mistake keeps what was typed.
    browser.click("#var-Main\\.limit a").await;
    browser.keys("700").await;
    browser.keys(TAB).await;
    browser.keys(ENTER).await;
    browser.reads("#failed", "outside of 0..100").await;
    assert_eq!(browser.script("return document.getElementById('value').value").await, json!("700"));
    program.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_without_script_on_a_phone() {
    let site = Site::local().await;
    let program = Program::run(&site).await;
    site.shows(&program.path, "8 variables").await;
    let browser = Browser::start(Look { phone: true, without_script: true, ..Look::default() }).await;
    browser.go(&site.url(&format!("{}?q=limit", program.path))).await;
    browser.click("#var-Main\\.limit a").await;
    browser.write("#value", "9").await;
    browser.click("#check").await;
    browser.reads("#question", "Main.limit").await;
    browser.click("#confirm").await;
    browser.reads("#var-Main\\.limit", "9").await;
    program.end().await;
}
