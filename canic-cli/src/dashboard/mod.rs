//! The dashboard: a page on this machine that shows a fleet with the operator's identity.
//!
//! Only the browser that opens the printed link sees it: the link's token is good for one use and
//! becomes a cookie. The page reads JSON, and changes nothing but rollouts.

mod access;
mod cache;
mod cycles;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use axum::{
    Router,
    extract::{Path, RawQuery, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use candid::Principal;
use canic::api::RolloutControl;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use self::{
    access::Access,
    cache::{Cache, Rows},
    cycles::Samples,
};
use crate::{
    commands::{find, lists, logs, members, pool, rollout, status},
    failure::{Failure, Kind},
    fleet::Fleet,
    output::{self, Out},
    views::{MemberRow, RolloutRow},
};

const PAGE: &str = include_str!("page/index.html");
const SCRIPT: &str = include_str!("page/page.js");
const STYLE: &str = include_str!("page/page.css");

/// What a browser may load on the page: this server's own files, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Rollouts whose failures the page shows.
const DETAILED: usize = 5;

/// The fields of queries that have digits.
const NUMBERS: [&str; 3] = ["release", "skip", "limit"];

/// Children of one parent that the tree shows.
const CHILDREN: usize = 200;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The port on this machine; 0 for any free one
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    port: u16,
    /// A file that keeps samples of root's cycles, and has those of the last time
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
}

pub(crate) async fn run(fleet: Arc<Fleet>, args: &Args, out: &Out) -> Result<(), Failure> {
    let samples = Samples::open(args.history.as_deref())?;
    let dashboard = Dashboard::bind(fleet, args.port, samples).await?;
    let link = dashboard.link();
    match out.json {
        true => output::write(&format!("{}\n", serde_json::json!({ "link": link })))?,
        false => output::write(&format!(
            "open this link in a browser on this machine; it is good for one use:\n{link}\n"
        ))?,
    }
    dashboard.serve().await
}

/// A dashboard that is ready to serve.
struct Dashboard {
    listener: TcpListener,
    shared: Arc<Shared>,
}

struct Shared {
    fleet: Arc<Fleet>,
    access: Access,
    cache: Cache,
    samples: Samples,
}

impl Dashboard {
    /// Listens on a port of this machine, 0 for any free one.
    ///
    /// # Errors
    /// The port is taken.
    async fn bind(fleet: Arc<Fleet>, port: u16, samples: Samples) -> Result<Self, Failure> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let failed = |e| {
            Failure::setup(format!("can't listen on {address}: {e}"))
                .with_advice("Name another port with `--port`; 0 takes a free one.")
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let shared = Shared {
            fleet,
            access: Access::new(port),
            cache: Cache::default(),
            samples,
        };
        Ok(Self {
            listener,
            shared: Arc::new(shared),
        })
    }

    /// The link that opens it, once.
    fn link(&self) -> String {
        self.shared.access.link()
    }

