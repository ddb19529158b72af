use lobby_client::Label;

use super::*;

fn read(line: &str) -> Result<CommandLine, clap::Error> {
    CommandLine::read(["lobbyctl"].into_iter().chain(line.split_whitespace()).map(OsString::from))
}

fn refusal(line: &str) -> clap::Error {
    read(line).unwrap_err()
}

fn label(text: &str) -> Label {
    Label::parse(text).unwrap()
}

#[test]
fn the_definition_of_the_command_line_is_sound() {
    CommandLine::command().debug_assert();
}

#[test]
fn options_stand_before_and_after_the_command() {
    let expected =
        ConnectionOptions { host: Some("h".into()), port: Some(7), ..Default::default() };
    for line in ["--host h --port 7 --json discovery", "discovery --json --port=7 --host=h"] {
        let read = read(line).unwrap();
        assert_eq!(
            (&read.connection, read.json, read.command),
            (&expected, true, Command::Discovery),
            "{line}"
        );
    }
}

#[test]
fn every_command_is_understood() {
    let discoveries = |filter| Command::Discoveries { selector: None, filter };
    assert_eq!(read("discoveries").unwrap().command, discoveries(None));
    let filter = Some(DiscoveryFilter::Labels { labels: vec!["a:1".into(), "b".into()] });
    assert_eq!(read("discoveries labels a:1 b").unwrap().command, discoveries(filter));
    let filter = Some(DiscoveryFilter::Search { prefixes: vec!["a:".into()] });
    assert_eq!(read("discoveries search a: --json").unwrap().command, discoveries(filter));
    let resolve = Command::Resolve { selector: None, label: Some("a:1".into()) };
    assert_eq!(read("resolve a:1").unwrap().command, resolve);
    let add = LabelsCommand::Add { labels: vec![label("a:1"), label("b:2")], time: None };
    assert_eq!(read("labels add a:1 b:2").unwrap().command, Command::Labels(add));
    let del = LabelsCommand::Del { labels: vec![label("a:1")], strict: false };
    assert_eq!(read("labels del a:1").unwrap().command, Command::Labels(del));
}

#[test]
fn a_selector_stands_in_the_place_of_labels() {
    let selector: Option<Selector> = Some("a=1".parse().unwrap());
    let discoveries = Command::Discoveries { selector: selector.clone(), filter: None };
    let resolve = Command::Resolve { selector, label: None };
    for (line, command) in [
        ("discoveries -l a=1 --host h", &discoveries),
        ("--host h discoveries --selector a==1", &discoveries),
        ("resolve --host h -l a:1", &resolve),
    ] {
        assert_eq!(&read(line).unwrap().command, command, "{line}");
    }
    for line in ["discoveries -l a labels b", "discoveries --selector a search b", "resolve -l a b"]
    {
        assert_eq!(refusal(line).kind(), ErrorKind::ArgumentConflict, "{line}");
    }
    assert_eq!(refusal("resolve").kind(), ErrorKind::MissingRequiredArgument);
    let text = refusal("discoveries -l a=").to_string();
    assert!(text.contains("\na=\n  ^\nexpected a value"), "{text}");
}

#[test]
fn the_one_dash_options_of_the_original_mean_the_same() {
    let original = read("-proto https -host=h -port 7 -token -json -json discovery").unwrap();
    assert_eq!(
        original,
        read("--proto https --host=h --port 7 --token=-json --json discovery").unwrap()
    );
    assert!(read("-json=true discovery").unwrap().json);
    assert_eq!(original.connection.token.as_deref(), Some("-json"));
    assert_eq!(refusal("-help").kind(), ErrorKind::DisplayHelp);
}

#[test]
fn a_host_with_a_port_is_refused_and_told_where_the_port_goes() {
    for host in ["127.0.0.1:1313", "web1:1313", "[::1]:1313"] {
        let text = refusal(&format!("--host {host} discovery")).to_string();
        assert!(
            text.contains(host) && text.contains("--host") && text.contains("--port"),
            "{text}"
        );
    }
    for host in ["127.0.0.1", "web1", "::1", "[::1]"] {
        assert_eq!(
            read(&format!("--host {host} status")).unwrap().connection.host.as_deref(),
            Some(host)
        );
    }
}

#[test]
fn help_is_a_command_too() {
    for line in ["help", "help labels", "help discoveries search", "labels help"] {
        assert_eq!(refusal(line).kind(), ErrorKind::DisplayHelp, "{line}");
    }
}

#[test]
fn a_label_right_behind_discoveries_gets_the_usage() {
    let text = refusal("discoveries service:web").to_string();
    assert!(
        text.contains("'service:web'")
            && text.contains("[-l SELECTOR | labels LABEL... | search PREFIX...]"),
        "{text}"
    );
}

