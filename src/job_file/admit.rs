//! The one way into the box: whatever comes, by whichever door, is copied, read, checked and made
//! a job here, or refused with all that is wrong with it.

use std::path::{Path, PathBuf};

use super::{
    Arrival, Options, Problem, Problems, Read,
    bundle::{self, BundleError, JOB_FILES, Limits, Source, Staged},
    check::{Identity, Scope, check},
    read_bytes, to_new_job,
};
use crate::{
    config::Timeouts,
    model::{Digest, NewJob, problem::Place},
};

/// Says of a stream why whoever sends a job may not send it there.
pub type MaySubmit<'a> = &'a dyn Fn(Option<&str>) -> Result<(), String>;

/// Why something does not become a job.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Invalid(#[from] Box<Problems>),
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// What the box allows, and where bundles are kept.
#[derive(Debug)]
pub struct Admission {
    bundles: PathBuf,
    data: PathBuf,
    roots: Vec<PathBuf>,
    timeouts: Timeouts,
    limits: Limits,
}

impl Admission {
    /// `data` holds `bundles/` and is never read for a job, whatever the roots say.
    pub fn new(data: PathBuf, roots: Vec<PathBuf>, timeouts: Timeouts) -> Self {
        let bundles = data.join("bundles");
        Self { bundles, data, roots, timeouts, limits: Limits::default() }
    }

    /// How this box reads job files.
    pub const fn options(&self, strict: bool) -> Options {
        Options { strict, timeouts: self.timeouts }
    }

    /// Blocks as long as the copying takes.
    pub fn admit(
        &self,
        source: Source,
        name: &str,
        arrival: Arrival,
        options: Options,
        may: MaySubmit<'_>,
    ) -> Result<NewJob, Refusal> {
        let alone = matches!(source, Source::File { .. });
        let staged = Staged::new(source, &self.bundles, self.limits)?;
        let shown = if alone { name.to_owned() } else { format!("{name}/{}", staged.job_file()) };
        let submitter = identity(&arrival);
        let scope = Scope {
            bundle: staged.folder(),
            alone,
            roots: Some(&self.roots),
            data: Some(&self.data),
            submitter: Some(&submitter),
        };
        let read = read_bytes(staged.text(), &shown, options)?;
        permitted(&read, may)?;
        check(&read, &scope)?;
        let bundle = staged.keep()?.bundle;
        Ok(to_new_job(read.definition, &read.text, bundle, arrival))
    }

    /// A job from a text that nothing comes with, so nothing has to be kept of it here.
    ///
    /// # Errors
    /// With all that is wrong with it.
    pub fn admit_text(
        &self,
        text: &str,
        arrival: Arrival,
        options: Options,
        may: MaySubmit<'_>,
    ) -> Result<NewJob, Box<Problems>> {
        // No bundle has this name, so there is nothing in it.
        let nothing = self.bundles.join("nothing");
        let read = self.read_text(&nothing, true, text, &arrival, options, may)?;
        let bundle = bundle::alone(JOB_FILES[0], text.as_bytes());
        Ok(to_new_job(read.definition, &read.text, bundle, arrival))
    }

    /// A job from what another one came with, by its own text or one that was changed.
    ///
    /// # Errors
    /// With all that is wrong with the text; what an older version accepted may be.
    pub fn admit_again(
        &self,
        text: &str,
        bundle: Digest,
        arrival: Arrival,
        options: Options,
        may: MaySubmit<'_>,
    ) -> Result<NewJob, Box<Problems>> {
        let folder = self.bundles.join(bundle.to_string());
        let alone = !folder.exists();
        let read = self.read_text(&folder, alone, text, &arrival, options, may)?;
        Ok(to_new_job(read.definition, &read.text, bundle, arrival))
    }

    fn read_text(
        &self,
        bundle: &Path,
        alone: bool,
        text: &str,
        arrival: &Arrival,
        options: Options,
        may: MaySubmit<'_>,
    ) -> Result<Read, Box<Problems>> {
        let submitter = identity(arrival);
        let (roots, data) = (Some(self.roots.as_slice()), Some(self.data.as_path()));
        let scope = Scope { bundle, alone, roots, data, submitter: Some(&submitter) };
        let read = read_bytes(text.as_bytes(), "job.yaml", options)?;
        permitted(&read, may)?;
        check(&read, &scope)?;
        Ok(read)
    }
}

/// Debian's `nobody`, who may read what everybody may.
const NOBODY: u32 = 65_534;

/// Whether it may come from whoever sends it, into the stream it names.
fn permitted(read: &Read, may: MaySubmit<'_>) -> Result<(), Box<Problems>> {
    let stream = read.definition.stream.as_deref();
    let Err(why) = may(stream) else { return Ok(()) };
    let (place, path) = match stream.and_then(|stream| read.text.find(stream)) {
        Some(at) => (Place::at(&read.text, at), "stream"),
        None => (Place::start(), ""),
    };
    let found = stream.map_or_else(|| "a job".to_owned(), |stream| format!("the stream {stream}"));
    let problem = Problem::new(place, path, found, "one that whoever sends it may send").help(why);
    let (name, text) = (read.name.clone(), read.text.clone());
    Err(Box::new(Problems { name, text, list: vec![problem], omitted: 0 }))
}

fn identity(arrival: &Arrival) -> Identity {
    Identity::account(arrival.submitter.uid.unwrap_or(NOBODY))
}
