//! Screens to measure on, in the order they were seen: those of a folder that `SUTLER_BENCH_FRAMES`
//! names, or of Debian's installer, recorded once with our own engine and kept for later runs.
//!
//! A folder holds PNG files of one size; a file `*.seq` in it, if there is one, tells their order and
//! times: lines of seconds, name without ending, and E (shown) or R (as before).

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::{must, sutler, work_folder};

const FOLDER: &str = "SUTLER_BENCH_FRAMES";
const IMAGES: &str = "/usr/lib/debian-installer/images/12/amd64/gtk/debian-installer/amd64";
/// Looks at the installer, half a second and more apart.
const LOOKS: usize = 140;
/// Between keys that bring the installer on.
const LOOKS_A_KEY: usize = 12;

/// A screen that differs from the one before.
pub(crate) struct Shown {
    pub(crate) at_s: f64,
    pub(crate) file: PathBuf,
}

pub(crate) fn shown() -> Vec<Shown> {
    let (folder, sequence) = match env::var_os(FOLDER) {
        Some(folder) => {
            let folder = PathBuf::from(folder);
            let sequence = files(&folder, "seq").into_iter().next();
            (folder, sequence)
        }
        None => (recorded(), None),
    };
    let pictures = match files(&folder, "png") {
        pictures if pictures.is_empty() => files(&folder.join("png"), "png"),
        pictures => pictures,
    };
    assert!(!pictures.is_empty(), "{} holds no PNG files", folder.display());
    let in_order = || {
        let times = (0_u32..).map(|number| f64::from(number) / 2.0);
        times.zip(&pictures).map(|(at_s, file)| Shown { at_s, file: file.clone() }).collect()
    };
    let Some(sequence) = sequence else { return in_order() };
    let text = fs::read_to_string(&sequence).expect("it is there");
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (at, name) = (words.next()?.parse().ok()?, words.next()?);
        let file = pictures[0].with_file_name(name).with_extension("png");
        (words.next() == Some("E")).then_some(Shown { at_s: at, file })
    };
    text.lines().filter_map(line).collect()
}

/// Each picture once.
pub(crate) fn pictures() -> Vec<PathBuf> {
    let mut all: Vec<_> = shown().into_iter().map(|shown| shown.file).collect();
    all.sort();
    all.dedup();
    all
}

/// The files of a folder with this ending, by name.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    files.sort();
    files
}

/// A run of the installer of some minutes, unless there was one before.
fn recorded() -> PathBuf {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench/installer-frames");
    if !files(&kept, "png").is_empty() {
        return kept;
    }
    assert!(Path::new(IMAGES).exists(), "install debian-installer-12-netboot-amd64");
    eprintln!("recording Debian's installer, once; {FOLDER}=DIR names frames there are");
    let work = work_folder("frames");
    let steps: String = (0..LOOKS).map(step).collect();
    let text = format!(
        "job_name: screens of the installer\n\
         timeouts: {{ job: {{ minutes: 30 }}, action: {{ minutes: 25 }} }}\n\
         actions:\n\
         - deploy:\n    to: tmpfs\n    images:\n      \
         kernel: {{ url: file://{IMAGES}/linux, image_arg: '-kernel {{kernel}} -append \"vga=836 nomodeset fb=true\"' }}\n      \
         ramdisk: {{ url: file://{IMAGES}/initrd.gz, image_arg: '-initrd {{ramdisk}}' }}\n\
         - boot:\n    method: qemu\n    media: tmpfs\n    guest: {{ memory: 1G, network: user }}\n\
         - test:\n    screen:\n      steps:\n{steps}"
    );
    let job = work.join("job.yaml");
    fs::write(&job, text).expect("a bench can write to its folder");
    let out = work.join("out");
    sutler::must_pass(sutler::start(&job, &out, &env::var("PATH").unwrap_or_default()), &out);
    fs::create_dir_all(&kept).expect("a bench can write to its folder");
    let screens = sutler::events(&out).into_iter().filter_map(|(_, event)| {
        let file = event["file"].as_str().filter(|file| file.starts_with("screens/"))?;
        Some(out.join(file))
    });
    let mut last = PathBuf::new();
    for (file, number) in screens.zip(0..) {
        if file != last {
            must(
                std::process::Command::new("cp")
                    .arg(&file)
                    .arg(kept.join(format!("{number:04}.png"))),
            );
        }
        last = file;
    }
    kept
}

/// Looks once the screen is still, and brings the installer on now and then.
fn step(number: usize) -> String {
    let look = "      - wait_still_screen: { still: 0.5s, timeout: 1s }\n";
    match number % LOOKS_A_KEY {
        0 if number > LOOKS / 3 => format!("      - send_key: ret\n{look}"),
        6 if number > LOOKS / 3 => format!("      - send_key: down\n{look}"),
        _ => look.to_owned(),
    }
}
