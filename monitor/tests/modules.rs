//! The monitor's modules use each other in one direction only: no cycles.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// For each module of the crate's root, the others that its files name by `crate::`. Tests may look anywhere.
fn uses() -> BTreeMap<String, BTreeSet<String>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut uses = BTreeMap::<String, BTreeSet<String>>::new();
    for file in files(&source) {
        let relative = file.strip_prefix(&source).expect("below it");
        let module = relative.iter().next().expect("a name").to_string_lossy().replace(".rs", "");
        if module == "main" || relative.ends_with("tests.rs") {
            continue;
        }
        let text = fs::read_to_string(&file).expect("a source file");
        let product = text.split("#[cfg(test)]\nmod tests {").next().expect("some");
        for used in product.split("crate::").skip(1) {
            let name: String = used
                .chars()
                .take_while(|letter| letter.is_ascii_lowercase() || *letter == '_')
                .collect();
            if name != module && !name.is_empty() {
                uses.entry(module.clone()).or_default().insert(name);
            }
        }
    }
    uses
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path());
    let found = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    found
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

#[test]
fn modules_have_no_cycles() {
    let mut uses = uses();
    assert!(uses.contains_key("tender") && uses.contains_key("launcher"), "{uses:?}");
    // Again and again without those that use nothing which is left: what stays is in a cycle, or uses one.
    loop {
        let left: BTreeSet<String> = uses.keys().cloned().collect();
        let before = uses.len();
        uses.retain(|_, used| used.iter().any(|name| left.contains(name)));
        if uses.len() == before {
            break;
        }
    }
    assert!(uses.is_empty(), "a cycle: {uses:?}");
}
