//! One error type: what was wrong and where, what to do, the exit code and the control protocol's error code.

use std::borrow::Cow;
use std::io;

use serde::{Deserialize, Serialize};

/// Whatever ends a command of the monitor. Display is the first line (`error: ...`), `hint` the second.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    #[error("{what}")]
    NotFound { what: String },
    #[error("{what}")]
    BadManifest { what: String },
    #[error("{what}")]
    BadSnapshot { what: String },
    #[error("{what}")]
    DamagedPool { what: String },
    #[error("{what}")]
    BadRequest { what: String },
    #[error("{what}")]
    HostLacks { what: String, hint: Cow<'static, str> },
    #[error("{what}")]
    TimeLimit { what: String },
    #[error("{what}")]
    Ended { what: String },
    #[error("a defect of unishare: {what}")]
    Defect { what: String },
}

impl Error {
    /// An operating system error and what was being done.
    pub fn io(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Io {
            what: what.into(),
            source: source.into(),
        }
    }

    /// docs/errors.md's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Io { .. } => 74,
            Self::NotFound { .. } => 66,
            Self::BadManifest { .. } | Self::BadSnapshot { .. } | Self::DamagedPool { .. } => 65,
            Self::BadRequest { .. } => 2,
            Self::HostLacks { .. } => 69,
            Self::TimeLimit { .. } => 124,
            Self::Ended { .. } => 1,
            Self::Defect { .. } => 70,
        }
    }

    /// For another process of ours.
    pub fn to_failure(&self) -> Failure {
        let (what, errno) = match self {
            Self::Io { what, source } => (what.clone(), source.raw_os_error().unwrap_or(0)),
            Self::Defect { what } => (what.clone(), 0),
            _ => (self.to_string(), 0),
        };
        Failure {
            code: self.code().into(),
            what,
            errno,
            hint: self.hint().into(),
        }
    }

    /// The control protocol's `error.code`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::NotFound { .. } => "not-found",
            Self::BadManifest { .. } => "bad-manifest",
            Self::BadSnapshot { .. } => "bad-snapshot",
            Self::DamagedPool { .. } => "damaged-pool",
            Self::BadRequest { .. } => "bad-request",
            Self::HostLacks { .. } => "host-lacks",
            Self::TimeLimit { .. } => "time-limit",
            Self::Ended { .. } => "ended",
            Self::Defect { .. } => "defect",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &str {
        match self {
            Self::Io { .. } => "look at the named file or limit",
            Self::NotFound { .. } => "check the name",
            Self::BadManifest { .. } => "build the image again with 'unishare build'",
            Self::BadSnapshot { .. } => "take it again with 'unishare snapshot', or start the image without one (--fresh)",
            Self::DamagedPool { .. } => {
                "build the image again with 'unishare build', which puts it back; 'unishare pool verify' lists all that is damaged"
            }
            Self::BadRequest { .. } => "see docs/formats/control.md",
            Self::HostLacks { hint, .. } => hint,
            Self::TimeLimit { .. } => "give it more time with --time-limit, or look for a loop",
            Self::Ended { .. } => "see 'unishare logs' and 'unishare crash'",
            Self::Defect { .. } => "please report it",
        }
    }
}

/// An error on its way from one process of ours to another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    pub code: String,
    pub what: String,
    /// For code `io`.
    pub errno: i32,
    pub hint: String,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let Failure { code, what, errno, hint } = failure;
        match code.as_str() {
            "io" => Self::Io {
                what,
                source: io::Error::from_raw_os_error(errno),
            },
            "not-found" => Self::NotFound { what },
            "bad-manifest" => Self::BadManifest { what },
            "bad-snapshot" => Self::BadSnapshot { what },
            "damaged-pool" => Self::DamagedPool { what },
            "bad-request" => Self::BadRequest { what },
            "host-lacks" => Self::HostLacks { what, hint: hint.into() },
            "time-limit" => Self::TimeLimit { what },
            "ended" => Self::Ended { what },
            _ => Self::Defect { what },
        }
    }
}
