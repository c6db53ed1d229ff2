use std::fs;
use std::os::fd::AsRawFd;

use super::*;

fn pool_with(content: &[u8]) -> (tempfile::TempDir, Pool, Digest) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let name = hex(&Sha256::digest(content));
    let runs = folder.path().join("runs").join(&name[..2]);
    fs::create_dir_all(&runs).expect("the folder of runs");
    fs::write(folder.path().join("format"), FORMAT).expect("the format");
    fs::write(runs.join(&name), content).expect("the run");
    let pool = Pool::open(folder.path()).expect("a pool");
    let digest = serde_json::from_value(name.into()).expect("a digest");
    (folder, pool, digest)
}

#[test]
fn a_run_is_opened_and_verified_once() {
    let (folder, pool, digest) = pool_with(&[7; 3 * PAGE as usize]);
    let first = pool.run(&digest).expect("the run");
    assert_eq!(first.pages, 3);
    fs::remove_dir_all(folder.path()).expect("removed");
    let second = pool.run(&digest).expect("the run, from the cache");
    assert_eq!(first.file.as_raw_fd(), second.file.as_raw_fd());
}

#[test]
fn an_empty_run_is_damage() {
    let (_folder, pool, digest) = pool_with(b"");
    assert!(matches!(pool.run(&digest), Err(Error::DamagedPool { .. })));
}
