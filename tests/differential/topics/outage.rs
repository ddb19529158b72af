//! Outages: daemons whose brokers are not there, one of several, or all of them.

use super::{Run, lobbyctl};
use crate::brokers::{Broker, Kind};
use crate::http::{self, Request};
use crate::programs::{LIMIT, listening_only, settings, start};
use crate::waiting::eventually;

pub(crate) fn all(run: &Run) {
    let dead =
        [("NATS_URL", "nats://127.0.0.1:1"), ("REDIS_PORT", "1"), ("LOCAL_PATH", "/dev/null/x")];
    for drivers in ["NATS", "Redis", "Local", "NATS,Redis,Local"] {
        compare(run, "outage: no broker", &[&dead[..], &[("DRIVER", drivers)]].concat());
    }
    let broker = Broker::start(Kind::Nats);
    let mut half = broker.settings("half");
    half.retain(|(name, _)| name != "DRIVER");
    let half: Vec<_> = half.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    compare(
        run,
        "outage: one of two",
        &[&half[..], &[("DRIVER", "NATS,Redis"), ("REDIS_PORT", "1")]].concat(),
    );
}

fn compare(run: &Run, topic: &str, more: &[(&str, &str)]) {
    let daemons = start(&run.programs, &[listening_only(), settings(more)].concat());
    for daemon in daemons.both() {
        // Until the drivers have tried: before, the reason is another one.
        let tried = eventually(LIMIT, || {
            (!http::get(daemon.address(), "/v1/status").contains("not connected yet")).then_some(())
        });
        assert!(tried.is_some(), "the drivers do not try");
        if topic.contains("one of two") {
            eventually(LIMIT, || {
                (http::get(daemon.address(), "/readyz") == "ready\n").then_some(())
            });
        }
    }
    for path in [
        "/readyz",
        "/healthz",
        "/v1/status",
        "/v1/discoveries",
        "/v1/prometheus/node",
        "/v1/discovery",
    ] {
        let look = || daemons.map(|daemon| http::ask(daemon.address(), &Request::get(path)));
        run.report.compare_settled(topic, &format!("GET {path} {:?}", more.last()), LIMIT, look);
    }
    lobbyctl::reading(run, topic, &daemons);
}
