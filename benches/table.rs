//! Makes the README's table of all that the benches measured, from `target/figures/`.

use std::fs;

use crate::support::figures::{self, Aim, Figure, Figures};

pub(crate) fn run() {
    let files = fs::read_dir(figures::folder()).into_iter().flatten().flatten();
    let read = |file: fs::DirEntry| serde_json::from_slice(&fs::read(file.path()).ok()?).ok();
    let mut benches: Vec<Figures> = files.filter_map(read).collect();
    benches.sort_by(|a, b| a.bench.cmp(&b.bench));
    println!("| what | Sutler | beside it | aim | command |");
    println!("| --- | --- | --- | --- | --- |");
    for bench in &benches {
        for figure in &bench.figures {
            println!("{}", row(&bench.bench, figure));
        }
    }
    for bench in &benches {
        let Figures { bench, date, cores, kernel, .. } = bench;
        println!("\n`{bench}`: {date}, {cores} cores, Linux {kernel}");
    }
}

fn row(bench: &str, figure: &Figure) -> String {
    let Figure { what, unit, ours, beside, aim } = figure;
    let beside = beside.as_ref().map_or_else(String::new, |beside| {
        let measured = figures::spread(&beside.measured, unit);
        format!("{}: {measured}, {}", beside.name, figures::ratio(figure))
    });
    let aim = aim.map_or_else(String::new, |aim| match aim {
        Aim::AtMost(bound) => format!("at most {} {unit}", figures::number(bound)),
        Aim::AtLeast(bound) => format!("at least {} {unit}", figures::number(bound)),
    });
    let ours = figures::spread(ours, unit);
    format!("| {what} | {ours} | {beside} | {aim} | `cargo bench -- {bench}` |")
}
