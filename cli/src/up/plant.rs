//! The parts of a running plant, in the order in which they start, and the other way round when they end.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kube::runtime::wait::await_condition;
use kube::{Api, Client};
use lineshaft_crds::{EdgeNode, condition, edge_node};
use lineshaft_node_agent as node_agent;
use lineshaft_node_agent::console::{Access, Range, Settings};
use prometheus::process_collector::ProcessCollector;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::access::{self, Deed};
use super::apiserver::{Apiserver, Setup};
use super::apply::{self, Applied, Outcome};
use super::console::{self, AccessError, Watched};
use super::data_directory::DataDirectory;
use super::identities::Identities;
use super::install;
use super::observe::observe;
use super::operator;
use super::outage::outlast;
use super::screen::Screen;
use super::{Arguments, UpError};
use crate::manifest::Manifest;

/// The manifests are applied after this long whether the node has joined or not.
const NODE_JOINS_WITHIN: Duration = Duration::from_secs(3);

/// What the operator does first.
const OPERATOR_BEGINS: [Deed; 2] = [
    Deed { verb: "list", group: lineshaft_crds::GROUP, resource: "plcruntimes", namespace: None },
    Deed {
        verb: "list",
        group: LEASES,
        resource: "leases",
        namespace: Some(lineshaft_crds::SYSTEM_NAMESPACE),
    },
];
/// What an agent does first.
const AGENT_BEGINS: [Deed; 2] = [
    Deed { verb: "list", group: lineshaft_crds::GROUP, resource: "plcruntimes", namespace: None },
    Deed {
        verb: "patch",
        group: LEASES,
        resource: "leases",
        namespace: Some(lineshaft_crds::SYSTEM_NAMESPACE),
    },
];
/// API group of Leases.
const LEASES: &str = "coordination.k8s.io";

/// What was made sure of before anything is started.
pub(crate) struct Ground {
    /// Locked.
    pub(crate) data: DataDirectory,
    /// Bound.
    pub(crate) console: TcpListener,
    /// Who may use it.
    pub(crate) access: Access,
    /// The API server's executable; absent where a cluster is used.
    pub(crate) apiserver: Option<PathBuf>,
    /// Executable of keepers and runners.
    pub(crate) keeper: PathBuf,
    /// Of this node.
    pub(crate) node: String,
}

/// What runs.
pub(crate) struct Plant {
    screen: Screen,
    node: String,
    data: DataDirectory,
    identities: Identities,
    watched: Watched,
    begun: Instant,
    agent: Option<Part<Result<(), node_agent::Error>>>,
    /// Gives the agent its client, once there is a server to talk to.
    agent_client: Option<oneshot::Sender<Client>>,
    /// Gives the console its client.
    admin_client: watch::Sender<Option<Client>>,
    console: Part<io::Result<()>>,
    apiserver: Option<Apiserver>,
    operator: Option<Part<()>>,
    observer: Option<Part<()>>,
}

/// A task with its way to be ended.
struct Part<T> {
    stop: CancellationToken,
    task: JoinHandle<T>,
}

impl<T: Send + 'static> Part<T> {
    fn start<F: Future<Output = T> + Send + 'static>(run: impl FnOnce(CancellationToken) -> F) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(stop.clone()));
        Self { stop, task }
    }

    /// Asks it to end, and waits until it has. Nothing if it panicked, which the panic has said.
    async fn end(self) -> Option<T> {
        self.stop.cancel();
        self.task.await.ok()
    }
}

impl Plant {
    /// Starts what needs no API server: the agent runs at once what it ran before.
    pub(crate) fn found(arguments: &Arguments, ground: Ground, screen: Screen) -> Result<Self, UpError> {
        let Ground { data, console: listener, access, apiserver: _, keeper, node } = ground;
        let identities = match &arguments.kubeconfig {
            Some(kubeconfig) => Identities::impersonated(kubeconfig, &node),
            None => Identities::embedded(&data, &node),
        };
        let watched = Watched::default();
        watched.registry.register(Box::new(ProcessCollector::for_self()))?;

        let (agent_client, client) = oneshot::channel();
        let options = node_agent::Options {
            lifeline: node_agent::Lifeline::WithParent,
            registry: watched.registry.clone(),
            readiness: watched.agent.clone(),
            ..node_agent::Options::new(node.clone(), data.join("node"), keeper)
        };
        let client = async {
            match client.await {
                Ok(client) => client,
                // No server came up, and the plant is about to end.
                Err(_) => std::future::pending().await,
            }
        };
        let mesh = options.board.clone();
        let agent = Part::start(|stop| node_agent::run(client, options, stop));

        let (admin_client, admin) = watch::channel(None);
        let settings = Settings {
            node_name: node.clone(),
            client: admin,
            range: Range::Site,
            access,
            registry: watched.registry.clone(),
            state_dir: data.join("node"),
            mesh,
        };
        let stop = CancellationToken::new();
        let pages = node_agent::console::console(settings, stop.clone()).map_err(AccessError::from)?;
        let console =
            Part { task: tokio::spawn(console::serve(listener, watched.clone(), pages, stop.clone())), stop };
        Ok(Self {
            screen,
            node,
            data,
            identities,
            watched,
            begun: Instant::now(),
            agent: Some(agent),
            agent_client: Some(agent_client),
            admin_client,
            console,
            apiserver: None,
            operator: None,
            observer: None,
        })
    }

