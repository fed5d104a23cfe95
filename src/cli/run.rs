//! `sutler run`: one job, here and now, without an appliance.
//!
//! The engine is the same process the appliance starts, in the result folder the user names. The
//! job's files are used where they are: whoever runs this reads them with their own rights.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::json;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::{
    args::Common,
    error::CliError,
    limit::LimitFlag,
    local::{Local, examine, find, folder_of},
    output::{self, say},
    progress::Progress,
    render, report,
};
use crate::{
    gauges,
    job_file::Options,
    model::{Command, EngineLog, EngineOrder, JobId, JobState},
    report::{DEFINITION, Format, Video},
    supervise::{self, Ending, Engine, Follower, JobFolder},
    vm,
};

/// Run one job here and now, without an appliance
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler run job.yaml                      results in job-results-1, job-results-2, …
  sutler run installer/ --out /tmp/first   a folder with a job.yaml
  sutler run job.yaml --report html,junit  and a report.xml for a build server
  sutler run job.yaml --json | jq .verdict
  sutler run job.yaml --limit step_time=30s:stop --limit guest_wait=20%:watch
  sutler run job.yaml --limit 'step_time@network/send_key ret=5s' --limit part_time@boot=1m:watch

The results hold a report.html with everything in it, to mail.

Ends with the verdict's exit code. Ctrl-C cancels the job in good order, a second one at once.")]
pub(super) struct Args {
    /// A job file, or a folder with a job.yaml in it
    file: PathBuf,
    /// Folder for the results; it must not hold those of another run
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Reports to write into it, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "html", value_name = "FORMAT")]
    report: Vec<Format>,
    /// What the job is held to, as MEASURE=VALUE:MODE or MEASURE@PLACE=VALUE:MODE; may be given several times
    ///
    /// A measure is job_time, part_time, module_time, step_time, key_to_screen, frame_lag or
    /// match_time, with a time; or guest_wait, with a share. A mode is watch, which tells, or stop,
    /// which ends the job as too slow and is what is meant where none is given. A place is a part
    /// or a module, and for a step MODULE/STEP, where a step is its verb and subject; /STEP is that
    /// step in any module. The limit for the closest place counts.
    #[arg(long = "limit", value_name = "LIMIT")]
    limits: Vec<LimitFlag>,
}

/// Must be called on the process's first thread, in a runtime of one thread: the engine ends when
/// the thread that started it does.
pub(super) async fn run(args: &Args, common: &Common) -> Result<u8, CliError> {
    let json = common.json;
    let file = match find(&args.file)? {
        Local::JobFile(file) => file,
        Local::Packed(path) => return Err(CliError::Packed { path }),
    };
    let everywhere = [PathBuf::from("/")];
    let job = match examine(&file, Options::default(), Some(&everywhere), None)? {
        Ok(job) => job,
        Err(problems) => {
            let words = render::explained(&problems.diagnostics(), false);
            return Err(CliError::Invalid { file, words });
        }
    };
    for warning in &job.warnings {
        say(&format!("sutler: {}: warning: {warning}\n", job.name));
    }
    let unreadable = |source| CliError::File { path: file.clone(), source };
    let bundle = folder_of(&file).canonicalize().map_err(unreadable)?;
    let out = results(&file, args.out.as_deref())?;
    let folder = JobFolder::at(out.clone());
    let proof = vm::probe(Path::new(vm::QEMU), &proof_cache()).await;
    let order = EngineOrder {
        job: JobId(0),
        uuid: Uuid::now_v7(),
        definition: job.definition,
        bundle,
        roots: everywhere.into(),
        acceleration: proof.acceleration,
        bound_to_parent: true,
        log: log(common),
        limits: args.limits.iter().map(|LimitFlag(limit)| limit.clone()).collect(),
    };
    fs::write(out.join(DEFINITION), job.text.as_bytes())
        .map_err(|source| CliError::Results { path: out.clone(), source })?;
    let at_most = order.definition.timeouts.job.value;
    let child = supervise::launch(&folder, &order)
        .map_err(|source| CliError::Engine { source: io::Error::other(source) })?;
    let ending = follow(&folder, (order.uuid, at_most), Engine::Child(child), json).await;
    let ending = ending.map_err(|source| CliError::Engine { source })?;
    let reports: Vec<_> = args.report.iter().filter_map(|format| write(&out, *format)).collect();
    if json {
        let (verdict, cause) = (ending.verdict, &ending.cause);
        output::print_json(&json!({
            "verdict": verdict, "cause": cause, "results": out, "reports": reports,
        }))?;
    } else {
        let mut words = render::verdict(ending.verdict, ending.cause.as_ref());
        words += &format!("  results in {}\n", out.display());
        for report in &reports {
            words += &format!("  report in {}\n", report.display());
        }
        output::print(&words)?;
    }
    Ok(ending.verdict.exit_code())
}

