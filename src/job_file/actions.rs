//! `actions:`, LAVA's list of `deploy`, `boot` and `test`.

use crate::{
    decide::timeouts::{self, Said},
    model::{Action, Boot, Deploy, Image, Part, Source, Test, Timeout, Work, spoken},
};

use super::{
    Problem,
    form::{Bare, Block, Choice, Form, Key, Kind, Word, words},
    guest::{self, Asked},
    node::Value,
    qemu_arguments,
    read::Timed,
    reader::{Entry, Fields, Report, Spot},
    screen,
    variables::{LONGEST_TEXT, Variables},
};

pub(super) const MOST_ACTIONS: usize = 100;
const MOST_IMAGES: usize = 32;
const LONGEST_NAME: usize = 100;

const NO_SHELL: &str =
    "this version runs `screen:` tests only, and looks at the screen, not at a shell";
const NO_MULTINODE: &str = "this version runs jobs of one machine";
const ONE_MACHINE: &str = "a job of this version has one machine";
const ONE_TRY: &str = "this version tries every action once";
const NO_UNPACKING: &str =
    "this version uses image files as they are: name one that is unpacked and complete";
const OTHER_SUM: &str = "this version checks `sha256sum` only";

pub(super) const TIMEOUT: Kind = Kind::Duration { bare: Bare::Refused, is_zero_fine: false };
/// Where images go, and where they are booted from: LAVA's word for files of this box.
const TO: [Choice<()>; 1] = [("tmpfs", (), "")];
const METHODS: [Choice<()>; 1] = [("qemu", (), "")];
const TO_WORDS: [Word; 1] = words(&TO);
const METHOD_WORDS: [Word; 1] = words(&METHODS);

pub(super) static ACTION: Form = Form {
    doc: "One entry of `actions`. Each has exactly one of these keys. They run in order; when one \
          fails, those after it do not run, and the results so far are kept.",
    keys: &[
        Key::new("deploy", Kind::Form(&DEPLOY), "Makes image files ready."),
        Key::new("boot", Kind::Form(&BOOT), "Starts the guest. A job has one `boot`."),
        Key::new("test", Kind::Form(&TEST), "Looks at the guest. Comes after `boot`."),
    ],
    refused: &[("command", "this box has no commands of its own in this version")],
    ..Form::new("actions", Block::Ours, "one of deploy, boot, test")
};

/// What every action may carry.
static COMMON: Form = Form {
    keys: &[Key::new(
        "timeout",
        TIMEOUT,
        "How long this action may take, at most as long as the job. `timeouts: {action: …}` when it \
         is not given.",
    )],
    refused: &[
        ("protocols", NO_MULTINODE),
        ("role", NO_MULTINODE),
        ("repeat", "write the action as often as it is to run"),
    ],
    ignored: &[
        ("namespace", ONE_MACHINE),
        ("connection-namespace", ONE_MACHINE),
        ("timeouts", "an action has one timeout, its `timeout:`"),
        ("failure_retry", ONE_TRY),
        ("failure_retry_interval", ONE_TRY),
    ],
    ..Form::new("action", Block::Lava, "")
};

pub(super) static DEPLOY: Form = Form {
    doc: "Image files and the QEMU arguments that use them, as LAVA has it. A job of your own can \
          name its files in `guest:` instead, and needs no `deploy`. Guests write to a copy that is \
          thrown away; the files stay as they are.",
    keys: &[
        Key::new("to", Kind::Words(&TO_WORDS), "Only `tmpfs`.").usual("tmpfs"),
        // Chooses the package manager of shell tests; nothing here depends on it.
        Key::new("os", Kind::Anything, "Read and not used.").example("debian"),
        Key::new(
            "images",
            Kind::Map { names: "[A-Za-z0-9_.-]{1,100}", of: &Kind::Form(&IMAGE), least: 1, most: MOST_IMAGES },
            "Images by a name of yours: letters, digits, `_`, `-` and `.`. QEMU sees their arguments \
             in this order.",
        )
        .needed("the files to use"),
    ],
    refused: &[
        ("uefi", "write `firmware: uefi` in the `guest:` block"),
        ("type", NO_SHELL),
        ("overlay_backend", NO_SHELL),
    ],
    common: Some(&COMMON),
    ..Form::new("deploy", Block::Lava, "`to: tmpfs` and `images:`")
};

