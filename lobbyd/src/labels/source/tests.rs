use std::fs;
use std::path::Path;

use lobby_client::HostName;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;
use crate::config::{FactSettings, LocalHostSettings};

/// Hands on what it is told of.
struct Listener(UnboundedSender<Discovery>);

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<LocalChanged> for Listener {
    type Result = ();

    fn handle(&mut self, LocalChanged(packet): LocalChanged, _: &mut Self::Context) {
        self.0.send(packet).unwrap();
    }
}

fn source(directory: &Path) -> (LabelSource, UnboundedReceiver<Discovery>) {
    let settings = LocalHostSettings {
        hostname: HostName::parse("a").ok(),
        labels: vec![Label::parse("env:1").unwrap()],
        labels_path: directory.to_owned(),
        labels_path_is_set: false,
        runtime_labels_filename: "_runtime".to_owned(),
        state_path: Some(directory.join(".state")),
        facts: FactSettings::default(),
    };
    let (told, news) = unbounded_channel();
    let listeners = vec![Listener(told).start().recipient()];
    (LabelSource::new(LocalHost::new(settings), Duration::from_secs(3600), listeners), news)
}

async fn next(news: &mut UnboundedReceiver<Discovery>) -> Vec<String> {
    let packet = tokio::time::timeout(Duration::from_secs(20), news.recv()).await.unwrap().unwrap();
    packet.labels.iter().map(|label| label.as_str().to_owned()).collect()
}

#[actix_rt::test]
async fn a_host_is_published_without_files_until_they_are_read() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "file:1").unwrap();
    let (source, mut news) = source(directory.path());
    let source = source.start();
    source.send(StartWithoutFiles).await.unwrap();
    assert_eq!(next(&mut news).await, ["env:1"]);
    source.send(GetLocalPacket).await.unwrap().packet().await.unwrap();
    assert_eq!(next(&mut news).await, ["env:1", "file:1"]);
    source.send(StartWithoutFiles).await.unwrap();
    source.send(ReloadLabels).await.unwrap();
    assert_eq!(next(&mut news).await, ["env:1", "file:1"]);
}

#[actix_rt::test]
async fn a_reload_publishes_once_whether_labels_changed_or_not() {
    let directory = tempfile::tempdir().unwrap();
    let (source, mut news) = source(directory.path());
    let file = directory.path().join("file");
    fs::write(&file, "file:1").unwrap();
    let source = source.start();
    for label in ["file:1", "file:1", "file:2"] {
        fs::write(&file, label).unwrap();
        source.send(ReloadLabels).await.unwrap();
        source.send(GetLocalPacket).await.unwrap().packet().await.unwrap();
        while next(&mut news).await != ["env:1", label] {}
    }
}
