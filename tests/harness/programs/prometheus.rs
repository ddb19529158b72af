//! A real Prometheus that discovers through a daemon.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::eventually::{LIMIT, eventually};
use crate::{Process, http};

/// A Prometheus server on a free loopback port, killed when this value is dropped.
#[derive(Debug)]
pub struct Prometheus {
    process: Process,
    address: SocketAddr,
    _storage: TempDir,
}

impl Prometheus {
    /// Starts it with this configuration (YAML) and waits until it is ready.
    ///
    /// # Panics
    /// If it is not installed (Debian package `prometheus`) or refuses the configuration.
    pub async fn start(configuration: &str) -> Self {
        let storage = TempDir::new().expect("a temporary directory can be made");
        let file = storage.path().join("prometheus.yml");
        std::fs::write(&file, configuration).expect("a temporary file can be written");
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", storage.path().join("data").display()));
        command.arg("--web.listen-address=127.0.0.1:0");
        let process = Process::start("prometheus", &mut command);
        let address = process.logged_address("Listening on").await;
        process.logged("Server is ready").await;
        Self { process, address, _storage: storage }
    }

    /// What it would scrape: the labels it will attach, by address of the target as it was
    /// discovered.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn targets(&self) -> BTreeMap<String, Value> {
        let answer = http::send(self.address, "GET", "/api/v1/targets?state=active", &[], "").await;
        let targets =
            answer.json()["data"]["activeTargets"].as_array().cloned().expect("a list of targets");
        let target = |target: &Value| {
            (target["scrapeUrl"].as_str().unwrap_or("?").to_owned(), target["labels"].clone())
        };
        targets.iter().map(target).collect()
    }

    /// Waits until it would scrape exactly these URLs.
    ///
    /// # Panics
    /// If that does not come true.
    #[track_caller]
    pub fn scrapes<'a>(
        &'a self,
        urls: &'a [&str],
    ) -> impl Future<Output = BTreeMap<String, Value>> + 'a {
        eventually(LIMIT, async move || {
            let targets = self.targets().await;
            if targets.keys().eq(urls.iter()) {
                Ok(targets)
            } else {
                Err(format!("{targets:?} instead of {urls:?}"))
            }
        })
    }

    /// The values that a query gives now.
    ///
    /// # Errors
    /// What it says of a query that is wrong.
    pub async fn query(&self, query: &str) -> Result<Vec<f64>, String> {
        let escaped: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("/api/v1/query?query={escaped}");
        let answer = http::send(self.address, "GET", &path, &[], "").await.json();
        let result = answer["data"]["result"].as_array().ok_or_else(|| answer.to_string())?;
        let value = |series: &Value| series["value"][1].as_str().and_then(|text| text.parse().ok());
        Ok(result.iter().filter_map(value).collect())
    }

    /// Waits until a query gives one value, and that fits.
    ///
    /// # Panics
    /// If that does not come true.
    #[track_caller]
    pub fn tells<'a>(
        &'a self,
        query: &'a str,
        fits: impl Fn(f64) -> bool + 'a,
    ) -> impl Future<Output = ()> + 'a {
        eventually(LIMIT, async move || match self.query(query).await {
            Ok(values) if values.len() == 1 && fits(values[0]) => Ok(()),
            other => Err(format!("{query}: {other:?}")),
        })
    }

    /// What it complained about so far.
    pub fn complaints(&self) -> Vec<String> {
        self.process
            .logs()
            .into_iter()
            .filter(|l| l.contains("level=error") || l.contains("level=warn"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn it_tells_what_it_would_scrape() {
        let target = "{targets: ['127.0.0.1:1', '[::1]:2'], labels: {a: b}}";
        let jobs = format!("[{{job_name: j, scrape_interval: 1h, static_configs: [{target}]}}]");
        let prometheus = Prometheus::start(&format!("scrape_configs: {jobs}\n")).await;
        let targets =
            prometheus.scrapes(&["http://127.0.0.1:1/metrics", "http://[::1]:2/metrics"]).await;
        assert_eq!(targets["http://[::1]:2/metrics"]["a"], "b");
    }
}
