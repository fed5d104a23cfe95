//! `GET /api/jobs/{id|uuid}/series`: what was measured of a job over time, for programs.
//!
//! As it is drawn: at most some thousand points, each the least, the mean and the greatest of what
//! was told meanwhile. Every sample by itself is in the event log.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    errors::Problem,
    guard::Asks,
    params::{Params, Path},
    state::Web,
};
use crate::{
    markup::known,
    model::{SeriesCell, TimeSeries},
};

#[derive(Debug, Default, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Form {
    #[default]
    Json,
    Csv,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[param(inline)]
    #[serde(default)]
    format: Form,
}

/// `GET /api/jobs/{id|uuid}/series`
#[utoipa::path(
    get,
    path = "/jobs/{id}/series",
    tag = "Jobs",
    params(("id" = String, Path, description = "Number or uuid of the job", example = "7"), Asked),
    responses(
        (
            status = 200,
            description = "What was measured while it ran",
            content((Value = "application/json"), (String = "text/csv")),
        ),
    ),
)]
pub(super) async fn show(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(Asked { format }): Params<Asked>,
) -> Result<Response, Problem> {
    let job = web.find(&who, &name).await?;
    let run = web.run(job.id).await?;
    Ok(match format {
        Form::Json => Json(as_json(&run.series)).into_response(),
        Form::Csv => {
            let name = format!("attachment; filename=\"sutler-job-{}-measures.csv\"", job.id);
            let headers = [
                (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
                (header::CONTENT_DISPOSITION, name),
            ];
            (headers, as_csv(&run.series)).into_response()
        }
    })
}

/// Times of the points, and for each measure what it is and what it came to at each of them.
fn as_json(series: &TimeSeries) -> Value {
    let measures = series.columns().map(|(name, cells)| {
        let what = known(name);
        let each = |value: fn(&SeriesCell) -> f64| -> Vec<Option<f64>> {
            cells.iter().map(|cell| cell.as_ref().map(value)).collect()
        };
        let summary = TimeSeries::summary(cells).map(
            |summary| json!({ "low": summary.low, "median": summary.median, "high": summary.high }),
        );
        let measure = json!({
            "title": what.title,
            "unit": what.unit.name(),
            "group": what.group.name(),
            "low": each(|cell| cell.low),
            "mean": each(SeriesCell::mean),
            "high": each(|cell| cell.high),
            "in_all": summary,
        });
        (name.to_owned(), measure)
    });
    let measures: Map<_, _> = measures.collect();
    let times = |at: fn(&crate::model::SeriesSpan) -> u128| -> Vec<_> {
        series.spans().iter().map(|span| u64::try_from(at(span)).unwrap_or(u64::MAX)).collect()
    };
    json!({
        "from_ms": times(|span| span.from.as_millis()),
        "to_ms": times(|span| span.to.as_millis()),
        "measures": measures,
    })
}

/// A line for each point; three columns for each measure: its mean, its least, its greatest.
fn as_csv(series: &TimeSeries) -> String {
    let mut text = "from_ms,to_ms".to_owned();
    for (name, _) in series.columns() {
        for column in [name.to_owned(), format!("{name} low"), format!("{name} high")] {
            text.push(',');
            text.push_str(&field(&column));
        }
    }
    text.push_str("\r\n");
    for (index, span) in series.spans().iter().enumerate() {
        // Writing into a string cannot fail.
        let _ = write!(text, "{},{}", span.from.as_millis(), span.to.as_millis());
        for (_, cells) in series.columns() {
            let _ = match cells.get(index).and_then(Option::as_ref) {
                Some(cell) => write!(text, ",{},{},{}", cell.mean(), cell.low, cell.high),
                None => write!(text, ",,,"),
            };
        }
        text.push_str("\r\n");
    }
    text
}

/// As RFC 4180 has it.
fn field(text: &str) -> String {
    match text.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn series() -> TimeSeries {
        let mut series = TimeSeries::default();
        let values = [("guest_cpu".to_owned(), 12.5), ("a \"b\", c".to_owned(), 1.0)];
        series.add(Duration::from_millis(1_000), &values.into());
        series.add(Duration::from_millis(2_001), &[("guest_cpu".to_owned(), 20.0)].into());
        series
    }

    #[test]
    fn csv_has_a_line_for_each_point() {
        let want = "from_ms,to_ms,\"a \"\"b\"\", c\",\"a \"\"b\"\", c low\",\"a \"\"b\"\", c high\",\
                    guest_cpu,guest_cpu low,guest_cpu high\r\n\
                    1000,1000,1,1,1,12.5,12.5,12.5\r\n\
                    2001,2001,,,,20,20,20\r\n";
        assert_eq!(as_csv(&series()), want);
        assert_eq!(as_csv(&TimeSeries::default()), "from_ms,to_ms\r\n");
    }

    #[test]
    fn json_says_what_each_measure_is() {
        let told = as_json(&series());
        assert_eq!(told["from_ms"], json!([1000, 2001]));
        let want = json!({
            "title": "Guest", "unit": "%", "group": "processor",
            "low": [12.5, 20.0], "mean": [12.5, 20.0], "high": [12.5, 20.0],
            "in_all": { "low": 12.5, "median": 20.0, "high": 20.0 },
        });
        assert_eq!(told["measures"]["guest_cpu"], want);
        assert_eq!(told["measures"]["a \"b\", c"]["mean"], json!([1.0, null]));
    }
}
