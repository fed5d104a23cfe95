//! How soon a job that was dropped or sent has a machine, and one that is canceled has none.
//!
//! From the rename into the inbox, and from the start of `sutler submit`, to the moment at which QEMU
//! opens its debug console, which ends here: it is started, and its guest is not yet running. From the
//! start of `sutler cancel`, while the guest runs, to the moment at which there is no such process.

use std::{fs, path::Path};

use jiff::Timestamp;
use sutler::clock::Stopwatch;

use crate::support::{
    figures::{Aim, Figure, Figures, Spread},
    guests,
    marks::{Marks, STARTED},
    processes,
    sutler::Appliance,
    work_folder,
};

const ROUNDS: usize = 20;
const CANCELS: usize = 10;

pub(crate) fn run() {
    let work = &work_folder("submit");
    let marks = Marks::listen(&work.join("marks"));
    let job = work.join("job");
    fs::create_dir_all(&job).expect("a bench can write to its folder");
    guests::disk("reaction", &job);
    let text = "job_name: start a machine\n\
        timeouts: { job: { minutes: 1 } }\n\
        actions:\n\
        - boot:\n    method: qemu\n    guest: { memory: 64M, disk: reaction.img }\n\
        - test:\n    screen:\n      steps:\n      - save_screenshot\n";
    fs::write(job.join("job.yaml"), text).expect("a bench can write to its folder");

    let appliance = Appliance::start(&work.join("data"), &marks.path());
    let mut number = 0;
    let mut measure = |send: &dyn Fn(&Appliance, &Path, u32)| {
        let mut times = Vec::new();
        for _ in 0..=ROUNDS {
            number += 1;
            marks.take();
            let sent = Timestamp::now();
            send(&appliance, &job, number);
            appliance.must_pass(&number.to_string());
            let started = marks.take().into_iter().find(|(_, byte)| *byte == STARTED);
            let (at, _) = started.expect("a job that passed had a machine");
            times.push(at.duration_since(sent).as_secs_f64() * 1000.0);
        }
        // The first waits until it is known how guests run here.
        Spread::of(&times[1..])
    };
    let dropped =
        measure(&|appliance, job, number| appliance.drop_folder(job, &number.to_string()));
    let sent = measure(&|appliance, job, _| appliance.submit(job));

    let canceled = cancel(&appliance, work, number);

    let mut figures = Figures::new("submit");
    let aim = Aim::AtMost(200.0);
    figures.push(Figure::new("job dropped to QEMU started", "ms", dropped).aim(aim));
    figures.push(Figure::new("sutler submit to QEMU started", "ms", sent).aim(aim));
    let gone = Figure::new("sutler cancel to QEMU gone", "ms", canceled);
    figures.push(gone.aim(Aim::AtMost(1_000.0)));
    figures.finish();
}

/// After `number` jobs, of more that would run for a minute.
fn cancel(appliance: &Appliance, work: &Path, number: u32) -> Spread {
    let job = work.join("waits");
    fs::create_dir_all(&job).expect("a bench can write to its folder");
    guests::disk("reaction", &job);
    let text = "job_name: wait for nothing\n\
        actions:\n\
        - boot:\n    guest: { memory: 64M, disk: reaction.img }\n\
        - test:\n    screen:\n      steps:\n      - wait_serial: { regex: never, timeout: 1m }\n";
    fs::write(job.join("job.yaml"), text).expect("a bench can write to its folder");
    let mut times = Vec::new();
    for number in (number + 1..).take(CANCELS) {
        appliance.submit(&job);
        let pid = processes::wait_for("qemu-system", &appliance.folder(number));
        appliance.follow(number, "wait_serial");
        let since = Stopwatch::start();
        appliance.cancel(number);
        processes::wait_gone(pid);
        times.push(since.elapsed().as_secs_f64() * 1000.0);
    }
    Spread::of(&times)
}
