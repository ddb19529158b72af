use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Most symbolic links followed in one path, as in Linux.
const MAX_LINKS: usize = 40;

/// The directories to watch to notice every change of a directory and of the path to it.
///
/// Watched are the directory, its parent, and every directory that holds a symbolic link on the
/// way; if the directory is missing, the nearest one that exists. All paths are absolute and free
/// of symbolic links, so that each directory is watched once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WatchPlan {
    /// Directories to watch, in the order in which the path passes them: what happens behind one
    /// that is watched already is noticed.
    directories: Vec<PathBuf>,
    /// Symbolic links on the path: replaced, they lead elsewhere.
    waypoints: Vec<PathBuf>,
    /// The directory itself, if it exists.
    contents: Option<PathBuf>,
}

/// What may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ChangeKind {
    /// An entry of the directory.
    Contents,
    /// The directory that the path leads to.
    Path,
}

impl WatchPlan {
    /// The plan for the directory at the end of this path, or for the part of the path that exists.
    pub(super) fn for_path(path: &Path) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut plan = Self { directories: Vec::new(), waypoints: Vec::new(), contents: None };
        if let Some(end) = plan.follow(&path) {
            plan.watch(end.parent().unwrap_or(&end).to_owned());
            plan.watch(end.clone());
            plan.contents = Some(end);
        }
        plan
    }

    /// Directories to watch, in this order.
    pub(super) fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// Whether a directory is the one whose contents are watched.
    pub(super) fn is_contents(&self, directory: &Path) -> bool {
        self.contents.as_deref() == Some(directory)
    }

    /// What may have changed after an event at this path; `None` for neighbours.
    pub(super) fn kind_of(&self, changed: &Path) -> Option<ChangeKind> {
        // An event about a watched directory itself says that it was moved or removed.
        if self.waypoints.iter().chain(&self.directories).any(|place| place == changed) {
            return Some(ChangeKind::Path);
        }
        (self.contents.is_some() && changed.parent() == self.contents.as_deref())
            .then_some(ChangeKind::Contents)
    }

    fn follow(&mut self, path: &Path) -> Option<PathBuf> {
        let mut here = PathBuf::from("/");
        let mut ahead = steps(path);
        while let Some(step) = ahead.pop_front() {
            let next = match step {
                Step::Root => PathBuf::from("/"),
                Step::Up => here.parent().unwrap_or(&here).to_owned(),
                Step::Down(name) => here.join(name),
            };
            if let Ok(target) = fs::read_link(&next) {
                self.watch(here.clone());
                self.waypoints.push(next);
                if self.waypoints.len() > MAX_LINKS {
                    return None;
                }
                ahead = steps(&target).into_iter().chain(ahead).collect();
            } else if next.is_dir() {
                here = next;
            } else {
                self.watch(here);
                self.waypoints.push(next);
                return None;
            }
        }
        Some(here)
    }

    fn watch(&mut self, directory: PathBuf) {
        if !self.directories.contains(&directory) {
            self.directories.push(directory);
        }
    }
}

enum Step {
    Root,
    Up,
    Down(OsString),
}

fn steps(path: &Path) -> VecDeque<Step> {
    path.components()
        .filter_map(|component| match component {
            Component::RootDir => Some(Step::Root),
            Component::ParentDir => Some(Step::Up),
            Component::Normal(name) => Some(Step::Down(name.to_owned())),
            Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn root() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap();
        (dir, path)
    }

    #[test]
    fn an_existing_directory_is_watched_with_its_parent() {
        let (_dir, root) = root();
        fs::create_dir_all(root.join("lobby/labels")).unwrap();
        let plan = WatchPlan::for_path(&root.join("lobby/labels"));
        assert_eq!(plan.directories(), [root.join("lobby"), root.join("lobby/labels")]);
        assert_eq!(plan.kind_of(&root.join("lobby/labels/a")), Some(ChangeKind::Contents));
        assert_eq!(plan.kind_of(&root.join("lobby/labels")), Some(ChangeKind::Path));
        assert_eq!(plan.kind_of(&root.join("lobby")), Some(ChangeKind::Path));
        assert_eq!(plan.kind_of(&root.join("lobby/neighbour")), None);
    }

    #[test]
    fn a_missing_directory_is_awaited_where_the_path_ends() {
        let (_dir, root) = root();
        let plan = WatchPlan::for_path(&root.join("lobby/labels"));
        assert_eq!(plan.directories(), std::slice::from_ref(&root));
        assert_eq!(plan.kind_of(&root.join("lobby")), Some(ChangeKind::Path));
        assert_eq!(plan.kind_of(&root.join("other")), None);
    }

    #[test]
    fn every_link_on_the_path_is_watched_where_it_lies() {
        let (_dir, root) = root();
        fs::create_dir_all(root.join("data/v1/labels")).unwrap();
        fs::create_dir(root.join("etc")).unwrap();
        symlink("../data/v1", root.join("etc/lobby")).unwrap();
        let plan = WatchPlan::for_path(&root.join("etc/lobby/labels"));
        assert_eq!(
            plan.directories(),
            [root.join("etc"), root.join("data/v1"), root.join("data/v1/labels")]
        );
        assert_eq!(plan.kind_of(&root.join("etc/lobby")), Some(ChangeKind::Path));
        assert_eq!(plan.kind_of(&root.join("data/v1/labels/a")), Some(ChangeKind::Contents));
    }

    #[test]
    fn links_in_a_circle_come_to_an_end() {
        let (_dir, root) = root();
        symlink("b", root.join("a")).unwrap();
        symlink("a", root.join("b")).unwrap();
        let plan = WatchPlan::for_path(&root.join("a"));
        assert_eq!(plan.directories(), std::slice::from_ref(&root));
        assert_eq!(plan.kind_of(&root.join("b")), Some(ChangeKind::Path));
    }

    #[test]
    fn a_file_in_place_of_the_directory_is_waited_out() {
        let (_dir, root) = root();
        fs::write(root.join("labels"), "").unwrap();
        let plan = WatchPlan::for_path(&root.join("labels"));
        assert_eq!(plan.directories(), std::slice::from_ref(&root));
        assert_eq!(plan.kind_of(&root.join("labels")), Some(ChangeKind::Path));
    }
}
