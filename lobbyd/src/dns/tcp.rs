//! DNS over TCP: for answers that do not fit a datagram. Connections are bounded in number and in
//! time.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_rt::task::JoinHandle;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::answers::FreshAuthority;
use crate::sys::clock;
use lobby_core::dns::Transport;

/// Most connections. For one more, the one that was quiet for longest is closed.
const MAX_CONNECTIONS: usize = 128;

/// How long a client may take over its next question, from the end of the last answer.
const QUESTION_LIMIT: Duration = Duration::from_secs(10);

/// How long a client may take over an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Pause after an error of the listen socket, as when there are too many open files.
const ERROR_PAUSE: Duration = Duration::from_secs(1);

/// A connection that is being answered on.
struct Connection {
    task: JoinHandle<()>,
    last_used: Rc<Cell<Instant>>,
}

/// Accepts and answers for ever.
pub(super) async fn serve(listener: TcpListener, answers: Rc<FreshAuthority>) {
    let mut connections = Vec::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                make_room(&mut connections);
                connections.push(attend(stream, Rc::clone(&answers)));
            }
            Err(error) => {
                warn!(target: "lobby::dns", %error, "cannot accept connections to the DNS");
                sleep(ERROR_PAUSE).await;
            }
        }
    }
}

/// Makes room for one more connection.
fn make_room(connections: &mut Vec<Connection>) {
    connections.retain(|connection| !connection.task.is_finished());
    if connections.len() < MAX_CONNECTIONS {
        return;
    }
    let places = connections.iter().enumerate();
    let quietest = places.min_by_key(|(_, connection)| connection.last_used.get());
    if let Some((place, _)) = quietest {
        connections.swap_remove(place).task.abort();
    }
}

fn attend(stream: TcpStream, answers: Rc<FreshAuthority>) -> Connection {
    let last_used = Rc::new(Cell::new(clock::now()));
    let used = Rc::clone(&last_used);
    // A connection that breaks has nobody to tell it to.
    let task = actix_rt::spawn(async move { drop(converse(stream, &answers, &used).await) });
    Connection { task, last_used }
}

/// Answers one question after another. What deserves no answer ends it, too.
async fn converse(
    mut stream: TcpStream,
    answers: &FreshAuthority,
    used: &Cell<Instant>,
) -> io::Result<()> {
    loop {
        let question = timeout(QUESTION_LIMIT, read(&mut stream)).await??;
        used.set(clock::now());
        let Some(answer) = answers.answer(&question, Transport::Tcp) else { return Ok(()) };
        timeout(ANSWER_LIMIT, write(&mut stream, &answer)).await??;
    }
}

/// A message stands behind its length.
async fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let len = stream.read_u16().await?;
    let mut message = vec![0; len.into()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

async fn write(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let len = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&len.to_be_bytes(), message].concat()).await
}