static IMAGE: Form = Form {
    doc: "One image file.",
    keys: &[
        Key::new("url", Kind::Path, "The file.")
            .needed("the file's path or URL")
            .example("images/disk.qcow2"),
        Key::new("sha256sum", Kind::Sum, "What the file's SHA-256 sum must be."),
        Key::new(
            "image_arg",
            Kind::Line { longest: LONGEST_TEXT },
            "QEMU arguments; `{NAME}` with the image's own name stands for its file. They are taken \
             apart and only those that touch nothing of the host pass. Put it in quotes.",
        )
        .example("'-drive file={disk},format=qcow2'"),
        Key::new("compression", Kind::Nothing, "Must be empty: files are used as they are."),
        // There is nothing to keep: every file is on this box already.
        Key::new("use_cache", Kind::Anything, "Read and not used."),
    ],
    refused: &[
        ("archive", NO_UNPACKING),
        ("overlays", NO_UNPACKING),
        ("partition", NO_UNPACKING),
        ("sparse", NO_UNPACKING),
        ("format", NO_UNPACKING),
        ("headers", "this version reads only files of this box"),
        ("md5sum", OTHER_SUM),
        ("sha512sum", OTHER_SUM),
    ],
    ..Form::new("images", Block::Lava, "`url:` and `image_arg:`")
};

static BOOT: Form = Form {
    doc: "Starts the guest. It is done when the guest's first picture is there. Without a `guest:` \
          block the machine is LAVA's: what `context:` and the images ask for, with a network card.",
    keys: &[
        Key::new("method", Kind::Words(&METHOD_WORDS), "Only `qemu`.").usual("qemu"),
        Key::new("media", Kind::Words(&TO_WORDS), "Only `tmpfs`.").usual("tmpfs"),
        Key::new("guest", Kind::Form(&guest::GUEST), "The machine to boot.").ours(),
    ],
    refused: &[
        ("prompts", NO_SHELL),
        ("auto_login", NO_SHELL),
        ("transfer_overlay", NO_SHELL),
        ("commands", NO_SHELL),
        ("failure_message", NO_SHELL),
        ("docker", "this version runs QEMU on the box itself"),
    ],
    ignored: &[
        ("connection", NO_SHELL),
        ("parameters", NO_SHELL),
        ("soft_reboot", NO_SHELL),
        ("ignore_kernel_messages", NO_SHELL),
    ],
    common: Some(&COMMON),
    ..Form::new("boot", Block::Lava, "`method: qemu`")
};

static TEST: Form = Form {
    doc: "Looks at the guest and acts on it. A job may have several.",
    keys: &[
        Key::new(
            "name",
            Kind::Name { longest: LONGEST_NAME },
            "What results call it; `screen`, `screen-2` and so on when it is not given.",
        )
        .example("first-boot"),
        // Needed, unless something is there that we refuse anyway.
        Key::new("screen", Kind::Form(&screen::SCREEN), "Steps on the screen.").ours(),
    ],
    refused: &[
        ("definitions", NO_SHELL),
        ("monitors", NO_SHELL),
        ("interactive", NO_SHELL),
        ("services", NO_SHELL),
        ("docker", NO_SHELL),
        ("script", NO_SHELL),
        ("distribution", NO_SHELL),
        ("soak", NO_SHELL),
    ],
    common: Some(&COMMON),
    ..Form::new("test", Block::Lava, "`screen:` with steps")
};

/// What is known while the list is read from its top.
pub(super) struct Actions<'v, 's> {
    pub(super) variables: &'v mut Variables<'s>,
    timed: &'v Timed,
    pub(super) asked: Asked,
    steps_left: usize,
    booted: bool,
    tests: usize,
}

impl<'v, 's> Actions<'v, 's> {
    pub(super) fn new(variables: &'v mut Variables<'s>, timed: &'v Timed, asked: Asked) -> Self {
        let steps_left = screen::MOST_STEPS + 1;
        Self { variables, timed, asked, steps_left, booted: false, tests: 0 }
    }

