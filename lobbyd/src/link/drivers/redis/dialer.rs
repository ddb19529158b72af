//! Connections to one address of the server, and the words for what goes wrong.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use lobby_client::tls;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{
    AsyncConnectionConfig, ErrorKind, RedisConnectionInfo, RedisError, RedisResult, ServerErrorKind,
};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::RedisSettings;
use crate::link::drivers::diagnosis::first_words;
use crate::link::drivers::tls::{NamedFile, READ_LIMIT, TlsFiles};
use crate::sys::file_work::FileWork;

/// Time for the answer to a command.
const ANSWER_LIMIT: Duration = Duration::from_millis(500);
/// Time for a connection that is ready for commands. The rest of the caller's limit is for finding
/// out why it is not.
const CONNECT_LIMIT: Duration = Duration::from_millis(1700);

/// The first byte of an alert of TLS.
const TLS_ALERT: u8 = 0x15;

/// Connects to one server.
#[derive(Debug, Clone)]
pub(super) struct Dialer {
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    login: RedisConnectionInfo,
    channel: String,
}

/// What a connection runs over.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Dialer {
    /// Reads the files and secrets of the settings.
    ///
    /// # Errors
    /// What is wrong with a file; the message names setting and file.
    pub(super) async fn new(settings: &RedisSettings, work: &FileWork) -> anyhow::Result<Self> {
        let authority =
            settings.ca_file.as_deref().map(|path| NamedFile::new("REDIS_CA_FILE", path));
        let tls = if settings.tls || authority.is_some() {
            let files = TlsFiles { authority, client: None };
            let config = work.run(READ_LIMIT, move || files.read()?.config(Vec::new())).await?;
            Some((Arc::new(config), ServerName::try_from(settings.host.clone())?))
        } else {
            None
        };
        Ok(Self { tls, login: login(settings), channel: settings.channel.clone() })
    }

    /// A connection that has subscribed to the channel.
    pub(super) async fn subscribed(&self, address: SocketAddr) -> anyhow::Result<PubSub> {
        let subscribed = async {
            let mut listener = PubSub::new(&self.login, self.stream(address).await?).await?;
            listener.subscribe(&self.channel).await?;
            Ok(listener)
        };
        self.limited(address, subscribed).await
    }

    /// A connection that takes commands.
    pub(super) async fn commands(
        &self,
        address: SocketAddr,
    ) -> anyhow::Result<MultiplexedConnection> {
        let connected = async {
            let config = AsyncConnectionConfig::new().set_response_timeout(Some(ANSWER_LIMIT));
            let stream = self.stream(address).await?;
            let (connection, work) =
                MultiplexedConnection::new_with_config(&self.login, stream, config).await?;
            // It ends with the connection.
            tokio::spawn(work);
            Ok(connection)
        };
        self.limited(address, connected).await
    }

    async fn stream(&self, address: SocketAddr) -> RedisResult<Box<dyn Stream>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Box::new(stream)),
            Some((config, name)) => {
                let connector = TlsConnector::from(Arc::clone(config));
                let stream = connector.connect(name.clone(), stream).await;
                // In words here, as an error of Redis does not keep its cause.
                let in_words = |error| tls::explained(&error).map_or(error, std::io::Error::other);
                Ok(Box::new(stream.map_err(in_words)?))
            }
        }
    }

    async fn limited<T>(
        &self,
        address: SocketAddr,
        step: impl Future<Output = RedisResult<T>>,
    ) -> anyhow::Result<T> {
        let error = match tokio::time::timeout(CONNECT_LIMIT, step).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error))
                if error.is_connection_dropped()
                    && !error.is_connection_refusal()
                    && self.tls.is_none() =>
            {
                anyhow!("{error}: a server that wants TLS does so (REDIS_TLS)")
            }
            Ok(Err(error)) => explained(&error, "subscribe to", &self.channel),
            Err(_) => anyhow!("no answer within {:.1} s", CONNECT_LIMIT.as_secs_f64()),
        };
        Err(self.diagnosed(address).await.unwrap_or(error))
    }

    /// Finds out whether what answers is no server of the kind that the settings say.
    async fn diagnosed(&self, address: SocketAddr) -> Option<anyhow::Error> {
        let words = first_words(address).await;
        match (words.first()?, &self.tls) {
            (b'+' | b'-', None) => None,
            (b'+' | b'-', Some(_)) => Some(anyhow!("it does not speak TLS")),
            (&TLS_ALERT, _) => None,
            _ => Some(anyhow!("is not a Redis server")),
        }
    }
}

fn login(settings: &RedisSettings) -> RedisConnectionInfo {
    let mut login = RedisConnectionInfo::default().set_db(settings.db.into());
    if let Some(name) = &settings.username {
        login = login.set_username(name);
    }
    if let Some(password) = &settings.password {
        login = login.set_password(password.expose());
    }
    login
}

/// The error in words for a log. `action` is what was to be done with the channel.
pub(super) fn explained(error: &RedisError, action: &str, channel: &str) -> anyhow::Error {
    match error.kind() {
        _ if error.code() == Some("NOAUTH") => {
            anyhow!("wants a password: set REDIS_PASSWORD or REDIS_PASSWORD_FILE")
        }
        ErrorKind::AuthenticationFailed => anyhow!("refused REDIS_USERNAME or REDIS_PASSWORD"),
        ErrorKind::Server(ServerErrorKind::NoPerm) => {
            anyhow!(
                "this user may not {action} channel {channel}: {}",
                error.detail().unwrap_or_default()
            )
        }
        _ => anyhow!("{error}"),
    }
}
