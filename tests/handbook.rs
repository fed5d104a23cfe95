//! The handbook: every example in it is run, every link leads somewhere, every message it explains
//! is one the program prints.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use sutler::{
    handbook::{Handbook, Page},
    job_file::{Options, read},
};

use crate::support::appliance::{Appliance, SUTLER, copy_folder, try_get};

fn book() -> Handbook {
    Handbook::new(&sutler::cli::commands())
}

/// A fenced block.
#[derive(Debug)]
struct Block<'a> {
    /// `yaml job file=x.yaml`: the kind, and what is asked of it.
    info: &'a str,
    text: String,
}

impl Block<'_> {
    fn option(&self, name: &str) -> Option<&str> {
        self.info.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    fn has(&self, word: &str) -> bool {
        self.info.split(' ').any(|found| found == word)
    }
}

fn blocks(page: &Page) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for line in page.markdown.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => open = Some(Block { info, text: String::new() }),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{}: a block is left open", page.slug);
    blocks
}

/// A folder to try a page in, with an appliance when a block asks for one.
struct Sandbox {
    place: tempfile::TempDir,
    appliance: Option<Appliance>,
    /// What the last block said.
    said: String,
}

impl Sandbox {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        copy_folder(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/installer"),
            &place.path().join("installer"),
        );
        Self { place, appliance: None, said: String::new() }
    }

    fn appliance(&mut self) -> &Appliance {
        let data = self.place.path().join("data");
        self.appliance.get_or_insert_with(|| {
            fs::create_dir_all(&data).unwrap();
            Appliance::start(&data)
        })
    }

    /// Carries a block out. The error is what is wrong with it.
    fn carry_out(&mut self, block: &Block<'_>) -> Result<(), String> {
        let kind: String = block.info.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let kind = kind.split('=').next().unwrap_or_default();
        match kind {
            "yaml job" => {
                if let Some(file) = block.option("file") {
                    let file = self.place.path().join(file);
                    fs::create_dir_all(file.parent().unwrap()).unwrap();
                    fs::write(file, &block.text).unwrap();
                }
                let told =
                    read(&block.text, "job.yaml", Options { strict: true, ..Options::default() });
                match (told, block.option("job") == Some("bad")) {
                    (Ok(_), false) | (Err(_), true) => Ok(()),
                    (Ok(_), true) => Err("it is called bad, and it is good".into()),
                    (Err(problems), false) => Err(problems.to_string()),
                }
            }
            "yaml steps" => {
                let steps: String =
                    block.text.lines().map(|line| format!("      {line}\n")).collect();
                let job = format!(
                    "job_name: x\nactions:\n- boot: {{}}\n- test:\n    screen:\n      needles: n\n      steps:\n{steps}"
                );
                let told = read(&job, "job.yaml", Options { strict: true, ..Options::default() });
                told.map(drop).map_err(|problems| problems.to_string())
            }
            "toml config" => {
                let file = self.place.path().join("example.toml");
                fs::write(&file, &block.text).unwrap();
                expect(&self.shell("sutler config check example.toml"), 0).map(drop)
            }
            "toml devices" => {
                let file = self.place.path().join("devices.toml");
                fs::write(&file, &block.text).unwrap();
                let read = sutler::config::read_devices(&file);
                let named = read.map_err(|error| format!("{error:?}"))?;
                if named.devices.is_empty() { Err("it names no device".into()) } else { Ok(()) }
            }
            "json needle" => self.needle(&block.text),
            "http" => {
                let (method, path) = block.text.trim().split_once(' ').unwrap();
                assert_eq!(method, "GET");
                let address = self.appliance().address.clone();
                self.said = try_get(&address, path).map_err(|error| error.to_string())?;
                Ok(())
            }
            "json" => {
                let found: Value = serde_json::from_str(&self.said)
                    .map_err(|error| format!("{error}: {}", self.said))?;
                let shape: Value = serde_json::from_str(&block.text).unwrap();
                fits(&shape, &found, "$")
            }
            "text" => {
                let mut rest = self.said.as_str();
                for part in block.text.trim().split('…').map(str::trim) {
                    let at = rest.find(part).ok_or_else(|| {
                        format!("it does not say `{part}`, it says:\n{}", self.said)
                    })?;
                    rest = &rest[at + part.len()..];
                }
                Ok(())
            }
            // Needs a machine of its own: it must at least be what a shell understands.
            "sh root" => {
                let told = Command::new("bash").args(["-n", "-c", &block.text]).output().unwrap();
                expect(&told, 0).map(drop)
            }
            // Written by the program itself.
            "help" => Ok(()),
            kind if kind.split(' ').next() == Some("sh") => {
                if block.has("appliance") {
                    self.appliance();
                }
                let told = self.shell(&block.text);
                self.said = String::from_utf8_lossy(&told.stdout).into_owned();
                if block.has("any-end") {
                    return Ok(());
                }
                let code = block.option("fails").map_or(0, |code| code.parse().unwrap());
                expect(&told, code)
            }
            other => Err(format!("nobody knows how to try a block of the kind `{other}`")),
        }
    }

    /// Runs a script as a user would type it.
    fn shell(&self, script: &str) -> Output {
        let folder = Path::new(SUTLER).parent().unwrap().display();
        let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
        Command::new("bash")
            .args(["-e", "-c", script])
            .current_dir(&self.place)
            .env("PATH", path)
            .env("HOME", self.place.path())
            .env("SUTLER_DATA", self.place.path().join("data"))
            .env("SUTLER_CONFIG", "/dev/null")
            .output()
            .unwrap()
    }

    /// A needle is tried on a picture, its own.
    fn needle(&self, text: &str) -> Result<(), String> {
        let from = self.place.path().join("installer/needles/installer-language.png");
        let needle = self.place.path().join("example.json");
        fs::write(&needle, text).unwrap();
        fs::copy(from, needle.with_extension("png")).unwrap();
        expect(&self.shell("sutler needle match example.png example.json"), 0)
    }
}

