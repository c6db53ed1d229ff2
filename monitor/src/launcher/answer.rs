//! Answers as JSON.

use std::time::UNIX_EPOCH;

use serde_json::{Map, Value, json};

use super::frame;
use super::member::Member;
use super::refusal::Refusal;

/// The body of a good answer.
pub fn good(seq: u64, fields: Value) -> Vec<u8> {
    let mut body = Map::from_iter([("seq".to_owned(), seq.into()), ("ok".to_owned(), true.into())]);
    if let Value::Object(fields) = fields {
        body.extend(fields);
    }
    let bytes = Value::Object(body).to_string().into_bytes();
    if bytes.len() <= frame::BODY_MAX {
        return bytes;
    }
    let what = format!("the answer would have {} bytes, more than a frame can hold", bytes.len());
    refused(Some(seq), &Refusal::new("bad-request", what, "ask for less at a time"))
}

/// Whether these fields can be an answer; what is added to them is small.
pub fn fits(fields: &Value) -> bool {
    fields.to_string().len() + 100 <= frame::BODY_MAX
}

/// The body of a refusal; `seq` is null for what could not be understood.
pub fn refused(seq: Option<u64>, refusal: &Refusal) -> Vec<u8> {
    json!({"seq": seq, "ok": false, "error": refusal}).to_string().into_bytes()
}

/// One instance in the answer to `start`.
pub fn started(member: &Member) -> Value {
    let mut entry = json!({"instance": member.identity.name, "pid": member.identity.pid, "start_us": member.start_us});
    if !member.is_live() {
        entry["state"] = json!(member.state());
    }
    entry
}

/// One instance in the answer to `list`; `image` is null for the floor guest.
pub fn listed(member: &Member, image: Option<&str>) -> Value {
    let started = member
        .identity
        .started
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |time| time.as_secs_f64());
    json!({
        "instance": member.identity.name, "image": image, "pid": member.identity.pid, "tender": member.identity.tender,
        "sharing": member.identity.sharing, "state": member.state(), "started": started,
        "exit": member.ending().map(|ending| ending.exit.code()), "invocations": member.invocations,
        "restarts": member.identity.restarts,
    })
}
