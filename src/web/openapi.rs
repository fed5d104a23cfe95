//! `GET /api/openapi.json` and `GET /api`: the description of the JSON API (OpenAPI 3.1), for
//! programs and for people, both made from what the router was built of.
//!
//! What all operations have in common is put in here and nowhere else: whatever goes wrong is a
//! problem (RFC 9457).

use std::sync::Arc;

use axum::{
    Extension,
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use maud::{Markup, html};
use utoipa::openapi::{
    ContentBuilder, Info, OpenApi, OpenApiBuilder, Paths, Ref, RefOr,
    path::{Operation, Parameter},
    response::ResponseBuilder,
    schema::ComponentsBuilder,
    security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    tag::TagBuilder,
};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::{
    errors::{Details, PageError, Problem},
    guard::FORM_KEY,
    layout::{self, Frame, Tab},
    login,
    params::{NoParams, Params},
};

const TAGS: [(&str, &str); 5] = [
    ("Jobs", "Jobs that wait, run and have ended."),
    ("Failures", "Known failures, kinds of unknown ones, and retries."),
    ("Thresholds", "What jobs are measured to take and held to, and how often they were not well."),
    ("People", "Who one is, users, tokens, and what was done."),
    ("Box", "The appliance itself."),
];

const ABOUT: &str = "\
What the sutler command and the pages are made of. Whoever asks is the account at the other end of \
the socket sutler.sock in the data folder, or the user of a token or a session; without either a \
request looks at what is public and changes nothing. What may not be seen is not there. Answers grow: fields are added, never changed. Whatever goes wrong is told as problem \
details (RFC 9457).";

/// Names of the ways to say who one is.
const TOKEN: &str = "token";
const SESSION: &str = "session";
/// Beside the session: a page of another site does not know it.
const FORM: &str = "form";

/// How to say who asks. On the socket the kernel does; whoever only looks need not.
fn ways_in(method: &str) -> Vec<SecurityRequirement> {
    let none: [&str; 0] = [];
    let token = SecurityRequirement::new(TOKEN, none);
    let session = SecurityRequirement::new(SESSION, none);
    match method {
        "get" => vec![SecurityRequirement::default(), token, session],
        _ => vec![token, session.add(FORM, none)],
    }
}

/// What the document begins with.
pub(super) fn head() -> OpenApi {
    let mut info = Info::new("Sutler", env!("CARGO_PKG_VERSION"));
    info.description = Some(ABOUT.into());
    let tags =
        TAGS.map(|(name, about)| TagBuilder::new().name(name).description(Some(about)).build());
    // The router puts its addresses below this one in.
    let servers = [utoipa::openapi::Server::new("/api")];
    let (name, schema) = (Details::name(), Details::schema());
    let key = |name| ApiKeyValue::with_description(name, "With a session");
    let components = ComponentsBuilder::new()
        .schema(name, schema)
        .security_scheme(TOKEN, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)))
        .security_scheme(SESSION, SecurityScheme::ApiKey(ApiKey::Cookie(key(login::COOKIE))))
        .security_scheme(FORM, SecurityScheme::ApiKey(ApiKey::Header(key(FORM_KEY.as_str()))))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .tags(Some(tags))
        .servers(Some(servers))
        .components(Some(components))
        .build()
}

/// The document, as it is answered and as it is read.
#[derive(Clone)]
pub(super) struct Document {
    text: Arc<str>,
    read: Arc<OpenApi>,
}

impl Document {
    pub(super) fn new(mut read: OpenApi) -> Self {
        for (path, method, operation) in operations_mut(&mut read.paths) {
            operation.operation_id = Some(id(&path, method));
            operation.security = Some(ways_in(method));
            let mut refuse = |status: StatusCode| {
                let words = status.canonical_reason().unwrap_or_default();
                operation.responses.responses.insert(status.as_str().to_owned(), problem(words));
            };
            refuse(StatusCode::BAD_REQUEST);
            refuse(StatusCode::UNAUTHORIZED);
            refuse(StatusCode::FORBIDDEN);
            if path.contains('{') {
                refuse(StatusCode::NOT_FOUND);
            }
            if method != "get" {
                refuse(StatusCode::METHOD_NOT_ALLOWED);
            }
            let other = problem("Anything else that went wrong");
            operation.responses.responses.insert("default".into(), other);
        }
        let text = read.to_json().expect("plain data always prints").into();
        Self { text, read: Arc::new(read) }
    }
}

