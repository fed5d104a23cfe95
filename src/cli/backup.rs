//! `sutler backup` and `sutler restore`

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use indicatif::{ProgressBar, ProgressStyle};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::Deserialize;
use serde_json::json;

use super::{args::Common, client::Client, error::CliError, output, render::size};
use crate::{
    clock,
    model::JobId,
    store::{self, Store, StoreError, StoreSettings},
    upkeep::{self, BackupError, Contents, Manifest, RestoreError, Without},
};

/// Copy the store, the bundles and the results into one file, while jobs run
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler backup /mnt/lab-2026-01-31.tar.zst
  sutler backup --without-videos lab.tar.zst      smaller by nearly everything
  sutler backup --data /srv/lab lab.tar.zst       an appliance with this data folder, or one that is off

It is consistent: the store as it is at one moment, and what its jobs hold. The file appears when it
is whole. What lies in the inbox is not in it. Restore it with: sutler restore")]
pub(super) struct BackupArgs {
    /// The file to make; it must not exist
    #[arg(value_name = "FILE.tar.zst")]
    file: PathBuf,
    /// Leave the videos out
    #[arg(long)]
    without_videos: bool,
    /// Leave all results out, videos too: the store and the bundles remain
    #[arg(long)]
    without_results: bool,
}

/// Make a data folder of a backup, and check every file of it
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler restore lab.tar.zst --data /srv/lab
  sutler restore lab.tar.zst --data /srv/lab && sutler serve --data /srv/lab

The folder must be empty or not exist. Jobs that ran when the backup was made have ended as
incomplete then; those that waited still wait, and start with the appliance.")]
pub(super) struct RestoreArgs {
    /// A file that `sutler backup` has made
    #[arg(value_name = "FILE.tar.zst")]
    file: PathBuf,
}

/// What keeps a backup from being made or used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    #[error("{} is there already; name another file", path.display())]
    Exists { path: PathBuf },
    #[error("could not make {}", path.display())]
    Make { path: PathBuf, source: io::Error },
    #[error("could not read {}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("name the folder to restore into with --data")]
    NoFolder,
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error("the store cannot be used")]
    Store(#[from] StoreError),
}

/// `POST /api/store/snapshot`
#[derive(Debug, Deserialize)]
struct Snapshot {
    path: PathBuf,
    data: PathBuf,
}

/// A file that is gone when this is, unless it is kept.
struct Passing(PathBuf);

impl Drop for Passing {
    fn drop(&mut self) {
        // It may never have been made, or have its name by now.
        let _ = fs::remove_file(&self.0);
    }
}

pub(super) async fn backup(args: &BackupArgs, common: &Common) -> Result<u8, CliError> {
    let BackupArgs { file, without_videos, without_results } = args;
    if fs::symlink_metadata(file).is_ok() {
        return Err(ArchiveError::Exists { path: file.clone() }.into());
    }
    let make = |source| ArchiveError::Make { path: file.clone(), source };
    let part = Passing(part_of(file));
    // It has what only those see who may see a job, and everybody's keys.
    let out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part.0);
    let out = out.map_err(make)?;
    let without =
        Without { videos: *without_videos || *without_results, results: *without_results };

    let (snapshot, data) = take_snapshot(common).await?;
    let snapshot = Passing(snapshot);
    let (manifest, last) = describe(&snapshot.0, without).await?;
    let contents = Contents::list(&data, last, without).map_err(ArchiveError::from)?;
    let bar = bar(contents.bytes());
    let told = &mut |bytes| bar.inc(bytes);
    let written = upkeep::write(out, &data, &snapshot.0, &contents, manifest, told);
    bar.finish_and_clear();
    let manifest = written.map_err(ArchiveError::from)?;
    renameat_with(CWD, &part.0, CWD, file, RenameFlags::NOREPLACE).map_err(
        |error| match error {
            rustix::io::Errno::EXIST => ArchiveError::Exists { path: file.clone() },
            error => make(error.into()),
        },
    )?;
    sync_folder(file).map_err(make)?;

    let bytes = fs::metadata(file).map_err(make)?.len();
    let (jobs, files) = (manifest.jobs, manifest.files.len());
    if common.json {
        output::print_json(&json!({
            "file": file, "bytes": bytes, "jobs": jobs, "files": files,
            "made": manifest.made, "without": manifest.without,
        }))?;
    } else {
        let (name, bytes) = (file.display(), size(bytes));
        output::print(&format!("{name}: {jobs} jobs, {files} files, {bytes}\n"))?;
    }
    Ok(0)
}