    /// Starts the rest, applies the manifests, and goes on until something fails.
    pub(crate) async fn run(
        &mut self,
        arguments: &Arguments,
        apiserver: Option<PathBuf>,
        manifests: Vec<Manifest>,
    ) -> Result<Infallible, UpError> {
        if let Some(program) = apiserver {
            self.start_apiserver(arguments, program).await?;
        }
        self.install(&self.identities.admin.impatient_client().await?).await?;
        let admin = self.identities.admin.client().await?;
        let (operator, agent) =
            (self.identities.operator.client().await?, self.identities.agent.client().await?);
        tokio::join!(access::wait(&operator, &OPERATOR_BEGINS), access::wait(&agent, &AGENT_BEGINS));
        self.admin_client.send_replace(Some(admin.clone()));
        self.start_operator(operator);
        if let Some(agent_client) = self.agent_client.take() {
            // An agent that has ended needs no client; how it ended is looked at below.
            let _ = agent_client.send(agent);
        }
        self.wait_for_node(&admin).await;
        self.apply(&admin, &manifests).await?;
        drop(manifests);
        self.observe(admin);
        Err(self.agent_ended().await)
    }

    /// Waits for an end that nobody asked for.
    async fn agent_ended(&mut self) -> UpError {
        let Some(agent) = &mut self.agent else { return UpError::AgentEnded };
        let ended = (&mut agent.task).await;
        self.agent = None;
        match ended {
            Ok(Err(error)) => error.into(),
            Ok(Ok(())) | Err(_) => UpError::AgentEnded,
        }
    }

    async fn start_apiserver(&mut self, arguments: &Arguments, program: PathBuf) -> Result<(), UpError> {
        let begun = Instant::now();
        let setup = Setup {
            program,
            data: self.data.join("apiserver"),
            log: self.data.join("apiserver.log"),
            listen: arguments.listen,
            identities: self.identities.clone(),
        };
        let start = Apiserver::start(setup, self.screen.clone());
        let apiserver = self.screen.step("starting the API server", start).await?;
        self.screen.line(&format!("API server ready at {} ({})", apiserver.address, seconds(begun)));
        self.apiserver = Some(apiserver);
        Ok(())
    }

    async fn install(&self, admin: &Client) -> Result<(), UpError> {
        let begun = Instant::now();
        let wanted = install::wanted()?;
        let work = outlast(|| install::install(admin, &wanted));
        let installed = self.screen.step("installing kinds, roles and policies", work).await?;
        let what = match (installed.written, installed.total) {
            (0, total) => format!("{total} objects are as they should be"),
            (written, total) => format!("{written} of {total} objects written"),
        };
        self.screen.line(&format!("kinds, roles and policies: {what} ({})", seconds(begun)));
        Ok(())
    }

    fn start_operator(&mut self, client: Client) {
        let (watched, screen) = (self.watched.operator.clone(), self.screen.clone());
        self.operator = Some(Part::start(|stop| operator::run(client, watched, screen, stop)));
    }

    /// Gives the node a moment to join, so that the first words on each program are not that no node fits.
    async fn wait_for_node(&self, admin: &Client) {
        let nodes: Api<EdgeNode> = Api::all(admin.clone());
        let ready = |node: Option<&EdgeNode>| {
            let status = node.and_then(|node| node.status.as_ref());
            status.is_some_and(|status| condition::is_true(&status.conditions, edge_node::conditions::READY))
        };
        let joined = timeout(NODE_JOINS_WITHIN, await_condition(nodes, &self.node, ready));
        if let Ok(Ok(_)) = self.screen.step("waiting for the node to join", joined).await {
            self.screen.line(&format!("node {} is Ready", self.node));
        }
    }

    async fn apply(&self, admin: &Client, manifests: &[Manifest]) -> Result<(), UpError> {
        let applied =
            self.screen.step("applying manifests", outlast(|| apply::apply(admin, manifests))).await?;
        for Applied { identity, outcome } in applied {
            let said = match outcome {
                Outcome::Created => "created".to_owned(),
                Outcome::Changed => "changed".to_owned(),
                Outcome::Unchanged => "unchanged".to_owned(),
                Outcome::Kept(why) => format!("kept as it is, since others changed it on the server: {why}"),
            };
            self.screen.line(&format!("{identity}: {said}"));
        }
        Ok(())
    }

    fn observe(&mut self, admin: Client) {
        let kubeconfig = self.identities.admin.path.display();
        let footer = format!(
            "kubeconfig: {kubeconfig}\ntry: kubectl --kubeconfig {kubeconfig} get lineshaft\n     \
             kubectl --kubeconfig {kubeconfig} describe plc"
        );
        self.screen.line(&format!("started in {}; Ctrl-C ends it", seconds(self.begun)));
        if !self.screen.is_terminal() {
            self.screen.line(&footer);
        }
        let (screen, begun) = (self.screen.clone(), self.begun);
        self.observer = Some(Part::start(move |stop| observe(admin, screen, footer, begun, stop)));
    }

    /// Ends everything, the agent first: outputs are safe before anything else goes away. `hurry` cuts the rest short.
    pub(crate) async fn stop(self, hurry: impl Future<Output = ()>) -> Result<(), UpError> {
        if let Some(observer) = self.observer {
            observer.end().await;
        }
        self.screen.close();
        self.screen.line("stopping: outputs to their safe values");
        let agent = match self.agent {
            Some(agent) => agent.end().await.unwrap_or(Ok(())),
            None => Ok(()),
        };
        let rest = async {
            if let Some(operator) = self.operator {
                operator.end().await;
            }
            self.console.end().await;
            if let Some(apiserver) = self.apiserver {
                apiserver.stop().await;
            }
        };
        tokio::select! {
            () = rest => {}
            // What is left ends with this process: the API server has every acknowledged write on disk.
            () = hurry => {}
        }
        agent?;
        self.screen.line("stopped");
        Ok(())
    }
}

/// `1.2 s`
pub(super) fn seconds(since: Instant) -> String {
    format!("{:.1} s", since.elapsed().as_secs_f32())
}
