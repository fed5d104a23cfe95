//! Measures the colours of `tokens.css`: that text can be read on every ground it stands on, and
//! that what things came to is told apart by eyes that lack one of the three receptors.
//!
//! Colour blindness is simulated as Machado, Oliveira and Fernandes (2009) have it, at full
//! severity; distances are Euclidean in Ottosson's OKLab, times 100, where 2 is just visible.

use super::STYLE;

type Colour = [f64; 3];

const GROUNDS: [&str; 2] = ["paper", "sheet"];
const VERDICTS: [&str; 6] = ["ok", "soft", "fail", "lost", "idle", "run"];
/// Lines of a plot.
const LINES: [&str; 4] = ["plot0", "plot1", "plot2", "plot3"];
/// WCAG 2.2, level AA, for what is no text.
const VISIBLE: f64 = 3.0;
/// The same, for text of any size.
const READABLE: f64 = 4.5;
const APART: f64 = 7.0;

/// Of linear red, green and blue: everybody, protanopia, deuteranopia, tritanopia.
const EYES: [(&str, [Colour; 3]); 4] = [
    ("everybody", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    (
        "protanopia",
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
    ),
    (
        "deuteranopia",
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
    ),
    (
        "tritanopia",
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ),
];

#[derive(Debug, Clone, Copy)]
enum Scheme {
    Light,
    Dark,
}

/// A token's colour as linear red, green and blue.
fn token(name: &str, scheme: Scheme) -> Colour {
    let (_, rest) = STYLE.split_once(&format!("--{name}: ")).expect(name);
    let (value, _) = rest.split_once(';').unwrap();
    let hex = match (value.strip_prefix("light-dark("), scheme) {
        (Some(both), Scheme::Light) => both.split(',').next().unwrap(),
        (Some(both), Scheme::Dark) => both.split(',').nth(1).unwrap().trim_end_matches(')'),
        (None, _) => value,
    };
    let hex = hex.trim().strip_prefix('#').unwrap_or_else(|| panic!("{name} is {value}"));
    [0, 2, 4].map(|at| {
        let part = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
        if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    })
}

fn contrast(a: Colour, b: Colour) -> f64 {
    let light = |[r, g, b]: Colour| 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
    light(a).max(light(b)) / light(a).min(light(b))
}

fn times(matrix: &[Colour; 3], colour: Colour) -> Colour {
    matrix.map(|row| row.iter().zip(colour).map(|(a, b)| a * b).sum::<f64>())
}

fn oklab(rgb: Colour) -> Colour {
    let cones = times(
        &[
            [0.412_221, 0.536_333, 0.051_446],
            [0.211_903, 0.680_700, 0.107_397],
            [0.088_302, 0.281_719, 0.629_979],
        ],
        rgb,
    );
    times(
        &[
            [0.210_454, 0.793_618, -0.004_072],
            [1.977_998, -2.428_592, 0.450_594],
            [0.025_904, 0.782_772, -0.808_676],
        ],
        cones.map(f64::cbrt),
    )
}

fn distance(a: Colour, b: Colour, eyes: &[Colour; 3]) -> f64 {
    let seen = |colour| oklab(times(eyes, colour).map(|part| part.clamp(0.0, 1.0)));
    let squares: f64 = seen(a).iter().zip(seen(b)).map(|(a, b)| (a - b).powi(2)).sum();
    100.0 * squares.sqrt()
}

#[test]
fn words_can_be_read_on_every_ground() {
    for scheme in [Scheme::Light, Scheme::Dark] {
        for ground in GROUNDS {
            for ink in VERDICTS.into_iter().chain(["ink", "ink-soft"]) {
                let found = contrast(token(ink, scheme), token(ground, scheme));
                assert!(found >= READABLE, "{ink} on {ground}, {scheme:?}: {found:.2}");
            }
        }
        for (ink, ground) in [
            ("ink", "well"),
            ("ink-soft", "well"),
            ("sheet", "fail"),
            ("sheet", "run"),
            ("bar-ink", "bar"),
            ("bar-soft", "bar"),
        ] {
            let found = contrast(token(ink, scheme), token(ground, scheme));
            assert!(found >= READABLE, "{ink} on {ground}, {scheme:?}: {found:.2}");
        }
    }
}

#[test]
fn lines_of_a_plot_can_be_seen_on_it() {
    for scheme in [Scheme::Light, Scheme::Dark] {
        for line in LINES {
            for ground in ["sheet", "well"] {
                let found = contrast(token(line, scheme), token(ground, scheme));
                assert!(found >= VISIBLE, "{line} on {ground}, {scheme:?}: {found:.2}");
            }
        }
    }
}

#[test]
fn verdicts_and_lines_are_told_apart_whatever_colours_an_eye_lacks() {
    for scheme in [Scheme::Light, Scheme::Dark] {
        for ((eyes, matrix), names) in
            EYES.iter().flat_map(|eyes| [&VERDICTS[..], &LINES[..]].map(|names| (eyes, names)))
        {
            for (at, one) in names.iter().enumerate() {
                for other in &names[at + 1..] {
                    let found = distance(token(one, scheme), token(other, scheme), matrix);
                    assert!(found >= APART, "{one} and {other}, {eyes}, {scheme:?}: {found:.1}");
                }
            }
        }
    }
}
