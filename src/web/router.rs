//! Which address is answered by whom.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    account, actions, api, assets, audit, bulk, bulk_pages, compose, device_forms, devices, diff,
    disk, doctor, estimates, events, failures, files, guard, handbook, history, known, list, login,
    metrics, openapi, pages, plan, report, series, state::Web, statistics, submit, thresholds,
    tokens, user_pages, users, video,
};
use crate::job_file::SCHEMA_PATH;

/// Every address below `/api`, with its documentation: one without does not compile.
fn api() -> (Router<Arc<Web>>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(list::json, submit::create))
        .routes(routes!(list::csv))
        .routes(routes!(api::show))
        .routes(routes!(events::lines))
        .routes(routes!(series::show))
        .routes(routes!(report::file))
        .routes(routes!(api::cancel))
        .routes(routes!(api::keep))
        .routes(routes!(api::release))
        .routes(routes!(known::retry))
        .routes(routes!(known::list, known::put))
        .routes(routes!(known::show, known::remove))
        .routes(routes!(known::apply))
        .routes(routes!(known::groups))
        .routes(routes!(known::try_pattern))
        .routes(routes!(plan::api))
        .routes(routes!(estimates::show))
        .routes(routes!(estimates::accuracy))
        .routes(routes!(actions::priority))
        .routes(routes!(actions::resubmit))
        .routes(routes!(diff::api))
        .routes(routes!(bulk::api))
        .routes(routes!(devices::list, devices::put))
        .routes(routes!(devices::show, devices::remove))
        .routes(routes!(devices::set_health))
        .routes(routes!(devices::log))
        .routes(routes!(devices::types, devices::put_type))
        .routes(routes!(devices::remove_type))
        .routes(routes!(devices::reload))
        .routes(routes!(disk::json))
        .routes(routes!(thresholds::list, thresholds::set_one, thresholds::reset))
        .routes(routes!(thresholds::explain))
        .routes(routes!(thresholds::unlearn))
        .routes(routes!(statistics::export))
        .routes(routes!(api::snapshot))
        .routes(routes!(tokens::me))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::show, users::change, users::remove))
        .routes(routes!(users::invite))
        .routes(routes!(audit::api))
        .routes(routes!(api::status))
        .routes(routes!(doctor::api))
        .routes(routes!(openapi::document))
        .split_for_parts()
}

/// The whole web. Each listener adds its [`Access`](super::Access) as an extension.
pub fn router(web: Web) -> Router {
    let web = Arc::new(web);
    let (api, document) = api();
    let document = openapi::Document::new(document);
    let api = api
        .fallback(api::nothing)
        .method_not_allowed_fallback(api::not_so)
        .layer(Extension(document.clone()));
    Router::new()
        .route("/", get(pages::queue))
        .route("/events", get(events::queue))
        .route("/history", get(history::page))
        .route("/devices", get(devices::page).post(device_forms::add))
        .route("/devices/{name}", get(devices::one))
        .route("/devices/{name}/health", post(device_forms::set_health))
        .route("/jobs/bulk", post(bulk_pages::send))
        .route("/jobs/{id}/diff", get(diff::page))
        .route("/jobs/{id}/cancel", post(compose::cancel))
        .route("/jobs/{id}/priority", post(compose::priority))
        .route("/jobs/{id}/resubmit", post(compose::again))
        .route("/submit", get(compose::page).post(compose::send))
        .route("/failures", get(failures::page))
        .route("/disk", get(disk::page))
        .route("/thresholds", get(thresholds::page))
        .route("/statistics", get(statistics::page))
        .route("/find", get(pages::find))
        .route("/doctor", get(doctor::page))
        .route("/jobs/{id}", get(pages::job))
        .route("/jobs/{id}/events", get(events::job))
        .route("/jobs/{id}/steps/{path}", get(pages::step))
        .route("/jobs/{id}/live", get(pages::live))
        .route("/jobs/{id}/live.png", get(pages::live_picture))
        .route("/jobs/{id}/live/events", get(events::live))
        .route("/jobs/{id}/video.mp4", get(video::show))
        .route("/jobs/{id}/steps.vtt", get(video::steps))
        .route("/jobs/{id}/log.vtt", get(video::log))
        .route("/jobs/{id}/report.html", get(report::html))
        .route("/jobs/{id}/report.xml", get(report::junit))
        .route("/jobs/{id}/report.tap", get(report::tap))
        .route("/jobs/{id}/files/{*path}", get(files::show))
        .route("/login", get(login::page).post(login::log_in))
        .route("/logout", post(login::log_out))
        .route("/invite", get(login::invitation).post(login::accept))
        .route("/account", get(account::page))
        .route("/account/password", post(account::password))
        .route("/account/sessions", post(account::end_others))
        .route("/account/tokens", post(account::new_token))
        .route("/account/tokens/revoke", post(account::revoke))
        .route("/users", get(user_pages::page).post(user_pages::add))
        .route("/users/{name}", post(user_pages::change))
        .route("/users/{name}/invite", post(user_pages::invite))
        .route("/audit", get(audit::page))
        .route("/handbook", get(handbook::index))
        .route("/handbook/{page}", get(handbook::page))
        .route(SCHEMA_PATH, get(handbook::schema))
        .route("/assets/{hash}/{name}", get(assets::show))
        .route("/metrics", get(metrics::show))
        .route("/api", get(openapi::page).layer(Extension(document)))
        .nest("/api", api)
        .fallback(pages::nothing)
        // `submit` streams into a file and counts for itself; nothing else takes a body.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(web.clone(), guard::guard))
        .with_state(web)
}
