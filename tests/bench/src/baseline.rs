//! The limit of an answer: a bare actix-web handler that gives the same bytes and headers, on a
//! server set up as lobbyd's.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZero;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::http::{Answer, Connection};
use crate::process::Running;

/// A running bare server, as lobbyd a process of its own.
#[derive(Debug)]
pub struct Baseline {
    /// The process.
    pub process: Running,
    /// Where it listens.
    pub address: SocketAddr,
}

/// What the bare server is to answer, beside the body, which is in a file of its own.
#[derive(Debug, Serialize, Deserialize)]
struct Script {
    path: String,
    status: u16,
    headers: Vec<(String, String)>,
}

impl Baseline {
    /// Starts a server that answers requests for a path, with any query, as `answer` did, and makes
    /// sure that it does.
    ///
    /// # Errors
    /// When it does not start, or answers something else.
    pub async fn start(directory: &Path, request: &Arc<[u8]>, answer: &Answer) -> Result<Self> {
        let script = Script {
            path: path_of(request)?,
            status: answer.status,
            headers: answer.headers.clone(),
        };
        let (script_file, body_file) =
            (directory.join("baseline.json"), directory.join("baseline.body"));
        std::fs::write(&script_file, serde_json::to_vec(&script)?)?;
        std::fs::write(&body_file, &answer.body)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("baseline").args([script_file, body_file]).stdout(Stdio::piped());
        let mut process = Running::start(&mut command)?;
        let port = read_port(&mut process)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let given = Connection::open(address).await?.ask(request).await?;
        ensure!(
            given == *answer,
            "the baseline server answers otherwise than lobbyd: {:?}",
            given.headers
        );
        Ok(Self { process, address })
    }
}

fn path_of(request: &[u8]) -> Result<String> {
    let line = std::str::from_utf8(request)?.split(' ').nth(1).context("a request has a path")?;
    Ok(line.split('?').next().unwrap_or(line).to_owned())
}

fn read_port(process: &mut Running) -> Result<u16> {
    let mut line = String::new();
    let stdout = process.child().stdout.take().context("the output is piped")?;
    BufReader::new(stdout).read_line(&mut line)?;
    line.trim()
        .parse()
        .with_context(|| format!("the baseline server said {line:?} instead of its port"))
}

/// What the child does: serves until killed.
///
/// # Errors
/// When the files cannot be read or there is no socket.
pub fn serve(script: &Path, body: &Path) -> Result<()> {
    let script: Script = serde_json::from_slice(&std::fs::read(script)?)?;
    let answer = StaticAnswer::new(&script, std::fs::read(body)?.into())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    rustix::net::listen(&listener, 2048)?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?.port())?;
    let app = move || {
        App::new()
            .app_data(web::Data::new(answer.clone()))
            .route(&script.path, web::get().to(give_static_answer))
    };
    // As in lobbyd/src/http/server.rs.
    let server = HttpServer::new(app)
        .workers(available_parallelism().map_or(1, NonZero::get).min(4))
        .max_connections(10_000)
        .client_request_timeout(Duration::from_secs(10))
        .keep_alive(Duration::from_secs(75))
        .tcp_nodelay(true)
        .disable_signals()
        .listen(listener)?;
    Ok(actix_rt::System::new().block_on(server.run())?)
}

#[derive(Debug, Clone)]
struct StaticAnswer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl StaticAnswer {
    fn new(script: &Script, body: Bytes) -> Result<Self> {
        let headers =
            script.headers.iter().map(|(name, value)| Ok((name.parse()?, value.parse()?)));
        let headers = headers.collect::<Result<_>>()?;
        Ok(Self { status: StatusCode::from_u16(script.status)?, headers, body })
    }
}

async fn give_static_answer(answer: web::Data<StaticAnswer>) -> HttpResponse {
    let mut response = HttpResponse::build(answer.status);
    for header in &answer.headers {
        response.insert_header(header.clone());
    }
    response.body(answer.body.clone())
}
