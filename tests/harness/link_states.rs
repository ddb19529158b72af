//! How a daemon's links are doing, as it says itself.

use std::time::Duration;

use serde_json::Value;

use crate::eventually::now;
use crate::{LIMIT, Lobbyd, eventually};

impl Lobbyd {
    /// How its links are, by name of the driver: "up" or "down".
    pub async fn links(&self) -> Value {
        let status = self.get_json("/v1/status").await;
        let drivers = status["drivers"].as_array().cloned().unwrap_or_default();
        drivers
            .iter()
            .map(|link| (link["name"].as_str().unwrap_or("?").to_owned(), link["state"].clone()))
            .collect()
    }

    /// Waits until all its links are `up`, or all `down`; returns how long that took.
    ///
    /// # Panics
    /// If that does not come true within `limit`.
    #[track_caller]
    pub fn links_are<'a>(
        &'a self,
        state: &'a str,
        limit: Duration,
    ) -> impl Future<Output = Duration> + 'a {
        let asked = now();
        eventually(limit, async move || {
            let links = self.links().await;
            let all =
                links.as_object().is_some_and(|links| links.values().all(|link| link == state));
            if all { Ok(asked.elapsed()) } else { Err(format!("{links} instead of {state}")) }
        })
    }

    /// Waits until its links are so: `{"NATS": "up", …}`.
    ///
    /// # Panics
    /// If that does not come true.
    #[track_caller]
    pub fn links_are_each(&self, expected: Value) -> impl Future<Output = ()> + '_ {
        eventually(LIMIT, async move || {
            let links = self.links().await;
            if links == expected { Ok(()) } else { Err(format!("{links} instead of {expected}")) }
        })
    }

    /// Waits until all its links have been down for so long.
    ///
    /// # Panics
    /// If that does not come true.
    #[track_caller]
    pub fn is_cut_off_for(&self, outage: Duration) -> impl Future<Output = ()> + '_ {
        eventually(outage + LIMIT, async move || {
            let status = self.get_json("/v1/status").await;
            let drivers = status["drivers"].as_array().cloned().unwrap_or_default();
            let lasted = |link: &Value| {
                status["now"].as_i64().zip(link["since"].as_i64()).map(|(now, since)| now - since)
            };
            let long_enough = |link: &Value| {
                link["state"] == "down" && lasted(link) > i64::try_from(outage.as_secs()).ok()
            };
            if drivers.iter().all(long_enough) { Ok(()) } else { Err(status.to_string()) }
        })
    }
}
