//! What the video costs and how good it is, beside the encoder of os-autoinst and SVT-AV1 on the same
//! screens.
//!
//! Only screens that differ from the one before are encoded, by everybody. Processor time is that of
//! the encoder's process with what it does to read the pictures. Brightness is compared with ffmpeg
//! (Debian's package), which also tells whether SVT-AV1 is there; each encoder is compared with the
//! screens as its own format holds them.

use std::{
    fs,
    io::{BufWriter, Read, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    thread,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use sutler::picture::{Picture, read_image, write_image};

use crate::support::{
    figures::{Aim, Figure, Figures, Spread},
    frames,
    isotovideo::Isotovideo,
    sutler::SUTLER,
    work_folder,
};

const THEORA: &str = "/usr/lib/os-autoinst/videoencoder";
const RUNS: usize = 3;
/// Of /proc: a hundred a second on every architecture of Linux we run on (proc(5), USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

/// One encoder on all screens.
struct Encoded {
    cpu_s: Spread,
    bytes: f64,
    /// Of the brightness, when ffmpeg is there.
    quality: Option<Quality>,
}

struct Quality {
    ssim: f64,
    psnr: f64,
}

pub(crate) fn run() {
    let work = &work_folder("video");
    let shown = frames::shown();
    let read = |shown: &frames::Shown| read_image(&shown.file).expect("it is a picture");
    let pictures: Vec<Picture> = shown.iter().map(read).collect();
    let times: Vec<f64> = shown.iter().map(|screen| screen.at_s - shown[0].at_s).collect();
    let size = (pictures[0].width(), pictures[0].height());
    for (picture, number) in pictures.iter().zip(1..) {
        let file = work.join(format!("{number}.ppm"));
        write_image(&file, picture).expect("a bench can write to its folder");
    }
    let mut raw = BufWriter::new(fs::File::create(work.join("screens.rgb")).expect("the same"));
    pictures.iter().for_each(|picture| raw.write_all(picture.rgb()).expect("the same"));
    drop(raw);

    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}");
    let bar = ProgressBar::new(3 * RUNS as u64).with_style(style.expect("a constant template"));
    let measure = |name: &str,
                   file: &str,
                   colours: &str,
                   start: &dyn Fn() -> Child,
                   feed: &Feed| {
        bar.set_message(name.to_owned());
        let times: Vec<f64> = (0..RUNS)
            .map(|_| {
                bar.inc(1);
                processor_time(start(), feed)
            })
            .collect();
        let file = work.join(file);
        let bytes = fs::metadata(&file).expect("the encoder wrote it").len() as f64;
        Encoded { cpu_s: Spread::of(&times), bytes, quality: quality(&file, work, size, colours) }
    };

    let canvas = format!("{}x{}", size.0, size.1);
    let ours = measure(
        "sutler",
        "video.mp4",
        "bt709,format=yuv420p",
        &|| start(Command::new(SUTLER).args(["encode-video", "--canvas", &canvas, "."]), work),
        &|to| {
            for (at, number) in times.iter().zip(1..) {
                let order =
                    json!({ "frame": number, "at_us": at * 1e6, "file": format!("{number}.ppm") });
                writeln!(to, "{}", whole(order))?;
            }
            writeln!(to, "{}", whole(json!({ "end_us": (times[times.len() - 1] + 1.0) * 1e6 })))
        },
    );
    let theora = Path::new(THEORA).exists().then(|| {
        let sides = [size.0, size.1].map(|side| side.to_string());
        let words = ["video.ogv", "-x", &sides[0], "-y", &sides[1]];
        measure(
            "os-autoinst",
            "video.ogv",
            "bt601,format=yuv444p",
            &|| start(Command::new(THEORA).args(words), work),
            &|to| {
                for picture in &pictures {
                    let head = format!("P6\n{} {}\n255\n", size.0, size.1);
                    writeln!(to, "E {}", head.len() + picture.rgb().len())?;
                    to.write_all(head.as_bytes())?;
                    to.write_all(picture.rgb())?;
                }
                Ok(())
            },
        )
    });
    let svt = has_svt().then(|| {
        let input = format!("-f rawvideo -pix_fmt rgb24 -s {canvas} -r 8 -i screens.rgb");
        let output = "-vf scale=out_color_matrix=bt709:out_range=tv -pix_fmt yuv420p \
                      -c:v libsvtav1 -preset 10 -crf 35 -g 64 svt.mp4";
        let words = ["-y", "-nostdin"].into_iter().chain(input.split(' '));
        let words: Vec<_> = words.chain(output.split_whitespace()).collect();
        measure(
            "SVT-AV1",
            "svt.mp4",
            "bt709,format=yuv420p",
            &|| start(Command::new("ffmpeg").args(&words), work),
            &|_| Ok(()),
        )
    });
    bar.finish_and_clear();
    tell(pictures.len(), &ours, theora.as_ref(), svt.as_ref());
}

fn tell(screens: usize, ours: &Encoded, theora: Option<&Encoded>, svt: Option<&Encoded>) {
    let peers = [(Isotovideo::name() + ", Theora", theora), ("SVT-AV1, preset 10".into(), svt)];
    let mut figures = Figures::new("video");
    for (name, peer) in peers.iter().filter_map(|(name, peer)| Some((name, (*peer)?))) {
        let is_theora = theora.is_some_and(|theora| std::ptr::eq(theora, peer));
        let aim = |figure: Figure, aim: Aim| if is_theora { figure.aim(aim) } else { figure };
        let what = |what: &str| format!("video of {screens} screens: {what}");
        let figure = Figure::new(what("processor time"), "s", ours.cpu_s);
        figures.push(aim(figure, Aim::AtMost(2.0 * peer.cpu_s.median)).beside(name, peer.cpu_s));
        let figure = Figure::new(what("length"), "bytes", Spread::once(ours.bytes));
        let figure = aim(figure, Aim::AtMost(peer.bytes / 8.0));
        figures.push(figure.beside(name, Spread::once(peer.bytes)));
        if let (Some(ours), Some(theirs)) = (&ours.quality, &peer.quality) {
            // Four digits count, and a figure shows three.
            let loss = |quality: &Quality| Spread::once((1.0 - quality.ssim) * 1000.0);
            let figure = Figure::new(what("1 - SSIM of the brightness"), "thousandths", loss(ours));
            let figure = aim(figure, Aim::AtMost(loss(theirs).median));
            figures.push(figure.beside(name, loss(theirs)));
            let figure = Figure::new(what("PSNR of the brightness"), "dB", Spread::once(ours.psnr));
            figures.push(figure.beside(name, Spread::once(theirs.psnr)));
        }
    }
    figures.finish();
}

/// Writes what an encoder reads.
type Feed<'a> = dyn Fn(&mut BufWriter<ChildStdin>) -> std::io::Result<()> + 'a;

fn start(command: &mut Command, folder: &Path) -> Child {
    command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Feeds an encoder and waits for its end: user and system time in seconds.
fn processor_time(mut child: Child, feed: &Feed<'_>) -> f64 {
    let mut said = child.stdout.take().expect("it is piped");
    let listen = thread::spawn(move || said.read_to_end(&mut Vec::new()));
    let mut to = BufWriter::new(child.stdin.take().expect("it is piped"));
    feed(&mut to).and_then(|()| to.flush()).expect("the encoder reads");
    drop(to);
    listen.join().expect("reading does not panic").expect("the encoder can be read");
    let stat = format!("/proc/{}/stat", child.id());
    loop {
        let stat = fs::read_to_string(&stat).expect("it was not waited for yet");
        let fields: Vec<_> =
            stat.rsplit_once(") ").expect("as proc(5) says").1.split(' ').collect();
        if fields[0] == "Z" {
            let status = child.wait().expect("it is our child");
            assert!(status.success(), "an encoder failed: {status}");
            let ticks = [11, 12].map(|at| fields[at].parse::<f64>().expect("as proc(5) says"));
            return (ticks[0] + ticks[1]) / TICKS_PER_SECOND;
        }
        thread::yield_now();
    }
}

/// A line with whole numbers only.
fn whole(mut order: serde_json::Value) -> serde_json::Value {
    for value in order.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "microseconds")]
        if let Some(number) = value.as_f64() {
            *value = (number as u64).into();
        }
    }
    order
}

