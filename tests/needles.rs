//! The matcher against os-autoinst's own: the same verdicts, and similarities within 0.002.
//!
//! Pictures and needles are made here. os-autoinst's needle.pm and tinycv, from Debian's package,
//! say what they find in them.

#![expect(clippy::unwrap_used, reason = "a test says by its panic what was wrong")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use serde_json::{Value, json};
use sutler::{
    model::{Candidate, Outcome},
    picture::{Picture, Rect, write_image},
    vision::{NeedleSet, search},
};

const OS_AUTOINST: &str = "/usr/lib/os-autoinst";
const RATIOS: [f64; 3] = [0.0, 0.02, 1.0];
const TOLERANCE: f64 = 0.002;

/// Prints one line of JSON for each needle: screen, ratio, name, verdict, areas.
const ASK: &str = r#"
use strict;
use warnings;
use lib '/usr/lib/os-autoinst';
use Mojo::JSON 'encode_json';
BEGIN {
    # needle.pm takes one function from it, for git, and it would want much more than is needed here.
    $INC{'OpenQA/Isotovideo/Utils.pm'} = 'not used';
    no warnings 'once';
    *OpenQA::Isotovideo::Utils::import = sub { *needle::checkout_git_refspec = sub { undef } };
}
use bmwqemu;
use cv;
cv::init();
require tinycv;
use needle;
my ($folder, $ratios, @screens) = @ARGV;
$bmwqemu::vars{NEEDLES_DIR} = $bmwqemu::vars{CASEDIR} = $bmwqemu::vars{PRODUCTDIR} = $folder;
needle::init($folder);
my @needles = needle::all();
for my $screen (@screens) {
    for my $ratio (split /,/, $ratios) {
        for my $needle (@needles) {
            # A new picture each time: what one of them was asked before has influence.
            my $picture = tinycv::read($screen) or die "cannot read $screen";
            my ($match, $others) = $picture->search([$needle], 0, $ratio);
            my $found = $match // $others->[0];
            my @areas = map { [$_->{similarity}, $_->{x}, $_->{y}, $_->{result}] } @{$found->{area}};
            print encode_json([$screen, $ratio + 0, $needle->{name}, $found->{ok}, \@areas]), "\n";
        }
    }
}
"#;

/// A reproducible stream of numbers.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 >> 33).unwrap() % end
    }
}

fn fill(picture: &mut Picture, rect: Rect, colour: [u8; 3]) {
    let rect = rect.within(picture.width(), picture.height());
    for y in rect.y..rect.y + rect.h {
        let row = picture.row_mut(rect.x.unsigned_abs(), y.unsigned_abs(), rect.w.unsigned_abs());
        row.as_chunks_mut().0.fill(colour);
    }
}

/// Something like a line of text: glyphs of strokes on a grid of 8 x 16.
fn text(picture: &mut Picture, (x, y): (i32, i32), letters: i32, ink: [u8; 3], seed: u64) {
    let mut numbers = Numbers(seed * 2 + 1);
    for letter in 0..letters {
        for _ in 0..4 {
            let (dx, dy) = (numbers.below(5).cast_signed(), numbers.below(10).cast_signed());
            let stroke = match numbers.below(2) {
                0 => Rect::new(x + letter * 8 + dx, y + dy, 2, 5),
                _ => Rect::new(x + letter * 8 + dx / 2, y + dy, 5, 1),
            };
            fill(picture, stroke, ink);
        }
    }
}

fn dialog(picture: &mut Picture, (x, y): (i32, i32), seed: u64) {
    fill(picture, Rect::new(x, y, 320, 180), [60, 60, 70]);
    fill(picture, Rect::new(x + 2, y + 2, 316, 176), [230, 228, 220]);
    fill(picture, Rect::new(x + 2, y + 2, 316, 24), [40, 80, 160]);
    text(picture, (x + 10, y + 7), 18, [255, 255, 255], seed);
    for line in 0..4 {
        text(
            picture,
            (x + 16, y + 40 + 22 * line),
            30,
            [20, 20, 20],
            seed + 7 + u64::from(line.unsigned_abs()),
        );
    }
    fill(picture, Rect::new(x + 220, y + 140, 80, 26), [150, 170, 150]);
    text(picture, (x + 240, y + 146), 5, [0, 60, 0], seed + 99);
}

fn desktop(width: u32, height: u32) -> Picture {
    let mut picture = Picture::filled(width, height, [0; 3]);
    for y in 0..height {
        let row = picture.row_mut(0, y, width);
        for (x, pixel) in (0..width).zip(row.as_chunks_mut::<3>().0) {
            let shade = |value: u32| u8::try_from(value % 256).unwrap();
            *pixel = [shade(x * 255 / width), shade(y * 200 / height), shade((x + y) / 8)];
        }
    }
    fill(&mut picture, Rect::new(0, 0, width.cast_signed(), 28), [30, 30, 30]);
    text(&mut picture, (12, 8), 40, [210, 210, 210], 5);
    picture
}

