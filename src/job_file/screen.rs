//! Our `screen:` block: needles, steps, and steps grouped as modules.

use std::path::{Component, Path, PathBuf};

use crate::model::{Item, Module, ModuleFlags, ScreenTest};

use super::{
    Problem,
    form::{Block, Form, Key, Kind},
    node::Value,
    reader::{FileUse, Report, Spot},
    steps,
    variables::Variables,
};

/// Steps of one job.
pub const MOST_STEPS: usize = 10_000;
/// Longest path, bytes, as Linux has it.
pub(super) const LONGEST_PATH: usize = 4_095;
const LONGEST_NAME: usize = 200;
const NO_SNAPSHOTS: &str = "this version keeps no snapshots to go back to";

pub(super) static SCREEN: Form = Form {
    doc: "Steps on the screen of the guest, one after the other. A step that fails ends the test; \
          inside a module it ends the module, and the module's `flags` say what becomes of the rest.",
    keys: &[
        Key::new(
            "needles",
            Kind::Path,
            "The folder of needles, relative to the job file. Steps that look for tags need it.",
        )
        .example("needles/"),
        Key::new(
            "steps",
            Kind::List { of: &Kind::Item, least: 1, most: usize::MAX },
            "Steps, and modules of steps. At most 10000 in a job.",
        )
        .needed("a list of steps"),
    ],
    ..Form::new("screen", Block::Ours, "`needles:` and `steps:`")
};

pub(super) static MODULE: Form = Form {
    doc: "Steps that belong together, under a name. Modules do not hold modules.",
    keys: &[
        Key::new("module", Kind::Line { longest: LONGEST_NAME }, "Its name.")
            .needed("its name")
            .example("country"),
        Key::new("flags", Kind::Form(&FLAGS), "What its failure means for the rest."),
        Key::new("steps", Kind::List { of: &Kind::Step, least: 1, most: usize::MAX }, "Its steps.")
            .needed("the steps of the module"),
    ],
    ..Form::new("module", Block::Ours, "a module")
};

static FLAGS: Form = Form {
    doc: "os-autoinst's flags of a module. Without any, its failure fails the job and the modules \
          after it still run.",
    keys: &[
        Key::new("fatal", Kind::Flag, "When it fails, nothing after it runs.").usual("false"),
        Key::new("ignore_failure", Kind::Flag, "Its failure does not fail the job.").usual("false"),
    ],
    refused: &[("always_rollback", NO_SNAPSHOTS)],
    ignored: &[
        ("milestone", NO_SNAPSHOTS),
        ("no_rollback", NO_SNAPSHOTS),
        ("important", "every module counts, as os-autoinst has it now"),
    ],
    ..Form::new("flags", Block::Ours, "flags, as {fatal: true}")
};

pub(super) fn read(
    report: &mut Report,
    spot: &Spot<'_>,
    variables: &mut Variables<'_>,
    steps_left: &mut usize,
) -> Option<ScreenTest> {
    let mut fields = spot.fields(report, &SCREEN)?;
    let asked = fields.take("needles");
    let is_asked = asked.is_some();
    let needles = asked.and_then(|spot| {
        let text = variables.line(report, &spot)?;
        let file = path(report, &spot, &text)?;
        let (place, path) = (spot.place(), spot.path);
        let named = FileUse { place, path, file: file.clone(), sha256: None, needles: true };
        report.files.push(named);
        Some((file, report.files.len() - 1))
    });
    let list = fields.need(report, "steps");
    fields.finish(report);
    let list = list?.list(report, "steps")?;
    if list.is_empty() {
        report.add(spot.problem("at least one step"));
        return None;
    }
    let before = report.looks.len();
    let items: Vec<_> =
        list.iter().filter_map(|spot| item(report, spot, variables, steps_left)).collect();
    for index in before..report.looks.len() {
        report.looks[index].needles = needles.as_ref().map(|(_, index)| *index);
    }
    if let (false, Some(look)) = (is_asked, report.looks.get(before)) {
        let found = "a step that looks for needles, and no `needles:`";
        let expected = "`needles:` with the folder they are in";
        report.add(Problem::new(look.place, &look.path, found, expected));
    }
    let needles = needles.map(|(file, _)| file);
    (items.len() == list.len()).then_some(ScreenTest { needles, items })
}