#[test]
fn behind_two_dashes_all_is_data() {
    let add = LabelsCommand::Add { labels: vec![label("-json"), label("-host=x")], time: None };
    assert_eq!(read("labels add -- -json -host=x").unwrap().command, Command::Labels(add));
}

#[test]
fn a_line_without_command_shows_the_help_as_an_error() {
    let refusal = refusal("");
    assert_eq!((refusal.exit_code(), refusal.use_stderr()), (2, true));
    assert!(refusal.to_string().contains("Usage: lobbyctl"));
}

#[test]
fn wrong_usage_is_refused_with_status_2() {
    let lines = [
        "--json",
        "nonsense",
        "--bogus discovery",
        "-bogus discovery",
        "discoveries a:1",
        "discoveries labels",
        "discoveries search",
        "resolve",
        "resolve a b",
        "labels",
        "labels add",
        "labels del",
        "labels foo a:1",
        "--proto ftp discovery",
        "--host a/b discovery",
        "--port 0 discovery",
        "--port 65536 discovery",
        "--token a --token-file b discovery",
    ];
    for line in lines {
        let refusal = refusal(line);
        assert_eq!((refusal.exit_code(), refusal.use_stderr()), (2, true), "{line}");
    }
}

#[test]
fn a_program_is_run_with_its_labels_and_its_check() {
    let run = |line: &str| match read(line).map(|line| line.command) {
        Ok(Command::Run(options)) => Ok(options),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.exit_code()),
    };
    let seconds = Duration::from_secs;
    let options = run("run --label a:1 --label b -- prog --json -host -- x").unwrap();
    assert_eq!(options.labels, [label("a:1"), label("b")]);
    assert_eq!(options.command, ["prog", "--json", "-host", "--", "x"]);
    assert_eq!((options.ttl, options.check.check), (seconds(30), None));
    let options = run("run --label a --check true --every 2s --fall 2 --rise 4").unwrap();
    let CheckOptions { check, every, fall, rise } = options.check;
    assert_eq!((check, every, fall, rise), ("true".parse().ok(), seconds(2), 2, 4));
    for line in [
        "run -- prog",
        "run --label a",
        "run --label a prog",
        "run --label a --every 2s -- prog",
        "run --label a --check true --fall 0 -- prog",
        "run --label a --check true --every 500ms -- prog",
        "run --label a --ttl 2s -- prog",
        "run --label a --json -- prog",
    ] {
        assert_eq!(run(line), Err(2), "{line}");
    }
}

#[test]
fn a_time_is_a_whole_number_that_needs_its_unit_for_a_label() {
    for (text, seconds) in
        [("90s", 90), ("5m", 300), ("1h", 3_600), ("365d", 31_536_000), ("01s", 1)]
    {
        assert_eq!(time(text), Ok(Duration::from_secs(seconds)), "{text}");
    }
    assert_eq!(time("1"), Ok(Duration::from_secs(1)));
    for text in
        ["", "s", "0s", "366d", "1M", "1y", "1.5h", "1h 30m", "1h30m", "-1s", "+1s", "500ms", "1 s"]
    {
        let refused = time(text).unwrap_err();
        let right = "must be a whole number with s, m, h or d, 1s to 365d";
        assert!(refused.starts_with(right), "{text}: {refused}");
    }
    for line in ["labels add --for 1 x", "drain --for 1"] {
        let refusal = refusal(line).to_string();
        assert!(refusal.contains("has no unit: 1s, 1m, 1h or 1d"), "{refusal}");
    }
    for line in ["wait --timeout 1", "run --label a --ttl 9 -- x", "drain --for 1m"] {
        assert!(read(line).is_ok(), "{line}");
    }
}

#[test]
fn a_server_is_drained_for_a_time_and_a_reason() {
    let drain = |words: &[&str]| {
        let words = [&["lobbyctl", "drain"], words].concat();
        match CommandLine::read(words.iter().map(OsString::from)).map(|line| line.command) {
            Ok(Command::Drain(options)) => Ok(options),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.exit_code()),
        }
    };
    let options = drain(&["--for", "1h", "--reason", "kernel update"]).unwrap();
    assert_eq!(options.time, Some(Duration::from_secs(3_600)));
    assert_eq!(options.label, Some(label("drain:kernel update")));
    assert!(drain(&[]).is_ok() && drain(&["--show"]).is_ok() && drain(&["--end"]).is_ok());
    for words in [
        &["--reason", " "][..],
        &["--reason", "a\u{7}"],
        &["--for", "0"],
        &["--for", "2y"],
        &["--show", "--end"],
        &["--end", "--for", "1h"],
        &["--show", "--reason", "x"],
    ] {
        assert_eq!(drain(words).err(), Some(2), "{words:?}");
    }
}

