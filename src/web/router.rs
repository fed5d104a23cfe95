//! Which address is answered by whom.

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{delete, get, post},
};

use super::{
    account, actions, api, assets, audit, compose, devices, disk, doctor, events, failures, files,
    guard, handbook, known, login, metrics, pages, plan, report, series, state::Web, statistics,
    submit, thresholds, tokens, users, video,
};
use crate::job_file::SCHEMA_PATH;

/// The whole web. Each listener adds its [`Access`](super::Access) as an extension.
pub fn router(web: Web) -> Router {
    let web = Arc::new(web);
    let api = Router::new()
        .route("/jobs", get(api::list).post(submit::create))
        .route("/jobs/{id}", get(api::show))
        .route("/jobs/{id}/events", get(events::lines))
        .route("/jobs/{id}/series", get(series::show))
        .route("/jobs/{id}/report", get(report::file))
        .route("/jobs/{id}/cancel", post(api::cancel))
        .route("/jobs/{id}/keep", post(api::keep))
        .route("/jobs/{id}/release", post(api::release))
        .route("/jobs/{id}/retry", post(known::retry))
        .route("/known", get(known::list).post(known::put))
        .route("/known/{name}", get(known::show).delete(known::remove))
        .route("/known/{name}/apply", post(known::apply))
        .route("/failures", get(known::groups))
        .route("/failures/try", post(known::try_pattern))
        .route("/plan", get(plan::api))
        .route("/jobs/{id}/priority", post(actions::priority))
        .route("/jobs/{id}/resubmit", post(actions::resubmit))
        .route("/jobs/bulk", post(actions::bulk))
        .route("/devices", get(devices::list).post(devices::put))
        .route("/devices/{name}", get(devices::show).delete(devices::remove))
        .route("/devices/{name}/health", post(devices::set_health))
        .route("/devices/{name}/log", get(devices::log))
        .route("/device-types", get(devices::types).post(devices::put_type))
        .route("/disk", get(disk::json))
        .route(
            "/thresholds",
            get(thresholds::list).post(thresholds::set_one).delete(thresholds::reset),
        )
        .route("/thresholds/explain", get(thresholds::explain))
        .route("/thresholds/learned", delete(thresholds::unlearn))
        .route("/statistics", get(statistics::export))
        .route("/store/snapshot", post(api::snapshot))
        .route("/me", get(tokens::me))
        .route("/tokens", get(tokens::list).post(tokens::create))
        .route("/tokens/{id}", delete(tokens::revoke))
        .route("/users", get(users::list).post(users::create))
        .route("/users/{name}", get(users::show).post(users::change).delete(users::remove))
        .route("/users/{name}/invite", post(users::invite))
        .route("/audit", get(audit::api))
        .route("/status", get(api::status))
        .route("/doctor", get(doctor::api))
        .fallback(api::nothing);
    Router::new()
        .route("/", get(pages::queue))
        .route("/events", get(events::queue))
        .route("/history", get(pages::history))
        .route("/devices", get(devices::page))
        .route("/devices/{name}", get(devices::one))
        .route("/jobs/{id}/diff", get(actions::diff))
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
        .route("/users", get(users::page))
        .route("/audit", get(audit::page))
        .route("/handbook", get(handbook::index))
        .route("/handbook/{page}", get(handbook::page))
        .route(SCHEMA_PATH, get(handbook::schema))
        .route("/assets/{hash}/{name}", get(assets::show))
        .route("/metrics", get(metrics::show))
        .nest("/api", api)
        .fallback(pages::nothing)
        // `submit` streams into a file and counts for itself; nothing else takes a body.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(web.clone(), guard::guard))
        .with_state(web)
}
