//! Questions to the DNS by a real dig.

use std::net::SocketAddr;

use tokio::process::Command;

/// What dig prints for these words, each answer at most two seconds away.
///
/// # Panics
/// If it is not installed (Debian package `bind9-dnsutils`).
pub async fn dig(server: SocketAddr, words: &str) -> String {
    let mut command = Command::new("dig");
    command.arg(format!("@{}", server.ip())).args(["-p", &server.port().to_string()]);
    command.args(["+time=2", "+tries=1"]).args(words.split_whitespace());
    let output = command.kill_on_drop(true).output().await.expect("dig can be run");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The lines that `dig +short` prints, sorted.
///
/// # Panics
/// As [`dig`].
pub async fn dig_short(server: SocketAddr, words: &str) -> Vec<String> {
    let printed = dig(server, &format!("+short {words}")).await;
    let mut lines: Vec<_> = printed.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The response code that dig prints, or what it prints instead.
///
/// # Panics
/// As [`dig`].
pub async fn dig_status(server: SocketAddr, words: &str) -> String {
    let printed = dig(server, words).await;
    let status = printed.split_once("status: ").and_then(|(_, rest)| rest.split_once(','));
    status.map_or_else(|| printed.clone(), |(status, _)| status.to_owned())
}