    pub(super) fn read(mut self, report: &mut Report, spot: &Spot<'_>) -> Option<Vec<Action>> {
        let list = spot.list(report, "actions")?;
        if list.is_empty() || list.len() > MOST_ACTIONS {
            report.add(spot.problem(format!("1 to {MOST_ACTIONS} actions")));
            return None;
        }
        let actions: Vec<_> = list.iter().filter_map(|spot| self.action(report, spot)).collect();
        (actions.len() == list.len()).then_some(actions)
    }

    fn action(&mut self, report: &mut Report, spot: &Spot<'_>) -> Option<Action> {
        let mut fields = spot.fields(report, &ACTION)?;
        let deploy = fields.take("deploy");
        let boot = fields.take("boot");
        let test = fields.take("test");
        let several = [&deploy, &boot, &test].into_iter().flatten().count() > 1;
        fields.finish(report);
        if several {
            let problem = spot.problem("one action in each list item");
            report.add(problem.help("begin every action with `- `"));
            return None;
        }
        if let Some(spot) = deploy {
            return self.deploy(report, &spot);
        }
        if let Some(spot) = boot {
            return self.boot(report, &spot);
        }
        if let Some(spot) = test {
            return self.test(report, &spot);
        }
        if matches!(&spot.node.value, Value::Map(entries) if entries.is_empty()) {
            report.add(spot.problem("one of deploy, boot, test"));
        }
        None
    }

    /// How long the action may take.
    fn timeout(&self, report: &mut Report, fields: &mut Fields<'_>, part: Part) -> Option<Timeout> {
        let job = &self.timed.all.job;
        let own = match fields.take("timeout") {
            Some(spot) => {
                let timeout = spot.said_timeout(report, Bare::Refused)?;
                Some(within_job(report, &spot, timeout, job)?)
            }
            None => None,
        };
        let named = self.timed.named.iter().find(|(named, _)| named.part == part);
        let (all, own) = (self.timed.action.as_ref(), own.as_ref());
        let said = Said { all, own, named: named.map(|(_, timeout)| timeout) };
        Some(timeouts::action(said, &report.timeouts, job))
    }

    fn deploy(&mut self, report: &mut Report, spot: &Spot<'_>) -> Option<Action> {
        let mut fields = spot.fields(report, &DEPLOY)?;
        let timeout = self.timeout(report, &mut fields, Part::Deploy);
        if let Some(spot) = fields.take("to") {
            spot.choice(report, &TO);
        }
        fields.take("os");
        let images = fields.need(report, "images");
        fields.finish(report);
        let images_spot = images?;
        let all = images_spot.entries(report, "images by name")?;
        if all.is_empty() || all.len() > MOST_IMAGES {
            report.add(images_spot.problem(format!("1 to {MOST_IMAGES} images")));
            return None;
        }
        let mut images = Vec::with_capacity(all.len());
        let expected = all.len();
        for Entry { name, at, spot } in all {
            let plain = |char: char| char.is_ascii_alphanumeric() || "_-.".contains(char);
            if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(plain) {
                let found = format!("the image name {name:?}");
                let expected = "letters, digits, `_`, `-` and `.` only";
                report.add(Problem::new(at, &spot.path, found, expected));
            } else {
                images.extend(self.image(report, name, &spot));
            }
        }
        let images = (images.len() == expected).then_some(images);
        Some(Action { timeout: timeout?, work: Work::Deploy(Deploy { images: images? }) })
    }

