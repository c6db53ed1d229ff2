//! Requests as types: what docs/formats/control.md says, and nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::frame::Frame;
use super::names;
use super::refusal::Refusal;
use crate::tender::{Sharing, Tender};

/// The most instances that one request may start.
const COUNT_MAX: u32 = 100_000;
/// Bounds of what is a number: each far beyond sense, none near what arithmetic minds.
const MEMORY_MAX: u64 = 1 << 46;
const GAPS_MAX: u64 = 1 << 20;
const MILLISECONDS_MAX: u64 = 366 * 24 * 3600 * 1000;
const SECONDS_MAX: u64 = 1_000_000_000;
const LOG_LIMITS: std::ops::RangeInclusive<u64> = 4096..=1 << 40;

/// One request.
#[derive(Debug)]
pub enum Request {
    Hello,
    Start(Box<Start>),
    Invoke(Invoke, Vec<u8>),
    List,
    Stats(Named),
    Bases(Named),
    Crash(Named),
    Steps,
    Stop(Stop),
    Shutdown,
}

/// Where instances come from, and how they run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    pub manifest: Option<PathBuf>,
    #[serde(default)]
    pub empty: bool,
    /// Snapshots of the image: each instance begins from one of them.
    #[serde(default)]
    pub snapshots: Vec<PathBuf>,
    /// Return to the snapshot after each answer.
    #[serde(default)]
    pub reset: bool,
    pub tender: Tender,
    #[serde(default = "pool")]
    pub sharing: Sharing,
    #[serde(default = "one")]
    pub count: u32,
    pub memory: Option<u64>,
    /// Pages between an aslr image's parts in all.
    pub gaps: Option<u64>,
    /// Draw addresses from this number: for debugging only.
    pub seed: Option<u64>,
    pub argv: Option<Vec<String>>,
    pub env: Option<BTreeMap<String, String>>,
    pub logs: Option<PathBuf>,
    pub time_limit_ms: Option<u64>,
    /// Seconds of processor time in an instance's life.
    pub cpu_limit_s: Option<u64>,
    /// Bytes of an instance's log.
    pub log_limit: Option<u64>,
    /// How long each waits for a request until it gives memory back; 0: it never does.
    pub quiet_ms: Option<u64>,
    /// Under KVM, how long after that until each gives its virtual machine back; 0: it never does.
    pub park_ms: Option<u64>,
    pub name: Option<String>,
    /// Start an instance again for a request that comes after it has failed.
    #[serde(default)]
    pub restart: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invoke {
    pub instance: String,
    pub time_limit_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    pub instance: String,
}

/// One of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    pub instance: Option<String>,
    #[serde(default)]
    pub all: bool,
}

/// What has no fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fn pool() -> Sharing {
    Sharing::Pool
}

fn one() -> u32 {
    1
}

/// A refused frame, and the `seq` to answer to when it had one.
pub type Unfit = (Option<u64>, Refusal);

/// Understand a frame. Returns its `seq` with it.
pub fn parse(frame: Frame) -> Result<(u64, Request), Unfit> {
    let mut fields: Map<String, Value> = serde_json::from_slice(&frame.body)
        .map_err(|error| (None, Refusal::bad_request(format!("a request is not a JSON object: {error}"))))?;
    let Some(seq) = fields.remove("seq").as_ref().and_then(Value::as_u64) else {
        return Err((
            None,
            Refusal::bad_request("seq: a request has no number, or it is negative or not whole"),
        ));
    };
    operation(fields, frame.payload)
        .map(|request| (seq, request))
        .map_err(|refusal| (Some(seq), refusal))
}