fn noisy(picture: &Picture, strength: u32) -> Picture {
    let mut numbers = Numbers(4711);
    let rgb = picture.rgb().iter().map(|&value| {
        let noise = numbers.below(2 * strength + 1).cast_signed() - strength.cast_signed();
        u8::try_from((i32::from(value) + noise).clamp(0, 255)).unwrap()
    });
    Picture::new(picture.width(), picture.height(), rgb.collect())
}

/// The screens, the first of which the needles are cut from.
fn screens() -> Vec<(&'static str, Picture)> {
    let with_dialog = |at, seed| {
        let mut screen = desktop(800, 600);
        dialog(&mut screen, at, seed);
        text(&mut screen, (60, 520), 60, [250, 250, 120], 31);
        screen
    };
    let first = with_dialog((240, 180), 3);
    let mut console = Picture::filled(800, 600, [0; 3]);
    for line in 0..30 {
        text(&mut console, (4, line * 18), 70, [170, 170, 170], line.unsigned_abs().into());
    }
    let mut screens = vec![
        ("same", first.clone()),
        ("shifted", with_dialog((263, 169), 3)),
        ("far", with_dialog((20, 370), 3)),
        ("other", with_dialog((240, 180), 4)),
        ("desktop", desktop(800, 600)),
        ("console", console),
        ("black", Picture::filled(800, 600, [0; 3])),
        ("small", Picture::filled(400, 300, [90, 90, 90])),
    ];
    // Noise that leaves the similarity on either side of 0.96.
    for (name, strength) in [("noise20", 20), ("noise26", 26), ("noise30", 30), ("noise60", 60)] {
        screens.push((name, noisy(&first, strength)));
    }
    screens
}

fn needles() -> Vec<(&'static str, Value)> {
    let area =
        |x: i32, y: i32, w: i32, h: i32| json!({"xpos": x, "ypos": y, "width": w, "height": h});
    let with = |mut area: Value, key: &str, value: Value| {
        area[key] = value;
        area
    };
    let exclude = |x, y, w, h| with(area(x, y, w, h), "type", "exclude".into());
    vec![
        ("title", json!([area(242, 182, 316, 24)])),
        ("button", json!([with(area(455, 315, 90, 36), "match", 90.into())])),
        ("dialog", json!([area(236, 176, 328, 188)])),
        ("dialog-strict", json!([with(area(236, 176, 328, 188), "match", "100".into())])),
        ("glyph", json!([area(250, 186, 12, 14)])),
        ("two", json!([area(242, 182, 160, 24), area(460, 320, 80, 26)])),
        ("far-margin", json!([with(area(255, 218, 250, 60), "margin", 300.into())])),
        (
            "string-numbers",
            json!([{"xpos": "255", "ypos": "218.7", "width": 250.0, "height": "40"}]),
        ),
        ("excluding", json!([area(236, 176, 328, 188), exclude(250, 215, 260, 90)])),
        ("excluding-outside", json!([area(236, 176, 328, 188), exclude(700, 500, 200, 90)])),
        (
            "excluding-twice",
            json!([exclude(440, 310, 30, 90), area(242, 182, 316, 170), exclude(250, 215, 60, 9)]),
        ),
        ("flat", json!([area(300, 330, 60, 20)])),
        ("gradient", json!([area(600, 100, 100, 60)])),
        ("panel", json!([area(0, 0, 800, 28)])),
        ("whole", json!([area(0, 0, 800, 600)])),
        ("corner", json!([with(area(784, 584, 16, 16), "match", 50.into())])),
        ("tiny", json!([area(296, 220, 8, 8)])),
        (
            "zeros",
            json!([with(with(area(255, 218, 250, 20), "match", 0.into()), "margin", 0.into())]),
        ),
        ("bottom-line", json!([with(area(56, 516, 500, 22), "match", 97.5.into())])),
    ]
}

#[derive(Debug)]
struct Found {
    ok: bool,
    /// Similarity, place and result of each area.
    areas: Vec<(f64, (i64, i64), bool)>,
}

type Answers = BTreeMap<(String, String, String), Found>;

fn key(screen: &Path, ratio: f64, needle: &str) -> (String, String, String) {
    let screen = screen.file_stem().unwrap().to_string_lossy().into_owned();
    (needle.to_owned(), screen, ratio.to_string())
}

