//! `sutler needle`: needles tried on a picture, without an appliance.

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
};

use serde::Serialize;

use crate::{
    model::{AreaKind, Candidate, Outcome},
    picture::{self, PictureError},
    vision::{self, LoadedNeedle, Refused},
};

#[derive(Debug, clap::Subcommand)]
#[command(after_long_help = "\
Examples:
  sutler needle match screen.png needles/login.json
  sutler needle match --ratio 0.02 --json screen.png needles/*.json")]
pub(super) enum NeedleCommand {
    /// Say whether needles are on a screen, and where
    ///
    /// Exits with 0 when one of them is, with 1 when none is, and with 2 when a file cannot be used.
    Match(MatchArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct MatchArgs {
    /// The screen to search, a PNG or PPM file
    #[arg(value_name = "SCREEN.png")]
    pub screen: PathBuf,
    /// Needle files, their pictures beside them
    #[arg(value_name = "NEEDLE.json", required = true)]
    pub needles: Vec<PathBuf>,
    /// How far to search: 0 as far as the needles say, 1 the whole screen
    ///
    /// A waiting step searches with 0.02 whenever the screen changes and with 1 every five seconds.
    #[arg(long, value_name = "RATIO", default_value = "1", value_parser = ratio)]
    pub ratio: f64,
}

/// What keeps the question from being answered: exit code 2.
#[derive(Debug, thiserror::Error)]
pub(super) enum NeedleError {
    #[error("the screen cannot be searched")]
    Screen(#[source] PictureError),
    #[error(transparent)]
    Needle(#[from] Refused),
    #[error("could not write the answer")]
    Write(#[source] io::Error),
}

/// Carries out the command, writes the answer to `out` and returns the exit code.
pub(super) fn run(
    command: &NeedleCommand,
    json: bool,
    out: &mut dyn Write,
) -> Result<u8, NeedleError> {
    let NeedleCommand::Match(args) = command;
    let screen = picture::read_image(&args.screen).map_err(NeedleError::Screen)?;
    let mut needles = Vec::with_capacity(args.needles.len());
    for path in &args.needles {
        let needle = LoadedNeedle::load(path)?;
        let refused = |reason| Refused { path: path.clone(), reason };
        needles.push(Arc::new(needle.into_prepared().map_err(refused)?));
    }
    let found = vision::search(&screen, &needles, args.ratio);
    let written = if json { write_json(&found, out) } else { write_table(&found, out) };
    written.map_err(NeedleError::Write)?;
    Ok(if found.iter().any(|candidate| candidate.ok) { 0 } else { 1 })
}

fn ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| "want a number from 0 to 1".to_owned())
}

#[derive(Serialize)]
struct Answer<'a> {
    needle: &'a str,
    ok: bool,
    error: f64,
    areas: Vec<AreaAnswer>,
}

#[derive(Serialize)]
struct AreaAnswer {
    r#type: AreaKind,
    x: i32,
    y: i32,
    w: i32,
    h: i32,
    similarity: f64,
    result: Outcome,
}

fn answer(candidate: &Candidate) -> Answer<'_> {
    let areas = candidate.areas.iter().map(|area| AreaAnswer {
        r#type: area.kind,
        x: area.x,
        y: area.y,
        w: area.w,
        h: area.h,
        similarity: area.similarity,
        result: area.result,
    });
    let Candidate { needle, ok, error, .. } = candidate;
    Answer { needle, ok: *ok, error: *error, areas: areas.collect() }
}

fn write_json(found: &[Candidate], out: &mut dyn Write) -> io::Result<()> {
    let answers: Vec<_> = found.iter().map(answer).collect();
    match answers.as_slice() {
        [one] => serde_json::to_writer(&mut *out, one)?,
        several => serde_json::to_writer(&mut *out, several)?,
    }
    writeln!(out)
}

/// A line for each area, the best needle first.
fn write_table(found: &[Candidate], out: &mut dyn Write) -> io::Result<()> {
    let widest = found.iter().map(|candidate| candidate.needle.chars().count()).max();
    let width = widest.unwrap_or(0).max("NEEDLE".len());
    writeln!(out, "{:width$}  RESULT  SIMILARITY  PLACE", "NEEDLE")?;
    for candidate in found {
        for (number, area) in candidate.areas.iter().enumerate() {
            let name = if number == 0 { candidate.needle.as_str() } else { "" };
            let (result, percent) = (area.result.name(), area.similarity * 100.0);
            let place = format!("{} x {} at {},{}", area.w, area.h, area.x, area.y);
            writeln!(out, "{name:width$}  {result:6}  {percent:8.2} %  {place}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use clap::Parser;

    use super::*;
    use crate::{picture::Picture, vision::NeedleFileError};

    #[derive(Parser)]
    struct Cli {
        #[command(subcommand)]
        command: NeedleCommand,
        #[arg(long, global = true)]
        json: bool,
    }

    fn sutler(folder: &Path, line: &str) -> (Result<u8, NeedleError>, String) {
        let in_folder = |word: &str| match word.contains('.') && !word.starts_with("0.") {
            true => folder.join(word).display().to_string(),
            false => word.to_owned(),
        };
        let words = ["needle".to_owned(), "match".to_owned()].into_iter();
        let words = words.chain(line.split_whitespace().map(in_folder));
        let mut out = Vec::new();
        let Cli { command, json } = Cli::try_parse_from(words).unwrap();
        let code = run(&command, json, &mut out);
        (code, String::from_utf8(out).unwrap())
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut screen = Picture::filled(120, 80, [20; 3]);
        let json = r#"{"tags":["t"],"area":[{"xpos":10,"ypos":10,"width":30,"height":20}]}"#;
        for (name, shade) in [("dark", 90), ("light", 200)] {
            for y in 12..20 {
                screen.row_mut(15, y, 12).fill(shade);
            }
            picture::write_image(&folder.path().join(format!("{name}.png")), &screen).unwrap();
            fs::write(folder.path().join(format!("{name}.json")), json).unwrap();
        }
        folder
    }

    #[test]
    fn one_needle_is_an_object_and_several_are_a_list() {
        let folder = folder();
        let (code, out) = sutler(folder.path(), "light.png light.json --json");
        assert_eq!(code.unwrap(), 0);
        let want = r#"{"needle":"light","ok":true,"error":0.0,"areas":[{"type":"match","x":10,"y":10,"w":30,"h":20,"similarity":1.0,"result":"ok"}]}"#;
        assert_eq!(out.trim_end(), want);

        let (code, out) = sutler(folder.path(), "light.png dark.json light.json --json");
        assert_eq!(code.unwrap(), 0, "one of them is enough");
        let list: Vec<serde_json::Value> = serde_json::from_str(&out).unwrap();
        assert_eq!((&list[0]["needle"], &list[1]["needle"]), (&"light".into(), &"dark".into()));
    }

    #[test]
    fn the_table_has_a_line_for_each_area() {
        let folder = folder();
        let (code, out) = sutler(folder.path(), "light.png light.json");
        assert_eq!(code.unwrap(), 0);
        let want = "NEEDLE  RESULT  SIMILARITY  PLACE\n\
                    light   ok        100.00 %  30 x 20 at 10,10\n";
        assert_eq!(out, want);
        let (code, _) = sutler(folder.path(), "dark.png light.json --ratio 0.02");
        assert_eq!(code.unwrap(), 1);
    }

    #[test]
    fn files_that_cannot_be_used_are_errors() {
        let folder = folder();
        let (code, out) = sutler(folder.path(), "none.png light.json");
        assert!(matches!(code, Err(NeedleError::Screen(_))));
        assert_eq!(out, "");
        fs::remove_file(folder.path().join("light.png")).unwrap();
        let (code, _) = sutler(folder.path(), "dark.png dark.json light.json");
        assert!(matches!(
            code,
            Err(NeedleError::Needle(Refused { reason: NeedleFileError::NoPicture { .. }, .. }))
        ));
        let wrong = ["needle", "match", "a.png", "a.json", "--ratio", "2"];
        assert!(Cli::try_parse_from(wrong).is_err());
    }
}
