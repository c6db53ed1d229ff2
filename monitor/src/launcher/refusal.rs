//! Why a request was not done: the protocol's error object.

use serde::Serialize;

use crate::error::Error;

/// `error` in an answer with `"ok": false`.
#[derive(Clone, Debug, Serialize)]
pub struct Refusal {
    pub code: &'static str,
    pub message: String,
    pub hint: String,
    /// What a one-shot run of the instance would have ended with, when that is why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
}

impl Refusal {
    pub fn new(code: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let (message, hint) = (message.into(), hint.into());
        Self {
            code,
            message,
            hint,
            exit: None,
        }
    }

    pub fn with_exit(self, exit: u8) -> Self {
        Self {
            exit: Some(exit),
            ..self
        }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new("bad-request", message, "see docs/formats/control.md")
    }

    pub fn no_instance(name: &str) -> Self {
        Self::new(
            "not-found",
            format!("there is no instance {name:?}"),
            "'unishare ps' lists instances",
        )
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::new(error.code(), error.to_string(), error.hint())
    }
}
