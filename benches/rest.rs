//! What it costs to wait: a step that waits a minute for a screen that does not come, on a guest that
//! does nothing, beside os-autoinst with the same.
//!
//! Once a second everything is measured, and QEMU is asked for its screen all the time. The engine's
//! processor time says what that takes of us, QEMU's what it takes of the guest's own process.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::{
    reaction,
    support::{
        copy_folder,
        figures::{Aim, Figure, Figures, Spread},
        guests,
        isotovideo::Isotovideo,
        marks::{Marks, real_qemu},
        processes::{Costs, Watch},
        sutler, work_folder,
    },
};

const SECONDS: u32 = 60;

pub(crate) fn run() {
    let work = &work_folder("rest");
    let needles = {
        let marks = Marks::listen(&work.join("marks"));
        reaction::make_needles(work, &marks)
    };
    let ours = ours(&work.join("ours"), &needles);
    let theirs = theirs(&work.join("peer"), &needles);

    let mut figures = Figures::new("rest");
    let cpu = |costs: &Costs, kinds: &[&str]| {
        let of = kinds.iter().filter_map(|kind| costs.get(kind));
        Spread::once(of.map(|cost| cost.cpu_s).sum::<f64>() * 1000.0 / f64::from(SECONDS))
    };
    let harness = cpu(&ours, &["engine", "appliance"]);
    let mut figure =
        Figure::new("a second of waiting: processor time without QEMU and video", "ms", harness);
    if let Some(theirs) = &theirs {
        let theirs = cpu(theirs, &["harness"]);
        figure = figure.aim(Aim::AtMost(theirs.median / 5.0)).beside(Isotovideo::name(), theirs);
    }
    figures.push(figure);
    let qemu = cpu(&ours, &["qemu"]);
    let mut figure = Figure::new("a second of waiting: processor time of QEMU", "ms", qemu);
    if let Some(theirs) = &theirs {
        figure = figure.beside(Isotovideo::name(), cpu(theirs, &["qemu"]));
    }
    figures.push(figure);
    figures.finish();
}

fn ours(folder: &Path, needles: &Path) -> Costs {
    copy_folder(needles, &folder.join("needles"));
    guests::disk("reaction", folder);
    let text = format!(
        "job_name: rest\n\
         timeouts: {{ job: {{ minutes: 5 }} }}\n\
         actions:\n\
         - boot:\n    method: qemu\n    guest: {{ memory: 64M, disk: reaction.img }}\n\
         - test:\n    screen:\n      needles: needles/\n      steps:\n      \
         - assert_screen: {{ tags: page-a, timeout: 60s }}\n      \
         - check_screen: {{ tags: page-b, timeout: {SECONDS}s }}\n"
    );
    let (job, out) = (folder.join("job.yaml"), folder.join("out"));
    fs::write(&job, text).expect("a bench can write to its folder");
    let child = sutler::start(&job, &out, &env::var("PATH").unwrap_or_default());
    let watch = Watch::start(child.id(), sutler::kind);
    sutler::must_pass(child, &out);
    watch.stop()
}

fn theirs(folder: &Path, needles: &Path) -> Option<Costs> {
    fs::create_dir_all(folder).expect("a bench can write to its folder");
    let disk: PathBuf = guests::disk("reaction", folder);
    let drive = format!(
        "drive if=none,id=rx,format=raw,file={},readonly=on -device virtio-blk,drive=rx,bootindex=0",
        disk.display()
    );
    let peer = Isotovideo::new("rest", folder, needles)?
        .qemu(real_qemu())
        .set("QEMURAM", 64)
        .set("OFFLINE_SUT", 1)
        .set("SECONDS", SECONDS)
        .set("QEMU_APPEND", drive);
    let child = peer.start();
    let watch = Watch::start(child.id(), Isotovideo::kind);
    peer.must_pass(child, "rest");
    Some(watch.stop())
}
