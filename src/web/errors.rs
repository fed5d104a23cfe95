//! What goes wrong with a request, as a page for people and as problem details for programs.

use axum::{
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{Html, IntoResponse, Response},
};
use maud::html;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    guard::Failed,
    layout::{self, Frame, Tab},
    state::DevicesRefused,
};
use crate::{
    config::DevicesFileError,
    decide::access::Denied,
    model::{no_job, with_causes},
    schedule::Refused,
    store::{PersonRefused, StoreError},
};

/// Characters that are told of a name no job has; a uuid is as long.
const LONGEST_NAME: usize = 36;

#[derive(Debug, thiserror::Error)]
pub enum WebError {
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// By what it was asked for: see [`WebError::no_job`].
    #[error("{}", no_job(.0))]
    NoSuchJob(String),
    #[error("{0}")]
    BadRequest(String),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("this session is over, or the key was never one; log in again")]
    BadKey,
    #[error("the form was not sent by a page of this appliance, or is of another session")]
    Forged,
    #[error("the name or the password is wrong")]
    WrongPassword,
    #[error("too many passwords were tried; try again in {seconds} s")]
    TooSoon { seconds: u64 },
    #[error(transparent)]
    BadRule(#[from] crate::decide::known::BadRule),
    #[error("this address does not answer that method; Allow says which it does")]
    OtherMethod,
    #[error(
        "a job is sent with Content-Type: application/x-tar (a bundle), application/yaml or application/json"
    )]
    MediaType,
    #[error("the document is larger than {limit} bytes")]
    TooLong { limit: usize },
    #[error("this appliance does not answer to the name {0:?}")]
    Host(String),
    #[error("the bundle is larger than {limit_mib} MiB")]
    TooLarge { limit_mib: u64 },
    #[error("the part asked for lies outside the file of {length} bytes")]
    Range { length: u64 },
    #[error("the job was not accepted")]
    Invalid { problems: Value },
    #[error(
        "no device of the type {name} can be checked with {why}; `sutler validate` on the box \
         says whether a job file can be run"
    )]
    BadCheck { name: String, why: String },
    #[error("{why}")]
    BadDevicesFile { why: String, problems: Value },
    #[error("{0}")]
    Conflict(String),
    #[error("the appliance cannot do this now: {0}")]
    Unavailable(String),
    #[error("could not read a file of the job")]
    File(#[from] std::io::Error),
    #[error("could not look at the disk")]
    Disk(#[from] crate::upkeep::UpkeepError),
    #[error("could not read the store")]
    Store(#[from] StoreError),
}

impl WebError {
    /// Of a job that is not there for whoever has named it so.
    pub(super) fn no_job(name: &str) -> Self {
        Self::NoSuchJob(name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect())
    }

    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) | Self::NoSuchJob(_) => StatusCode::NOT_FOUND,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Denied(denied) if denied.is_unnamed() => StatusCode::UNAUTHORIZED,
            Self::BadKey | Self::WrongPassword => StatusCode::UNAUTHORIZED,
            Self::Denied(_) | Self::Forged => StatusCode::FORBIDDEN,
            Self::TooSoon { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::OtherMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Host(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::TooLarge { .. } | Self::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Range { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Invalid { .. }
            | Self::BadRule(_)
            | Self::BadCheck { .. }
            | Self::BadDevicesFile { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::File(_) | Self::Store(_) | Self::Disk(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The stable end of the problem's `type`.
    const fn kind(&self) -> &'static str {
        match self {
            Self::NotFound(_) | Self::NoSuchJob(_) => "not-found",
            Self::BadRequest(_) => "bad-request",
            Self::Denied(Denied::Unnamed) => "unnamed",
            Self::Denied(Denied::NotYours { .. }) => "not-yours",
            Self::Denied(_) => "denied",
            Self::BadKey => "bad-key",
            Self::Forged => "forged",
            Self::WrongPassword => "wrong-password",
            Self::TooSoon { .. } => "too-soon",
            Self::BadRule(_) => "invalid-rule",
            Self::OtherMethod => "method",
            Self::MediaType => "media-type",
            Self::Host(_) => "host",
            Self::TooLarge { .. } | Self::TooLong { .. } => "too-large",
            Self::Range { .. } => "range",
            Self::Invalid { .. } => "invalid-job",
            Self::BadCheck { .. } => "invalid-check",
            Self::BadDevicesFile { .. } => "invalid-devices-file",
            Self::Conflict(_) => "conflict",
            Self::Unavailable(_) => "unavailable",
            Self::File(_) | Self::Store(_) | Self::Disk(_) => "internal",
        }
    }

    /// What whoever reads the page can do.
    const fn advice(&self) -> &'static str {
        match self {
            Self::NotFound(_) | Self::NoSuchJob(_) => {
                "The address may be mistyped, or what it named may have been cleaned up. Jobs are \
                 found by number or uuid with the field above."
            }
            Self::BadRequest(_) | Self::Range { .. } => {
                "Go back and change what was sent, or follow a link of a page instead of changing \
                 its address by hand."
            }
            Self::Denied(Denied::Unnamed) | Self::BadKey => "Log in, and try again.",
            Self::OtherMethod => "The page of the API says what each address takes: /api",
            Self::Denied(_) => "An administrator of this appliance can let you do more.",
            Self::Forged => "Open the page again and send its form from there.",
            Self::WrongPassword => {
                "Whoever has forgotten a password is invited anew by an administrator: \
                 sutler user invite NAME"
            }
            Self::TooSoon { .. } => "Wait a moment.",
            Self::Host(_) => {
                "Its keeper can add the name to the hosts in sutler.toml, so that it is answered."
            }
            Self::TooLarge { .. }
            | Self::TooLong { .. }
            | Self::MediaType
            | Self::Invalid { .. }
            | Self::BadRule(_)
            | Self::BadCheck { .. }
            | Self::BadDevicesFile { .. }
            | Self::Conflict(_) => "Change what was sent and send it again.",
            Self::Unavailable(_) => "Try again in a moment.",
            Self::File(_) | Self::Store(_) | Self::Disk(_) => {
                "The log of the service has the reason; its keeper should look at it and at the \
                 doctor's page."
            }
        }
    }

    /// What a stranger's text never reaches: our own failures go to the operator's log.
    fn log(&self) {
        if self.status().is_server_error() {
            tracing::error!(error = self as &dyn std::error::Error, "could not answer");
        }
    }

    fn finish(&self, mut response: Response) -> Response {
        *response.status_mut() = self.status();
        response.extensions_mut().insert(Failed(self.to_string()));
        let headers = response.headers_mut();
        if let Self::TooSoon { seconds } = self {
            headers.insert("retry-after", HeaderValue::from(*seconds));
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert("www-authenticate", HeaderValue::from_static("Bearer"));
        }
        if let Self::Range { length } = self
            && let Ok(value) = HeaderValue::try_from(format!("bytes */{length}"))
        {
            headers.insert("content-range", value);
        }
        response
    }
}

/// What the store says of a wish that cannot be fulfilled.
pub(super) fn refused(error: StoreError) -> WebError {
    match error {
        StoreError::NoSuchJob(id) => WebError::NoSuchJob(id.to_string()),
        StoreError::NoSuchRule { .. } => WebError::NotFound("known failure"),
        StoreError::NoSuchDevice { .. } => WebError::NotFound("device"),
        StoreError::NoSuchDeviceType { .. } => WebError::NotFound("device type"),
        StoreError::RuleThere { .. }
        | StoreError::TooManyRules { .. }
        | StoreError::NotEnded(_)
        | StoreError::Ended(_)
        | StoreError::NotAllowed { .. }
        | StoreError::FromFile { .. }
        | StoreError::BoxItself { .. }
        | StoreError::TypeInUse { .. }
        | StoreError::NoBundle(_)
        | StoreError::KeyUsed(_)
        | StoreError::NotDue(_) => WebError::Conflict(error.to_string()),
        StoreError::Person(refused) => refused.into(),
        StoreError::Holds(_)
        | StoreError::AlreadyOpen { .. }
        | StoreError::NewerLayout { .. }
        | StoreError::Disk { .. }
        | StoreError::Damaged { .. }
        | StoreError::Closed => WebError::Store(error),
    }
}

impl From<Refused> for WebError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NoSuchJob(id) => Self::NoSuchJob(id.to_string()),
            Refused::Ended(_) => Self::Conflict(refused.to_string()),
            Refused::Closing | Refused::NotDurable => Self::Unavailable(refused.to_string()),
        }
    }
}

impl From<PersonRefused> for WebError {
    fn from(refused: PersonRefused) -> Self {
        match refused {
            PersonRefused::NoSuchUser { .. } => Self::NotFound("user"),
            PersonRefused::NoSuchToken { .. } => Self::NotFound("token"),
            PersonRefused::UserThere { .. }
            | PersonRefused::Former { .. }
            | PersonRefused::AccountTaken { .. }
            | PersonRefused::TooMany { .. }
            | PersonRefused::TokenThere { .. }
            | PersonRefused::NotInvited
            | PersonRefused::Disabled { .. } => Self::Conflict(refused.to_string()),
        }
    }
}

/// Answers with a page.
#[derive(Debug)]
pub(super) struct PageError(pub WebError);

impl<E: Into<WebError>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        self.0.log();
        let status = self.0.status();
        let title = status.canonical_reason().unwrap_or("Error");
        let content = html! {
            section.notice {
                p.code { (status.as_u16()) }
                h1 { (title) }
                p { (sentence(&self.0.to_string())) }
                p { (self.0.advice()) }
                p { a href="/" { "The queue" } " · " a href="/history" { "The history" } }
            }
        };
        let page = layout::page(&Frame::new(title, Tab::Neither), &content);
        self.0.finish(Html(page.into_string()).into_response())
    }
}