fn item(
    report: &mut Report,
    spot: &Spot<'_>,
    variables: &mut Variables<'_>,
    steps_left: &mut usize,
) -> Option<Item> {
    if !is_module(spot) {
        count(report, spot, steps_left)?;
        return steps::read(report, spot, variables).map(Item::Step);
    }
    let mut fields = spot.fields(report, &MODULE)?;
    let name = fields.need(report, "module").and_then(|spot| spot.line(report, LONGEST_NAME));
    let flags = fields
        .take("flags")
        .map_or_else(|| Some(ModuleFlags::default()), |spot| flags(report, &spot));
    let list = fields.need(report, "steps");
    fields.finish(report);
    let list = list?.list(report, "steps")?;
    if list.is_empty() {
        report.add(spot.problem("a module with at least one step"));
        return None;
    }
    let mut read = Vec::with_capacity(list.len());
    for spot in &list {
        if is_module(spot) {
            let problem = spot.problem("a step: modules do not hold modules");
            report.add(problem);
            continue;
        }
        count(report, spot, steps_left)?;
        read.extend(steps::read(report, spot, variables));
    }
    let steps = (read.len() == list.len()).then_some(read);
    Some(Item::Module(Module { name: name?, flags: flags?, steps: steps? }))
}

fn is_module(spot: &Spot<'_>) -> bool {
    let Value::Map(entries) = &spot.node.value else { return false };
    entries
        .iter()
        .any(|(key, _)| matches!(&key.value, Value::Scalar { text, .. } if text == "module"))
}

/// One step more; only the first that is too many is reported.
fn count(report: &mut Report, spot: &Spot<'_>, left: &mut usize) -> Option<()> {
    if *left == 1 {
        *left = 0;
        let expected = format!("at most {MOST_STEPS} steps in a job");
        report.add(Problem::new(spot.place(), &spot.path, "one step more", expected));
    }
    *left = left.checked_sub(1)?;
    Some(())
}

fn flags(report: &mut Report, spot: &Spot<'_>) -> Option<ModuleFlags> {
    let mut fields = spot.fields(report, &FLAGS)?;
    let fatal = fields.take("fatal").map_or(Some(false), |spot| flag(report, &spot));
    let ignore_failure =
        fields.take("ignore_failure").map_or(Some(false), |spot| flag(report, &spot));
    fields.finish(report);
    Some(ModuleFlags { fatal: fatal?, ignore_failure: ignore_failure? })
}

/// A switch; os-autoinst's authors write 1 and 0.
fn flag(report: &mut Report, spot: &Spot<'_>) -> Option<bool> {
    match &spot.node.value {
        Value::Scalar { text, plain: true } if text == "1" => Some(true),
        Value::Scalar { text, plain: true } if text == "0" => Some(false),
        Value::Null | Value::Scalar { .. } | Value::List(_) | Value::Map(_) => spot.switch(report),
    }
}

/// A path that stays below the bundle, or an absolute one without `..`, without needless parts.
pub(super) fn path(report: &mut Report, spot: &Spot<'_>, text: &str) -> Option<PathBuf> {
    let refuse = |report: &mut Report, expected: &str| {
        report.add(spot.problem(expected));
        None
    };
    if text.len() > LONGEST_PATH {
        return refuse(report, "a path of at most 4095 bytes");
    }
    if text.starts_with('~') {
        return refuse(report, "a path: `~` is not expanded, write it out");
    }
    let mut clean = PathBuf::new();
    for component in Path::new(text).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                return refuse(report, "a path below the job's folder, without `..`");
            }
            Component::RootDir | Component::Normal(_) | Component::Prefix(_) => {
                clean.push(component);
            }
        }
    }
    if clean.as_os_str().is_empty() {
        // `needles: .` is the job's own folder.
        clean.push(".");
    }
    Some(clean)
}
