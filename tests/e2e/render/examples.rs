//! The examples, rendered from a real fleet and accepted by the real programs.

use std::path::Path;
use std::process::Command;

use lobby_tests::{HostNames, Lobbyd, Nginx};
use serde_json::json;
use tempfile::TempDir;

use super::{Place, word};

/// Three servers of one lobby; one has an IPv6 address, one a name that no configuration takes.
async fn fleet(lobby: &Path) -> [Lobbyd; 3] {
    let start = async |name: &str, labels: &str| {
        Lobbyd::named(name).labels(labels).local(lobby).start().await
    };
    let web1 = start("web1", "address:10.1.0.1,service:web").await;
    let web2 = start("web2", "address:2001:db8::2,service:web").await;
    let odd = start("odd;{}", "address:10.1.0.3,service:smtp").await;
    web1.meets("web2").await;
    web1.meets("odd;{}").await;
    [web1, web2, odd]
}

/// The text of an example.
pub(super) fn example(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join("config/templates").join(name)).unwrap()
}

/// Renders an example with these options, which must succeed. `DIR` is its directory.
async fn rendered(name: &str, check: &str, beside: &[(&str, &str)]) -> Place {
    let lobby = TempDir::new().unwrap();
    let fleet = fleet(lobby.path()).await;
    let place = Place::with(&example(name));
    let here = |text: &str| text.replace("DIR", word(place.directory.path()));
    for (file, text) in beside {
        std::fs::write(place.directory.path().join(file), here(text)).unwrap();
    }
    let outcome = place.render(&fleet[0], &["--check", &here(check)]).await;
    assert_eq!(outcome.status, Some(0), "{outcome:?}\n{}", place.text());
    // What the program refuses is not put into its place.
    let good = place.text();
    std::fs::write(place.template(), "no { configuration\n").unwrap();
    let outcome = place.render(&fleet[0], &["--check", &here(check)]).await;
    assert_eq!((outcome.status, place.text()), (Some(1), good), "{outcome:?}");
    place
}

#[actix_rt::test]
async fn nginx_takes_its_upstream() {
    let configuration =
        "pid DIR/pid; error_log stderr; events {}\nhttp { access_log off; include DIR/file;
        server { listen 127.0.0.1:8123; location / { proxy_pass http://web; } } }\n";
    let check = format!("{} -t -e stderr -c DIR/nginx.conf", Nginx::program().display());
    let place = rendered("nginx-upstream.conf.j2", &check, &[("nginx.conf", configuration)]).await;
    let text = place.text();
    assert!(text.contains("server 10.1.0.1:8080 ") && text.contains("server [2001:db8::2]:8080 "));
}

#[actix_rt::test]
async fn haproxy_takes_its_backend() {
    let main = "defaults\n  mode http\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\n\
                frontend all\n  bind 127.0.0.1:8125\n  default_backend web\n";
    let check = "/usr/sbin/haproxy -c -q -f DIR/main.cfg -f {}";
    let place = rendered("haproxy-backend.cfg.j2", check, &[("main.cfg", main)]).await;
    let text = place.text();
    assert!(text.contains("server web1 10.1.0.1:8080 check"), "{text}");
    assert!(text.contains("server web2 [2001:db8::2]:8080 check"), "{text}");
}

#[actix_rt::test]
async fn caddy_takes_its_snippet() {
    let main = "import DIR/file\n:8124 {\n\timport web\n}\n";
    let check = "env HOME=DIR caddy validate --adapter caddyfile --config DIR/Caddyfile";
    let place = rendered("Caddyfile.j2", check, &[("Caddyfile", main)]).await;
    assert!(place.text().contains("to [2001:db8::2]:8080"), "{}", place.text());
}

#[actix_rt::test]
async fn ssh_takes_its_configuration() {
    let place = rendered("ssh_config.j2", "ssh -G -F {} localhost", &[]).await;
    let mut ssh = Command::new("ssh");
    let output = ssh.arg("-G").arg("-F").arg(place.file()).arg("web2").output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    assert!(output.contains("\nhostname 2001:db8::2\n"), "{output}");
}

#[actix_rt::test]
async fn the_hosts_file_is_understood_by_the_resolver() {
    let place = rendered("hosts.j2", "grep -q '^10.1.0.1 web1$' {}", &[]).await;
    assert!(!place.text().contains("odd"), "a name that is not one");
    let names = HostNames::none();
    names.add_addresses("web1", &["10.1.0.1"]);
    let launcher = names.launcher();
    let mut shell = Command::new(&launcher[0]);
    let line =
        format!("cat {} >/etc/hosts; getent hosts web1; getent ahosts web2", word(&place.file()));
    let output = shell.args(&launcher[1..]).args(["sh", "-c", &line]).output().unwrap();
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.contains("10.1.0.1") && output.contains("2001:db8::2"), "{output}");
}

#[actix_rt::test]
async fn the_file_for_traefik_holds_its_servers() {
    let place = rendered("traefik.yml.j2", "grep -q servers: {}", &[]).await;
    let yaml: Vec<_> =
        place.text().lines().filter(|l| !l.starts_with('#')).map(str::to_owned).collect();
    let expected = [
        "http:",
        "  services:",
        "    web:",
        "      loadBalancer:",
        "        servers:",
        "          - url: \"http://10.1.0.1:8080\"",
        "          - url: \"http://[2001:db8::2]:8080\"",
    ];
    assert_eq!(json!(yaml), json!(expected));
}
