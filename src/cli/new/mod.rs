//! `sutler new`: a first job, and a first needle cut from a guest that really booted.
//!
//! The guest is booted twice: what differs between two boots (a measured speed, a clock) is no
//! landmark, and a needle with it would match today and not tomorrow.

mod ask;
mod look;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use self::look::{Seen, look};
use super::{
    args::Common,
    error::CliError,
    local::examine,
    output::{self, say},
    render,
    run::proof_cache,
};
use crate::{
    job_file::{FirstJob, Options, memory_mib},
    model::{Display, Guest, Network, quantity},
    picture::{Picture, PictureError, Rect, write_image},
    tasks,
    vision::landmarks,
    vm::{self, MachineSpec, VmError},
};

/// Areas of the first needle, at most.
const AREAS: usize = 3;
/// How alike they must be: a clock rate that was the same in two boots may differ in a third, and is
/// a few of the many letters of an area. Less than that is another text.
const ALIKE_PERCENT: u32 = 90;

/// Write a first job, and a needle of what a guest shows when it has booted
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler new first --iso /usr/lib/memtest86+/memtest86+x64.iso
  sutler new first --disk system.qcow2 --memory 2G --wait 90s
  sutler new first --kernel linux --initrd initrd.gz --append 'vga=788 quiet'
  sutler new first --bare            only the job file, nothing is booted
  sutler run first                   what it is good for

Boots the guest, waits until its screen has been at rest for ten seconds, and picks up to three
areas that stand out, do not move and are there once. Then it boots it again: what looks different
the second time is left out. On a terminal, `sutler new` alone asks for what it needs.")]
#[command(group(clap::ArgGroup::new("medium")))]
pub(super) struct Args {
    /// The folder to make; it must not exist, or be empty
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Boot this CD image
    #[arg(long, value_name = "FILE", group = "medium")]
    iso: Option<PathBuf>,
    /// Boot this disk image; it is not written
    #[arg(long, value_name = "FILE", group = "medium")]
    disk: Option<PathBuf>,
    /// Boot this Linux kernel
    #[arg(long, value_name = "FILE", group = "medium")]
    kernel: Option<PathBuf>,
    /// The kernel's first file system
    #[arg(long, value_name = "FILE", requires = "kernel")]
    initrd: Option<PathBuf>,
    /// The kernel's command line
    #[arg(long, value_name = "TEXT", requires = "kernel", allow_hyphen_values = true)]
    append: Option<String>,
    /// Boot nothing: write only the job file
    #[arg(long, group = "medium")]
    bare: bool,
    /// The job's name
    #[arg(long)]
    name: Option<String>,
    /// Memory of the guest, as 512M or 2G
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    memory: Option<u32>,
    /// Take the screen after this long, as 90s or 2m, instead of when it rests
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    wait: Option<Duration>,
    /// The needle's tag, and the name of its files [default: first-screen]
    #[arg(long, default_value = "first-screen", hide_default_value = true, value_parser = tag)]
    tag: String,
    /// Use this area of the screen instead of looking for some
    #[arg(long, value_name = "X,Y,WxH", value_parser = area)]
    area: Option<Rect>,
    /// Boot only once: quicker, and the needle may hold what changes from boot to boot
    #[arg(long)]
    once: bool,
}

