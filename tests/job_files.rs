//! Job files, good and bad: what an author is told, and on which line.

#[path = "support/job_bad.rs"]
pub(crate) mod bad;

use std::time::{Duration, Instant};

use proptest::prelude::*;
use sutler::{
    config::Timeouts,
    job_file::{Options, Problems, Read, Severity, read, read_bytes},
    model::{
        Button, Definition, Digest, Display, Firmware, Item, Network, PowerAction, Priority, Step,
        TagQuery, Timeout, TimeoutOrigin, Visibility, Work,
    },
};

pub(crate) const INSTALLER: &str = include_str!("support/job_installer.yaml");
pub(crate) const INSTALLER_JSON: &str = include_str!("support/job_installer.json");
pub(crate) const EVERYTHING: &str = include_str!("support/job_everything.yaml");

fn good(text: &str, name: &str) -> Read {
    read(text, name, Options { strict: true, ..Options::default() })
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// A time that the file says on a line.
fn said(seconds: u64, key: &str, line: usize) -> Timeout {
    let origin = TimeoutOrigin::JobFile { key: key.into(), line };
    Timeout { value: Duration::from_secs(seconds), origin }
}

/// The same without where its times were said.
pub(crate) fn placeless(what: &impl serde::Serialize) -> serde_json::Value {
    fn strip(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                map.remove("origin");
                map.values_mut().for_each(strip);
            }
            serde_json::Value::Array(list) => list.iter_mut().for_each(strip),
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::String(_) => {}
        }
    }
    let mut value = serde_json::to_value(what).unwrap();
    strip(&mut value);
    value
}

fn steps(definition: &Definition) -> Vec<Step> {
    let items = definition.actions.iter().filter_map(|action| match &action.work {
        Work::Test(test) => Some(&test.screen.items),
        Work::Deploy(_) | Work::Boot(_) => None,
    });
    items
        .flatten()
        .flat_map(|item| match item {
            Item::Step(step) => vec![step.clone()],
            Item::Module(module) => module.steps.clone(),
        })
        .collect()
}

#[test]
fn the_installer_job_is_read_and_its_json_twin_is_the_same() {
    let Read { definition, warnings, .. } = good(INSTALLER, "job.yaml");
    assert_eq!(warnings, []);
    assert_eq!(placeless(&definition), placeless(&good(INSTALLER_JSON, "job.json").definition));
    assert_eq!(definition.name, "debian installer asks the right questions");
    assert_eq!(definition.tags, ["uefi"]);
    assert_eq!(definition.visibility, Visibility::Public);
    assert_eq!(definition.timeouts.job, said(900, "timeouts.job", 6));
    assert_eq!(definition.timeouts.action, said(300, "timeouts.action", 6));
    assert_eq!(definition.metadata["build"], "20230607");
    assert_eq!(definition.stream.as_deref(), Some("/public/team/installer/"));
    let Work::Deploy(deploy) = &definition.actions[0].work else { panic!("no deploy") };
    let names: Vec<_> = deploy.images.iter().map(|image| image.name.as_str()).collect();
    assert_eq!(names, ["kernel", "ramdisk"]);
    assert_eq!(deploy.images[0].arguments, ["-kernel", "{kernel}", "-append", "vga=788 quiet"]);
    assert!(deploy.images[1].source.path.ends_with("gtk/debian-installer/amd64/initrd.gz"));
    let guest = definition.guest().unwrap();
    assert_eq!((guest.memory_mib, guest.cpus), (1024, 1));
    assert_eq!((guest.display, guest.network), (Display::Std, Network::None));
    let Work::Test(test) = &definition.actions[2].work else { panic!("no test") };
    assert_eq!(test.screen.needles.as_deref(), Some("needles".as_ref()));
    let Item::Module(module) = &test.screen.items[2] else { panic!("no module") };
    assert!(module.flags.fatal && !module.flags.ignore_failure);
    let tags = TagQuery::all_of("installer-language");
    let steps = steps(&definition);
    let timeout = said(120, "actions[2].test.screen.steps[0].assert_screen.timeout", 24);
    assert_eq!(steps[0], Step::AssertScreen { tags, timeout });
    assert_eq!(steps[1], Step::SendKey { keys: "ret".into() });
    assert!(matches!(&steps[3], Step::TypeString { text, .. } if text == "Norway\n"));
}