fn expect(told: &Output, code: i32) -> Result<(), String> {
    if told.status.code() == Some(code) {
        return Ok(());
    }
    let (out, err) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    Err(format!("it ends with {}, not with {code}:\n{out}{err}", told.status))
}

/// Whether `found` has what `shape` has. `…` stands for any text, and as a key for any others.
fn fits(shape: &Value, found: &Value, at: &str) -> Result<(), String> {
    match (shape, found) {
        (Value::Object(shape), Value::Object(found)) => {
            let is_open = shape.contains_key("…");
            if !is_open && let Some(more) = found.keys().find(|key| !shape.contains_key(*key)) {
                return Err(format!("{at} has `{more}` as well"));
            }
            for (key, shape) in shape.iter().filter(|(key, _)| *key != "…") {
                let found = found.get(key).ok_or_else(|| format!("{at} has no `{key}`"))?;
                fits(shape, found, &format!("{at}.{key}"))?;
            }
            Ok(())
        }
        (Value::Array(shape), Value::Array(found)) => {
            if shape.is_empty() {
                return Ok(());
            }
            if shape.len() != found.len() {
                return Err(format!("{at} has {} items", found.len()));
            }
            shape.iter().zip(found).try_for_each(|(shape, found)| fits(shape, found, at))
        }
        (Value::String(shape), Value::String(found)) if shape.contains('…') => {
            let is_like = shape.split('…').all(|part| found.contains(part));
            if is_like { Ok(()) } else { Err(format!("{at} is {found}")) }
        }
        (shape, found) if shape == found => Ok(()),
        _ => Err(format!("{at} is {found}, not {shape}")),
    }
}

/// Tries the examples of the pages, all in one folder a page.
fn try_pages(wanted: impl Fn(&str) -> bool) {
    let mut wrong = Vec::new();
    for page in &book().pages {
        if !wanted(page.slug) {
            continue;
        }
        let mut sandbox = Sandbox::new();
        for block in blocks(page) {
            if let Err(why) = sandbox.carry_out(&block) {
                wrong.push(format!("{}, ```{}:\n{}{why}\n", page.slug, block.info, block.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_example_of_the_handbook_works() {
    try_pages(|slug| slug != "first-job");
}

#[test]
fn the_first_job_runs_as_the_handbook_says() {
    try_pages(|slug| slug == "first-job");
}

#[test]
fn every_link_of_the_handbook_leads_somewhere() {
    let book = book();
    let mut wrong = Vec::new();
    for page in &book.pages {
        for link in page.html().body.split("href=\"").skip(1) {
            let link = link.split('"').next().unwrap();
            let (to, anchor) = link.split_once('#').map_or((link, None), |(to, a)| (to, Some(a)));
            let to = match to.strip_prefix("/handbook/") {
                Some(slug) => book.page(slug),
                None if to.is_empty() => Some(page),
                None if to == "/schema/job.json" => continue,
                None => None,
            };
            let is_there = to.is_some_and(|to| {
                let mut sections = to.html().sections.iter();
                anchor.is_none_or(|anchor| sections.any(|section| section.anchor == anchor))
            });
            if !is_there {
                wrong.push(format!("{}: {link}", page.slug));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_symptoms_are_words_the_program_prints() {
    let sources = sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    let book = book();
    let page = book.page("troubleshooting").unwrap();
    let symptoms: Vec<_> =
        page.html().sections.iter().filter(|section| section.level == 3).collect();
    assert!(symptoms.len() > 25);
    for symptom in symptoms {
        for part in symptom.title.trim_matches('`').split('…').map(str::trim) {
            assert!(sources.contains(part), "nothing prints `{part}` of `{}`", symptom.title);
        }
    }
}

/// Every source, with texts that are broken over lines put together.
fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("handbook") {
                all += &sources(&path);
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(path).unwrap();
            let mut lines = text.split("\\\n");
            all += lines.next().unwrap();
            lines.for_each(|line| all += line.trim_start());
        }
    }
    all
}

#[test]
fn the_pages_are_served_with_a_strict_policy_and_found_by_search() {
    let place = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(place.path());
    for page in &book().pages {
        let html = appliance.get(&format!("/handbook/{}", page.slug));
        assert!(html.contains("<h1>") && html.contains(&page.html().body), "{}", page.slug);
        assert!(!html.contains("style=") && !html.contains("<script>"), "{}", page.slug);
    }
    assert!(appliance.get("/handbook").contains("/handbook/first-job"));
    let found = appliance.get("/handbook?q=wait_serial");
    assert!(found.contains("/handbook/screen-steps#wait_serial"), "{found}");
    assert!(appliance.get("/handbook?q=%3Cscript%3E").contains("&lt;script&gt;"));
    let schema = appliance.json("/schema/job.json");
    assert_eq!(schema, sutler::job_file::schema(false));
}

#[test]
fn the_terminal_has_the_same_pages() {
    let sutler = |arguments: &[&str]| Command::new(SUTLER).args(arguments).output().unwrap();
    let list = sutler(&["handbook"]);
    let page = sutler(&["handbook", "job-file"]);
    for (told, words) in [(&list, "Job file reference"), (&page, "## `guest`")] {
        assert!(String::from_utf8_lossy(&told.stdout).contains(words));
    }
    let json: Value = serde_json::from_slice(&sutler(&["handbook", "--json"]).stdout).unwrap();
    assert_eq!(json.as_array().unwrap().len(), book().pages.len());
    assert_eq!(sutler(&["handbook", "none"]).status.code(), Some(2));
}