/// What the engine logs, into the results. A run needs no settings: where they cannot be had it logs
/// as usual.
fn log(common: &Common) -> EngineLog {
    common.settings().map_or_else(
        |_| EngineLog::default(),
        |loaded| EngineLog { level: loaded.settings.log.level, to_journal: false },
    )
}

async fn follow(
    folder: &JobFolder,
    (uuid, at_most): (Uuid, Duration),
    engine: Engine,
    json: bool,
) -> io::Result<Ending> {
    let (commands, heard) = mpsc::channel(4);
    let (seq, mut seen) = watch::channel(0);
    let (state, _) = watch::channel(JobState::Preparing);
    let follower = Follower { folder: folder.clone(), uuid, at_most, commands: heard, seq, state };
    let ending = follower.follow(engine);
    tokio::pin!(ending);
    let mut progress = Progress::new(output::is_watched() && !json, !json);
    let mut offset = 0;
    loop {
        tokio::select! {
            ending = &mut ending => {
                let ending = ending?;
                supervise::close_log(folder, &ending, gauges::load())?;
                folder.read_events(offset, |event| progress.hear(event))?;
                progress.finish();
                return Ok(ending);
            }
            Ok(()) = seen.changed() => {
                offset = folder.read_events(offset, |event| progress.hear(event))?;
            }
            _ = tokio::signal::ctrl_c() => {
                say("sutler: canceling; once more to end at once\n");
                // The engine makes a second one end at once.
                let _ = commands.try_send(Command::Cancel { by: "Ctrl-C".into() });
            }
        }
    }
}

/// Writes a report into the result folder. A job does not fail because nobody can be told.
fn write(out: &Path, format: Format) -> Option<PathBuf> {
    let path = out.join("report").with_extension(format.ending());
    let written = report::of_folder(out, format, Video::default()).and_then(|text| {
        report::write_new(&path, &text)
            .map_err(|source| CliError::Report { path: path.clone(), source })
    });
    match written {
        Ok(()) => Some(path),
        Err(error) => {
            say(&error.words());
            None
        }
    }
}

/// The result folder: the one that was named, or the next free one where we stand.
fn results(job: &Path, named: Option<&Path>) -> Result<PathBuf, CliError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| CliError::Results { path, source }
    };
    if let Some(path) = named {
        if path.join(JobFolder::EVENTS).exists() {
            return Err(CliError::ResultsThere { path: path.into() });
        }
        fs::create_dir_all(path).map_err(failed(path))?;
        return path.canonicalize().map_err(failed(path));
    }
    let stem = job.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    for number in 1.. {
        let path = PathBuf::from(format!("{stem}-results-{number}"));
        match fs::create_dir(&path) {
            Ok(()) => return path.canonicalize().map_err(failed(&path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(failed(&path)(source)),
        }
    }
    unreachable!("there are more numbers than folders")
}

/// Where the proof of KVM is kept until the next boot.
pub(super) fn proof_cache() -> PathBuf {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || Some(PathBuf::from(env::var_os("HOME")?).join(".cache"));
    let folder = cache.or_else(home).unwrap_or_else(env::temp_dir).join("sutler");
    // Without a cache the proof is made again each time.
    let _ = fs::create_dir_all(&folder);
    folder.join("acceleration.json")
}