fn has_svt() -> bool {
    let output = Command::new("ffmpeg").args(["-hide_banner", "-encoders"]).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("libsvtav1"))
}

/// Compares a video with the screens, picture by picture.
fn quality(video: &Path, folder: &Path, size: (u32, u32), colours: &str) -> Option<Quality> {
    // Theora's empty packets mean "as before", and ffmpeg drops them: times fill them in again.
    let times = if video.extension()? == "ogv" { "fps=24," } else { "" };
    let format = colours.split_once("format=")?.1;
    let compare = format!(
        "[0:v]{times}settb=1/1000,setpts=N*10,format={format},split[a][b];\
         [1:v]settb=1/1000,setpts=N*10,scale=in_range=full:out_range=tv:out_color_matrix={colours},\
         split[c][d];[a][c]ssim=shortest=1[e];[b][d]psnr=shortest=1[f];[e][f]hstack"
    );
    let screens = format!("-f rawvideo -pix_fmt rgb24 -s {}x{} -r 8 -i", size.0, size.1);
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-nostdin", "-i"]).arg(video).args(screens.split(' '));
    command.arg("screens.rgb").args(["-lavfi", &compare, "-f", "null", "-"]).current_dir(folder);
    let output = command.output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let number = |name: &str| {
        let rest = said.split(name).nth(1)?;
        let digits = rest.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
        digits.parse().ok()
    };
    let quality = number("SSIM Y:").zip(number("PSNR y:"));
    if quality.is_none() {
        eprintln!("ffmpeg did not compare {}: {said}", video.display());
    }
    quality.map(|(ssim, psnr)| Quality { ssim, psnr })
}
