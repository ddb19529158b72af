use std::fs;
use std::os::unix::fs::symlink;

use futures_util::FutureExt;
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;

const DEBOUNCE: Duration = Duration::from_millis(10);
/// Time for what takes milliseconds on an idle machine. It is shorter than [`RENEW_EVERY`], so that
/// only an event can be what tells.
const LIMIT: Duration = Duration::from_secs(10);

struct Scene {
    root: TempDir,
    watch: DirectoryWatch,
}

impl Scene {
    /// Watches `labels` in a fresh directory, prepared by the test, from when the watch is in
    /// place.
    async fn set(prepare: impl FnOnce(&Path)) -> Self {
        let root = tempfile::tempdir().unwrap();
        prepare(root.path());
        let watch = DirectoryWatch::new(&root.path().join("labels"), DEBOUNCE);
        let mut scene = Self { root, watch };
        scene.notices("its own start").await;
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Waits for a report, and lets whatever else belongs to the same change pass, so that the next
    /// one stands for itself.
    async fn notices(&mut self, what: &str) {
        assert!(timeout(LIMIT, self.watch.changed()).await.is_ok(), "missed {what}");
        while timeout(DEBOUNCE * 6, self.watch.changed()).await.is_ok() {}
    }

    async fn stays_calm(&mut self, after: &str) {
        assert!(timeout(DEBOUNCE * 20, self.watch.changed()).await.is_err(), "woken by {after}");
    }
}

fn make_labels(root: &Path) {
    fs::create_dir(root.join("labels")).unwrap();
    fs::write(root.join("labels/a"), "a:1\n").unwrap();
}

#[tokio::test]
async fn files_written_replaced_by_rename_and_removed_are_noticed() {
    let mut scene = Scene::set(make_labels).await;
    fs::write(scene.path("labels/a"), "a:2\n").unwrap();
    scene.notices("a written file").await;
    fs::write(scene.path("b"), "b:1\n").unwrap();
    fs::rename(scene.path("b"), scene.path("labels/b")).unwrap();
    scene.notices("a file renamed into the directory").await;
    fs::remove_file(scene.path("labels/a")).unwrap();
    scene.notices("a removed file").await;
}

#[tokio::test]
async fn fifty_plain_reads_are_no_change() {
    let mut scene = Scene::set(make_labels).await;
    for _ in 0..50 {
        assert_eq!(fs::read(scene.path("labels/a")).unwrap(), b"a:1\n");
        assert_eq!(fs::read_dir(scene.path("labels")).unwrap().count(), 1);
    }
    scene.stays_calm("reading").await;
}

#[tokio::test]
async fn what_happens_beside_the_directory_is_no_change() {
    let mut scene = Scene::set(make_labels).await;
    fs::write(scene.path("neighbour"), "").unwrap();
    fs::create_dir(scene.path("labels.old")).unwrap();
    scene.stays_calm("a neighbour").await;
}

#[tokio::test]
async fn a_missing_directory_is_noticed_when_it_is_made() {
    let mut scene = Scene::set(|_| ()).await;
    fs::create_dir(scene.path("labels")).unwrap();
    scene.notices("the directory").await;
    fs::write(scene.path("labels/a"), "a:1\n").unwrap();
    scene.notices("a file in the new directory").await;
}

#[tokio::test]
async fn a_directory_whose_parents_are_missing_is_noticed_too() {
    let root = tempfile::tempdir().unwrap();
    let deep = root.path().join("etc/lobby/labels");
    let mut scene = Scene { watch: DirectoryWatch::new(&deep, DEBOUNCE), root };
    scene.notices("its own start").await;
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("a"), "a:1\n").unwrap();
    scene.notices("the directory").await;
    fs::write(deep.join("a"), "a:2\n").unwrap();
    scene.notices("a file in it").await;
    fs::remove_dir_all(scene.path("etc")).unwrap();
    scene.notices("the removal of its parents").await;
}

#[tokio::test]
async fn a_directory_removed_and_made_again_is_watched_on() {
    let mut scene = Scene::set(make_labels).await;
    for round in 0..5 {
        fs::remove_dir_all(scene.path("labels")).unwrap();
        make_labels(scene.root.path());
        scene.notices("the new directory").await;
        fs::write(scene.path("labels/b"), format!("b:{round}\n")).unwrap();
        scene.notices("a file in the new directory").await;
    }
}

#[tokio::test]
async fn a_directory_renamed_away_and_replaced_is_watched_on() {
    let mut scene = Scene::set(make_labels).await;
    fs::rename(scene.path("labels"), scene.path("old")).unwrap();
    make_labels(scene.root.path());
    scene.notices("the swap").await;
    fs::write(scene.path("labels/a"), "a:2\n").unwrap();
    scene.notices("a file in the new directory").await;
    fs::write(scene.path("old/a"), "a:3\n").unwrap();
    scene.stays_calm("a file in the old directory").await;
}

#[tokio::test]
async fn a_symlink_to_the_directory_may_be_re_pointed() {
    let mut scene = Scene::set(|root| {
        for version in ["v1", "v2"] {
            fs::create_dir(root.join(version)).unwrap();
        }
        symlink("v1", root.join("labels")).unwrap();
    })
    .await;
    fs::write(scene.path("v1/a"), "a:1\n").unwrap();
    scene.notices("a file behind the link").await;
    symlink("v2", scene.path("new")).unwrap();
    fs::rename(scene.path("new"), scene.path("labels")).unwrap();
    scene.notices("the re-pointed link").await;
    fs::write(scene.path("v2/a"), "a:2\n").unwrap();
    scene.notices("a file behind the new link").await;
}

#[tokio::test]
async fn a_config_map_is_swapped_by_its_data_link() {
    let mut scene = Scene::set(|root| {
        let labels = root.join("labels");
        fs::create_dir_all(labels.join("..v1")).unwrap();
        fs::create_dir_all(labels.join("..v2")).unwrap();
        symlink("..v1", labels.join("..data")).unwrap();
        symlink("..data/a", labels.join("a")).unwrap();
    })
    .await;
    symlink("..v2", scene.path("labels/..data_tmp")).unwrap();
    fs::rename(scene.path("labels/..data_tmp"), scene.path("labels/..data")).unwrap();
    scene.notices("the swap").await;
}

#[tokio::test]
async fn a_burst_that_never_ends_is_reported_all_the_same() {
    let mut scene = Scene::set(make_labels).await;
    let path = scene.path("labels/a");
    let write = async {
        loop {
            fs::write(&path, "a:1\n").unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = write => (),
        noticed = timeout(LIMIT, scene.watch.changed()) => assert!(noticed.is_ok()),
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_loses_no_change() {
    let mut scene = Scene::set(make_labels).await;
    fs::write(scene.path("labels/a"), "a:2\n").unwrap();
    while scene.watch.changed().now_or_never().is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    fs::write(scene.path("labels/a"), "a:3\n").unwrap();
    for _ in 0..100 {
        drop(scene.watch.changed());
    }
    scene.notices("the change").await;
}
