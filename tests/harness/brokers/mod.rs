//! Real brokers, each on a port of its own, killed on drop.

mod nats_accounts;
mod nats_permissions;

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::binaries::tied;
use crate::{Certificates, Process, Signal, free_port};

pub use nats_accounts::NatsAccounts;
pub use nats_permissions::app_is_refused;

/// Time for a broker to answer after its start.
const START_LIMIT: Duration = Duration::from_secs(20);

/// A nats-server on a loopback port.
#[derive(Debug)]
pub struct NatsServer(Broker);

impl NatsServer {
    /// Starts one that asks for no login.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    pub async fn start() -> Self {
        Self::with_config("").await
    }

    /// Starts one with these lines added to its configuration: users, permissions, TLS, limits.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    pub async fn with_config(lines: &str) -> Self {
        let mut broker = Broker::new("nats-server", "--config", "");
        broker.start(&Self::config(broker.port, lines)).await;
        Self(broker)
    }

    /// Starts three that know each other, each with these lines added to its configuration.
    ///
    /// # Panics
    /// If they are not installed or do not start.
    pub async fn cluster(lines: &str) -> Vec<Self> {
        let ports = [free_port(), free_port(), free_port()];
        let routes = ports.map(|port| format!("\"nats://127.0.0.1:{port}\"")).join(", ");
        let mut servers = Vec::new();
        for port in ports {
            let cluster =
                format!("cluster {{ name: c, listen: \"127.0.0.1:{port}\", routes: [{routes}] }}");
            servers.push(Self::with_config(&format!("{cluster}\n{lines}")).await);
        }
        servers
    }

    /// Starts one with this configuration, which is whole and says that it listens on this port.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    pub async fn configured(port: u16, config: &str) -> Self {
        let mut broker = Broker { port, ..Broker::new("nats-server", "--config", "") };
        broker.start(config).await;
        Self(broker)
    }

    /// Kills it and starts it again on the same port with this configuration.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn restart_with(&mut self, lines: &str) {
        self.0.start(&Self::config(self.0.port, lines)).await;
    }

    /// Makes it announce that it will shut down (lame duck mode); it serves on for a while.
    pub fn retire(&self) {
        self.0.process().signal(Signal::USR2);
    }

    fn config(port: u16, lines: &str) -> String {
        format!("listen: \"127.0.0.1:{port}\"\n{lines}\n")
    }

    /// Its URL, without credentials.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.0.port)
    }
}

/// A redis-server on a loopback port that keeps nothing.
#[derive(Debug)]
pub struct RedisServer(Broker);

impl RedisServer {
    /// Starts one that asks for no login.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    pub async fn start() -> Self {
        Self::with_config("").await
    }

    /// Starts one with these lines added to its configuration: `requirepass`, `user`, limits.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    pub async fn with_config(lines: &str) -> Self {
        let mut broker = Broker::new("redis-server", "", "PING\r\n");
        broker.start(&Self::config(&broker, &format!("port {}\n{lines}", broker.port))).await;
        Self(broker)
    }

    /// Starts one that speaks TLS only.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    pub async fn with_tls(certificates: &Certificates, lines: &str) -> Self {
        let mut broker = Broker::new("redis-server", "", "PING\r\n");
        let (cert, key) = certificates.server();
        let files = format!("tls-cert-file {}\ntls-key-file {}", cert.display(), key.display());
        let tls =
            format!("port 0\ntls-port {}\n{files}\ntls-auth-clients no\n{lines}", broker.port);
        broker.start(&Self::config(&broker, &tls)).await;
        Self(broker)
    }

    /// Kills it and starts it again on the same port with this configuration.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn restart_with(&mut self, lines: &str) {
        let lines = format!("port {}\n{lines}", self.0.port);
        self.0.start(&Self::config(&self.0, &lines)).await;
    }

    fn config(broker: &Broker, lines: &str) -> String {
        let directory = broker.directory.path().display();
        let quiet = "loglevel warning\nlogfile /dev/stderr";
        format!("bind 127.0.0.1\nsave \"\"\nappendonly no\ndir {directory}\n{quiet}\n{lines}\n")
    }

    /// Its URL, without credentials.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.0.port)
    }
}

/// The controls that all brokers share.
macro_rules! controls {
    ($($broker:ident),*) => { $(impl $broker {
        /// Its port, the same for its whole life.
        pub fn port(&self) -> u16 {
            self.0.port
        }

        /// The id of its process.
        pub fn id(&self) -> u32 {
            self.0.process().id()
        }

        /// Freezes it: its connections stay open and nothing answers.
        pub fn pause(&self) {
            self.0.process().pause();
        }

        /// Lets it go on.
        pub fn resume(&self) {
            self.0.process().signal(Signal::CONT);
        }

        /// Kills it at once and waits until it is gone.
        pub fn kill(&mut self) {
            self.0.kill();
        }

        /// Kills it, if it still runs, and starts it again on the same port.
        ///
        /// # Panics
        /// If it does not start.
        pub async fn restart(&mut self) {
            self.0.restart().await;
        }
    })* };
}

controls!(NatsServer, RedisServer);

#[derive(Debug)]
struct Broker {
    program: &'static str,
    /// The option before the name of the configuration file, if it wants one.
    config_option: &'static str,
    /// What to say to get an answer; empty where the server speaks first.
    hello: &'static str,
    port: u16,
    directory: TempDir,
    process: Option<Process>,
}

impl Broker {
    fn new(program: &'static str, config_option: &'static str, hello: &'static str) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        Self { program, config_option, hello, port: free_port(), directory, process: None }
    }

    async fn start(&mut self, config: &str) {
        std::fs::write(self.config_file(), config).expect("a temporary file can be written");
        self.restart().await;
    }

    async fn restart(&mut self) {
        self.kill();
        let process = self.spawn();
        let answers = tokio::time::timeout(START_LIMIT, self.answers(&process)).await;
        assert!(
            answers.is_ok(),
            "{} does not answer on port {} within {START_LIMIT:?}",
            self.program,
            self.port
        );
        self.process = Some(process);
    }

    fn spawn(&self) -> Process {
        let mut command = tied(find(self.program));
        if !self.config_option.is_empty() {
            command.arg(self.config_option);
        }
        Process::start(&format!("{}:{}", self.program, self.port), command.arg(self.config_file()))
    }

    fn config_file(&self) -> PathBuf {
        self.directory.path().join("broker.conf")
    }

    async fn answers(&self, process: &Process) {
        while self.ask().await.is_err() {
            assert!(
                process.is_running(),
                "{} ended at once: {}",
                self.program,
                process.logs().join("\n")
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Any byte will do, or a hang-up: that is how a server that wants TLS answers a plain hello.
    async fn ask(&self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.write_all(self.hello.as_bytes()).await?;
        stream.read_u8().await.ok();
        Ok(())
    }

    fn process(&self) -> &Process {
        self.process.as_ref().unwrap_or_else(|| panic!("{} was killed before", self.program))
    }

    /// Its process is killed on drop.
    fn kill(&mut self) {
        self.process = None;
    }
}

/// Debian puts nats-server into /usr/sbin, which is not in every PATH. Each package has the name of
/// its program.
#[expect(clippy::disallowed_methods, reason = "tests have no settings of their own")]
fn find(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = directories.map(|directory| directory.join(program)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{program} is not installed: apt-get install {program}"))
}