/// What went wrong, as RFC 9457 has it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Details<'a> {
    /// Stays as it is for one kind of problem.
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    /// One sentence on this very case.
    detail: String,
    /// Of a job that was not accepted, or of the devices file: all that is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    problems: Option<&'a Value>,
}

impl From<DevicesRefused> for WebError {
    fn from(refused: DevicesRefused) -> Self {
        match refused {
            DevicesRefused::Store(error) => Self::Store(error),
            DevicesRefused::File(error) => {
                let why = with_causes(&error);
                match error {
                    DevicesFileError::Mistake { problems, .. } => {
                        Self::BadDevicesFile { why, problems: problems.to_json() }
                    }
                    DevicesFileError::Unreadable { .. } => Self::Unavailable(why),
                }
            }
        }
    }
}

/// Answers with `application/problem+json`.
#[derive(Debug)]
pub(super) struct Problem(pub WebError);

impl<E: Into<WebError>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.0.log();
        if let WebError::Invalid { problems } | WebError::BadDevicesFile { problems, .. } = &self.0
        {
            return self.told(Some(problems));
        }
        self.told(None)
    }
}

impl Problem {
    fn told(&self, problems: Option<&Value>) -> Response {
        let status = self.0.status();
        let body = Details {
            kind: format!("urn:sutler:problem:{}", self.0.kind()),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: self.0.to_string(),
            problems,
        };
        let body = serde_json::to_string(&body).unwrap_or_default();
        let mut response = body.into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        self.0.finish(response)
    }
}

/// Words of an error as a sentence.
pub(super) fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters
        .next()
        .map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}
