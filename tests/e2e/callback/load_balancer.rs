//! A load balancer that is written by the example callback, while servers restart under load.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use lobby_tests::{
    LIMIT, Lobbyd, NatsServer, Process, Signal, WebLoad, WebServer, ensure, eventually, free_port,
};
use serde_json::json;
use tempfile::TempDir;

const RESTARTS: usize = 20;

/// An nginx with the upstream `web` in a file of its own.
struct Nginx {
    process: Process,
    directory: TempDir,
    port: u16,
}

impl Nginx {
    async fn start() -> Self {
        let (directory, port) = (TempDir::new().unwrap(), free_port());
        let home = directory.path().display();
        let configuration = format!(
            "daemon off; pid {home}/pid; error_log stderr notice; events {{}}
             http {{
                 access_log off; proxy_temp_path {home}/proxy; client_body_temp_path {home}/body;
                 fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi;
                 scgi_temp_path {home}/scgi;
                 include {home}/web.conf;
                 server {{
                     listen 127.0.0.1:{port};
                     location / {{ proxy_pass http://web; proxy_next_upstream off; }}
                 }}
             }}"
        );
        fs::write(directory.path().join("nginx.conf"), configuration).unwrap();
        fs::write(directory.path().join("web.conf"), "upstream web { server 127.0.0.1:9; }")
            .unwrap();
        let mut command = Command::new(program());
        let process = Process::start("nginx", command.args(arguments(directory.path())));
        process.logged("start worker process").await;
        Self { process, directory, port }
    }

    fn upstream(&self) -> PathBuf {
        self.directory.path().join("web.conf")
    }

    /// What the example is to run as nginx.
    fn command(&self) -> String {
        format!("{} {}", program(), arguments(self.directory.path()).join(" "))
    }

    /// Waits until it has these servers.
    async fn serves(&self, ports: &[u16]) {
        let mut servers: Vec<_> =
            ports.iter().map(|port| format!("    server 127.0.0.1:{port};\n")).collect();
        servers.sort();
        let expected = format!("upstream web {{\n{}}}\n", servers.concat());
        let loaded = self.directory.path().join("web.conf.loaded");
        eventually(LIMIT * 2, async || {
            let text = fs::read_to_string(&loaded).unwrap_or_default();
            ensure(text == expected, format!("{text} instead of {expected}"))
        })
        .await;
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.process.end();
    }
}

fn program() -> &'static str {
    if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" }
}

fn arguments(home: &Path) -> Vec<String> {
    ["-p", ".", "-c", "nginx.conf", "-e", "stderr"]
        .map(|word| {
            if word.starts_with(['.', 'n']) {
                home.join(word).display().to_string()
            } else {
                word.to_owned()
            }
        })
        .to_vec()
}

fn example() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../config/callback-example.sh").to_owned()
}

/// Runs the example once, with this list.
fn run_example(nginx: &Nginx, is_warm: bool, list: &serde_json::Value) -> Output {
    let mut command = Command::new(example());
    command.arg(nginx.upstream()).arg("web").env("NGINX_COMMAND", nginx.command());
    command.env("LOBBY_WARM", is_warm.to_string());
    let input = nginx.directory.path().join("list.json");
    fs::write(&input, list.to_string()).unwrap();
    command.stdin(Stdio::from(fs::File::open(input).unwrap())).output().unwrap()
}

#[actix_rt::test]
async fn a_server_restarts_20_times_under_load_and_no_request_fails() {
    let (nats, nginx) = (NatsServer::start().await, Nginx::start().await);
    let web_server = || WebServer::start((Ipv4Addr::LOCALHOST, 0));
    let servers = [web_server().await, web_server().await];
    let ports = servers.each_ref().map(|server| server.address().port());
    let peer = |name: &str, port: u16| {
        Lobbyd::named(name).labels(&format!("web:127.0.0.1:{port}")).nats(&nats)
    };
    let mut one = peer("one", ports[0]).start().await;
    let two = peer("two", ports[1]).start().await;
    let balancer = Lobbyd::named("balancer")
        .set("CALLBACK", format!("{} {} web", example(), nginx.upstream().display()))
        .set("CALLBACK_FIRST_RUN_DELAY", "0")
        .set("CALLBACK_COOLDOWN", "0")
        .set("CALLBACK_SETTLE", "5")
        .set("NGINX_COMMAND", nginx.command());
    let balancer = balancer.nats(&nats).start().await;
    nginx.serves(&ports).await;
    // The worker of the configuration before takes requests until it is told to end.
    nginx.process.logged("exited with code 0").await;
    let load = WebLoad::on((Ipv4Addr::LOCALHOST, nginx.port).into());
    let runs = balancer.logs_with("callback started").len();
    for number in 0..RESTARTS {
        one.signal(if number % 2 == 0 { Signal::TERM } else { Signal::KILL });
        one.wait(LIMIT).await;
        one = one.start_again().await;
        one.meets("balancer").await;
        balancer.meets("one").await;
    }
    assert!(balancer.logs_with("host left").len() >= RESTARTS / 2, "it did leave");
    assert_eq!(balancer.logs_with("callback started").len(), runs, "a restart is no change");
    two.signal(Signal::TERM);
    nginx.serves(&ports[..1]).await;
    load.none_failed(100);
}

#[actix_rt::test]
async fn the_example_keeps_the_file_when_it_cannot_be_trusted() {
    let nginx = Nginx::start().await;
    let list = json!([{"hostname": "a", "labels": ["web:127.0.0.1:80", "web:[::1]:81"]}]);
    let before = fs::read(nginx.upstream()).unwrap();
    let evil = json!([{"hostname": "a", "labels": ["web:1.2.3.4:80; } evil {", "web:x:1", "no"]}]);
    let refused_by_nginx = json!([{"hostname": "a", "labels": ["web:127.0.0.1:99999"]}]);
    for (is_warm, list, reason) in [
        (false, &list, "not heard everybody"),
        (true, &json!([]), "no server has a label"),
        (true, &evil, "no server has a label"),
        (true, &refused_by_nginx, "nginx refuses"),
    ] {
        let output = run_example(&nginx, is_warm, list);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && told.contains(reason), "{told}");
        assert_eq!(fs::read(nginx.upstream()).unwrap(), before);
    }
    assert!(run_example(&nginx, true, &list).status.success());
    let expected = "upstream web {\n    server 127.0.0.1:80;\n    server [::1]:81;\n}\n";
    assert_eq!(fs::read_to_string(nginx.upstream()).unwrap(), expected);
    let names = fs::read_dir(nginx.directory.path()).unwrap();
    let names = names.map(|file| file.unwrap().file_name().into_string().unwrap());
    let is_kept = |name: &str| matches!(name, "web.conf" | "web.conf.before" | "web.conf.loaded");
    let left = names.filter(|name| name.starts_with("web.conf") && !is_kept(name));
    assert_eq!(left.count(), 0, "no temporary file stays");
}