    fn image(&mut self, report: &mut Report, name: &str, spot: &Spot<'_>) -> Option<Image> {
        let mut fields = spot.fields(report, &IMAGE)?;
        let url = fields.need(report, "url");
        let path = url.as_ref().and_then(|spot| guest::url(report, spot, self.variables));
        let sha256 = fields.take("sha256sum");
        let sha256 = sha256.map_or(Some(None), |spot| guest::digest(report, &spot).map(Some));
        let compression = fields.take("compression");
        if let Some(spot) = compression.filter(|spot| !matches!(spot.node.value, Value::Null)) {
            report.add(spot.problem("nothing").help(NO_UNPACKING));
        }
        fields.take("use_cache");
        let Some(argument) = fields.take("image_arg") else {
            fields.finish(report);
            let expected = "`image_arg:` with `{NAME}` in it".replace("NAME", name);
            let problem = Problem::new(spot.place(), &spot.path, "no `image_arg`", expected);
            report.add(problem.warning().help("nothing tells QEMU about this image"));
            let source = Source { path: path?, sha256: sha256? };
            let source = guest::named(report, &url?, source);
            return Some(Image { name: name.into(), source, arguments: Vec::new() });
        };
        fields.finish(report);
        let line = argument.line(report, LONGEST_TEXT)?;
        let arguments = match qemu_arguments::parse(&line, name) {
            Ok(arguments) => arguments,
            Err(refusals) => {
                for refusal in refusals {
                    report.add(refusal.problem(&argument));
                }
                return None;
            }
        };
        if !arguments.uses_image {
            let expected = format!("`{{{name}}}` for the image's file");
            report.add(argument.problem(expected).warning());
        }
        self.asked.take(&arguments);
        let source = Source { path: path?, sha256: sha256? };
        let source = guest::named(report, &url?, source);
        Some(Image { name: name.into(), source, arguments: arguments.words })
    }

    fn boot(&mut self, report: &mut Report, spot: &Spot<'_>) -> Option<Action> {
        if std::mem::replace(&mut self.booted, true) {
            let (found, expected) = ("a second `boot`", "one `boot:` in a job");
            let problem = Problem::new(spot.place(), &spot.path, found, expected);
            report.add(problem.help("write a job of its own for each machine"));
        }
        let mut fields = spot.fields(report, &BOOT)?;
        let timeout = self.timeout(report, &mut fields, Part::Boot);
        if let Some(spot) = fields.take("method") {
            spot.choice(report, &METHODS);
        }
        if let Some(spot) = fields.take("media") {
            spot.choice(report, &TO);
        }
        let block = fields.take("guest");
        fields.finish(report);
        let guest = match block {
            Some(spot) => guest::read(report, &spot, self.variables, self.asked),
            None => Some(self.asked.lava()),
        };
        Some(Action { timeout: timeout?, work: Work::Boot(Box::new(Boot { guest: guest? })) })
    }

    fn test(&mut self, report: &mut Report, spot: &Spot<'_>) -> Option<Action> {
        self.tests += 1;
        let mut fields = spot.fields(report, &TEST)?;
        let timeout = self.timeout(report, &mut fields, Part::Test);
        let name = fields.take("name").map_or_else(
            || {
                Some(if self.tests == 1 {
                    "screen".into()
                } else {
                    format!("screen-{}", self.tests)
                })
            },
            |spot| spot.name(report, LONGEST_NAME),
        );
        let screen = fields.take("screen");
        let has_refused = fields.has_refused;
        fields.finish(report);
        if !self.booted {
            let problem = Problem::new(
                spot.place(),
                &spot.path,
                "a test before any boot",
                "a `boot:` action above it",
            );
            report.add(problem);
        }
        let Some(screen) = screen else {
            if !has_refused {
                let expected = "`screen:` with steps";
                report.add(Problem::new(spot.place(), &spot.path, "a test of no kind", expected));
            }
            return None;
        };
        let screen = screen::read(report, &screen, self.variables, &mut self.steps_left);
        Some(Action { timeout: timeout?, work: Work::Test(Test { name: name?, screen: screen? }) })
    }
}

/// No action may be given more time than the whole job.
pub(super) fn within_job(
    report: &mut Report,
    spot: &Spot<'_>,
    timeout: Timeout,
    job: &Timeout,
) -> Option<Timeout> {
    if timeout.value <= job.value {
        return Some(timeout);
    }
    let found = spoken(timeout.value);
    let expected = format!("at most the job's timeout, {job}");
    let problem = Problem::new(spot.place(), &spot.path, found, expected);
    report.add(problem.help("raise `timeouts: {job: …}`"));
    None
}
