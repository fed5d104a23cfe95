//! What it costs to watch Debian's graphical installer ask its questions, beside os-autoinst with the
//! same steps and the same needles on the same guest.
//!
//! Processor time and memory of everything but QEMU. The video stands apart: it is made by other means
//! (AV1 and Theora), and measured on equal frames by `video`.

use std::{fs, path::Path};

use crate::support::{
    figures::{Aim, Figure, Figures, Spread},
    isotovideo::Isotovideo,
    marks::real_qemu,
    processes::{Cost, Costs, Watch},
    sutler::{self, Appliance},
    work_folder,
};

const IMAGES: &str = "/usr/lib/debian-installer/images/12/amd64/gtk/debian-installer/amd64";

pub(crate) fn run() {
    assert!(Path::new(IMAGES).exists(), "install debian-installer-12-netboot-amd64");
    let work = &work_folder("installer");
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/installer");
    let ours = ours(&work.join("data"), &demo);
    let theirs = theirs(&work.join("peer"), &demo.join("needles")).map(|costs| {
        (cost(&costs, &["harness"]), cost(&costs, &["video"]), cost(&costs, &["harness", "video"]))
    });
    let beside = |figure: Figure, value: fn(&(Cost, Cost, Cost)) -> f64| match &theirs {
        Some(theirs) => figure.beside(Isotovideo::name(), Spread::once(value(theirs))),
        None => figure,
    };

    let mut figures = Figures::new("installer");
    let harness = cost(&ours, &["engine", "appliance"]);
    let figure = Figure::new(
        "installer: processor time without QEMU and video",
        "s",
        Spread::once(harness.cpu_s),
    );
    let figure = match &theirs {
        Some((peer, _, _)) => figure.aim(Aim::AtMost(peer.cpu_s / 5.0)),
        None => figure,
    };
    figures.push(beside(figure, |(harness, _, _)| harness.cpu_s));
    let video = Spread::once(cost(&ours, &["video"]).cpu_s);
    let figure = Figure::new("installer: processor time of the video", "s", video);
    figures.push(beside(figure, |(_, video, _)| video.cpu_s));
    let engine = Spread::once(cost(&ours, &["engine"]).peak_mib);
    let figure = Figure::new("installer: peak memory of an engine", "MiB", engine);
    figures.push(beside(figure.aim(Aim::AtMost(120.0)), |(_, _, all)| all.peak_mib));
    let encoder = Spread::once(cost(&ours, &["video"]).peak_mib);
    let figure = Figure::new("installer: peak memory of the video", "MiB", encoder);
    figures.push(beside(figure, |(_, video, _)| video.peak_mib));
    figures.finish();
}

fn cost(costs: &Costs, kinds: &[&str]) -> Cost {
    let of = kinds.iter().filter_map(|kind| costs.get(kind));
    of.fold(Cost::default(), |sum, cost| Cost {
        cpu_s: sum.cpu_s + cost.cpu_s,
        peak_mib: sum.peak_mib + cost.peak_mib,
    })
}

/// From the drop into the inbox to the end of the job.
fn ours(data: &Path, demo: &Path) -> Costs {
    let appliance = Appliance::start(data, "");
    let watch = Watch::start(appliance.pid(), sutler::kind);
    appliance.drop_folder(demo, "installer");
    appliance.must_pass("1");
    watch.stop()
}

fn theirs(folder: &Path, needles: &Path) -> Option<Costs> {
    let peer = Isotovideo::new("installer", folder, needles)?
        .qemu(real_qemu())
        .set("QEMURAM", 1024)
        .set("KERNEL", format!("{IMAGES}/linux"))
        .set("INITRD", format!("{IMAGES}/initrd.gz"))
        // It hands this to QEMU with literal quotes around, which spoil the first and the last word.
        .set("APPEND", "first=1 vga=836 nomodeset fb=true last=1");
    fs::create_dir_all(folder).expect("a bench can write to its folder");
    let child = peer.start();
    let watch = Watch::start(child.id(), Isotovideo::kind);
    peer.must_pass(child, "installer");
    Some(watch.stop())
}
