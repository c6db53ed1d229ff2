use super::*;
use crate::fuzz::{self, Random};
use crate::launcher::frame;

fn parse_text(text: &str) -> Result<(u64, Request), Unfit> {
    parse(Frame {
        body: text.into(),
        payload: Vec::new(),
    })
}

#[test]
fn a_start_request_has_the_protocols_defaults() {
    let (seq, request) =
        parse_text(r#"{"op": "start", "seq": 7, "empty": true, "tender": "process", "memory": null}"#).expect("valid");
    let Request::Start(start) = request else {
        panic!("{request:?}")
    };
    assert_eq!((seq, start.count, start.sharing), (7, 1, Sharing::Pool));
    assert!(start.memory.is_none() && start.argv.is_none() && start.name.is_none());
}

#[test]
fn what_is_wrong_is_named_and_the_answer_finds_its_caller() {
    let cases = [
        (r#"{"op": "list", "seq": 3, "surprise": 1}"#, "surprise"),
        (r#"{"op": "dance", "seq": 3}"#, "dance"),
        (r#"{"seq": 3}"#, "op"),
        (r#"{"op": "stats", "seq": 3}"#, "instance"),
        (r#"{"op": "stop", "seq": 3}"#, "either"),
        (r#"{"op": "stop", "seq": 3, "instance": "a", "all": true}"#, "either"),
        (r#"{"op": "start", "seq": 3, "tender": "process"}"#, "either"),
        (
            r#"{"op": "start", "seq": 3, "empty": true, "manifest": "/m", "tender": "process"}"#,
            "either",
        ),
        (r#"{"op": "start", "seq": 3, "empty": true, "tender": "xen"}"#, "tender"),
        (
            r#"{"op": "start", "seq": 3, "empty": true, "tender": "process", "count": 0}"#,
            "count",
        ),
        (
            r#"{"op": "start", "seq": 3, "empty": true, "tender": "process", "count": -1}"#,
            "count",
        ),
        (
            r#"{"op": "start", "seq": 3, "empty": true, "tender": "process", "name": "../x"}"#,
            "name",
        ),
        (
            r#"{"op": "start", "seq": 3, "empty": true, "tender": "process", "argv": ["a\u0000"]}"#,
            "argv",
        ),
        (
            r#"{"op": "start", "seq": 3, "empty": true, "tender": "process", "env": {"A=B": "c"}}"#,
            "env",
        ),
        (
            r#"{"op": "invoke", "seq": 3, "instance": "a", "time_limit_ms": "soon"}"#,
            "time_limit_ms",
        ),
    ];
    for (text, part) in cases {
        let (seq, refusal) = parse_text(text).expect_err(text);
        assert_eq!((seq, refusal.code), (Some(3), "bad-request"), "{text}");
        assert!(refusal.message.contains(part), "{text}: {}", refusal.message);
    }
}

#[test]
fn what_is_no_request_at_all_has_no_number_to_answer_to() {
    for text in [
        "",
        "garbage",
        "[]",
        "null",
        r#"{"op": "list"}"#,
        r#"{"op": "list", "seq": -1}"#,
        r#"{"op": "list", "seq": 1.5}"#,
    ] {
        assert!(matches!(parse_text(text), Err((None, _))), "{text}");
    }
}

#[test]
fn a_payload_belongs_to_invoke_alone() {
    let frame = |body: &str| Frame {
        body: body.into(),
        payload: b"x".to_vec(),
    };
    assert!(parse(frame(r#"{"op": "list", "seq": 1}"#)).is_err());
    let (_, request) = parse(frame(r#"{"op": "invoke", "seq": 1, "instance": "a"}"#)).expect("valid");
    assert!(matches!(request, Request::Invoke(_, payload) if payload == b"x"));
}

/// Whatever a client sends, cut wherever: the inbox hands out whole frames, and each is a request or a refusal with a reason.
#[test]
fn any_bytes_become_requests_or_refusals() {
    let bodies = [
        r#"{"op": "start", "seq": 7, "manifest": "/m", "tender": "kvm", "count": 3, "env": {"A": "b"}, "argv": ["x"], "name": "n"}"#,
        r#"{"op": "invoke", "seq": 1, "instance": "a-1", "time_limit_ms": 5}"#,
        r#"{"op": "stop", "seq": 18446744073709551615, "all": true}"#,
    ];
    let nested = "[".repeat(500);
    let pieces: [&[u8]; 8] = [
        b"\0\0\0\0",
        b"\xff\xff\xff\x7f",
        b"\"",
        b"-1",
        b"1e999",
        b"\\ud800",
        b"}{",
        nested.as_bytes(),
    ];
    let mut random = Random::new(1);
    let mut understood = 0_u64;
    for round in 0..fuzz::rounds() {
        let body = bodies[round as usize % bodies.len()].as_bytes();
        let frame = [&frame::head(body, 3).expect("small")[..], b"abc"].concat();
        let bytes = random.change(&frame, &pieces);
        let mut inbox = frame::Inbox::default();
        for mut chunk in bytes.chunks(1 + random.below(bytes.len() + 1)) {
            while let Ok(Some(frame)) = inbox.feed(&mut chunk) {
                assert!(frame.body.len() + frame.payload.len() <= bytes.len());
                match parse(frame) {
                    Ok(_) => understood += 1,
                    Err((_, refusal)) => assert!(refusal.code == "bad-request" && !refusal.message.is_empty()),
                }
            }
        }
    }
    assert!(understood > 0);
}