/// What is booted.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Medium {
    Iso(PathBuf),
    Disk(PathBuf),
    Kernel { kernel: PathBuf, initrd: Option<PathBuf>, append: Option<String> },
    Nothing,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum NewError {
    #[error(
        "name a folder, and what to boot: --iso, --disk or --kernel FILE, or --bare for nothing"
    )]
    NothingNamed,
    #[error("{} is there already and not empty; name another folder", path.display())]
    NotEmpty { path: PathBuf },
    #[error("could not use {}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("could not read {}", path.display())]
    Medium { path: PathBuf, source: io::Error },
    #[error("could not run the guest; `sutler doctor` says whether this box is well")]
    Machine(#[from] VmError),
    #[error("the guest ended before its screen could be kept: {why}")]
    Ended { why: String },
    #[error("the guest has shown nothing within {} s", waited.as_secs())]
    NoPicture { waited: Duration },
    #[error(
        "nothing on the screen stands out and stays as it is; name an area with --area X,Y,WxH, or \
         another moment with --wait"
    )]
    NoLandmark,
    #[error(
        "two boots showed different screens; name a moment at which they are alike with --wait, or \
         boot --once"
    )]
    TwoScreens,
    #[error("the area {}x{} at {},{} is not on the screen of {width}x{height}", area.w, area.h, area.x, area.y)]
    AreaOutside { area: Rect, width: u32, height: u32 },
    #[error("could not write the needle")]
    Needle(#[from] PictureError),
    #[error("interrupted; nothing was written")]
    Interrupted,
    #[error("the questions were not answered")]
    NoAnswer(#[source] io::Error),
}

impl NewError {
    pub(super) const fn exit_code(&self) -> u8 {
        match self {
            Self::NothingNamed | Self::AreaOutside { .. } | Self::NoAnswer(_) => 2,
            Self::NoLandmark | Self::TwoScreens | Self::NoPicture { .. } | Self::Ended { .. } => 1,
            // EX_NOINPUT
            Self::Medium { .. } => 66,
            Self::Machine(_) => 70,
            // EX_CANTCREAT
            Self::NotEmpty { .. } | Self::Folder { .. } | Self::Needle(_) => 73,
            // As the shell has it for SIGINT.
            Self::Interrupted => 130,
        }
    }
}

/// Must be called on the process's first thread: the guest ends when the thread that started it
/// does.
pub(super) async fn run(args: &Args, common: &Common) -> Result<u8, CliError> {
    let (folder, medium) = named(args, common.json)?;
    refuse_full(&folder)?;
    let settings = common.settings()?.settings;
    let medium = medium.canonical()?;
    let memory_mib = args.memory.unwrap_or_else(|| Guest::default().memory_mib);
    let found = match &medium {
        Medium::Nothing => None,
        Medium::Iso(_) | Medium::Disk(_) | Medium::Kernel { .. } => {
            Some(find(args, medium.machine(memory_mib).await).await?)
        }
    };
    let job = FirstJob {
        name: args.name.clone().unwrap_or_else(|| medium.job_name()),
        memory_mib,
        media: vec![],
        needle: found.as_ref().map(|found| (args.tag.clone(), found.patience())),
    };
    let (into, roots) = (folder.clone(), settings.roots.clone());
    let areas = found.as_ref().map(|found| found.areas.clone());
    let (tag, screen) = (args.tag.clone(), found.map(|found| found.screen));
    let size = screen.as_ref().map(|screen| (screen.width(), screen.height()));
    let needle = screen.zip(areas.clone());
    tasks::lasting(move || write(&into, job, &medium, &roots, &tag, needle.as_ref())).await?;
    let file = folder.join("job.yaml");
    let checked = examine(&file, Options::default(), Some(&settings.roots), Some(&settings.data))?;
    if let Err(problems) = checked {
        let words = render::explained(&problems.diagnostics(), false);
        return Err(CliError::Invalid { file, words });
    }
    if common.json {
        let rects = areas.unwrap_or_default();
        let areas: Vec<_> = rects.iter().map(|area| [area.x, area.y, area.w, area.h]).collect();
        output::print_json(&json!({
            "job": file, "tag": size.is_some().then_some(&args.tag),
            "screen": size.map(|(width, height)| [width, height]), "areas": areas,
        }))?;
    } else {
        let mut words = format!("wrote {}", file.display());
        if let (Some((width, height)), Some(areas)) = (size, areas) {
            let areas: Vec<_> = areas
                .iter()
                .map(|area| format!("{}x{} at {},{}", area.w, area.h, area.x, area.y))
                .collect();
            let areas = areas.join("; ");
            words +=
                &format!("\n      needles/{}.png and .json: {areas} of {width}x{height}", args.tag);
        }
        let folder = folder.display();
        output::print(&format!(
            "{words}\nit can be run: sutler run {folder}\n   or sent:     sutler submit {folder}\n"
        ))?;
    }
    Ok(0)
}

fn named(args: &Args, json: bool) -> Result<(PathBuf, Medium), NewError> {
    let medium = if let Some(iso) = &args.iso {
        Some(Medium::Iso(iso.clone()))
    } else if let Some(disk) = &args.disk {
        Some(Medium::Disk(disk.clone()))
    } else if let Some(kernel) = &args.kernel {
        let (initrd, append) = (args.initrd.clone(), args.append.clone());
        Some(Medium::Kernel { kernel: kernel.clone(), initrd, append })
    } else {
        args.bare.then_some(Medium::Nothing)
    };
    match (&args.folder, medium) {
        (Some(folder), Some(medium)) => Ok((folder.clone(), medium)),
        (None, None)
            if !json && output::is_watched() && io::IsTerminal::is_terminal(&io::stdin()) =>
        {
            ask::ask(&mut io::stdin().lock(), &mut io::stderr().lock()).map_err(NewError::NoAnswer)
        }
        (Some(_) | None, None) | (None, Some(_)) => Err(NewError::NothingNamed),
    }
}

fn refuse_full(folder: &Path) -> Result<(), NewError> {
    match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(NewError::NotEmpty { path: folder.into() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(NewError::Folder { path: folder.into(), source }),
    }
}

impl Medium {
    /// With absolute paths of files that are there.
    fn canonical(self) -> Result<Self, NewError> {
        let real = |path: PathBuf| {
            path.canonicalize().map_err(|source| NewError::Medium { path: path.clone(), source })
        };
        Ok(match self {
            Self::Iso(file) => Self::Iso(real(file)?),
            Self::Disk(file) => Self::Disk(real(file)?),
            Self::Kernel { kernel, initrd, append } => {
                let initrd = initrd.map(real).transpose()?;
                Self::Kernel { kernel: real(kernel)?, initrd, append }
            }
            Self::Nothing => Self::Nothing,
        })
    }

    /// Its files, by the keys of `guest:`.
    fn files(&self) -> Vec<(&'static str, &Path)> {
        match self {
            Self::Iso(file) => vec![("cdrom", file)],
            Self::Disk(file) => vec![("disk", file)],
            Self::Kernel { kernel, initrd, .. } => {
                let initrd = initrd.iter().map(|initrd| ("initrd", initrd.as_path()));
                [("kernel", kernel.as_path())].into_iter().chain(initrd).collect()
            }
            Self::Nothing => vec![],
        }
    }

    fn append(&self) -> Option<&String> {
        match self {
            Self::Kernel { append, .. } => append.as_ref(),
            Self::Iso(_) | Self::Disk(_) | Self::Nothing => None,
        }
    }

    fn job_name(&self) -> String {
        let files = self.files();
        let stem = files.first().and_then(|(_, file)| file.file_stem());
        match stem {
            Some(stem) => format!("{} shows its first screen", stem.to_string_lossy()),
            None => "a first job".into(),
        }
    }

    /// As the engine makes it of the job that will be written.
    async fn machine(&self, memory_mib: u32) -> MachineSpec {
        let proof = vm::probe(Path::new(vm::QEMU), &proof_cache()).await;
        let file = |key| {
            self.files().into_iter().find(|(name, _)| *name == key).map(|(_, file)| file.into())
        };
        MachineSpec {
            name: "sutler-new".into(),
            qemu: vm::QEMU.into(),
            qemu_img: vm::QEMU_IMG.into(),
            acceleration: proof.acceleration,
            memory_mib,
            cpus: Guest::default().cpus,
            uefi: None,
            display: Display::Std,
            network: Network::None,
            disk: file("disk"),
            cdrom: file("cdrom"),
            kernel: file("kernel"),
            initrd: file("initrd"),
            append: self.append().cloned(),
            extra: vec![],
        }
    }
}

/// What was found on the screen.
struct Found {
    screen: Picture,
    areas: Vec<Rect>,
    after: Duration,
}

impl Found {
    /// Seconds a job should wait for it: a busy box takes several times as long.
    fn patience(&self) -> u64 {
        (self.after.as_secs() * 4).max(60).next_multiple_of(30)
    }
}

async fn find(args: &Args, spec: MachineSpec) -> Result<Found, NewError> {
    let first = boot(args, &spec, "booting").await?;
    if let Some(area) = args.area {
        let (width, height) = (first.screen().width(), first.screen().height());
        if area.is_empty() || area.within(width, height) != area {
            return Err(NewError::AreaOutside { area, width, height });
        }
        return Ok(Found { screen: first.screen().clone(), areas: vec![area], after: first.after });
    }
    let (mut pictures, mut unrest) = (Vec::new(), vec![first.unrest.clone()]);
    if !args.once {
        let second = boot(args, &spec, "booting once more, to see what stays the same").await?;
        let size = |seen: &Seen| (seen.screen().width(), seen.screen().height());
        if size(&first) != size(&second) {
            return Err(NewError::TwoScreens);
        }
        pictures.extend(second.pictures);
        unrest.push(second.unrest);
    }
    let is_alone = pictures.is_empty();
    pictures.extend(first.pictures.iter().cloned());
    let areas = tasks::blocking(move || {
        let pictures: Vec<_> = pictures.iter().map(AsRef::as_ref).collect();
        let unrest: Vec<_> = unrest.iter().collect();
        landmarks(&pictures, &unrest, AREAS)
    });
    let areas = areas.await;
    if areas.is_empty() {
        let last = first.screen();
        let had_some = !is_alone && !landmarks(&[last], &[], 1).is_empty();
        return Err(if had_some { NewError::TwoScreens } else { NewError::NoLandmark });
    }
    Ok(Found { screen: first.screen().clone(), areas, after: first.after })
}

/// Boots, and shows what is waited for.
async fn boot(args: &Args, spec: &MachineSpec, what: &str) -> Result<Seen, NewError> {
    let bar = output::is_watched().then(|| {
        let style = ProgressStyle::with_template("{elapsed:>5} {spinner} {wide_msg}");
        ProgressBar::new_spinner().with_style(style.expect("the template is fixed"))
    });
    if bar.is_none() {
        say(&format!("sutler: {what} under {}\n", spec.acceleration.name()));
    }
    let tell = |now: Duration, rested: Option<Duration>| {
        let Some(bar) = &bar else { return };
        bar.set_message(match (args.wait, rested) {
            (Some(wait), _) => {
                format!("{what}: the screen is kept in {} s", wait.saturating_sub(now).as_secs())
            }
            (None, None) => format!("{what}: waiting for a first picture"),
            (None, Some(rested)) => {
                format!("{what}: the screen has been at rest for {} of 10 s", rested.as_secs())
            }
        });
        bar.tick();
    };
    let seen = look(spec, args.wait, &tell).await;
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    let seen = seen?;
    if args.wait.is_none() && !seen.has_rested {
        let words = "the screen never came to rest; this is what was on it";
        say(&format!("sutler: {words} after {} s\n", seen.after.as_secs()));
    }
    Ok(seen)
}

/// All of the folder or nothing of it: it is made beside and renamed.
fn write(
    folder: &Path,
    mut job: FirstJob,
    medium: &Medium,
    roots: &[PathBuf],
    tag: &str,
    needle: Option<&(Picture, Vec<Rect>)>,
) -> Result<(), NewError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| NewError::Folder { path, source }
    };
    let mut part = folder.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(part);
    fs::create_dir_all(&part).map_err(failed(&part))?;
    let written = (|| {
        for (key, file) in medium.files() {
            job.media.push((key, place(&part, key, file, roots)?));
        }
        if let Some(append) = medium.append() {
            job.media.push(("append", append.clone()));
        }
        if let Some((screen, areas)) = needle {
            let needles = part.join("needles");
            fs::create_dir(&needles).map_err(failed(&needles))?;
            write_image(&needles.join(format!("{tag}.png")), screen)?;
            let area = |area: &Rect| {
                json!({
                    "type": "match", "xpos": area.x, "ypos": area.y,
                    "width": area.w, "height": area.h, "match": ALIKE_PERCENT,
                })
            };
            let areas: Vec<_> = areas.iter().map(area).collect();
            let text = json!({ "area": areas, "properties": [], "tags": [tag] });
            let path = needles.join(format!("{tag}.json"));
            fs::write(&path, format!("{text:#}\n")).map_err(failed(&path))?;
        }
        let path = part.join("job.yaml");
        fs::write(&path, job.to_yaml()).map_err(failed(&path))?;
        fs::rename(&part, folder).map_err(failed(folder))
    })();
    if written.is_err() {
        // It says what went wrong; a rest of it in the way would only be one more thing.
        let _ = fs::remove_dir_all(&part);
    }
    written
}

