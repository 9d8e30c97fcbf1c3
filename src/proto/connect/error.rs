//! What a server says of how a call ended: an error, or the end of a stream, as JSON.

use serde_json::Value as Json;

use crate::proto::connect::fields::CODES;

/// Details that are kept of an error.
const MAX_DETAILS: usize = 32;

/// How a call ended, by the server's word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// `None`: no error.
    pub(super) error: Option<CallError>,
    /// Metadata of the end of a stream.
    pub(super) metadata: Vec<(String, String)>,
    /// It is not as the protocol asks; why.
    pub(super) bad: Option<String>,
}

/// An error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CallError {
    pub(super) code: String,
    pub(super) message: String,
    /// Types and values of the details.
    pub(super) details: Vec<(String, String)>,
    /// The code was made of the status of HTTP.
    pub(super) inferred: bool,
}

impl CallError {
    /// `not_found "no such user"`.
    pub(super) fn text(&self) -> String {
        match self.message.as_str() {
            "" => self.code.clone(),
            m => format!("{} {m:?}", self.code),
        }
    }

    /// The number that gRPC has for the code.
    pub(super) fn number(&self) -> Option<u64> {
        CODES.iter().find(|(name, ..)| *name == self.code).map(|(_, n, _)| *n)
    }

    /// The status of HTTP that a unary error of this code has.
    pub(super) fn status(&self) -> Option<u16> {
        CODES.iter().find(|(name, ..)| *name == self.code).map(|(.., s)| *s)
    }

    /// What a client takes for the code where the body does not say it (Connect, "HTTP to
    /// Error Code").
    pub(super) fn of_status(status: u16) -> Self {
        let code = match status {
            400 => "internal",
            401 => "unauthenticated",
            403 => "permission_denied",
            404 => "unimplemented",
            429 | 502..=504 => "unavailable",
            _ => "unknown",
        };
        Self { code: code.to_owned(), inferred: true, ..Self::default() }
    }
}

fn error_of(v: &Json, bad: &mut Option<String>) -> CallError {
    let text = |name: &str| v.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let mut error =
        CallError { code: text("code"), message: text("message"), ..CallError::default() };
    if error.code.is_empty() {
        *bad = Some("no code".to_owned());
    } else if error.number().is_none() {
        *bad = Some(format!("code {:?}", error.code.chars().take(40).collect::<String>()));
    }
    for d in v.get("details").and_then(Json::as_array).into_iter().flatten().take(MAX_DETAILS) {
        let text = |name: &str| d.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        error.details.push((text("type"), text("value")));
    }
    error
}

/// Reads the body of a unary error.
pub(super) fn unary(data: &[u8], status: u16) -> Outcome {
    let mut outcome = Outcome::default();
    match serde_json::from_slice::<Json>(data) {
        Ok(v) if v.is_object() => {
            let mut error = error_of(&v, &mut outcome.bad);
            if error.code.is_empty() {
                error.code = CallError::of_status(status).code;
                error.inferred = true;
            }
            outcome.error = Some(error);
        }
        Ok(_) => {
            outcome.bad = Some("no object".to_owned());
            outcome.error = Some(CallError::of_status(status));
        }
        Err(e) => {
            outcome.bad = Some(format!("no JSON: {e}"));
            outcome.error = Some(CallError::of_status(status));
        }
    }
    outcome
}

/// Reads the message that ends a stream.
pub(super) fn end_stream(data: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    match serde_json::from_slice::<Json>(data) {
        Ok(v) if v.is_object() => {
            if let Some(e) = v.get("error").filter(|e| !e.is_null()) {
                outcome.error = Some(error_of(e, &mut outcome.bad));
            }
            for (name, values) in v.get("metadata").and_then(Json::as_object).into_iter().flatten()
            {
                for value in values.as_array().into_iter().flatten() {
                    let value = value.as_str().unwrap_or_default();
                    outcome.metadata.push((name.clone(), value.to_owned()));
                }
            }
        }
        Ok(_) => outcome.bad = Some("no object".to_owned()),
        Err(e) => outcome.bad = Some(format!("no JSON: {e}")),
    }
    outcome
}
