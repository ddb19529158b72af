//! Real brokers, and voices on them that say and hear any bytes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lobby_tests::free_port;
use tempfile::TempDir;

use crate::programs::{LIMIT, Settings, clean, settings};
use crate::waiting::eventually;

/// A kind of broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Nats,
    Redis,
}

/// A broker on a loopback port, killed when this value is dropped.
#[derive(Debug)]
pub(crate) struct Broker {
    kind: Kind,
    port: u16,
    child: Child,
    _directory: TempDir,
}

impl Broker {
    /// Starts one that keeps nothing.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    pub(crate) fn start(kind: Kind) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let port = free_port();
        let text = port.to_string();
        let (program, arguments) = match kind {
            Kind::Nats => ("nats-server", vec!["--addr", "127.0.0.1", "--port", &text]),
            Kind::Redis => (
                "redis-server",
                vec!["--bind", "127.0.0.1", "--port", &text, "--save", "", "--appendonly", "no"],
            ),
        };
        let mut command = clean(program);
        command.args(arguments).current_dir(directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("a broker can be started");
        let broker = Self { kind, port, child, _directory: directory };
        let up = eventually(LIMIT, || TcpStream::connect(("127.0.0.1", port)).ok());
        assert!(up.is_some(), "{program} does not start: is it installed?");
        broker
    }

    /// What it is called in the report.
    pub(crate) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Nats => "NATS",
            Kind::Redis => "Redis",
        }
    }

    /// The settings of a daemon that uses this channel of it.
    pub(crate) fn settings(&self, channel: &str) -> Settings {
        let port = self.port.to_string();
        match self.kind {
            Kind::Nats => settings(&[
                ("DRIVER", "NATS"),
                ("NATS_URL", &format!("nats://127.0.0.1:{port}")),
                ("NATS_DISCOVERY_CHANNEL", channel),
            ]),
            Kind::Redis => {
                settings(&[("DRIVER", "Redis"), ("REDIS_PORT", &port), ("REDIS_CHANNEL", channel)])
            }
        }
    }

    /// A voice on this channel.
    pub(crate) fn voice(&self, channel: &str) -> Voice {
        Voice { kind: self.kind, stream: self.connect(), channel: channel.to_owned() }
    }

    /// An ear on this channel; nothing said from now on is missed.
    pub(crate) fn ear(&self, channel: &str) -> Ear {
        let mut stream = self.connect();
        let heard = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        match self.kind {
            Kind::Nats => {
                send(stream.get_mut(), format!("SUB {channel} 1\r\nPING\r\n").as_bytes());
                until_pong(&mut stream);
            }
            Kind::Redis => {
                send(stream.get_mut(), &redis_command(&[b"SUBSCRIBE", channel.as_bytes()]));
                redis_reply(&mut stream).expect("Redis answers");
            }
        }
        stream.get_mut().set_read_timeout(None).ok();
        let (kind, shared) = (self.kind, Arc::clone(&heard));
        std::thread::spawn(move || {
            while let Some(message) = next_message(kind, &mut stream) {
                shared.lock().unwrap_or_else(PoisonError::into_inner).push(message);
            }
        });
        Ear { heard }
    }

    fn connect(&self) -> BufReader<TcpStream> {
        let stream =
            TcpStream::connect(("127.0.0.1", self.port)).expect("the broker takes connections");
        stream.set_read_timeout(Some(LIMIT)).ok();
        stream.set_nodelay(true).ok();
        let mut stream = BufReader::new(stream);
        if self.kind == Kind::Nats {
            read_line(&mut stream).expect("NATS introduces itself");
            send(stream.get_mut(), b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n");
        }
        stream
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Somebody who says any bytes on a channel.
#[derive(Debug)]
pub(crate) struct Voice {
    kind: Kind,
    stream: BufReader<TcpStream>,
    channel: String,
}

impl Voice {
    /// Says all of these, in this order, and waits until the broker has them.
    ///
    /// # Panics
    /// If the broker does not take them.
    pub(crate) fn say<'a>(&mut self, payloads: impl IntoIterator<Item = &'a [u8]>) {
        let mut bytes = Vec::new();
        let mut count = 0;
        for payload in payloads {
            count += 1;
            match self.kind {
                Kind::Nats => {
                    bytes.extend(format!("PUB {} {}\r\n", self.channel, payload.len()).as_bytes());
                    bytes.extend(payload);
                    bytes.extend(b"\r\n");
                }
                Kind::Redis => {
                    bytes.extend(redis_command(&[b"PUBLISH", self.channel.as_bytes(), payload]));
                }
            }
        }
        match self.kind {
            Kind::Nats => {
                bytes.extend(b"PING\r\n");
                send(self.stream.get_mut(), &bytes);
                until_pong(&mut self.stream);
            }
            Kind::Redis => {
                send(self.stream.get_mut(), &bytes);
                for _ in 0..count {
                    redis_reply(&mut self.stream).expect("Redis takes the message");
                }
            }
        }
    }
}

/// Somebody who hears all that is said on a channel.
#[derive(Debug)]
pub(crate) struct Ear {
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Ear {
    /// All messages so far.
    pub(crate) fn heard(&self) -> Vec<Vec<u8>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until this many messages were heard; all so far, also if they are fewer.
    pub(crate) fn hears(&self, count: usize) -> Vec<Vec<u8>> {
        eventually(Duration::from_secs(8), || (self.heard().len() >= count).then_some(()));
        self.heard()
    }
}

fn send(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).expect("the broker takes what is sent");
}

fn until_pong(stream: &mut BufReader<TcpStream>) {
    loop {
        let line = read_line(stream).expect("NATS answers");
        match line.as_str() {
            "PONG" => return,
            "PING" => send(stream.get_mut(), b"PONG\r\n"),
            other => assert!(!other.starts_with("-ERR"), "NATS: {other}"),
        }
    }
}

fn next_message(kind: Kind, stream: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    loop {
        match kind {
            Kind::Nats => {
                let line = read_line(stream)?;
                if line == "PING" {
                    stream.get_mut().write_all(b"PONG\r\n").ok()?;
                } else if line.starts_with("MSG ") {
                    let len = line.rsplit(' ').next()?.parse().ok()?;
                    return read_exactly(stream, len);
                }
            }
            Kind::Redis => {
                let parts = redis_reply(stream)?;
                if let [word, _, payload] = &parts[..]
                    && word == b"message"
                {
                    return Some(payload.clone());
                }
            }
        }
    }
}

fn redis_command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend(*word);
        bytes.extend(b"\r\n");
    }
    bytes
}

/// A reply: its texts, if it is a list, else itself.
fn redis_reply(stream: &mut BufReader<TcpStream>) -> Option<Vec<Vec<u8>>> {
    let line = read_line(stream)?;
    let (kind, rest) = line.split_at_checked(1)?;
    match kind {
        "*" => (0..rest.parse::<usize>().ok()?).map(|_| redis_reply(stream)?.pop()).collect(),
        "$" => Some(vec![read_exactly(stream, rest.parse().ok()?)?]),
        "-" => panic!("Redis: {rest}"),
        _ => Some(vec![rest.as_bytes().to_vec()]),
    }
}

fn read_line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = Vec::new();
    let len = stream.read_until(b'\n', &mut line).ok()?;
    (len > 0).then(|| String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// As many bytes, and the line end behind them.
fn read_exactly(stream: &mut BufReader<TcpStream>, len: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; len + 2];
    stream.read_exact(&mut bytes).ok()?;
    bytes.truncate(len);
    Some(bytes)
}
