//! The limit of an answer over UDP: a bare handler of hickory-server that gives the same records,
//! whatever it is asked.

use std::io::{BufRead, BufReader, Write};
use std::iter;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, ensure};
use async_trait::async_trait;
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{Header, HeaderCounts, Message, Metadata, ResponseCode};
use hickory_server::proto::rr::Record;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tokio::net::UdpSocket;

use super::load::ask;
use crate::process::Running;

/// A running bare server, as lobbyd a process of its own.
#[derive(Debug)]
pub struct Plain {
    /// The process.
    pub process: Running,
    /// Where it answers.
    pub address: SocketAddr,
    /// How long its answer is, in bytes.
    pub len: usize,
}

impl Plain {
    /// Starts a server that answers with the records of this answer, and makes sure that it does.
    /// Its answer is longer by one name, which it does not compress.
    ///
    /// # Errors
    /// When it does not start, or answers something else.
    pub async fn start(directory: &Path, question: &[u8], answer: &[u8]) -> Result<Self> {
        let file = directory.join("plain.dns");
        std::fs::write(&file, answer)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("plain-dns").arg(file).stdout(Stdio::piped());
        let mut process = Running::start(&mut command)?;
        let mut line = String::new();
        let stdout = process.child().stdout.take().context("the output is piped")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let port = line.trim().parse().with_context(|| format!("{line:?} is not a port"))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let given = ask(address, question).await?;
        ensure!(given[6..8] == answer[6..8], "it does not give as many records");
        Ok(Self { process, address, len: given.len() })
    }
}

/// What the child does: answers until killed.
///
/// # Errors
/// When the file cannot be read or there is no socket.
pub fn serve(answer: &Path) -> Result<()> {
    let answer = Message::from_vec(&std::fs::read(answer)?).map_err(|error| anyhow!("{error}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        writeln!(std::io::stdout(), "{}", socket.local_addr()?.port())?;
        let mut server = Server::new(Constant { records: answer.answers });
        server.register_socket(socket);
        server.block_until_done().await.map_err(|error| anyhow!("{error}"))
    })
}

struct Constant {
    records: Vec<Record>,
}

#[async_trait]
impl RequestHandler for Constant {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response_handle: R,
    ) -> ResponseInfo {
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.authoritative = true;
        let builder = MessageResponseBuilder::from_message_request(request);
        let (records, none) = (self.records.iter(), iter::empty);
        let response = builder.build(metadata, records, none(), none(), none());
        response_handle.send_response(response).await.unwrap_or_else(|_| {
            metadata.response_code = ResponseCode::ServFail;
            Header { metadata, counts: HeaderCounts::default() }.into()
        })
    }
}