#[test]
fn every_option_of_every_step_is_read() {
    let Read { definition, warnings, .. } = good(EVERYTHING, "job.yml");
    assert_eq!(warnings, []);
    assert_eq!(definition.priority, Priority(73));
    assert_eq!(definition.visibility, Visibility::Group(vec!["lab".into(), "qa".into()]));
    for (name, text) in
        [("version", "1.10"), ("hex", "0x1F"), ("day", "2024-01-02"), ("flag", "yes"), ("none", "")]
    {
        assert_eq!(definition.metadata[name], text, "{name}");
    }
    assert_eq!(definition.metadata["list"], r#"["1","two"]"#);
    let guest = definition.guest().unwrap();
    assert_eq!((guest.memory_mib, guest.cpus, guest.firmware), (1536, 2, Firmware::Uefi));
    assert_eq!((guest.display, guest.network), (Display::Virtio, Network::User));
    assert_eq!(guest.append.as_deref(), Some("console=ttyS0 row=7"));
    assert_eq!(guest.disk.as_ref().unwrap().sha256, Some(Digest::of(b"abc")));
    assert_eq!(guest.cdrom.as_ref().unwrap().path, std::path::Path::new("images/7.iso"));
    let s = Duration::from_secs;
    let t = |seconds| Timeout { value: s(seconds), origin: TimeoutOrigin::Untold };
    let tags = |words: &[&str]| {
        TagQuery(words.iter().map(|all| all.split(' ').map(str::to_owned).collect()).collect())
    };
    let text = |text: &str, secret, interval| Step::TypeString {
        text: text.into(),
        secret,
        interval: Duration::from_millis(interval),
    };
    let want = vec![
        Step::AssertScreen { tags: tags(&["a b"]), timeout: t(30) },
        Step::AssertScreen { tags: tags(&["a", "b c"]), timeout: t(30) },
        Step::AssertScreen { tags: tags(&["row-7"]), timeout: t(90) },
        Step::CheckScreen { tags: tags(&["a"]), timeout: t(0) },
        Step::CheckScreen {
            tags: tags(&["a"]),
            timeout: Timeout { value: Duration::from_millis(2500), ..t(0) },
        },
        Step::AssertAndClick {
            tags: tags(&["a"]),
            timeout: t(30),
            button: Button::Left,
            double: false,
            point: None,
        },
        Step::AssertAndClick {
            tags: tags(&["a"]),
            timeout: t(5),
            button: Button::Right,
            double: true,
            point: Some("ok".into()),
        },
        Step::SendKey { keys: "1".into() },
        Step::SendKey { keys: "ctrl-alt-f2".into() },
        text("x\n", false, 30),
        text("100% of 7 %Y", true, 100),
        Step::WaitStillScreen { still: s(7), timeout: t(30), similarity_db: 47.0 },
        Step::WaitStillScreen { still: s(3), timeout: t(30), similarity_db: 47.0 },
        Step::WaitStillScreen { still: s(1), timeout: t(9), similarity_db: 40.5 },
        Step::WaitSerial { regex: "login: $".into(), timeout: t(90) },
        Step::WaitSerial { regex: r"\d+".into(), timeout: t(300) },
        Step::SaveScreenshot,
        Step::SaveScreenshot,
        Step::SaveScreenshot,
        Step::Power { action: PowerAction::Off },
        Step::Power { action: PowerAction::Off },
        Step::Power { action: PowerAction::Reset },
        Step::Power { action: PowerAction::Acpi },
    ];
    let found: Vec<Step> = serde_json::from_value(placeless(&steps(&definition))).unwrap();
    assert_eq!(found, want);
}

#[test]
fn a_time_knows_who_has_said_it() {
    let set = Timeouts {
        job: Some(Duration::from_secs(1_800)),
        action: Some(Duration::from_secs(120)),
        step: Some(Duration::from_secs(5)),
        most: Duration::from_secs(7_200),
        ..Timeouts::default()
    };
    let options = Options { strict: true, timeouts: set };
    let text = "job_name: x\ntimeouts:\n  actions: {boot-qemu-image: 3m}\nactions:\n\
                - boot: {timeout: 1m, guest: {cdrom: a.iso}}\n\
                - test:\n    timeout: 20m\n    screen:\n      needles: n\n      steps:\n\
                \x20     - assert_screen: a\n      - check_screen: a\n\
                \x20     - wait_serial: {regex: b, timeout: 4}\n      - wait_still_screen: {stilltime: 9s}\n";
    let definition = read(text, "job.yaml", options).unwrap().definition;
    let told: Vec<_> = definition
        .limited()
        .into_iter()
        .map(|one| format!("{}: {}", one.what, one.timeout))
        .collect();
    assert_eq!(
        told,
        [
            "job: 30 min (from this box's settings, timeouts.job)",
            "action boot: 3 min (from the job file, line 3)",
            "action screen: 20 min (from the job file, line 7)",
            "step assert_screen a: 5 s (from this box's settings, timeouts.step)",
            "step check_screen a: 0 s (the default)",
            "step wait_serial b: 4 s (from the job file, line 13)",
            "step wait_still_screen 9 s: 30 s (the default)",
        ]
    );
    let long = text.replace("timeouts:", "timeouts:\n  job: 3h");
    let problems = read(&long, "job.yaml", options).unwrap_err().to_string();
    assert!(problems.contains("at most 2 h") && problems.contains("`timeouts.most`"), "{problems}");
    assert!(read(&long, "job.yaml", Options::default()).is_ok());
}

#[test]
fn a_short_job_and_windows_line_ends_are_enough() {
    let text = "\u{feff}job_name: x\r\nactions:\r\n- boot:\r\n    guest: {cdrom: a.iso}\r\n";
    let definition = good(text, "job.yaml").definition;
    assert_eq!(definition.priority, Priority::MEDIUM);
    assert_eq!(definition.device_type, "qemu-x86_64");
    assert_eq!(definition.timeouts.job, Timeout::built_in(Duration::from_secs(3600)));
    assert_eq!(definition.actions[0].timeout, Timeout::built_in(Duration::from_secs(600)));
}

#[test]
fn a_boot_without_our_block_is_lavas() {
    let text = "job_name: x\ncontext: {arch: amd64, memory: 512, extra_options: [-smp 2]}\nactions:\n\
                - deploy:\n    to: tmpfs\n    images:\n      disk: {url: d.img, image_arg: '-m 2G -drive file={disk}'}\n\
                - boot: {method: qemu, media: tmpfs}\n";
    let definition = good(text, "job.yaml").definition;
    let guest = definition.guest().unwrap();
    assert_eq!((guest.memory_mib, guest.cpus, guest.network), (2048, 2, Network::User));
}

#[test]
fn anchors_and_merge_keys_are_followed() {
    let text = "job_name: x\nmetadata: &m {BUILD: 7, ROW: 1}\nsettings:\n  <<: *m\n  ROW: 2\n\
                actions:\n- boot: {}\n";
    let definition = good(text, "job.yaml").definition;
    assert_eq!(definition.metadata["ROW"], "1");
    assert_eq!((&*definition.settings["BUILD"], &*definition.settings["ROW"]), ("7", "2"));
}

#[test]
fn unknown_keys_of_lava_are_warnings_unless_strict() {
    let text = "job_name: x\nnotfy: y\nactions:\n- boot: {media: tmpfs, promts: []}\n";
    let warnings = read(text, "x", Options::default()).unwrap().warnings;
    let lines: Vec<_> = warnings.iter().map(|warning| warning.place.line).collect();
    assert_eq!(lines, [2, 4]);
    assert!(warnings.iter().all(|warning| warning.severity == Severity::Warning));
    assert_eq!(warnings[0].help.as_deref(), Some("did you mean `notify`?"));
    let problems = read(text, "x", Options { strict: true, ..Options::default() }).unwrap_err();
    assert_eq!(problems.errors().count(), 2);
}

#[test]
fn everything_is_told_at_once_and_within_bounds() {
    let text = "job_name: x\npriority: 101\nvisibility: all\nactions:\n- boot:\n    guest: {memori: 1G, cpus: 0}\n";
    let problems = read(text, "x.yaml", Options::default()).unwrap_err();
    let lines: Vec<_> = problems.list.iter().map(|problem| problem.place.line).collect();
    assert_eq!(lines, [2, 3, 6, 6]);
    assert_eq!(
        problems.to_string().lines().nth(2),
        Some(
            "x.yaml: line 6, column 13, actions[0].boot.guest.memori: found the unknown key `memori`, expected \
             one of `memory`, `cpus`, `firmware`, `display`, `network`, `disk`, `cdrom`, `kernel`, `initrd`, \
             `append`; did you mean `memory`?"
        )
    );
    let many = bad::steps(&"- jump: 1\n      ".repeat(200));
    let problems = read(&many, "x", Options::default()).unwrap_err();
    assert_eq!((problems.list.len(), problems.omitted), (20, 180));
}

#[test]
fn a_problem_is_drawn_beside_its_line() {
    let problems =
        read(&bad::steps("- send_key: enter"), "j.yaml", Options::default()).unwrap_err();
    let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none());
    let mut drawn = String::new();
    handler.render_report(&mut drawn, &problems.diagnostics()[0]).unwrap();
    for phrase in ["j.yaml:8:19", "- send_key: enter", "did you mean `ret`?"] {
        assert!(drawn.contains(phrase), "{phrase}: {drawn}");
    }
}

