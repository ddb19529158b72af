use lobby_client::DriverStatus;

use super::*;

fn metrics() -> Metrics {
    let refused = [("not_json".to_owned(), 2)].into();
    let driver = |name: &str, state| DriverStatus {
        name: name.to_owned(),
        state,
        received: 7,
        refused: std::collections::BTreeMap::clone(&refused),
        ..DriverStatus::default()
    };
    let drivers = vec![driver("NATS", LinkState::Up), driver("Redis", LinkState::Down)];
    let version = "2.0.0\"\n".to_owned();
    let status = Status { version, records: 3, warm: true, drivers, ..Status::default() };
    let callback = Arc::<CallbackCounts>::default();
    callback.succeeded(1_795_424_000);
    callback.failed();
    Metrics { status, revision: 9, leases: 2, callback, log_lines_dropped: 1, process: None }
}

fn lines(format: MetricsFormat) -> Vec<String> {
    metrics().text(format).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn every_number_has_a_line_in_the_classic_form() {
    let lines = lines(MetricsFormat::Classic);
    for expected in [
        "# TYPE lobby_servers gauge",
        "lobby_servers 3",
        "lobby_warm 1",
        "lobby_alone 0",
        "lobby_duplicate_hostname 0",
        "lobby_registry_revision 9",
        "lobby_leases 2",
        "lobby_driver_up{driver=\"NATS\"} 1",
        "lobby_driver_up{driver=\"Redis\"} 0",
        "# TYPE lobby_packets_received_total counter",
        "lobby_packets_received_total{driver=\"NATS\"} 7",
        "lobby_packets_refused_total{driver=\"NATS\",reason=\"not_json\"} 2",
        "lobby_packets_refused_total{driver=\"NATS\",reason=\"stale\"} 0",
        "lobby_callback_runs_total{result=\"success\"} 1",
        "lobby_callback_runs_total{result=\"failure\"} 1",
        "lobby_callback_last_success_timestamp_seconds 1795424000",
        "lobby_http_streams 0",
        "lobby_log_lines_dropped_total 1",
        "lobby_build_info{version=\"2.0.0\\\"\\n\"} 1",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected} in {lines:#?}");
    }
}

#[test]
fn openmetrics_ends_in_its_mark_and_the_classic_form_has_none() {
    assert_eq!(lines(MetricsFormat::OpenMetrics).last().unwrap(), "# EOF");
    assert!(!lines(MetricsFormat::Classic).iter().any(|line| line.contains("EOF")));
}

#[test]
fn every_reason_of_every_driver_is_there_from_the_start() {
    let lines = lines(MetricsFormat::Classic);
    let count =
        lines.iter().filter(|line| line.starts_with("lobby_packets_refused_total{")).count();
    assert_eq!(count, 2 * Refusal::REASONS.len());
}

#[test]
fn openmetrics_is_for_those_who_name_it() {
    let openmetrics = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5";
    assert_eq!(MetricsFormat::accepted(openmetrics), MetricsFormat::OpenMetrics);
    for classic in ["", "*/*", "text/plain;version=0.0.4", "application/json"] {
        assert_eq!(MetricsFormat::accepted(classic), MetricsFormat::Classic, "{classic}");
    }
}

#[test]
fn what_a_process_uses_is_read_from_proc() {
    let status = "Name:\tlobbyd\nVmSize:\t  200 kB\nVmRSS:\t  100 kB\nThreads:\t7\n";
    let stat = "1 (lobby d) S 1 1 1 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 7 0 1 1 1";
    let usage = ProcessUsage::parse(status, stat, 5, 12, None);
    let expected = ProcessUsage {
        cpu_seconds: 2.0,
        resident_bytes: 102_400,
        virtual_bytes: 204_800,
        started: 5,
        open_files: 12,
        max_files: None,
        threads: 7,
    };
    assert_eq!(usage, expected);
    let empty = ProcessUsage::parse("", "", 0, 0, None);
    assert_eq!((empty.threads, empty.resident_bytes), (0, 0));
}