#[test]
fn commands_without_json_refuse_it() {
    for line in ["table", "export hosts", "render t.j2", "ping", "wait"] {
        let refusal = refusal(&format!("{line} --json"));
        assert_eq!(refusal.exit_code(), 2, "{line}");
        assert!(refusal.to_string().contains("has no JSON to print"), "{refusal}");
    }
    for line in ["ansible --list", "labels add a", "doctor", "watch"] {
        assert!(read(&format!("{line} --json")).is_ok(), "{line}");
    }
}

#[test]
fn the_help_of_a_command_shows_json_only_where_it_is_taken() {
    for (line, is_shown) in [
        ("table", false),
        ("export", false),
        ("render", false),
        ("ping", false),
        ("wait", false),
        ("run", false),
        ("drain", true),
        ("discovery", true),
        ("discoveries labels", true),
        ("labels list", true),
        ("status", true),
        ("doctor", true),
        ("watch", true),
    ] {
        for words in [format!("{line} --help"), format!("help {line}")] {
            let help = refusal(&words).to_string();
            assert_eq!(help.contains("--json"), is_shown, "{words}: {help}");
        }
    }
    assert!(read("--json drain --show").unwrap().json && read("drain --show --json").unwrap().json);
    assert!(refusal("--json table").to_string().contains("has no JSON to print"));
}

#[test]
fn columns_may_have_blanks_around_their_commas() {
    let columns = |text: &str| {
        let words = ["lobbyctl", "table", "-L", text].map(OsString::from);
        match CommandLine::read(words).unwrap().command {
            Command::Table(options) => options.columns,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(columns("a, b ,c"), ["a", "b", "c"]);
    for words in ["a,,b", "", "a:b"] {
        let words = ["lobbyctl", "table", "-L", words].map(OsString::from);
        assert_eq!(CommandLine::read(words).unwrap_err().exit_code(), 2);
    }
}

#[test]
fn a_text_that_is_no_label_is_refused_with_the_reason() {
    let words = ["lobbyctl", "labels", "add", "a:1", " "].map(OsString::from);
    let text = CommandLine::read(words).unwrap_err().to_string();
    assert!(text.contains("a label must not be empty"), "{text}");
}

#[test]
fn the_help_names_every_variable_and_every_exit_status() {
    let help = CommandLine::command().render_long_help().to_string();
    for variable in ["PROTOCOL", "HOST", "PORT", "TOKEN", "TOKEN_FILE", "CA_FILE"] {
        assert!(help.contains(&format!("[env: {variable}]")), "{variable}");
    }
    for status in ["0  done", "1  the daemon", "2  wrong usage", "3  the daemon", "4  the daemon"] {
        assert!(help.contains(status), "{status}");
    }
}

#[test]
fn behind_ansible_the_host_is_that_of_the_inventory() {
    let inventory = |line: &str| match read(line).unwrap() {
        CommandLine { command: Command::Ansible(options), connection, .. } => {
            (options.list, options.inventory_host, connection.host)
        }
        other => panic!("{other:?}"),
    };
    let (name, daemon) = (Some("a".to_owned()), Some("d".to_owned()));
    assert_eq!(inventory("--host d ansible --list"), (true, None, daemon.clone()));
    assert_eq!(inventory("--host d ansible --host a"), (false, name.clone(), daemon));
    assert_eq!(inventory("ansible --host=a"), (false, name, None));
    for line in ["ansible", "ansible --list --host a"] {
        assert!(read(line).is_err(), "{line}");
    }
    let both = refusal("ansible --list --host a").to_string();
    assert!(both.contains("lobbyctl --host a ansible --list"), "{both}");
    let label = read("resolve ansible --host d").unwrap();
    assert_eq!(label.connection.host.as_deref(), Some("d"));
}

#[test]
fn called_as_an_inventory_it_is_one() {
    let words = ["/usr/bin/lobby-inventory", "--host", "a"].map(OsString::from);
    let Command::Ansible(options) = CommandLine::read(words).unwrap().command else { panic!() };
    assert_eq!(options.inventory_host.as_deref(), Some("a"));
}

#[test]
fn a_mode_is_octal() {
    assert_eq!((mode("0644"), mode("4755")), (Ok(0o644), Ok(0o4755)));
    assert!(mode("999").is_err() && mode("").is_err() && mode("77777").is_err());
}
