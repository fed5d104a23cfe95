//! Which formats there are, and writing a job in one of them.

use std::io;

use serde::Deserialize;

use super::{
    html, junit,
    media::{Media, Video},
    results::Results,
    tap,
};
use crate::{markup::Moment, model::Job, supervise::JobFolder};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReportFormat)]
pub enum Format {
    /// For people: one page with everything in it.
    Html,
    /// For build servers.
    Junit,
    /// For programs that read the Test Anything Protocol.
    Tap,
}

impl Format {
    pub const ALL: [Self; 3] = [Self::Html, Self::Junit, Self::Tap];

    /// As it is asked for.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Junit => "junit",
            Self::Tap => "tap",
        }
    }

    /// Ending of a file's name.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Junit => "xml",
            Self::Tap => "tap",
        }
    }

    /// TAP has no registered type; as text it is shown and not only saved.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Junit => "application/xml; charset=utf-8",
            Self::Tap => "text/plain; charset=utf-8",
        }
    }
}

/// A report that is made.
#[derive(Debug)]
pub struct Written {
    pub text: String,
    /// What a browser may load and run for it, where it is a page.
    pub policy: Option<String>,
}

/// Reads the job's folder and tells its results. What is not there any more is said to be missing.
/// Lasting work.
///
/// # Errors
/// When a file that is there cannot be read.
pub fn write(
    job: Job,
    folder: &JobFolder,
    moment: Moment,
    format: Format,
    video: Video,
) -> io::Result<Written> {
    let results = Results::gather(job, folder, moment)?;
    let plain = |text| Written { text, policy: None };
    Ok(match format {
        Format::Html => {
            let media = Media::gather(&results, folder, video);
            let policy = Some(html::policy(&media.film));
            Written { text: html::render(&results, &media).into_string(), policy }
        }
        Format::Junit => plain(junit::render(&results)),
        Format::Tap => plain(tap::render(&results)),
    })
}
