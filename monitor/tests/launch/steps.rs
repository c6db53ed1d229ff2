//! A launcher with a stopwatch tells what of a start was reached when, and nothing without one.

use serde_json::{Value, json};

use crate::client::{Launcher, tenders};

fn steps(client: &mut crate::client::Client) -> Vec<(String, u64)> {
    serde_json::from_value(client.good("steps", json!({}))["steps"].clone()).expect("steps")
}

fn position(steps: &[(String, u64)], name: &str) -> usize {
    steps
        .iter()
        .position(|(step, _)| step == name)
        .unwrap_or_else(|| panic!("{name}: {steps:?}"))
}

#[test]
fn a_start_and_a_request_reach_their_steps_in_order() {
    for tender in tenders() {
        let launcher = Launcher::with(&["--stopwatch"]);
        let mut client = launcher.connect();
        assert_eq!(steps(&mut client), []);
        let before = monotonic();
        let name = client.start_empty(tender, 1)[0]["instance"].clone();
        client.good("invoke", json!({"instance": name}));
        let after = monotonic();
        let found = steps(&mut client);
        assert!(found.is_sorted_by_key(|(_, at)| *at), "{found:?}");
        // It is the client's clock: the counter's rate is known from the launcher's short life, to a few parts in a hundred.
        let slack = (after - before) / 2;
        assert!(
            found.iter().all(|(_, at)| (before - slack..=after + slack).contains(at)),
            "{before} {after} {found:?}"
        );
        let own = if tender == "kvm" { "machine" } else { "filtered" };
        let expected = [
            "asked", "ordered", "drawn", "forked", "placed", own, "mapped", "stripped", "confined", "ready", "invoked",
            "answered",
        ];
        let places: Vec<usize> = expected.iter().map(|step| position(&found, step)).collect();
        assert!(places.is_sorted(), "{found:?}");
        assert_eq!(steps(&mut client), [], "they are told once");
    }
}

#[test]
fn without_a_stopwatch_the_request_is_refused() {
    let launcher = Launcher::new();
    let error: Value = launcher.connect().refused("steps", json!({}));
    assert_eq!(error["code"], "bad-request");
    assert!(
        error["message"].as_str().is_some_and(|text| text.contains("--stopwatch")),
        "{error}"
    );
}

/// Nanoseconds of CLOCK_MONOTONIC.
fn monotonic() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
