//! Zabbix, which discovers servers as the page of recipes says: its server, with a database, and
//! without the pages that an administrator would enter the rule in.

use lobby_tests::SystemBox;

use crate::machine::{files, root};

/// A database with the tables of Zabbix, and in them what a discovery rule needs. A server that is
/// gone is forgotten at once.
const INSTALL: &str = "
    bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
    install -d -o postgres /run/database && cd /run/database
    runuser -u postgres -- $bin/initdb --auth trust --no-sync --pgdata data >/dev/null
    systemd-run --quiet --unit database --uid postgres \
        $bin/postgres -D /run/database/data -k /run/database -c listen_addresses= -c fsync=off
    export PGHOST=/run/database PGUSER=postgres
    until psql -c '' 2>/dev/null; do sleep .1; done
    zcat /usr/share/zabbix-server-pgsql/schema.sql.gz | psql -q1 -v ON_ERROR_STOP=1 >/dev/null
    psql -q -v ON_ERROR_STOP=1 <<'END'
insert into role (roleid, name, type) values (1, 'all', 3);
insert into users (userid, username, roleid) values (1, 'all', 1);
insert into hstgrp (groupid, name) values (1, 'fleet');
insert into config (configid, discovery_groupid) values (1, 1);
insert into hosts (hostid, host, name) values (1, 'fleet', 'fleet');
insert into items (itemid, hostid, type, flags, value_type, name, key_, delay, url, timeout, status_codes, lifetime)
    values (1, 1, 19, 1, 4, 'web', 'web', '1s', 'URL', '3s', '200', '0');
insert into item_rtdata (itemid) values (1);
insert into items (itemid, hostid, type, flags, value_type, name, key_)
    values (2, 1, 2, 2, 4, 'web of {#HOST}', 'web[{#HOST},{#LABELS}]');
insert into item_discovery (itemdiscoveryid, itemid, parent_itemid) values (1, 2, 1);
insert into lld_macro_path (lld_macro_pathid, itemid, lld_macro, path) values MACROS;
END
    cat >/run/zabbix.conf <<'END'
DBHost=/run/database
DBName=postgres
DBUser=postgres
AllowRoot=1
LogType=console
PidFile=/run/zabbix.pid
SocketDir=/run
CacheUpdateFrequency=1
END
    systemd-run --quiet --unit zabbix /usr/sbin/zabbix_server -f -c /run/zabbix.conf";

/// Starts a daemon; the first one is that which Zabbix asks.
fn start(machine: &SystemBox, name: &str, port: u16, labels: &str) {
    machine.run(&format!(
        "mkdir -p /run/labels/{name}
        systemd-run --quiet --unit {name} env DRIVER=Local LOCAL_PATH=/run/lobby KEEP_ALIVE=1 \
            HOSTNAME={name} PORT={port} LABELS_PATH=/run/labels/{name} LABELS={labels} /run/box/lobbyd"
    ));
}

/// The address that the page gives, and the macros with their paths as rows of SQL.
fn rule() -> (String, String) {
    let page = std::fs::read_to_string(root().join("docs/recipes.md")).unwrap();
    let url = page.split('`').find(|code| code.starts_with("http://127.0.0.1:1313/v1/discoveries"));
    let rows = page.lines().filter(|line| line.starts_with("| `{#"));
    let macros: Vec<_> = rows
        .enumerate()
        .map(|(number, row)| {
            let cells: Vec<_> = row.split('`').collect();
            format!("({number}, 1, '{}', '{}')", cells[1], cells[3])
        })
        .collect();
    assert_eq!(macros.len(), 2, "{macros:?}");
    (url.unwrap().to_owned(), macros.join(", "))
}

/// A fleet of two, and Zabbix, which has discovered both.
async fn discovered() -> SystemBox {
    let machine = SystemBox::start(&files()).await;
    start(&machine, "web1", 1313, "service:web");
    start(&machine, "web2", 1314, "service:web,location:brno");
    let (url, macros) = rule();
    machine.run(&INSTALL.replace("URL", &url).replace("MACROS", &macros));
    items_are(&machine, BOTH).await;
    machine
}

const BOTH: &str =
    r#"web[web1,"[\"service:web\"]"] web[web2,"[\"location:brno\",\"service:web\"]"]"#;

/// The first value that a question of SQL has, in each row.
fn sql(question: &str) -> String {
    format!("psql -h /run/database -U postgres -qAtc \"{question}\"")
}

/// Waits until Zabbix has these items of the prototype.
async fn items_are(machine: &SystemBox, items: &str) {
    let found = sql("select key_ from items where flags = 4 order by key_");
    machine.eventually(&format!("[ \"$({found} | xargs -d '\\n')\" = '{items}' ]")).await;
}

/// Waits until the rule failed with this text.
async fn the_rule_says(machine: &SystemBox, text: &str) {
    let error = sql("select error from item_rtdata where itemid = 1");
    machine.eventually(&format!("{error} | grep -qF '{text}'")).await;
}

#[actix_rt::test]
async fn zabbix_follows_the_servers_of_a_selector() {
    let machine = discovered().await;
    machine.run("systemctl stop web2");
    items_are(&machine, r#"web[web1,"[\"service:web\"]"]"#).await;
    start(&machine, "mail1", 1315, "service:smtp");
    start(&machine, "web3", 1316, "service:web,location:brno");
    items_are(&machine, &BOTH.replace("web2", "web3")).await;
}

#[actix_rt::test]
async fn zabbix_keeps_its_items_when_it_is_given_no_whole_list() {
    let machine = discovered().await;
    machine.run("systemctl stop web1");
    the_rule_says(&machine, "127.0.0.1 port 1313").await;
    items_are(&machine, BOTH).await;
    // It knows itself alone, as its broker was never there.
    machine.run(
        "systemd-run --quiet --unit alone env NATS_URL=nats://127.0.0.1:9 KEEP_ALIVE=1 \
            LABELS=service:web LABELS_PATH=/run/labels/web1 /run/box/lobbyd",
    );
    the_rule_says(&machine, "503").await;
    items_are(&machine, BOTH).await;
}

#[actix_rt::test]
async fn zabbix_keeps_its_items_when_a_path_is_not_valid() {
    let machine = discovered().await;
    let path = "'$.labels[?(@ =~ \\\"^location:\\\")]'";
    machine
        .run(&sql(&format!("update lld_macro_path set path = {path} where lld_macro_pathid = 1")
            .replace('$', "\\$")));
    the_rule_says(&machine, "{#LABELS}").await;
    items_are(&machine, BOTH).await;
}
