//! The suite: everything started, on one port.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use passerelle_runtime::{Clock, Environment, Scope};
use sandbox_bank::{Bank, BankSettings, Person};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

use crate::clock::{self, KeptClock};
use crate::demo;
use crate::embedded_aws::{EmbeddedAws, Storage};
use crate::error::LocalError;
use crate::functions;
use crate::gateway::Gateway;
use crate::issuer::Issuer;
use crate::lambda::Lambda;
use crate::queues::Mapping;
use crate::schedules::{Expression, Schedules};
use crate::stack;
use crate::template::{Document, Stack, Template};

/// How a suite starts.
#[derive(Debug, Clone)]
pub struct Options {
    /// Loopback port; 0 for any that is free.
    pub port: u16,
    /// Where state is kept.
    pub storage: Storage,
    /// Time to start at; the machine's, or the stored one, when absent.
    pub clock: Option<Timestamp>,
    /// The same seed gives the sandbox bank the same people with the same movements.
    pub seed: u64,
    /// A folder of persona files for the sandbox bank.
    pub personae: Option<PathBuf>,
    /// How long a read takes at `bank-slow`; ten seconds when absent.
    pub slow_bank_call: Option<Duration>,
    /// The template to run; the one of this project when absent.
    pub template: Option<PathBuf>,
}

impl Options {
    /// Nothing kept, any port: what a test wants.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            port: 0,
            storage: Storage::Memory,
            clock: None,
            seed: 1,
            personae: None,
            slow_bank_call: None,
            template: None,
        }
    }
}

/// A running suite. Ends when dropped; [`Suite::stop`] waits for the end.
#[derive(Debug)]
pub struct Suite {
    base_url: Url,
    time: Time,
    issuer: Issuer,
    lambdas: BTreeMap<String, Arc<Lambda>>,
    aws: EmbeddedAws,
    template: Arc<Template>,
    bank: Arc<Bank>,
    tasks: JoinSet<()>,
    _alive: watch::Sender<()>,
    _lock: Option<File>,
}

/// The suite's time and everything that moves with it.
#[derive(Debug, Clone)]
pub(crate) struct Time {
    kept: KeptClock,
    schedules: Schedules,
    mappings: Arc<Vec<Mapping>>,
}

impl Suite {
    /// Starts everything the template asks for.
    ///
    /// # Errors
    /// [`LocalError`], which says what to change.
    pub async fn start(options: Options) -> Result<Self, LocalError> {
        let source = template_source(options.template.as_deref())?;
        let listener = listen(options.port).await?;
        let base_url = base_url(&listener, options.port)?;
        let base = base_url.as_str().trim_end_matches('/');

        let aws = EmbeddedAws::open(&options.storage).await?;
        let lock = lock(&options.storage)?;
        let kept = KeptClock::open(&options.storage, options.clock)?;
        let clock = kept.clock.clone();
        let template = bind(&source, base, &aws).await?;

        tracing::info!("opening the sandbox bank");
        let bank = open_bank(base, &options, clock.clone()).await?;
        let issuer = Issuer::open(base, &options.storage, clock.clone())?;

        tracing::info!(
            functions = template.functions.len(),
            "starting the functions"
        );
        let (alive, life) = watch::channel(());
        let lambdas = lambdas(&template, &clock, &aws, &life)?;
        register_clients(&lambdas).await?;
        let gateway = Arc::new(Gateway::new(
            &template.api,
            &lambdas,
            issuer.keys(),
            clock.clone(),
        )?);
        let schedules = schedules(&template, &lambdas, clock).await?;
        let mappings = Arc::new(mappings(&template, &lambdas, &aws)?);

        let time = Time {
            kept,
            schedules: schedules.clone(),
            mappings: Arc::clone(&mappings),
        };
        let router = Router::new()
            .fallback(to_gateway)
            .with_state(Arc::clone(&gateway))
            .merge(demo::router(Arc::clone(&gateway), issuer.clone(), base))
            .merge(clock::router(time.clone()))
            .nest("/issuer", issuer.router())
            .nest("/sandbox-bank", sandbox_bank::router(Arc::clone(&bank)));

        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, router));
        tasks.spawn(schedules.run());
        for mapping in mappings.iter() {
            tasks.spawn(mapping.clone().run());
        }
        let template = Arc::new(template);
        Ok(Self {
            base_url,
            time,
            issuer,
            lambdas,
            aws,
            template,
            bank,
            tasks,
            _alive: alive,
            _lock: lock,
        })
    }

    /// Where everything is reached, for instance `http://127.0.0.1:8787/`.
    #[must_use]
    pub fn base_url(&self) -> &Url {
        &self.base_url
    }

    /// The clock everything in the suite reads.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.time.kept.clock.clone()
    }

    /// Moves the clock by days, or by an eighth of a longer way: what was begun ends first, and at every
    /// step schedules call what fell due and queues are emptied before time goes on.
    ///
    /// # Errors
    /// When the moved clock cannot be stored.
    pub async fn advance(&self, by: SignedDuration) -> Result<(), LocalError> {
        self.time.advance(by).await
    }

    /// Waits until the queues are empty and nobody works, at most `patience`. Tells whether they are.
    pub async fn settled(&self, patience: Duration) -> bool {
        self.time.settled(patience).await
    }

    /// A token of the embedded issuer for one of its clients (`cli_demo`, `cli_other`).
    ///
    /// # Errors
    /// A client the issuer does not know.
    pub async fn token(&self, client: &str) -> Result<String, LocalError> {
        if !crate::issuer::CLIENTS
            .iter()
            .any(|(known, _)| *known == client)
        {
            return Err(LocalError::Argument(format!(
                "the embedded issuer has no client {client}"
            )));
        }
        self.issuer.token(client, &Scope::ALL)
    }

    /// A token of the embedded issuer as it gives one to any client, for some scopes alone: who may
    /// use the API is not the issuer's to say.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub async fn token_for(&self, client: &str, scopes: &[Scope]) -> Result<String, LocalError> {
        self.issuer.token(client, scopes)
    }

    /// Invokes a function directly, by its folder, as `aws lambda invoke` does.
    ///
    /// # Errors
    /// [`LocalError::Invocation`] when it ends with an error.
    pub async fn invoke(&self, function: &str, event: Value) -> Result<Value, LocalError> {
        invoke(&self.lambdas, function, event).await
    }

    /// The embedded AWS, for a look at what is stored and for [`EmbeddedAws::endpoint`].
    #[must_use]
    pub fn aws(&self) -> &EmbeddedAws {
        &self.aws
    }

    /// What is being run: physical names of tables and queues among it.
    #[must_use]
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// Who can log in at the sandbox bank.
    #[must_use]
    pub fn people(&self) -> Vec<Person> {
        self.bank.people()
    }

    /// The sandbox bank.
    #[must_use]
    pub fn bank(&self) -> &Bank {
        &self.bank
    }

    /// Ends everything. What was being worked on is found due at the next start.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

