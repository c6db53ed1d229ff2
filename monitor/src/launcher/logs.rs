//! Instances' consoles as files: one each with a limit, and the older half set aside beside it. What nobody will ask for any more goes.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::error::Error;

/// What an instance's log may have, unless it is told otherwise; the part that was set aside may have as much.
pub const DEFAULT_LIMIT: u64 = 8 << 20;
/// A log is set aside when it has this part of its limit, so that what comes meanwhile finds room.
const FULL_AT: u64 = 2;
/// Logs of instances that failed stay this long.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
const SUFFIXES: [&str; 3] = [".log", ".log.1", ".crash.json"];

/// One instance's log.
#[derive(Clone, Debug)]
pub struct Log {
    path: PathBuf,
    limit: u64,
}

impl Log {
    /// Begin it. One of an earlier launcher's instance of that name gives way.
    pub fn create(folder: &Path, name: &str, limit: u64) -> Result<(Self, File), Error> {
        let log = Self::of(folder, name, limit);
        log.remove();
        log.open()
    }

    /// Go on with that of an instance that is started again.
    pub fn go_on(folder: &Path, name: &str, limit: u64) -> Result<(Self, File), Error> {
        let log = Self::of(folder, name, limit);
        log.rotate();
        log.open()
    }

    fn of(folder: &Path, name: &str, limit: u64) -> Self {
        Self {
            path: folder.join(format!("{name}.log")),
            limit,
        }
    }

    fn open(self) -> Result<(Self, File), Error> {
        let log = self;
        // Appending, so that what is written after the file was cut begins at its start.
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&log.path);
        file.map(|file| (log.clone(), file))
            .map_err(|error| Error::io(format!("opening the log {}", log.path.display()), error))
    }

    fn set_aside(&self) -> PathBuf {
        self.path.with_extension("log.1")
    }

    pub fn crash(&self) -> PathBuf {
        self.path.with_extension("crash.json")
    }

    /// Set it aside if it is nearly full. The instance has it open and cannot be given another: so its bytes are copied, and it is cut.
    /// What is written in between is lost.
    pub fn rotate(&self) {
        if fs::metadata(&self.path).is_ok_and(|found| found.len() * FULL_AT >= self.limit)
            && fs::copy(&self.path, self.set_aside()).is_ok()
        {
            let _ = OpenOptions::new()
                .write(true)
                .custom_flags(libc::O_NOFOLLOW)
                .open(&self.path)
                .and_then(|file| file.set_len(0));
        }
    }

    /// Remove it, and what lies beside it.
    pub fn remove(&self) {
        for path in [&self.path, &self.set_aside(), &self.crash()] {
            // Not there is as good.
            let _ = fs::remove_file(path);
        }
    }
}

/// Remove what is older than a week from a folder of logs.
pub fn prune(folder: &Path) {
    let old = SystemTime::now().checked_sub(KEPT);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let ours = name
            .to_str()
            .is_some_and(|name| SUFFIXES.iter().any(|suffix| name.ends_with(suffix)));
        let changed = entry.metadata().and_then(|found| found.modified()).ok();
        if ours && changed.zip(old).is_some_and(|(changed, old)| changed < old) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_full_log_is_set_aside_and_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let (log, mut file) = Log::create(folder.path(), "a-1", 100).expect("a log");
        file.write_all(&[b'x'; 49]).expect("written");
        log.rotate();
        assert!(!folder.path().join("a-1.log.1").exists());
        file.write_all(b"y").expect("written");
        log.rotate();
        file.write_all(b"after").expect("written");
        assert_eq!(fs::read(folder.path().join("a-1.log")).expect("a log"), b"after");
        assert_eq!(fs::read(folder.path().join("a-1.log.1")).expect("the older one").len(), 50);
        log.remove();
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }

    #[test]
    fn only_old_logs_are_pruned() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["old-1.log", "old-1.crash.json", "new-1.log", "old.txt"] {
            let file = File::create(folder.path().join(name)).expect("a file");
            if name.starts_with("old") {
                file.set_modified(SystemTime::now() - 2 * KEPT).expect("a time");
            }
        }
        prune(folder.path());
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .expect("a folder")
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["new-1.log", "old.txt"]);
    }
}