fn os_autoinsts_answers(folder: &Path, screens: &[PathBuf]) -> Answers {
    assert!(
        Path::new(OS_AUTOINST).join("needle.pm").exists(),
        "os-autoinst is not installed, and this test compares with it: run packaging/test.sh, \
         which installs what the tests need, or install Debian's package os-autoinst"
    );
    let output = Command::new("perl")
        .args(["-e", ASK])
        .arg(folder)
        .arg(RATIOS.map(|ratio| ratio.to_string()).join(","))
        .args(screens)
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("perl comes with os-autoinst");
    let (out, err) = (String::from_utf8(output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "os-autoinst failed:\n{err}");
    let out = out.unwrap();
    // Anything else on the same stream is its log.
    out.lines().filter(|line| line.starts_with("[\"")).map(answer).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "places are whole numbers")]
fn answer(line: &str) -> ((String, String, String), Found) {
    let line: Value = serde_json::from_str(line).unwrap();
    // Perl prints a number that was a string as a string.
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok()).unwrap();
    let area = |area: &Value| {
        (number(&area[0]), (number(&area[1]) as i64, number(&area[2]) as i64), area[3] == "ok")
    };
    let areas = line[4].as_array().unwrap().iter().map(area).collect();
    let key =
        key(Path::new(line[0].as_str().unwrap()), number(&line[1]), line[2].as_str().unwrap());
    (key, Found { ok: number(&line[3]) == 1.0, areas })
}

fn our_answer(candidate: &Candidate) -> Found {
    let area = |area: &sutler::model::AreaMatch| {
        (area.similarity, (area.x.into(), area.y.into()), area.result == Outcome::Ok)
    };
    Found { ok: candidate.ok, areas: candidate.areas.iter().map(area).collect() }
}

#[test]
fn verdicts_are_os_autoinsts_and_similarities_within_two_thousandths() {
    let folder = tempfile::tempdir().unwrap();
    let needle_folder = folder.path().join("needles");
    fs::create_dir(&needle_folder).unwrap();
    let screens = screens();
    for (name, area) in needles() {
        let file = json!({"tags": ["t"], "properties": [], "area": area}).to_string();
        fs::write(needle_folder.join(format!("{name}.json")), file).unwrap();
        write_image(&needle_folder.join(format!("{name}.png")), &screens[0].1).unwrap();
    }
    let mut files = Vec::new();
    for (name, screen) in &screens {
        files.push(folder.path().join(format!("{name}.png")));
        write_image(files.last().unwrap(), screen).unwrap();
    }
    // Asked beside our own searches, as it takes its time.
    let (asked_folder, asked_files) = (needle_folder.clone(), files.clone());
    let asked = thread::spawn(move || os_autoinsts_answers(&asked_folder, &asked_files));

    let (set, refused) = NeedleSet::load(&needle_folder).unwrap();
    assert!(refused.is_empty(), "{refused:?}");
    let needles: Vec<_> = set.iter().cloned().collect();
    let mut found = Vec::new();
    for (screen, file) in screens.iter().map(|(_, screen)| screen).zip(&files) {
        for ratio in RATIOS {
            let candidates = search(screen, &needles, ratio);
            found.extend(candidates.into_iter().map(|c| (key(file, ratio, &c.needle), c)));
        }
    }
    let want = asked.join().expect("os-autoinst answers");
    assert_eq!(want.len(), files.len() * RATIOS.len() * needles.len());
    assert_eq!(want.len(), found.len());

    let (mut areas, mut worst, mut elsewhere, mut near_the_limit) = (0, 0_f64, 0, 0);
    let mut differences = Vec::new();
    for (key, candidate) in found {
        let (theirs, ours) = (&want[&key], our_answer(&candidate));
        let mut same = theirs.ok == ours.ok && theirs.areas.len() == ours.areas.len();
        for (a, b) in theirs.areas.iter().zip(&ours.areas) {
            let apart = (a.0 - b.0).abs();
            same &= apart <= TOLERANCE && a.2 == b.2;
            // Something flat is in many places; everything else only in one.
            same &= a.1 == b.1 || !a.2 || candidate.needle == "flat";
            worst = worst.max(apart);
            areas += 1;
            elsewhere += usize::from(a.1 != b.1);
            near_the_limit += usize::from((a.0 - 0.96).abs() < 0.01);
        }
        if !same {
            differences.push(format!("{key:?}: theirs {theirs:?}, ours {ours:?}"));
        }
    }
    println!(
        "{areas} areas, {near_the_limit} of them near 0.96: worst difference {worst:.6}, \
         {elsewhere} found at another place"
    );
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(near_the_limit > 5, "the pictures no longer test what is close to the limit");
}