/// As `get_jobs_id_events`: handlers of two rooms may have the same name.
fn id(path: &str, method: &'static str) -> String {
    let parts = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    std::iter::once(method).chain(parts).collect::<Vec<_>>().join("_")
}

fn problem(words: &str) -> RefOr<utoipa::openapi::Response> {
    let schema = Ref::from_schema_name(Details::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response = ResponseBuilder::new().description(words);
    response.content("application/problem+json", content).build().into()
}

/// In the order of their addresses.
fn operations_mut(
    paths: &mut Paths,
) -> impl Iterator<Item = (String, &'static str, &mut Operation)> {
    paths.paths.iter_mut().flat_map(|(path, item)| {
        let of = [("get", &mut item.get), ("post", &mut item.post), ("delete", &mut item.delete)];
        let path = path.clone();
        of.into_iter().filter_map(move |(method, operation)| {
            operation.as_mut().map(|operation| (path.clone(), method, operation))
        })
    })
}

fn operations(paths: &Paths) -> impl Iterator<Item = (&str, &'static str, &Operation)> {
    paths.paths.iter().flat_map(|(path, item)| {
        let of = [("GET", &item.get), ("POST", &item.post), ("DELETE", &item.delete)];
        of.into_iter().filter_map(move |(method, operation)| {
            operation.as_ref().map(|operation| (path.as_str(), method, operation))
        })
    })
}

/// `GET /api/openapi.json`: this description
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "Box",
    responses((status = 200, description = "The document", body = serde_json::Value)),
)]
pub(super) async fn document(
    Extension(document): Extension<Document>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((kind, document.text.to_string()).into_response())
}

/// `GET /api`
pub(super) async fn page(
    Extension(document): Extension<Document>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Html<String>, PageError> {
    Ok(Html(render(&document.read).into_string()))
}

fn render(api: &OpenApi) -> Markup {
    let content = html! {
        header.head {
            h1 { "API" }
            p { (ABOUT) }
            p.hint {
                "As a document for programs: " a href="/api/openapi.json" { "OpenAPI 3.1" }
                ". With examples: " a href="/handbook/http-api" { "the handbook" } "."
            }
        }
        @for (tag, about) in TAGS {
            section {
                h2 { (tag) }
                p.hint { (about) }
                @for (path, method, operation) in operations(&api.paths) {
                    @if operation.tags.iter().flatten().any(|one| one == tag) {
                        (render_operation(path, method, operation))
                    }
                }
            }
        }
    };
    layout::page(&Frame::new("API", Tab::Neither), &content)
}

fn render_operation(path: &str, method: &str, operation: &Operation) -> Markup {
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    html! {
        details {
            summary {
                code { (method) " /api" (path) }
                @if let Some(about) = about(operation) { span.hint { (about) } }
            }
            @if let Some(more) = &operation.description { p { (more) } }
            @if !parameters.is_empty() {
                dl.facts {
                    @for parameter in parameters {
                        @if let RefOr::T(parameter) = parameter { (render_parameter(parameter)) }
                    }
                }
            }
        }
    }
}

/// What the answer is; it is shorter than what the operation does.
fn about(operation: &Operation) -> Option<&str> {
    let good = operation.responses.responses.iter().find(|(status, _)| status.starts_with('2'))?;
    match good.1 {
        RefOr::T(response) => Some(&response.description),
        RefOr::Ref(_) => None,
    }
}

fn render_parameter(parameter: &Parameter) -> Markup {
    html! {
        div {
            dt { code { (parameter.name) } }
            dd { (parameter.description.as_deref().unwrap_or_default()) }
        }
    }
}