pub(super) async fn restore(args: &RestoreArgs, common: &Common) -> Result<u8, CliError> {
    let data = common.data.as_ref().ok_or(ArchiveError::NoFolder)?;
    let path = &args.file;
    let open = |source| ArchiveError::Open { path: path.clone(), source };
    let file = File::open(path).map_err(open)?;
    let bar = bar(file.metadata().map_err(open)?.len());
    let restored = upkeep::restore(file, data, &mut |bytes| bar.inc(bytes)).await;
    bar.finish_and_clear();
    let restored = restored.map_err(ArchiveError::from)?;
    let manifest = &restored.manifest;
    let (jobs, files) = (manifest.jobs, manifest.files.len());
    if common.json {
        output::print_json(&json!({
            "data": data, "jobs": jobs, "files": files, "made": manifest.made,
            "without": manifest.without, "cut_off": restored.cut_off,
        }))?;
        return Ok(0);
    }
    let data = data.display();
    let mut text = format!("{data}: {jobs} jobs, {files} files, every one as it was backed up\n");
    for id in &restored.cut_off {
        text += &format!("  job {id} ran when the backup was made: it ended as incomplete\n");
    }
    text += &format!("Start it with: sutler serve --data {data}\n");
    if rustix::process::geteuid().is_root() {
        text += "If the appliance runs under an account of its own, give it the folder first.\n";
    }
    output::print(&text)?;
    Ok(0)
}

/// A copy of the store: from the appliance that runs, or from the folder of one that does not.
async fn take_snapshot(common: &Common) -> Result<(PathBuf, PathBuf), CliError> {
    let data = common.folders()?;
    let client = Client::new(&data);
    let asked = client.post::<Snapshot>("/api/store/snapshot").await;
    client.close().await;
    let unreachable = match asked {
        Ok(answer) => return Ok((answer.read.path, answer.read.data)),
        Err(error @ CliError::Unreachable { .. }) => error,
        Err(error) => return Err(error),
    };
    let has_store = |data: &&PathBuf| data.join(store::FILE).exists();
    let Some(data) = data.iter().find(has_store) else { return Err(unreachable) };
    let opened = Store::open(&data.join(store::FILE), StoreSettings::default());
    let (store, writer) = opened.map_err(ArchiveError::from)?;
    let copied = upkeep::snapshot(&store, data).await;
    writer.close().await;
    Ok((copied.map_err(ArchiveError::from)?, data.clone()))
}

/// What the copy of the store says of itself, and the number of its last job.
async fn describe(snapshot: &Path, without: Without) -> Result<(Manifest, JobId), ArchiveError> {
    let (store, writer) = Store::open(snapshot, StoreSettings::default())?;
    let counts = store.counts().await;
    let last = store.last_job().await;
    writer.close().await;
    let manifest = Manifest::new(clock::now(), counts?.all(), without);
    Ok((manifest, last?))
}

fn part_of(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}.{}.part", uuid::Uuid::new_v4()))
}

fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

fn bar(bytes: u64) -> ProgressBar {
    if !output::is_watched() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{elapsed:>5} [{bar:30}] {bytes}/{total_bytes} {eta}")
        .expect("the template is fixed")
        .progress_chars("=> ");
    ProgressBar::new(bytes).with_style(style)
}