fn operation(mut fields: Map<String, Value>, payload: Vec<u8>) -> Result<Request, Refusal> {
    let op = match fields.remove("op") {
        Some(Value::String(op)) => op,
        _ => return Err(Refusal::bad_request("op: a request does not name its operation")),
    };
    if op != "invoke" && !payload.is_empty() {
        return Err(Refusal::bad_request(format!("{op}: only 'invoke' takes a payload")));
    }
    Ok(match op.as_str() {
        "hello" => decode::<Nothing>(&op, fields).map(|_| Request::Hello)?,
        "start" => Request::Start(Box::new(decode::<Start>(&op, fields)?.check()?)),
        "invoke" => Request::Invoke(decode::<Invoke>(&op, fields)?.check()?, payload),
        "list" => decode::<Nothing>(&op, fields).map(|_| Request::List)?,
        "stats" => Request::Stats(decode(&op, fields)?),
        "bases" => Request::Bases(decode(&op, fields)?),
        "crash" => Request::Crash(decode(&op, fields)?),
        "steps" => decode::<Nothing>(&op, fields).map(|_| Request::Steps)?,
        "stop" => Request::Stop(decode::<Stop>(&op, fields)?.check()?),
        "shutdown" => decode::<Nothing>(&op, fields).map(|_| Request::Shutdown)?,
        _ => {
            return Err(Refusal::bad_request(format!(
                "op: {op:?} is not an operation of this launcher"
            )));
        }
    })
}

fn decode<T: DeserializeOwned>(op: &str, fields: Map<String, Value>) -> Result<T, Refusal> {
    serde_path_to_error::deserialize(Value::Object(fields)).map_err(|error| {
        let field = match error.path().to_string() {
            path if path == "." => String::new(),
            path => format!("{path}: "),
        };
        Refusal::bad_request(format!("{op}: {field}{}", error.inner()))
    })
}

impl Start {
    fn check(self) -> Result<Self, Refusal> {
        if self.manifest.is_some() == self.empty {
            return Err(Refusal::bad_request("start: give either a manifest or 'empty': true"));
        }
        let changes = [
            self.memory.is_some(),
            self.gaps.is_some(),
            self.seed.is_some(),
            self.argv.is_some(),
            self.env.is_some(),
        ];
        if !self.snapshots.is_empty() && (self.sharing != Sharing::Pool || changes.contains(&true)) {
            return Err(Refusal::bad_request(
                "start: snapshots: they hold addresses, heap, argv and env, and map pages of the pool: nothing of that can be chosen",
            ));
        }
        if !(1..=COUNT_MAX).contains(&self.count) {
            return Err(Refusal::bad_request(format!(
                "start: count: {} is not 1 to {COUNT_MAX}",
                self.count
            )));
        }
        bounded("start: memory", self.memory, 0..=MEMORY_MAX)?;
        bounded("start: gaps", self.gaps, 0..=GAPS_MAX)?;
        bounded("start: time_limit_ms", self.time_limit_ms, 0..=MILLISECONDS_MAX)?;
        bounded("start: quiet_ms", self.quiet_ms, 0..=MILLISECONDS_MAX)?;
        bounded("start: park_ms", self.park_ms, 0..=MILLISECONDS_MAX)?;
        bounded("start: cpu_limit_s", self.cpu_limit_s, 1..=SECONDS_MAX)?;
        bounded("start: log_limit", self.log_limit, LOG_LIMITS)?;
        if let Some(prefix) = &self.name {
            names::check_prefix(prefix)?;
        }
        if self.argv.iter().flatten().any(|argument| argument.contains('\0')) {
            return Err(Refusal::bad_request("start: argv: an argument holds a NUL character"));
        }
        for (name, value) in self.env.iter().flatten() {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return Err(Refusal::bad_request(format!(
                    "start: env: {name:?} is no name of a variable, or its value holds a NUL character"
                )));
            }
        }
        Ok(self)
    }
}

impl Invoke {
    fn check(self) -> Result<Self, Refusal> {
        bounded("invoke: time_limit_ms", self.time_limit_ms, 0..=MILLISECONDS_MAX)?;
        Ok(self)
    }
}

/// Every number is looked at before it is used.
fn bounded(field: &str, value: Option<u64>, bounds: std::ops::RangeInclusive<u64>) -> Result<(), Refusal> {
    match value {
        Some(value) if !bounds.contains(&value) => Err(Refusal::bad_request(format!(
            "{field}: {value} is not {} to {}",
            bounds.start(),
            bounds.end()
        ))),
        _ => Ok(()),
    }
}

impl Stop {
    fn check(self) -> Result<Self, Refusal> {
        if self.instance.is_some() == self.all {
            return Err(Refusal::bad_request("stop: give either an instance or 'all': true"));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests;
