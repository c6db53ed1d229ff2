//! Manifests that lie and pools that are damaged: each ends with its exit code and names what is wrong, before a guest runs.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use support::{MONITOR, Workshop};

const GUEST: &str = "static int run(void) { say(\"FAILURE\"); return 0; }";

fn check(workshop: &Workshop, manifest: &Path) -> Output {
    Command::new(MONITOR)
        .arg("check")
        .arg(manifest)
        .arg("--pool")
        .arg(workshop.pool())
        .output()
        .expect("the monitor")
}

#[track_caller]
fn refused(workshop: &Workshop, manifest: &Path, code: i32, words: &[&str]) {
    let ran = workshop.run_command(manifest, &[]).output().expect("the monitor");
    for output in [check(workshop, manifest), ran] {
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(output.stdout.is_empty(), "something ran");
        assert!(stderr.starts_with("error: ") && stderr.contains("\nhint: "), "{stderr}");
        for word in words {
            assert!(stderr.contains(word), "{word} is not in {stderr}");
        }
    }
}

fn digest(image: &Value) -> String {
    image["extents"][0]["run"].as_str().expect("a digest").to_owned()
}

#[test]
fn a_good_one_is_checked_silently() {
    let workshop = Workshop::new();
    let output = check(&workshop, &workshop.write(&workshop.image(GUEST)));
    assert_eq!(
        (output.status.code(), output.stdout.len(), output.stderr.len()),
        (Some(0), 0, 0)
    );
}

#[test]
fn an_overlap_names_both_extents() {
    let workshop = Workshop::new();
    let mut image = workshop.image(GUEST);
    image["extents"][1]["address"] = json!("0x400000");
    refused(
        &workshop,
        &workshop.write(&image),
        65,
        &["manifest.json: extents[1].address: overlaps extents[0]"],
    );
}

#[test]
fn more_pages_than_the_run_has() {
    let workshop = Workshop::new();
    let mut image = workshop.image(GUEST);
    image["extents"][0]["first"] = json!(1);
    refused(&workshop, &workshop.write(&image), 65, &["extents[0].first"]);
    image["extents"][0]["first"] = json!(u64::MAX);
    refused(&workshop, &workshop.write(&image), 65, &["extents[0].first"]);
}

#[test]
fn a_missing_run() {
    let workshop = Workshop::new();
    let image = workshop.image(GUEST);
    fs::remove_file(workshop.run_path(&digest(&image))).expect("the run");
    refused(&workshop, &workshop.write(&image), 65, &[&digest(&image), "is missing"]);
}

#[test]
fn a_run_with_one_wrong_bit() {
    let workshop = Workshop::new();
    let image = workshop.image(GUEST);
    let path = workshop.run_path(&digest(&image));
    let mut bytes = fs::read(&path).expect("the run");
    bytes[17] ^= 1;
    fs::write(&path, bytes).expect("the run");
    refused(&workshop, &workshop.write(&image), 65, &[&digest(&image), "content"]);
}

#[test]
fn a_run_cut_short() {
    let workshop = Workshop::new();
    let image = workshop.image(GUEST);
    let path = workshop.run_path(&digest(&image));
    let file = fs::OpenOptions::new().write(true).open(&path).expect("the run");
    file.set_len(100).expect("a shorter run");
    refused(&workshop, &workshop.write(&image), 65, &[&digest(&image), "100 bytes"]);
}

#[test]
fn a_run_that_is_something_else() {
    let workshop = Workshop::new();
    let image = workshop.image(GUEST);
    let path = workshop.run_path(&digest(&image));
    let elsewhere = workshop.path("elsewhere");
    fs::rename(&path, &elsewhere).expect("the run");
    std::os::unix::fs::symlink(&elsewhere, &path).expect("a link");
    refused(&workshop, &workshop.write(&image), 65, &["symbolic link"]);
    fs::remove_file(&path).expect("the link");
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
    refused(&workshop, &workshop.write(&image), 65, &["not a regular file"]);
}

#[test]
fn files_that_are_not_there() {
    let workshop = Workshop::new();
    let manifest = workshop.write(&workshop.image(GUEST));
    refused(&workshop, &workshop.path("none.json"), 66, &["none.json"]);
    fs::remove_dir_all(workshop.pool()).expect("the pool");
    refused(&workshop, &manifest, 66, &["there is no pool"]);
}

#[test]
fn a_folder_that_is_not_a_pool() {
    let workshop = Workshop::new();
    let manifest = workshop.write(&workshop.image(GUEST));
    fs::write(workshop.pool().join("format"), "unishare-pool 2\n").expect("the format");
    refused(&workshop, &manifest, 65, &["format", "version 1"]);
}

#[test]
fn too_much_memory_is_a_usage_error() {
    let workshop = Workshop::new();
    let manifest = workshop.write(&workshop.image(GUEST));
    let output = workshop
        .run_command(&manifest, &["--memory", "18446744073709551615"])
        .output()
        .expect("the monitor");
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}
