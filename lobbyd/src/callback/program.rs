//! The file of the callback's program: whether it is there and can be executed.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// What is wrong with a program, if anything: it is a path, or a name that is looked up in the
/// directories of `search_path`. Blocks.
pub(super) fn problem(program: &str, search_path: Option<&OsStr>) -> Option<String> {
    if program.contains('/') {
        return file_problem(Path::new(program)).map(|problem| format!("{program} {problem}"));
    }
    let directories = search_path
        .map(|path| std::env::split_paths(path).collect::<Vec<PathBuf>>())
        .unwrap_or_default();
    let is_there =
        directories.iter().any(|directory| file_problem(&directory.join(program)).is_none());
    (!is_there).then(|| format!("there is no program {program} in the directories of PATH"))
}

fn file_problem(path: &Path) -> Option<String> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Some("is a directory".to_owned()),
        Ok(_) if access(path, Access::EXEC_OK).is_err() => Some("is not executable".to_owned()),
        Ok(_) => None,
        Err(error) if error.kind() == ErrorKind::NotFound => Some("does not exist".to_owned()),
        Err(error) => Some(format!("cannot be looked at: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_program_is_found_by_its_path_or_in_the_search_path() {
        assert_eq!(problem("/bin/sh", None), None);
        assert_eq!(problem("sh", Some("/nowhere:/bin".as_ref())), None);
    }

    #[test]
    fn a_program_that_cannot_be_run_is_told_with_its_reason() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("callback");
        let path = file.display().to_string();
        assert_eq!(problem(&path, None), Some(format!("{path} does not exist")));
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(problem(&path, None), Some(format!("{path} is not executable")));
        assert_eq!(problem("/bin/", None), Some("/bin/ is a directory".to_owned()));
        let search_path = Some(directory.path().as_os_str());
        let missing = "there is no program callback in the directories of PATH";
        assert_eq!(problem("callback", search_path), Some(missing.to_owned()));
    }
}
