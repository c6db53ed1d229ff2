//! Memory of one instance, from /proc/PID/smaps_rollup (proc(5)).

use serde_json::{Value, json};

use super::refusal::Refusal;

const KIBIBYTE: u64 = 1024;

/// `pss`, `rss`, `private` and `shared` in bytes.
pub fn read(name: &str, pid: i32, invocations: u64) -> Result<Value, Refusal> {
    let gone = |_| Refusal::new("ended", format!("{name} has ended"), "'unishare ps' lists instances");
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).map_err(gone)?;
    let field = |wanted: &str| text.lines().filter_map(|line| parse(line, wanted)).sum::<u64>() * KIBIBYTE;
    Ok(json!({
        "pss": field("Pss:"), "rss": field("Rss:"), "private": field("Private_Clean:") + field("Private_Dirty:"),
        "shared": field("Shared_Clean:") + field("Shared_Dirty:"), "invocations": invocations, "exits": Value::Null,
    }))
}

fn parse(line: &str, wanted: &str) -> Option<u64> {
    line.strip_prefix(wanted)?.split_whitespace().next()?.parse().ok()
}
