//! `bases` and seeds where there is nothing to draw: images of fixed addresses.

use serde_json::json;

use crate::client::{Launcher, tenders};

#[test]
fn a_fixed_image_is_one_module_where_it_was_linked() {
    for tender in tenders() {
        let launcher = Launcher::new();
        let mut client = launcher.connect();
        let name = client.start_empty(tender, 1)[0]["instance"].clone();
        let found = client.good("bases", json!({"instance": name}));
        assert_eq!(found["random"], false);
        assert_eq!((&found["seed"], &found["hypercall"]), (&json!(null), &json!("0x8000000")));
        assert_eq!(found["modules"].as_array().map(Vec::len), Some(1), "{found}");
        assert_eq!(found["modules"][0]["base"], "0x0");
        assert_eq!(client.refused("bases", json!({"instance": "nobody-1"}))["code"], "not-found");
    }
}

#[test]
fn a_seed_for_fixed_addresses_is_refused_and_starts_nothing() {
    let launcher = Launcher::new();
    let mut client = launcher.connect();
    let error = client.refused("start", json!({"empty": true, "tender": "process", "seed": 1}));
    assert_eq!(error["code"], "bad-request");
    assert!(
        error["message"].as_str().is_some_and(|text| text.contains("--layout aslr")),
        "{error}"
    );
    assert_eq!(launcher.children(), Vec::<u64>::new());
}