/// How the job names a file: absolutely where jobs may read there, else by a link to it, or a copy,
/// in the job's own folder.
fn place(folder: &Path, key: &str, file: &Path, roots: &[PathBuf]) -> Result<String, NewError> {
    if let Some(path) = file.to_str()
        && roots.iter().any(|root| file.starts_with(root))
    {
        return Ok(path.to_owned());
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
    let name = file.file_name().and_then(|name| name.to_str());
    let name = match name.filter(|name| name.chars().all(plain) && !name.starts_with("job.")) {
        Some(name) if !folder.join(name).exists() => name.to_owned(),
        Some(_) | None => key.to_owned(),
    };
    let to = folder.join(&name);
    if fs::hard_link(file, &to).is_err() {
        fs::copy(file, &to).map_err(|source| NewError::Medium { path: file.into(), source })?;
    }
    Ok(name)
}

fn memory(text: &str) -> Result<u32, &'static str> {
    memory_mib(text).ok_or("want an amount of memory, as 512M or 2G")
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    quantity::duration(text).ok_or("want a duration, as 90s or 2m")
}

fn tag(text: &str) -> Result<String, &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_plain = !text.is_empty() && text.len() <= 100 && text.bytes().all(plain);
    is_plain.then(|| text.to_owned()).ok_or("want letters, digits, - and _")
}

