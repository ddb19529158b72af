//! A real nginx, as people put it before lobbyd and before their servers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::eventually::{LIMIT, eventually};
use crate::{Process, free_port};

/// An nginx on a free loopback port, ended when this value is dropped.
#[derive(Debug)]
pub struct Nginx {
    process: Process,
    address: SocketAddr,
    directory: TempDir,
}

impl Nginx {
    /// Starts one whose only server has these lines, and `http` these beside it. In both `DIR` is
    /// the directory of its files.
    ///
    /// # Panics
    /// If it is not installed (Debian package `nginx`) or refuses the configuration.
    pub async fn start(http: &str, server: &str) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let here = |text: &str| text.replace("DIR", &directory.path().display().to_string());
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let paths: String = paths.map(|path| format!("{path}_temp_path DIR/{path};\n")).concat();
        // As an ordinary user it keeps its own; as root it would write as nobody into our
        // directory.
        let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
        let configuration = format!(
            "{user}daemon off; pid DIR/nginx.pid; error_log stderr; events {{}}\n\
             http {{\naccess_log off;\n{paths}{http}\nserver {{ listen {address};\n{server}\n}}\n}}\n"
        );
        let file = directory.path().join("nginx.conf");
        std::fs::write(&file, here(&configuration)).expect("a temporary file can be written");
        let mut command = Command::new(Self::program());
        command.arg("-c").arg(&file).arg("-e").arg("stderr");
        let process = Process::start("nginx", &mut command);
        eventually(LIMIT, async || {
            assert!(process.is_running(), "nginx: {:?}", process.logs());
            TcpStream::connect(address).await.map(drop).map_err(|error| error.to_string())
        })
        .await;
        Self { process, address, directory }
    }

    /// Debian keeps it from the path of ordinary users.
    pub fn program() -> PathBuf {
        let there = Path::new("/usr/sbin/nginx");
        if there.exists() { there.to_owned() } else { "nginx".into() }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The directory of its files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The processes that answer: for a moment after a reload, those of before are among them.
    ///
    /// # Panics
    /// If it does not run any more.
    pub fn workers(&self) -> Vec<u32> {
        let id = self.process.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"))
            .expect("a running process");
        children.split_whitespace().filter_map(|id| id.parse().ok()).collect()
    }

    /// The process that a reload is told to.
    pub fn process(&self) -> &Process {
        &self.process
    }
}

impl Drop for Nginx {
    /// Its workers end with it only if it is told, not if it is killed.
    fn drop(&mut self) {
        self.process.end();
    }
}
