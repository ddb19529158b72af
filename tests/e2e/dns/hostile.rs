//! What strangers send to the DNS: nothing of it stops the daemon, fills its log or its memory.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use lobby_tests::{LIMIT, dig_short, ensure, eventually, now};

use super::Scene;

const FLEET: &[(&str, &[&str])] = &[("a", &["service:web", "address:10.0.0.1"])];
const WEB: &str = "web.service.lobby.internal";

/// More than an idle daemon writes, and far fewer than what is sent.
const MOST_LOG_LINES: usize = 50;

/// The messages that fuzzing begins with: questions of all kinds, and what only looks like one.
fn corpus() -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/dns");
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect()
}

/// The response code of the answer to a datagram; none if there is no answer.
fn code(server: SocketAddr, message: &[u8]) -> Option<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    socket.send_to(message, server).unwrap();
    let mut answer = [0; 4096];
    let len = socket.recv(&mut answer).ok()?;
    assert!(len >= 12 && answer[..2] == message[..2], "{message:?}");
    Some(answer[3] & 15)
}

#[actix_rt::test]
async fn malformed_messages_get_their_code_or_silence() {
    let scene = Scene::set(FLEET).await;
    let question = corpus().into_iter().find(|message| message.len() > 40).unwrap();
    let looping = [&question[..12], &[0xc0, 12, 0, 1, 0, 1]].concat();
    let counts = [&question[..4], &[255; 8]].concat();
    let long = [&question[..], &vec![b'x'; 60_000]].concat();
    for (message, expected) in
        [(&looping[..], Some(1)), (&counts, Some(1)), (&question[..11], None), (b"", None)]
    {
        assert_eq!(code(scene.server, message), expected, "{message:?}");
    }
    code(scene.server, &long);
    for message in corpus() {
        code(scene.server, &message);
    }
    assert_eq!(dig_short(scene.server, WEB).await, ["10.0.0.1"]);
    assert!(scene.daemon.logs().len() < MOST_LOG_LINES, "{:?}", scene.daemon.logs());
}

#[actix_rt::test]
async fn a_flood_of_nonsense_leaves_the_daemon_as_it_was() {
    let scene = Scene::set(FLEET).await;
    let (server, before) = (scene.server, scene.daemon.peak_memory());
    let flood = tokio::task::spawn_blocking(move || {
        let (socket, mut messages) = (UdpSocket::bind("127.0.0.1:0").unwrap(), corpus());
        messages.push(b"nonsense".repeat(8));
        let begun = now();
        let sent = messages.iter().cycle().take(60_000);
        let sent = sent.filter(|message| socket.send_to(message, server).is_ok()).count();
        (sent, begun.elapsed())
    });
    while !flood.is_finished() {
        let asked = now();
        let answer = scene.daemon.get("/healthz").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok\n"));
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    }
    let (sent, time) = flood.await.unwrap();
    assert!(sent >= 50_000 && time < LIMIT, "{sent} in {time:?}");
    eventually(LIMIT, async move || {
        let answer = dig_short(server, WEB).await;
        ensure(answer == ["10.0.0.1"], answer)
    })
    .await;
    let (lines, memory) = (scene.daemon.logs().len(), scene.daemon.peak_memory());
    assert!(lines < MOST_LOG_LINES, "{lines}");
    assert!(memory < before + 30, "{before} MB, then {memory} MB");
}

#[actix_rt::test]
async fn idle_connections_are_bounded_and_keep_nobody_out() {
    let scene = Scene::set(FLEET).await;
    let before = scene.daemon.open_files();
    let mut idle: Vec<_> = (0..400).map(|_| TcpStream::connect(scene.server).unwrap()).collect();
    let tcp = format!("+tcp {WEB}");
    assert_eq!(dig_short(scene.server, &tcp).await, ["10.0.0.1"]);
    assert!(scene.daemon.open_files() <= before + 130, "{}", scene.daemon.open_files());
    assert_eq!(idle[0].read(&mut [0]).unwrap_or_default(), 0, "the first one was closed");
}

#[actix_rt::test]
async fn a_client_that_does_not_go_on_is_cut_after_a_while() {
    let scene = Scene::set(FLEET).await;
    let mut slow = TcpStream::connect(scene.server).unwrap();
    slow.write_all(&[0xff, 0xff, 1, 2, 3]).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let cut = tokio::task::spawn_blocking(move || slow.read(&mut [0]));
    assert_eq!(cut.await.unwrap().unwrap_or_default(), 0);
    assert_eq!(dig_short(scene.server, WEB).await, ["10.0.0.1"]);
}
