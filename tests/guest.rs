//! Whole systems from Debian's packages, tested as a new user would: look, cut a needle, assert it.

use std::{fs, path::Path};

use crate::support::job::{run_alone, saved_screens, write_needle};

/// Of Debian's package `memtest86+`.
const MEMTEST: &str = "/usr/lib/memtest86+/memtest86+x64.iso";

#[test]
fn memtest86_is_seen_and_its_menu_answers() {
    assert!(Path::new(MEMTEST).exists(), "{MEMTEST} is missing: run packaging/test.sh");
    let folder = tempfile::tempdir().unwrap();
    let job = |name: &str, steps: &str| {
        let file = folder.path().join(format!("{name}.yaml"));
        let text = format!(
            "job_name: {name}\n\
             device_type: qemu-x86_64\n\
             timeouts: {{ job: {{ minutes: 5 }}, action: {{ minutes: 5 }} }}\n\
             actions:\n\
             - boot: {{ method: qemu, guest: {{ memory: 64M, cdrom: {MEMTEST} }} }}\n\
             - test:\n\
             \x20   screen:\n\
             \x20     needles: needles/\n\
             \x20     steps:\n{steps}"
        );
        fs::write(&file, text).unwrap();
        file
    };
    let needles = folder.path().join("needles");
    fs::create_dir(&needles).unwrap();

    // Its clock never rests, so that the first wait is only a wait.
    let look = "\x20     - wait_still_screen: { stilltime: 29s, timeout: 30s }\n\
                \x20     - save_screenshot\n\
                \x20     - send_key: f1\n\
                \x20     - wait_still_screen: { stilltime: 4s, timeout: 5s }\n\
                \x20     - save_screenshot\n";
    let out = folder.path().join("look");
    run_alone(&job("look", look), &out);
    let saved = saved_screens(&out);
    // "Status: Testing" (the title is there before keys are heard), and the menu that F1 opens.
    write_needle(&needles, "memtest-running", &out.join(&saved[0]), [540, 112, 134, 16]);
    write_needle(&needles, "memtest-menu", &out.join(&saved[1]), [230, 130, 200, 120]);

    let test = "\x20     - assert_screen: { tags: memtest-running, timeout: 2m }\n\
                \x20     - send_key: f1\n\
                \x20     - assert_screen: { tags: memtest-menu, timeout: 30s }\n\
                \x20     - send_key: f10\n\
                \x20     - assert_screen: { tags: memtest-running, timeout: 30s }\n";
    run_alone(&job("test", test), &folder.path().join("test"));
}
