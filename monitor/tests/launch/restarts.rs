//! Instances that are started again for a request that comes after they have failed.

use serde_json::{Value, json};

use crate::client::{Client, tenders};
use crate::functions::{FUNCTION, Function};

fn listed(client: &mut Client) -> Value {
    client.good("list", json!({}))["instances"].clone()
}

#[test]
fn a_failed_instance_is_started_again_for_the_next_request() {
    for tender in tenders() {
        let function = Function::new(FUNCTION, tender);
        let mut client = function.launcher.connect();
        let logs = function.launcher.path("logs");
        std::fs::create_dir(&logs).expect("a folder");
        function.start(
            &mut client,
            json!({"restart": true, "time_limit_ms": 500, "logs": logs, "count": 2}),
        );
        assert_eq!(client.invoke("guest-1", b"W").0["status"], 0);
        assert_eq!(client.invoke("guest-1", b"C").0["error"]["code"], "crashed");
        assert_eq!(client.state("guest-1"), "crashed");

        // Two that come at once start it once.
        let first = client.send("invoke", json!({"instance": "guest-1"}), b"one");
        let second = client.send("invoke", json!({"instance": "guest-1"}), b"W two");
        for seq in [first, second] {
            let (answer, _) = client.receive();
            assert_eq!((&answer["seq"], &answer["status"]), (&json!(seq), &json!(0)), "{answer}");
        }
        let found = listed(&mut client);
        let of = |name: &str| {
            found
                .as_array()
                .expect("a list")
                .iter()
                .find(|row| row["instance"] == name)
                .cloned()
        };
        let (one, two) = (of("guest-1").expect("a row"), of("guest-2").expect("a row"));
        assert_eq!((&one["restarts"], &two["restarts"]), (&json!(1), &json!(0)), "{found}");
        assert_eq!(found.as_array().map(Vec::len), Some(2));
        // What is known of the crash, and what it wrote, is still there.
        assert!(client.good("crash", json!({"instance": "guest-1"}))["record"].is_object());
        assert_eq!(std::fs::read(logs.join("guest-1.log")).expect("a log"), b"word\nword\n");

        assert_eq!(client.invoke("guest-1", b"L").0["error"]["code"], "time-limit");
        assert_eq!(client.invoke("guest-1", b"again").1, b"again");
        client.good("stop", json!({"instance": "guest-1"}));
        assert_eq!(client.invoke("guest-1", b"").0["error"]["code"], "ended");
    }
}

#[test]
fn without_that_it_stays_ended() {
    let function = Function::new(FUNCTION, "process");
    let mut client = function.launcher.connect();
    function.start(&mut client, json!({}));
    assert_eq!(client.invoke("guest-1", b"C").0["error"]["code"], "crashed");
    assert_eq!(client.invoke("guest-1", b"").0["error"]["code"], "crashed");
    assert_eq!(listed(&mut client)[0]["restarts"], 0);
}

#[test]
fn an_image_that_is_gone_is_told_to_those_who_wait() {
    let function = Function::new(FUNCTION, "process");
    let mut client = function.launcher.connect();
    function.start(&mut client, json!({"restart": true}));
    client.invoke("guest-1", b"C");
    std::fs::remove_file(&function.manifest).expect("the manifest");
    assert_eq!(client.invoke("guest-1", b"").0["error"]["code"], "not-found");
    assert_eq!(client.state("guest-1"), "crashed");
}