    /// Serves it until Ctrl-C.
    ///
    /// # Errors
    /// The server fails.
    async fn serve(self) -> Result<(), Failure> {
        let interrupted = async {
            // Without a handler for Ctrl-C the program ends by it.
            let _ = tokio::signal::ctrl_c().await;
        };
        let served = axum::serve(self.listener, router(self.shared.clone()))
            .with_graceful_shutdown(interrupted);
        tokio::select! {
            ended = served => {
                ended.map_err(|e| Failure::refused(format!("the dashboard ended: {e}")))
            }
            () = watch(&self.shared) => Ok(()),
        }
    }
}

/// Takes samples of root's cycles as long as the dashboard runs.
async fn watch(shared: &Shared) {
    let mut last = None;
    loop {
        // The page says by its own queries that root does not answer.
        let failure = shared.samples.take(&shared.fleet).await.err();
        let news = failure.filter(|failure| last.as_ref() != Some(failure));
        if let Some(failure) = news {
            eprintln!("canic: no sample of root's cycles: {failure}");
            last = Some(failure);
        }
        tokio::time::sleep(cycles::PAUSE).await;
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route(
            "/",
            get(|| async { file("text/html; charset=utf-8", PAGE) }),
        )
        .route(
            "/page.js",
            get(|| async { file("text/javascript; charset=utf-8", SCRIPT) }),
        )
        .route(
            "/page.css",
            get(|| async { file("text/css; charset=utf-8", STYLE) }),
        )
        .route("/api/fleet", get(fleet))
        .route("/api/status", get(fleet_status))
        .route("/api/members", get(fleet_members))
        .route("/api/children", get(children))
        .route("/api/live", get(live))
        .route("/api/costs", get(costs))
        .route("/api/pool", get(pool))
        .route("/api/operations", get(operations))
        .route("/api/rollouts", get(rollouts))
        .route("/api/logs", get(log))
        .route("/api/rollout/{rollout}/{verb}", post(control))
        .layer(middleware::from_fn_with_state(shared.clone(), guard))
        .route("/open", get(open))
        .layer(middleware::from_fn(harden))
        .with_state(shared)
}

fn file(kind: &'static str, content: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], content).into_response()
}

/// Headers of every answer: nothing is cached, framed, or loaded from elsewhere.
async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

/// Lets only the browser pass that opened the link, and only requests of the page itself.
async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    match shared.access.admits(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(why) => (
            StatusCode::FORBIDDEN,
            json_text(&Failure::new(Kind::NotAllowed, why).to_json()),
        )
            .into_response(),
    }
}

async fn open(State(shared): State<Arc<Shared>>, query: RawQuery) -> Response {
    let fields = fields(query);
    let token = fields.get("token").and_then(Value::as_str);
    match shared.access.open(token.unwrap_or_default()) {
        Some(cookie) => (
            StatusCode::SEE_OTHER,
            [
                (header::SET_COOKIE, cookie),
                (header::LOCATION, "/".to_string()),
            ],
        )
            .into_response(),
        None => {
            let why = "this link was used already: start `canic dashboard` again for a new one\n";
            (StatusCode::FORBIDDEN, why).into_response()
        }
    }
}

/// An answer in JSON, or a failure with its message.
struct Answer(Result<Value, Failure>);

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self.0 {
            Ok(value) => json_text(&value),
            Err(failure) => {
                let status = match failure.kind {
                    Kind::Usage => StatusCode::BAD_REQUEST,
                    Kind::NotAllowed => StatusCode::FORBIDDEN,
                    _ => StatusCode::BAD_GATEWAY,
                };
                (status, json_text(&failure.to_json())).into_response()
            }
        }
    }
}

fn json_text(value: &Value) -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        value.to_string(),
    )
        .into_response()
}

/// The fields of a query, as JSON. Digits are numbers where the field has some.
fn fields(RawQuery(query): RawQuery) -> Map<String, Value> {
    let query = query.unwrap_or_default();
    let pairs = form_urlencoded::parse(query.as_bytes());
    pairs
        .map(|(name, text)| {
            let number = match NUMBERS.contains(&name.as_ref()) {
                true => text.parse::<u64>().ok(),
                false => None,
            };
            (
                name.into_owned(),
                number.map_or_else(|| text.into(), Value::from),
            )
        })
        .collect()
}

/// A query as a type.
fn read<T: DeserializeOwned>(query: RawQuery) -> Result<T, Failure> {
    serde_json::from_value(Value::Object(fields(query)))
        .map_err(|e| Failure::new(Kind::Usage, e.to_string()))
}

fn answer<T: Serialize>(report: Result<T, Failure>) -> Answer {
    Answer(report.and_then(|report| {
        serde_json::to_value(report).map_err(|e| Failure::refused(e.to_string()))
    }))
}

async fn fleet(State(shared): State<Arc<Shared>>) -> Answer {
    let fleet = &shared.fleet;
    Answer(Ok(json!({
        "root": fleet.root,
        "caller": fleet.caller,
        "network": fleet.network.url,
    })))
}

async fn fleet_status(State(shared): State<Arc<Shared>>) -> Answer {
    answer(status::ask(&shared.fleet, None).await)
}

