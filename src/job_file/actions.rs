//! `actions:`, LAVA's list of `deploy`, `boot` and `test`.

use std::time::Duration;

use crate::model::{Action, Boot, Deploy, Image, Source, Test, Timeouts, Work};

use super::{
    Problem,
    guest::{self, Asked},
    node::Value,
    qemu_arguments,
    reader::{Block, Fields, Report, Spot},
    screen,
    value::Bare,
    variables::{LONGEST_TEXT, Variables},
};

const MOST_ACTIONS: usize = 100;
const MOST_IMAGES: usize = 32;
const LONGEST_NAME: usize = 100;

const NO_SHELL: &str =
    "this version runs `screen:` tests only, and looks at the screen, not at a shell";
const NO_MULTINODE: &str = "this version runs jobs of one machine";
const NO_UNPACKING: &str =
    "this version uses image files as they are: name one that is unpacked and complete";

/// What is known while the list is read from its top.
pub(super) struct Actions<'v, 's> {
    pub(super) variables: &'v mut Variables<'s>,
    pub(super) timeouts: Timeouts,
    pub(super) asked: Asked,
    steps_left: usize,
    booted: bool,
    tests: usize,
}

impl<'v, 's> Actions<'v, 's> {
    pub(super) fn new(variables: &'v mut Variables<'s>, timeouts: Timeouts, asked: Asked) -> Self {
        let steps_left = screen::MOST_STEPS + 1;
        Self { variables, timeouts, asked, steps_left, booted: false, tests: 0 }
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
        let mut fields = spot.fields(report, "one of deploy, boot, test")?;
        let deploy = fields.take("deploy");
        let boot = fields.take("boot");
        let test = fields.take("test");
        fields
            .refuse(report, &[("command", "this box has no commands of its own in this version")]);
        let several = [&deploy, &boot, &test].into_iter().flatten().count() > 1;
        fields.finish(report, Block::Ours);
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

    /// What every action may carry. Returns its timeout.
    fn common(&self, report: &mut Report, fields: &mut Fields<'_>) -> Option<Duration> {
        fields.refuse(
            report,
            &[
                ("protocols", NO_MULTINODE),
                ("role", NO_MULTINODE),
                ("repeat", "write the action as often as it is to run"),
            ],
        );
        fields.ignore(
            report,
            &[
                ("namespace", "a job of this version has one machine"),
                ("connection-namespace", "a job of this version has one machine"),
                ("timeouts", "an action has one timeout, its `timeout:`"),
                ("failure_retry", "this version tries every action once"),
                ("failure_retry_interval", "this version tries every action once"),
            ],
        );
        let Some(spot) = fields.take("timeout") else { return Some(self.timeouts.action) };
        let timeout = spot.timeout(report, Bare::Refused)?;
        within_job(report, &spot, timeout, self.timeouts.job)
    }

    fn deploy(&mut self, report: &mut Report, spot: &Spot<'_>) -> Option<Action> {
        let mut fields = spot.fields(report, "`to: tmpfs` and `images:`")?;
        let timeout = self.common(report, &mut fields);
        if let Some(spot) = fields.take("to") {
            spot.choice(report, &[("tmpfs", ())]);
        }
        // Chooses the package manager of shell tests; nothing here depends on it.
        fields.take("os");
        fields.refuse(
            report,
            &[
                ("uefi", "write `firmware: uefi` in the `guest:` block"),
                ("type", NO_SHELL),
                ("overlay_backend", NO_SHELL),
            ],
        );
        let images = fields.need(report, "images", "the files to use");
        fields.finish(report, Block::Lava);
        let mut images_fields = images?.fields(report, "images by name")?;
        let all = images_fields.rest();
        if all.is_empty() || all.len() > MOST_IMAGES {
            report.add(images_fields.spot.problem(format!("1 to {MOST_IMAGES} images")));
            return None;
        }
        let mut images = Vec::with_capacity(all.len());
        let expected = all.len();
        for (name, at, spot) in all {
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
        let mut fields = spot.fields(report, "`url:` and `image_arg:`")?;
        let url = fields.need(report, "url", "the file's path or URL");
        let path = url.as_ref().and_then(|spot| guest::url(report, spot, self.variables));
        let sha256 = fields.take("sha256sum");
        let sha256 = sha256.map_or(Some(None), |spot| guest::digest(report, &spot).map(Some));
        let compression = fields.take("compression");
        if let Some(spot) = compression.filter(|spot| !matches!(spot.node.value, Value::Null)) {
            report.add(spot.problem("nothing").help(NO_UNPACKING));
        }
        fields.refuse(
            report,
            &[
                ("archive", NO_UNPACKING),
                ("overlays", NO_UNPACKING),
                ("partition", NO_UNPACKING),
                ("sparse", NO_UNPACKING),
                ("format", NO_UNPACKING),
                ("headers", "this version reads only files of this box"),
                ("md5sum", "this version checks `sha256sum` only"),
                ("sha512sum", "this version checks `sha256sum` only"),
            ],
        );
        // There is nothing to keep: every file is on this box already.
        fields.take("use_cache");
        let Some(argument) = fields.take("image_arg") else {
            fields.finish(report, Block::Lava);
            let expected = "`image_arg:` with `{NAME}` in it".replace("NAME", name);
            let problem = Problem::new(spot.place(), &spot.path, "no `image_arg`", expected);
            report.add(problem.warning().help("nothing tells QEMU about this image"));
            let source = Source { path: path?, sha256: sha256? };
            let source = guest::named(report, &url?, source);
            return Some(Image { name: name.into(), source, arguments: Vec::new() });
        };
        fields.finish(report, Block::Lava);
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
        self.booted = true;
        let mut fields = spot.fields(report, "`method: qemu`")?;
        let timeout = self.common(report, &mut fields);
        if let Some(spot) = fields.take("method") {
            spot.choice(report, &[("qemu", ())]);
        }
        if let Some(spot) = fields.take("media") {
            spot.choice(report, &[("tmpfs", ())]);
        }
        let block = fields.take("guest");
        fields.refuse(
            report,
            &[
                ("prompts", NO_SHELL),
                ("auto_login", NO_SHELL),
                ("transfer_overlay", NO_SHELL),
                ("commands", NO_SHELL),
                ("failure_message", NO_SHELL),
                ("docker", "this version runs QEMU on the box itself"),
            ],
        );
        fields.ignore(
            report,
            &[
                ("connection", NO_SHELL),
                ("parameters", NO_SHELL),
                ("soft_reboot", NO_SHELL),
                ("ignore_kernel_messages", NO_SHELL),
            ],
        );
        fields.finish(report, Block::Lava);
        let guest = match block {
            Some(spot) => guest::read(report, &spot, self.variables, self.asked),
            None => Some(self.asked.lava()),
        };
        Some(Action { timeout: timeout?, work: Work::Boot(Box::new(Boot { guest: guest? })) })
    }

    fn test(&mut self, report: &mut Report, spot: &Spot<'_>) -> Option<Action> {
        self.tests += 1;
        let mut fields = spot.fields(report, "`screen:` with steps")?;
        let timeout = self.common(report, &mut fields);
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
        let mut refused = 0;
        for kind in [
            "definitions",
            "monitors",
            "interactive",
            "services",
            "docker",
            "script",
            "distribution",
            "soak",
        ] {
            let before = report.errors.len() + report.omitted;
            fields.refuse(report, &[(kind, NO_SHELL)]);
            refused += report.errors.len() + report.omitted - before;
        }
        fields.finish(report, Block::Lava);
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
            if refused == 0 {
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
    timeout: Duration,
    job: Duration,
) -> Option<Duration> {
    if timeout <= job {
        return Some(timeout);
    }
    let found = format!("{} s", timeout.as_secs());
    let expected = format!("at most the job's timeout, {} s", job.as_secs());
    let problem = Problem::new(spot.place(), &spot.path, found, expected);
    report.add(problem.help("raise `timeouts: {job: …}`"));
    None
}