fn area(text: &str) -> Result<Rect, &'static str> {
    let numbers = || {
        let (place, size) = text.rsplit_once(',')?;
        let ((x, y), (w, h)) = (place.split_once(',')?, size.split_once('x')?);
        let number = |text: &str| text.trim().parse::<u16>().ok().map(i32::from);
        Some(Rect::new(number(x)?, number(y)?, number(w)?, number(h)?))
    };
    numbers().ok_or("want X,Y,WxH, as 40,40,200x60")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_is_a_place_and_a_size() {
        assert_eq!(area("40,8,200x60"), Ok(Rect::new(40, 8, 200, 60)));
        for bad in ["", "40", "40,8", "40,8,200", "-1,8,20x20", "1,2,3x4x5", "99999,0,1x1"] {
            assert!(area(bad).is_err(), "{bad}");
        }
        assert!(tag("first-screen").is_ok() && tag("../x").is_err() && tag("").is_err());
    }

    #[test]
    fn a_file_jobs_may_read_is_named_and_any_other_is_put_beside_the_job() {
        let place_ = tempfile::tempdir().unwrap();
        let (lab, mine) = (place_.path().join("lab"), place_.path().join("my images"));
        let job = place_.path().join("job");
        for folder in [&lab, &mine, &job] {
            fs::create_dir(folder).unwrap();
        }
        for file in [lab.join("a.iso"), mine.join("a.iso"), mine.join("ä b.iso")] {
            fs::write(file, "iso").unwrap();
        }
        let roots = [lab.clone()];
        let named = |file: &Path| place(&job, "cdrom", file, &roots).unwrap();
        assert_eq!(named(&lab.join("a.iso")), lab.join("a.iso").to_str().unwrap());
        assert_eq!(named(&mine.join("a.iso")), "a.iso");
        assert_eq!(named(&mine.join("ä b.iso")), "cdrom");
        assert_eq!(fs::read_to_string(job.join("cdrom")).unwrap(), "iso");
    }
}
