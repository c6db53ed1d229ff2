//! Who asked an instance what.

use std::time::{Duration, Instant};

/// Who is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    pub client: u64,
    pub seq: u64,
    /// Payload bytes of the request: what the client has in here until the answer.
    pub bytes: usize,
}

/// An invocation that waits for its turn.
pub struct Job {
    pub caller: Caller,
    pub payload: Vec<u8>,
    pub time_limit: Option<Duration>,
}

/// An instance that has failed, by its number, and the invocations that it is started again for.
pub struct Restart {
    pub of: u64,
    pub jobs: Vec<Job>,
}

/// An invocation that the instance is at.
pub struct Exchange {
    pub caller: Caller,
    pub begun: Instant,
}
