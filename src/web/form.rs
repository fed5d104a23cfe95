//! Forms of our pages: their fields, and what they say when they come back.

use std::collections::BTreeSet;

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, Request, rejection::FormRejection},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use maud::{Markup, Render, html};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    errors::{PageError, WebError, sentence},
    guard::{Failed, SessionKey, form_key},
    misread,
};
use crate::job_file::MAX_TEXT;

/// Bytes of a form.
const MOST: usize = 16 << 10;
/// Bytes of one that holds a job's definition, of which each may be written as three.
const MOST_LONG: usize = 3 * MAX_TEXT + MOST;

/// What a form says, once it has shown that it is of the session it came with.
pub(super) struct Form<T>(pub T);

/// The same of a form that holds a job's definition, or names many jobs.
pub(super) struct LongForm<T>(pub T);

#[derive(Deserialize)]
struct Keyed {
    form: Option<String>,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = PageError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PageError> {
        read(request, state, MOST).await.map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for LongForm<T> {
    type Rejection = PageError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PageError> {
        read(request, state, MOST_LONG).await.map(Self)
    }
}

async fn read<S: Send + Sync, T: DeserializeOwned>(
    request: Request,
    state: &S,
    most: usize,
) -> Result<T, PageError> {
    let (head, body) = request.into_parts();
    let session = head.extensions.get::<SessionKey>().and_then(|SessionKey(key)| key.clone());
    let refused = |words: String| PageError(WebError::BadRequest(words));
    let bytes = to_bytes(body, most).await;
    let bytes = bytes.map_err(|_| refused(format!("a form has at most {most} bytes")))?;
    let again = || Request::from_parts(head.clone(), Body::from(bytes.clone()));
    let read = axum::Form::<Keyed>::from_request(again(), state).await;
    let axum::Form(Keyed { form }) = read.map_err(|error| refused(misread(&error)))?;
    if let Some(session) = session
        && !form.is_some_and(|given| form_key(&session).is(&given))
    {
        return Err(PageError(WebError::Forged));
    }
    let read = axum::Form::<T>::from_request(again(), state).await;
    let axum::Form(read) = read.map_err(|error| refused(misread(&error)))?;
    Ok(read)
}

fn misread(error: &FormRejection) -> String {
    if matches!(error, FormRejection::InvalidFormContentType(_)) {
        return "a form is sent with Content-Type: application/x-www-form-urlencoded".into();
    }
    let text = error.body_text();
    let fact = text.strip_prefix("Failed to deserialize form body: ").unwrap_or(&text);
    misread::spoken(fact, "field")
}

/// Why a form comes back, with what was written in it, to whoever has sent it.
#[derive(Debug, Clone)]
pub(super) struct Wrong {
    status: StatusCode,
    words: String,
}

impl Wrong {
    /// What can be put right at the form.
    ///
    /// # Errors
    /// What cannot; it has a page of its own.
    pub(super) fn of(error: WebError) -> Result<Self, WebError> {
        let status = if matches!(error, WebError::Conflict(_)) {
            StatusCode::CONFLICT
        } else if matches!(error, WebError::BadRequest(_)) {
            // The form could be read; what is written in it is what does not do.
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            return Err(error);
        };
        Ok(Self { status, words: error.to_string() })
    }

    /// The answer with the page that has the form.
    pub(super) fn answer(self, page: Markup) -> Response {
        let mut response = (self.status, Html(page.into_string())).into_response();
        response.extensions_mut().insert(Failed(self.words));
        response
    }
}

impl Render for Wrong {
    /// A browser goes to it: the form may be far down its page.
    fn render(&self) -> Markup {
        html! { p.alert role="alert" tabindex="-1" autofocus { (sentence(&self.words)) } }
    }
}

/// Names that somebody has written one after another, with spaces or commas between.
pub(super) fn names(text: &str) -> BTreeSet<String> {
    let names = text.split(|c: char| c.is_whitespace() || c == ',');
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// What a field takes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Takes {
    #[default]
    Text,
    /// What is no text of a language: names, sizes.
    Names,
    Number {
        most: Option<u64>,
    },
    /// The one that is known already.
    Password,
}

/// A field of a form below its label.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Field<'a> {
    /// Nothing else on the page has it.
    pub id: &'a str,
    pub name: &'a str,
    pub label: &'a str,
    pub takes: Takes,
    pub required: bool,
    /// Characters, at most.
    pub longest: Option<usize>,
    /// What stands in it already.
    pub value: &'a str,
    pub placeholder: Option<&'a str>,
    /// An expression that all of it must match, and what that means in words: a browser sends nothing
    /// else.
    pub looks: Option<(&'a str, &'a str)>,
    pub autocomplete: Option<&'a str>,
}

impl<'a> Field<'a> {
    /// One that takes any text, or none.
    pub(super) fn new(id: &'a str, name: &'a str, label: &'a str) -> Self {
        Self { id, name, label, ..Self::default() }
    }
}

impl Render for Field<'_> {
    fn render(&self) -> Markup {
        let Self { id, name, label, takes, required, longest, value, placeholder, .. } = self;
        let (pattern, title) = self.looks.unzip();
        let (kind, most) = match takes {
            Takes::Text | Takes::Names => (None, None),
            Takes::Number { most } => (Some("number"), *most),
            Takes::Password => (Some("password"), None),
        };
        let value = Some(*value).filter(|value| !value.is_empty());
        let (is_number, is_names) =
            (matches!(takes, Takes::Number { .. }), matches!(takes, Takes::Names));
        html! {
            label for=(id) { (label) }
            input id=(id) type=[kind] name=(name) required[*required] maxlength=[longest]
                min=[is_number.then_some(1)] max=[most] value=[value] placeholder=[placeholder]
                pattern=[pattern] title=[title]
                autocomplete=[self.autocomplete] autocapitalize=[is_names.then_some("none")]
                spellcheck=[is_names.then_some("false")];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_between_spaces_and_commas() {
        for (text, expected) in [
            ("lab, kernel", &["kernel", "lab"][..]),
            ("lab,kernel", &["kernel", "lab"]),
            (" lab  kernel\tlab", &["kernel", "lab"]),
            (" , ", &[]),
            ("", &[]),
        ] {
            assert!(names(text).iter().eq(expected), "{text:?}: {:?}", names(text));
        }
    }

    #[test]
    fn a_field_says_what_it_takes() {
        let days = Field {
            takes: Takes::Number { most: Some(400) },
            required: true,
            value: "90",
            ..Field::new("token-days", "days", "Days it is good for")
        };
        assert_eq!(
            days.render().into_string(),
            "<label for=\"token-days\">Days it is good for</label>\
             <input id=\"token-days\" type=\"number\" name=\"days\" required min=\"1\" \
             max=\"400\" value=\"90\">"
        );
        let tags =
            Field { takes: Takes::Names, longest: Some(60), ..Field::new("t", "tags", "Tags") };
        assert_eq!(
            tags.render().into_string(),
            "<label for=\"t\">Tags</label><input id=\"t\" name=\"tags\" maxlength=\"60\" \
             autocapitalize=\"none\" spellcheck=\"false\">"
        );
    }
}
