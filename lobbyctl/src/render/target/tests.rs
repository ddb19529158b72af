use std::os::unix::fs::FileTypeExt;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::*;

struct Fixture {
    directory: TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("file")
    }

    fn target(&self, check: &str, reload: &str) -> Target {
        let action = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
        Target::new(&self.path(), 0o640, action(check), action(reload), false).unwrap()
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap_or_else(|_| "none".to_owned())
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string();
        let mut names: Vec<_> = entries.map(name).map(Result::unwrap).collect();
        names.sort();
        names
    }
}

#[actix_rt::test]
async fn a_target_that_is_not_a_regular_file_stays_as_it_is() {
    let fixture = Fixture::new();
    mknodat(CWD, fixture.path(), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let error = fixture.target("", "").bring_up_to_date(b"one").await.unwrap_err();
    let expected =
        format!("cannot read {}: is a FIFO, not a regular file", fixture.path().display());
    assert_eq!(format!("{error:#}"), expected);
    assert!(fs::metadata(fixture.path()).unwrap().file_type().is_fifo());
    assert_eq!(fixture.files(), ["file"]);
}

#[actix_rt::test]
async fn a_file_is_made_replaced_and_left_alone() {
    let fixture = Fixture::new();
    let target = fixture.target("", "");
    assert_eq!(target.bring_up_to_date(b"one").await.unwrap(), Outcome::Done);
    let mode = || fs::metadata(fixture.path()).unwrap().mode() & 0o7777;
    assert_eq!((fixture.text().as_str(), mode()), ("one", 0o640));
    fs::set_permissions(fixture.path(), fs::Permissions::from_mode(0o604)).unwrap();
    assert_eq!(target.bring_up_to_date(b"two").await.unwrap(), Outcome::Done);
    assert_eq!((fixture.text().as_str(), mode()), ("two", 0o604));
    assert_eq!(target.bring_up_to_date(b"two").await.unwrap(), Outcome::Unchanged);
    assert_eq!(fixture.files(), ["file"]);
}

#[actix_rt::test]
async fn a_file_keeps_its_owner_and_group() {
    let fixture = Fixture::new();
    fs::write(fixture.path(), "one").unwrap();
    // Only root may give a file away.
    let nobody = rustix::process::geteuid().is_root().then_some(65534);
    std::os::unix::fs::chown(fixture.path(), nobody, nobody).unwrap();
    let owner = || fs::metadata(fixture.path()).map(|file| (file.uid(), file.gid())).unwrap();
    let before = owner();
    fixture.target("", "").bring_up_to_date(b"two").await.unwrap();
    assert_eq!((fixture.text().as_str(), owner()), ("two", before));
}

#[actix_rt::test]
async fn a_failed_check_keeps_the_old_file() {
    let fixture = Fixture::new();
    fs::write(fixture.path(), "good").unwrap();
    for check in ["grep -q good {}", &format!("grep -q good {}", fixture.path().display())] {
        let target = fixture.target(check, "false");
        let error = target.bring_up_to_date(b"bad").await.unwrap_err();
        assert!(format!("{error:#}").contains("stays as it was: grep"), "{error:#}");
        assert_eq!((fixture.text().as_str(), fixture.files().len()), ("good", 1));
    }
    fs::remove_file(fixture.path()).unwrap();
    assert!(fixture.target("false", "").bring_up_to_date(b"bad").await.is_err());
    assert!(fixture.files().is_empty());
}

#[actix_rt::test]
async fn a_failed_reload_is_tried_again_with_the_same_text() {
    let fixture = Fixture::new();
    let flag = fixture.directory.path().join("flag");
    let target = fixture.target("true", &format!("rm {}", flag.display()));
    let error = target.bring_up_to_date(b"one").await.unwrap_err();
    let told = "file is new, the next run tries the reload again: rm ";
    assert!(format!("{error:#}").contains(told), "{error:#}");
    let watched = Target { is_watched: true, ..fixture.target("true", "false") };
    let error = watched.bring_up_to_date(b"one").await.unwrap_err();
    let told = "file is new, the reload is tried again: false failed";
    assert!(format!("{error:#}").contains(told), "{error:#}");
    assert_eq!(fixture.text(), "one");
    assert!(target.bring_up_to_date(b"one").await.is_err());
    fs::write(&flag, "").unwrap();
    assert_eq!(target.bring_up_to_date(b"one").await.unwrap(), Outcome::Done);
    assert_eq!(target.bring_up_to_date(b"one").await.unwrap(), Outcome::Unchanged);
    assert_eq!(fixture.files(), ["file"]);
}

#[actix_rt::test]
async fn a_check_that_fails_at_the_retry_takes_no_file_away() {
    let fixture = Fixture::new();
    let target = |check| fixture.target(check, "false");
    assert!(target("true").bring_up_to_date(b"one").await.is_err(), "the reload fails");
    assert!(target("false").bring_up_to_date(b"one").await.is_err());
    assert_eq!(fixture.text(), "one");
    assert_eq!(
        fixture.target("true", "true").bring_up_to_date(b"one").await.unwrap(),
        Outcome::Done
    );
    assert_eq!(fixture.files(), ["file"]);
}

#[actix_rt::test]
async fn a_reload_that_is_owed_outlives_a_failed_check() {
    let fixture = Fixture::new();
    fs::write(fixture.path(), "good one").unwrap();
    let check = format!("grep -q good {}", fixture.path().display());
    let target = fixture.target(&check, "false");
    assert!(target.bring_up_to_date(b"good two").await.is_err(), "the reload fails");
    assert!(target.bring_up_to_date(b"bad").await.is_err());
    assert_eq!(fixture.text(), "good two");
    let reloads = fixture.target(&check, "true");
    assert_eq!(reloads.bring_up_to_date(b"good two").await.unwrap(), Outcome::Done);
    assert_eq!(fixture.files(), ["file"]);
}

#[actix_rt::test]
async fn after_a_kill_before_the_check_the_last_good_file_returns() {
    let fixture = Fixture::new();
    fs::write(fixture.path(), "good").unwrap();
    let check = format!("grep -q good {}", fixture.path().display());
    let target = fixture.target(&check, "true");
    fs::write(target.beside("new"), "unchecked").unwrap();
    target.replace_by(&target.beside("new")).unwrap();
    assert!(target.bring_up_to_date(b"bad").await.is_err());
    assert_eq!(fixture.text(), "good");
}

#[actix_rt::test]
async fn what_a_kill_has_left_is_removed_by_the_next_run() {
    let fixture = Fixture::new();
    fs::write(fixture.path(), "one").unwrap();
    let target = fixture.target("true {}", "");
    for left in ["new", "old", "lock"] {
        fs::write(target.beside(left), "").unwrap();
    }
    assert_eq!(target.bring_up_to_date(b"one").await.unwrap(), Outcome::Unchanged);
    assert_eq!(fixture.files(), ["file"]);
}

#[actix_rt::test]
async fn a_link_stays_and_its_file_is_replaced() {
    let fixture = Fixture::new();
    let real = fixture.directory.path().join("real");
    fs::write(&real, "one").unwrap();
    std::os::unix::fs::symlink(&real, fixture.path()).unwrap();
    fixture.target("", "").bring_up_to_date(b"two").await.unwrap();
    assert_eq!(fs::read_to_string(&real).unwrap(), "two");
    assert!(fs::symlink_metadata(fixture.path()).unwrap().is_symlink());
}

#[actix_rt::test]
async fn a_link_to_a_missing_file_stays_and_the_file_is_made() {
    let fixture = Fixture::new();
    let at = |name: &str| fixture.directory.path().join(name);
    fs::create_dir(at("available")).unwrap();
    std::os::unix::fs::symlink("next", fixture.path()).unwrap();
    std::os::unix::fs::symlink("available/real", at("next")).unwrap();
    fixture.target("", "").bring_up_to_date(b"one").await.unwrap();
    assert_eq!(fs::read_to_string(at("available/real")).unwrap(), "one");
    for link in [fixture.path(), at("next")] {
        assert!(fs::symlink_metadata(link).unwrap().is_symlink());
    }
}

#[test]
fn links_in_a_circle_are_refused_with_the_name_of_the_file() {
    let fixture = Fixture::new();
    std::os::unix::fs::symlink("file", fixture.path()).unwrap();
    let error = Target::new(&fixture.path(), 0o644, None, None, false).unwrap_err();
    let expected = format!("cannot find {}: Too many levels", fixture.path().display());
    assert!(format!("{error:#}").starts_with(&expected), "{error:#}");
}