async fn fleet_members(State(shared): State<Arc<Shared>>, query: RawQuery) -> Answer {
    let page = async {
        let selection: members::Selection = read(query)?;
        let rows = shared.cache.members(&shared.fleet).await?;
        let (root, filter) = (shared.fleet.root, &selection.filter);
        Ok(members::select(
            &rows,
            &selection,
            &filter.read(root)?,
            root,
        ))
    };
    answer(page.await)
}

#[derive(Deserialize)]
struct Parent {
    parent: String,
}

/// A member with the number of members right below it.
#[derive(Serialize)]
struct Child {
    #[serde(flatten)]
    member: MemberRow,
    children: usize,
}

#[derive(Serialize)]
struct Children {
    children: Vec<Child>,
    /// Those that are not shown.
    hidden: usize,
}

async fn children(State(shared): State<Arc<Shared>>, query: RawQuery) -> Answer {
    let level = async {
        let Parent { parent } = read(query)?;
        let parent = find::canister(&parent)?;
        let rows = shared.cache.members(&shared.fleet).await?;
        Ok(children_of(&rows, parent))
    };
    answer(level.await)
}

fn children_of(rows: &Rows, parent: Principal) -> Children {
    let mut shown: Vec<&MemberRow> = rows.iter().filter(|row| row.parent == parent).collect();
    let all = shown.len();
    shown.sort_by(|a, b| (&a.role, &a.key).cmp(&(&b.role, &b.key)));
    shown.truncate(CHILDREN);
    let children = shown.into_iter().map(|row| Child {
        children: rows.children_of(row.canister),
        member: row.clone(),
    });
    Children {
        children: children.collect(),
        hidden: all.saturating_sub(CHILDREN),
    }
}

async fn live(State(shared): State<Arc<Shared>>, query: RawQuery) -> Answer {
    let seen = async {
        let wanted = read(query)?;
        let rows = shared.cache.members(&shared.fleet).await?;
        cycles::live(&shared.fleet, &rows, &wanted).await
    };
    Answer(seen.await)
}

async fn costs(State(shared): State<Arc<Shared>>) -> Answer {
    Answer(cycles::costs(&shared.fleet, &shared.samples).await)
}

async fn pool(State(shared): State<Arc<Shared>>) -> Answer {
    let all = pool::Args::default();
    answer(pool::ask(&shared.fleet, &all).await)
}

#[derive(Deserialize)]
struct Chosen {
    state: lists::Section,
}

async fn operations(State(shared): State<Arc<Shared>>, query: RawQuery) -> Answer {
    let rows = async {
        let Chosen { state } = read(query)?;
        let args = lists::OpsArgs {
            state: vec![state],
            limit: 500,
            ..lists::OpsArgs::default()
        };
        lists::ask_operations(&shared.fleet, &args).await
    };
    answer(rows.await)
}

async fn rollouts(State(shared): State<Arc<Shared>>) -> Answer {
    let fleet = &shared.fleet;
    let newest = async {
        let rows = fleet.rollouts().await?;
        let mut reports = Vec::new();
        for (at, row) in rows.into_iter().rev().take(100).enumerate() {
            let (id, failed) = (row.id, row.failed);
            if at < DETAILED && failed > 0 {
                reports.push(rollout::ask(fleet, id).await?);
            } else {
                reports.push(rollout::Report {
                    rollout: RolloutRow::from(row),
                    failures: Vec::new(),
                });
            }
        }
        Ok(json!({ "rollouts": reports }))
    };
    Answer(newest.await)
}

async fn log(State(shared): State<Arc<Shared>>) -> Answer {
    let lines = logs::ask(&shared.fleet, shared.fleet.root).await;
    Answer(lines.map(|lines| json!({ "lines": lines })))
}

async fn control(
    State(shared): State<Arc<Shared>>,
    Path((id, verb)): Path<(u32, String)>,
) -> Answer {
    let wish = match verb.as_str() {
        "pause" => RolloutControl::Pause,
        "resume" => RolloutControl::Resume,
        "abort" => RolloutControl::Abort,
        other => {
            let what = format!("the dashboard does not `{other}` rollouts");
            return Answer(Err(Failure::new(Kind::Usage, what)));
        }
    };
    let changed = rollout::control(&shared.fleet, id, wish).await;
    answer(changed.map(RolloutRow::from))
}