#[test]
fn a_hundred_bad_files_are_explained() {
    let cases = bad::files();
    assert!(cases.len() >= 100, "{}", cases.len());
    let mut wrong = Vec::new();
    for bad::Bad { what, name, bytes, line, phrase } in cases {
        #[expect(clippy::disallowed_methods, reason = "a test looks at the clock")]
        let started = Instant::now();
        let told = read_bytes(&bytes, name, Options::default());
        let took = started.elapsed();
        match told {
            Ok(_) => wrong.push(format!("{what}: accepted")),
            Err(problems) if !fits(&problems, line, phrase) => {
                wrong.push(format!("{what}: wanted line {line} `{phrase}`, got:\n{problems}"));
            }
            Err(problems) => {
                assert!(problems.to_string().len() < 20_000, "{what}: too long an answer");
                let handler = miette::GraphicalReportHandler::new();
                for diagnostic in problems.diagnostics() {
                    handler.render_report(&mut String::new(), &diagnostic).unwrap();
                }
            }
        }
        if took > Duration::from_secs(10) {
            wrong.push(format!("{what}: took {took:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn fits(problems: &Problems, line: usize, phrase: &str) -> bool {
    problems
        .errors()
        .any(|problem| problem.place.line == line && problem.to_string().contains(phrase))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read_bytes(&bytes, "x.yaml", Options::default());
        let _ = read_bytes(&bytes, "x.json", Options::default());
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-a-z:{}\\[\\]&*#!|>%@`'\",? \t\n0-9é\u{feff}]{0,200}") {
        if let Err(problems) = read(&text, "x.yaml", Options::default()) {
            let handler = miette::GraphicalReportHandler::new();
            for diagnostic in problems.diagnostics() {
                handler.render_report(&mut String::new(), &diagnostic).unwrap();
            }
        }
    }

    #[test]
    fn no_mutation_of_a_good_file_makes_it_panic(
        cut in 0usize..4_000,
        length in 0usize..40,
        put in "[-a-z:{}\\[\\]&*|>%'\",? \t\n0-9]{0,20}",
        which in 0usize..3,
    ) {
        let text = [INSTALLER, INSTALLER_JSON, EVERYTHING][which];
        let mut bytes = text.as_bytes().to_vec();
        let from = cut % bytes.len();
        let to = (from + length).min(bytes.len());
        bytes.splice(from..to, put.bytes());
        let name = if which == 1 { "x.json" } else { "x.yaml" };
        if let Err(problems) = read_bytes(&bytes, name, Options { strict: true, ..Options::default() }) {
            prop_assert!(problems.errors().count() > 0);
            prop_assert!(problems.errors().all(|problem| problem.place.offset <= problems.text.len()));
        }
    }
}