impl Time {
    pub(crate) fn now(&self) -> Timestamp {
        self.kept.clock.now()
    }

    pub(crate) async fn advance(&self, by: SignedDuration) -> Result<(), LocalError> {
        const DAY: SignedDuration = SignedDuration::from_hours(24);
        /// A step costs about a second on a small machine, and nobody wants to wait for ninety.
        const STEPS: i32 = 8;
        /// What one step waits for its queues.
        const PATIENCE: Duration = Duration::from_secs(5);
        let stride = by.checked_div(STEPS).unwrap_or(DAY).max(DAY);
        let mut left = by;
        // A day does not pass in the middle of a call to a bank.
        self.settled(PATIENCE).await;
        while left > SignedDuration::ZERO {
            let step = left.min(stride);
            self.kept.advance(step)?;
            left = left.checked_sub(step).unwrap_or_default();
            self.schedules.call_due().await;
            self.settled(PATIENCE).await;
        }
        Ok(())
    }

    async fn settled(&self, patience: Duration) -> bool {
        const LOOK: Duration = Duration::from_millis(20);
        let started = Instant::now();
        loop {
            let mut idle = true;
            for mapping in self.mappings.iter() {
                idle &= mapping.is_idle().await;
            }
            if idle || started.elapsed() >= patience {
                return idle;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The given template, the one here, or the one this program was built beside.
fn template_source(given: Option<&Path>) -> Result<String, LocalError> {
    const BUILT_BESIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml");
    let here = Path::new("template.yaml");
    let path = match given {
        Some(path) => path,
        None if here.exists() => here,
        None => Path::new(BUILT_BESIDE),
    };
    std::fs::read_to_string(path).map_err(LocalError::file("reading", path))
}

async fn listen(port: u16) -> Result<TcpListener, LocalError> {
    TcpListener::bind(("127.0.0.1", port))
        .await
        .map_err(|source| LocalError::Listen { port, source })
}

fn base_url(listener: &TcpListener, port: u16) -> Result<Url, LocalError> {
    let address = listener
        .local_addr()
        .map_err(|source| LocalError::Listen { port, source })?;
    Url::parse(&format!("http://{address}"))
        .map_err(|error| LocalError::Argument(error.to_string()))
}

/// Two suites on one folder would each believe to be alone.
fn lock(storage: &Storage) -> Result<Option<File>, LocalError> {
    let (Storage::Folder(folder), Some(path)) = (storage, storage.file("lock")) else {
        return Ok(None);
    };
    let file = File::create(&path).map_err(LocalError::file("making", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(_) => Err(LocalError::StateInUse(folder.clone())),
    }
}

async fn bind(source: &str, base: &str, aws: &EmbeddedAws) -> Result<Template, LocalError> {
    let document = Document::parse(source)?;
    let key_ids = aws.keys(&document.keys()).await?;
    let template = document.bind(&Stack {
        name: stack::STACK.to_owned(),
        region: stack::REGION.to_owned(),
        account: stack::ACCOUNT.to_owned(),
        api_endpoint: base.to_owned(),
        parameters: stack::parameters(base),
        key_ids,
    })?;
    functions::check(&template)?;
    aws.provision(&template).await?;
    Ok(template)
}

/// Making people is work for a processor, so it is done beside the others.
async fn open_bank(base: &str, options: &Options, clock: Clock) -> Result<Arc<Bank>, LocalError> {
    let problem = |text: String| LocalError::SandboxBank(text);
    let settings = BankSettings {
        base_url: Url::parse(&format!("{base}/sandbox-bank"))
            .map_err(|error| problem(error.to_string()))?,
        seed: options.seed,
        clock: Arc::new(move || clock.now()),
        personae: options.personae.clone(),
        state: options.storage.file("sandbox-bank.json"),
    };
    let opened = tokio::task::spawn_blocking(move || Bank::new(settings)).await;
    let bank = opened.map_err(|_| problem("it panicked".to_owned()))?;
    let bank = bank.map_err(|error| problem(error.to_string()))?;
    Ok(Arc::new(match options.slow_bank_call {
        Some(call) => bank.with_slow_calls(call),
        None => bank,
    }))
}

fn lambdas(
    template: &Template,
    clock: &Clock,
    aws: &EmbeddedAws,
    life: &watch::Receiver<()>,
) -> Result<BTreeMap<String, Arc<Lambda>>, LocalError> {
    let clients = aws.clients();
    let mut lambdas = BTreeMap::new();
    for resource in &template.functions {
        let mut variables = resource.environment.clone();
        variables.insert("AWS_REGION".to_owned(), stack::REGION.to_owned());
        let environment = Environment::new(variables, clock.clone());
        let lambda = Lambda {
            folder: resource.folder.clone(),
            arn: resource.arn.clone(),
            timeout: Duration::from_secs(resource.timeout_seconds),
            function: functions::build(resource, &environment, &clients)?,
            life: life.clone(),
        };
        lambdas.insert(resource.logical_id.clone(), Arc::new(lambda));
    }
    Ok(lambdas)
}

async fn invoke(
    lambdas: &BTreeMap<String, Arc<Lambda>>,
    function: &str,
    event: Value,
) -> Result<Value, LocalError> {
    let failed = || LocalError::Invocation(function.to_owned());
    let lambda = lambdas.values().find(|lambda| lambda.folder == function);
    let answer = lambda.ok_or_else(failed)?.invoke(event).await;
    answer.map_err(|_| failed())
}

/// What an operator does before an insurer can use the API, for the clients of the embedded issuer.
async fn register_clients(lambdas: &BTreeMap<String, Arc<Lambda>>) -> Result<(), LocalError> {
    for (client, _) in crate::issuer::CLIENTS {
        let command = json!({ "register-tenant": { "client": client, "name": client } });
        let answer = invoke(lambdas, "registry", command).await?;
        if answer.get("tenant").is_none() {
            return Err(LocalError::Registration(answer.to_string()));
        }
    }
    Ok(())
}

async fn schedules(
    template: &Template,
    lambdas: &BTreeMap<String, Arc<Lambda>>,
    clock: Clock,
) -> Result<Schedules, LocalError> {
    let schedules = Schedules::new(clock);
    for resource in &template.functions {
        let Some(lambda) = lambdas.get(&resource.logical_id) else {
            continue;
        };
        for schedule in &resource.schedules {
            let expression = Expression::parse(&schedule.expression).map_err(|problem| {
                LocalError::Template {
                    line: schedule.line,
                    problem,
                }
            })?;
            schedules
                .add(Arc::clone(lambda), schedule.clone(), expression)
                .await;
        }
    }
    Ok(schedules)
}

fn mappings(
    template: &Template,
    lambdas: &BTreeMap<String, Arc<Lambda>>,
    aws: &EmbeddedAws,
) -> Result<Vec<Mapping>, LocalError> {
    let mut mappings = Vec::new();
    for resource in &template.functions {
        let Some(lambda) = lambdas.get(&resource.logical_id) else {
            continue;
        };
        for source in &resource.queues {
            let queue = template
                .queues
                .iter()
                .find(|queue| queue.arn == source.queue_arn);
            let queue = queue.ok_or_else(|| LocalError::Template {
                line: source.line,
                problem: "this event's queue is not a queue of this template".to_owned(),
            })?;
            let url = stack::queue_url(&queue.name);
            mappings.push(Mapping::new(
                Arc::clone(lambda),
                source.clone(),
                url,
                aws.sqs_client(),
            ));
        }
    }
    Ok(mappings)
}

async fn to_gateway(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    gateway.answer(request, peer.ip()).await
}

async fn serve(listener: TcpListener, router: Router) {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    if let Err(error) = axum::serve(listener, service).await {
        tracing::error!(%error, "the suite stopped listening");
    }
}

#[cfg(test)]
mod tests;
