//! A hundred bad job files, each with the line that is to be named and a phrase of the answer.

/// One bad file.
pub(crate) struct Bad {
    pub(crate) what: &'static str,
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) line: usize,
    pub(crate) phrase: &'static str,
}

/// A job whose steps begin on line 8.
pub(crate) fn steps(steps: &str) -> String {
    format!(
        "job_name: x\nactions:\n- boot: {{method: qemu}}\n- test:\n    screen:\n      needles: needles\n      steps:\n      {steps}\n"
    )
}

/// A job with `line` as its second line.
fn top(line: &str) -> String {
    format!("job_name: x\n{line}\nactions:\n- boot: {{method: qemu}}\n")
}

/// A job with `line` in its guest, on line 5.
fn guest(line: &str) -> String {
    format!("job_name: x\nactions:\n- boot:\n    guest:\n      {line}\n")
}

/// A job with `line` in its only image, on line 7.
fn image(line: &str) -> String {
    format!(
        "job_name: x\nactions:\n- deploy:\n    images:\n      disk:\n        url: disk.img\n        {line}\n- boot: {{method: qemu}}\n"
    )
}

/// A job with an action of its own on line 3.
fn action(line: &str) -> String {
    format!("job_name: x\nactions:\n- {line}\n")
}

fn laughs() -> String {
    let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, of) in ('b'..='z').zip('a'..='y') {
        text += &format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 9].join(", "));
    }
    text
}

pub(crate) fn files() -> Vec<Bad> {
    let mut files = Vec::new();
    let mut yaml = |what, text: String, line, phrase| {
        files.push(Bad { what, name: "x.yaml", bytes: text.into_bytes(), line, phrase });
    };
    whole_files(&mut yaml);
    top_level(&mut yaml);
    machines(&mut yaml);
    arguments(&mut yaml);
    tests(&mut yaml);
    let mut other = |what, name, bytes: &[u8], line, phrase| {
        files.push(Bad { what, name, bytes: bytes.to_vec(), line, phrase });
    };
    other(
        "not UTF-8",
        "x.yaml",
        b"job_name: x\na: \xff\n",
        2,
        "the byte 0xff, expected text in UTF-8",
    );
    other("UTF-16", "x.yaml", b"\xff\xfej\0o\0", 1, "expected text in UTF-8");
    other("a program", "x.yaml", b"\x7fELF\x02\x01\x01\0", 1, "control character 0x7f");
    other("JSON cut short", "x.json", b"{\"job_name\": \"x\",\n", 2, "expected JSON");
    other(
        "JSON with a comma too many",
        "x.json",
        b"{\n\"job_name\": \"x\",\n}",
        3,
        "expected JSON",
    );
    other("JSON with a comment", "x.json", b"{} # no", 1, "expected JSON");
    other("YAML that is called JSON", "x.json", b"job_name: x\n", 1, "expected JSON");
    other("JSON, twice", "x.json", b"{}\n{}", 2, "expected JSON");
    other(
        "JSON with a duplicate key",
        "x.json",
        b"{\"job_name\": \"x\",\n\"job_name\": \"y\"}",
        2,
        "a second time",
    );
    files
}

type Add<'a> = &'a mut dyn FnMut(&'static str, String, usize, &'static str);

fn whole_files(bad: Add<'_>) {
    bad("empty", String::new(), 1, "an empty file");
    bad("blank", "  \n\n\t\n".into(), 1, "an empty file");
    bad("only a BOM", "\u{feff}".into(), 1, "an empty file");
    bad("only a comment", "# a job\n".into(), 2, "expected a map");
    bad("a list", "- job_name: x\n".into(), 1, "found a list of 1, expected a map");
    bad("a word", "job\n".into(), 1, "found `job`, expected a map");
    bad("null", "~\n".into(), 1, "found nothing, expected a map");
    bad("two documents", "job_name: x\n---\njob_name: y\n".into(), 3, "one job in a file");
    bad("a tab", "job_name: x\nactions:\n\t- boot: {}\n".into(), 3, "indented with spaces");
    bad("a bracket left open", "job_name: [x\nactions: []\n".into(), 2, "expected YAML");
    bad("a quote left open", "job_name: \"x\nactions: []\n".into(), 2, "expected YAML");
    bad("a colon in plain text", top("metadata: {a: b: c}"), 2, "expected YAML");
    bad("uneven indentation", "job_name: x\n  tags: []\n".into(), 2, "expected YAML");
    bad("a NUL byte", "job_name: x\0\n".into(), 1, "control character 0x00");
    bad("an escape sequence", "job_name: x\na: \u{1b}[31m\n".into(), 2, "control character 0x1b");
    bad("an unknown alias", top("tags: [*nobody]"), 2, "expected YAML");
    bad("a foreign tag", top("tags: !!python/object [x]"), 2, "expected YAML");
    bad("billion laughs", laughs(), 6, "more than a job file may hold");
    bad("a depth bomb", "[".repeat(100_000), 1, "more than a job file may hold");
    bad("a deep map", format!("a: {}", "{a: ".repeat(5_000)), 1, "more than a job file may hold");
    bad("a large file", top(&"#".repeat(2 << 20)), 1, "at most 1 MiB");
    bad(
        "many values",
        top(&format!("tags: [{}]", "1,".repeat(500_000))),
        2,
        "more than a job file may hold",
    );
    bad("a key twice", "job_name: x\ntags: []\njob_name: y\n".into(), 3, "the first is on line 1");
    bad("a key that is a list", top("[a]: b"), 2, "a word as key");
    bad("a template", top("{{ a }}: b"), 2, "a word as key");
    bad("a merge of a word", top("<<: x"), 2, "expected YAML");
    bad("an alias to itself", "job_name: x\ntags: &a [*a]\n".into(), 2, "expected YAML");
}

fn top_level(bad: Add<'_>) {
    bad("no name", "actions: []\n".into(), 1, "no `job_name`");
    bad("no actions", "job_name: x\n".into(), 1, "no `actions`");
    bad("an empty name", "job_name: ''\nactions: []\n".into(), 1, "one line of text");
    bad("a null name", "job_name:\nactions: []\n".into(), 1, "found nothing");
    bad("a long name", format!("job_name: {}\n", "x".repeat(300)), 1, "at most 200 bytes");
    bad("a name in two lines", "job_name: \"a\\nb\"\n".into(), 1, "one line of text");
    bad("no action in the list", "job_name: x\nactions: []\n".into(), 2, "1 to 100 actions");
    bad("actions as a map", "job_name: x\nactions: {boot: {}}\n".into(), 2, "a list of actions");
    bad("an unknown action", action("bot: {}"), 3, "did you mean `boot`?");
    bad("two actions in one", action("boot: {}\n  test: {}"), 3, "one action in each list item");
    bad("an action that is a word", action("boot"), 3, "found `boot`, expected a map");
    bad("a command", action("command: {name: x}"), 3, "no commands of its own");
    bad("priority in words", top("priority: urgent"), 2, "one of `low`, `medium`, `high`");
    bad("priority nearly", top("priority: hihg"), 2, "did you mean `high`?");
    bad("priority over 100", top("priority: 101"), 2, "from 0 to 100");
    bad("priority below 0", top("priority: -1"), 2, "from 0 to 100");
    bad("priority in hex", top("priority: 0x10"), 2, "decimal digits only: write 16");
    bad("priority in octal", top("priority: 010"), 2, "write 10, or 8 if it was meant as octal");
    bad("priority with a fraction", top("priority: 5.5"), 2, "a whole number");
    bad("tags as a word", top("tags: uefi"), 2, "a list of tags");
    bad("a tag with a blank", top("tags: [a b]"), 2, "letters, digits");
    bad("a device type with a slash", top("device_type: ../x"), 2, "letters, digits");
    bad("visibility", top("visibility: secret"), 2, "`public`, `personal`");
    bad("visibility of no group", top("visibility: {group: []}"), 2, "at least one group");
    bad("a job timeout without unit", top("timeouts: {job: 15}"), 2, "write 15s or 15m");
    bad("a negative timeout", top("timeouts: {job: -5m}"), 2, "a duration up to 7 days");
    bad("a huge timeout", top("timeouts: {job: {days: 400}}"), 2, "from 0 to 7");
    bad(
        "a timeout of two units",
        top("timeouts: {job: {hours: 1, minutes: 2}}"),
        2,
        "exactly one of",
    );
    bad("a timeout of no time", top("timeouts: {job: 0s}"), 2, "more than no time");
    bad("a timeout of NaN", top("timeouts: {job: .nan}"), 2, "a duration up to 7 days");
    bad("a timeout in weeks", top("timeouts: {job: {weeks: 1}}"), 2, "unknown key `weeks`");
    bad("skip", top("timeouts: {job: {hours: 1, skip: true}}"), 2, "ends the job in this version");
    bad(
        "an action longer than its job",
        top("timeouts: {job: 5m, action: 10m}"),
        2,
        "at most the job's timeout, 5 min",
    );
    bad("metadata as a list", top("metadata: [a]"), 2, "names and values");
    bad("a setting without a name", top("settings: {a-b: 1}"), 2, "a name of letters");
    bad("a setting that is a list", top("settings: {A: [1]}"), 2, "expected text");
    bad("a setting that is nothing", top("settings: {A: }"), 2, "write \"\" for an empty text");
    bad("a stream without a slash", top("stream: team"), 2, "a stream, as /public");
    bad("a stream upwards", top("stream: /a/../b/"), 2, "a stream, as /public");
    bad("a server", top("server: https://lab.example"), 2, "sends them nowhere");
    bad("protocols", top("protocols: {lava-multinode: {}}"), 2, "jobs of one machine");
    bad("a worker", top("worker: w1"), 2, "every job runs on this box");
    bad("another architecture", top("context: {arch: arm64}"), 2, "one of `amd64`, `x86_64`");
    bad("a tap device", top("context: {netdevice: tap}"), 2, "one of `user`");
    bad("extra options", top("context: {extra_options: [-monitor stdio]}"), 2, "owns consoles");
    bad("extra devices", top("context: {extra_options: [-device usb-kbd]}"), 2, "`image_arg`");
}

fn machines(bad: Add<'_>) {
    bad("an unknown key in our block", guest("memroy: 1G"), 5, "did you mean `memory`?");
    bad("memory in words", guest("memory: lots"), 5, "memory from 4M to 1T");
    bad("too much memory", guest("memory: 2T"), 5, "memory from 4M to 1T");
    bad("infinite memory", guest("memory: .inf"), 5, "memory from 4M to 1T");
    bad("negative memory", guest("memory: -1"), 5, "memory from 4M to 1T");
    bad("no processor", guest("cpus: 0"), 5, "from 1 to 255");
    bad("many processors", guest("cpus: 99999999999999999999"), 5, "from 1 to 255");
    bad("firmware", guest("firmware: efi"), 5, "did you mean `uefi`?");
    bad("display", guest("display: qxl"), 5, "one of `std`, `virtio`, `cirrus`, `none`");
    bad("network", guest("network: bridge"), 5, "one of `none`, `user`");
    bad(
        "a disk from the net",
        guest("disk: https://example.org/d.img"),
        5,
        "reads only files of this box",
    );
    bad("a disk by scp", guest("disk: scp://host/d.img"), 5, "reads only files of this box");
    bad("a disk above", guest("disk: ../../etc/shadow"), 5, "without `..`");
    bad("a disk above by detour", guest("disk: file:///srv/../etc/shadow"), 5, "without `..`");
    bad("a disk at home", guest("disk: ~/d.img"), 5, "`~` is not expanded");
    bad("a file URL with a host", guest("disk: file://host/d.img"), 5, "three slashes");
    bad("a long path", guest(&format!("disk: {}", "x/".repeat(4_000))), 5, "at most 4095 bytes");
    bad("a short sum", guest("disk: {url: d.img, sha256sum: abc}"), 5, "64 hexadecimal digits");
    bad("another sum", guest("disk: {url: d.img, md5sum: abc}"), 5, "unknown key `md5sum`");
    bad("a variable nobody set", guest("disk: '%DISK%.img'"), 5, "the variable %DISK%");
    bad("append without kernel", guest("append: quiet"), 5, "a `kernel` beside them");
    bad("another boot method", action("boot: {method: u-boot}"), 3, "one of `qemu`");
    bad("prompts", action("boot: {prompts: ['#']}"), 3, "`screen:` tests only");
    bad("auto_login", action("boot: {auto_login: {login_prompt: x}}"), 3, "`screen:` tests only");
    bad("QEMU in docker", action("boot: {docker: {image: x}}"), 3, "runs QEMU on the box itself");
    bad("repeat", action("boot: {repeat: 3}"), 3, "as often as it is to run");
    bad("a role", action("boot: {role: [server]}"), 3, "jobs of one machine");
}

fn arguments(bad: Add<'_>) {
    bad("deploy to nfs", action("deploy: {to: nfs, images: {}}"), 3, "one of `tmpfs`");
    bad("deploy without images", action("deploy: {to: tmpfs}"), 3, "no `images`");
    bad("no image among images", action("deploy: {images: {}}"), 3, "1 to 32 images");
    bad("an image named {}", action("deploy: {images: {'{x}': {url: a}}}"), 3, "letters, digits");
    bad("compression", image("compression: xz"), 7, "one that is unpacked");
    bad("overlays", image("overlays: {lava: true}"), 7, "one that is unpacked");
    bad("a sum we do not check", image("sha512sum: abc"), 7, "checks `sha256sum` only");
    bad("an unquoted image_arg", image("image_arg: {disk}"), 7, "needs quotes");
    bad(
        "a quote left open in it",
        image("image_arg: -drive file={disk},x=\"y"),
        7,
        "a quote that is not closed",
    );
    bad("a path in it", image("image_arg: -drive file=/etc/shadow"), 7, "names its own file only");
    bad("another image in it", image("image_arg: -kernel {kernel}"), 7, "`-kernel {disk}`");
    bad(
        "a backing file",
        image("image_arg: '-drive file={disk},backing.file.filename=/x'"),
        7,
        "`backing.file.filename=/x` in `-drive`",
    );
    bad(
        "a port opened",
        image("image_arg: -netdev user,id=n,hostfwd=tcp::22-:22"),
        7,
        "never listen outside",
    );
    bad(
        "a folder of the host",
        image("image_arg: -virtfs local,path=/,mount_tag=h"),
        7,
        "no folder of the host",
    );
    bad("a plugin", image("image_arg: -plugin x.so"), 7, "how QEMU itself runs");
    bad("a program", image("image_arg: -incoming exec:id"), 7, "fresh overlay");
    bad("the monitor", image("image_arg: -qmp tcp:0:1"), 7, "owns consoles and monitors");
    bad("no sandbox", image("image_arg: -sandbox off"), 7, "how QEMU itself runs");
}

fn tests(bad: Add<'_>) {
    bad(
        "a test before any boot",
        action("test: {screen: {steps: [power: off]}}"),
        3,
        "a `boot:` action above it",
    );
    bad("a second boot", action("boot: {}\n- boot: {}"), 4, "one `boot:` in a job");
    bad("a shell test", action("boot: {}\n- test: {definitions: []}"), 4, "`screen:` tests only");
    bad("a Perl test", action("boot: {}\n- test: {distribution: x}"), 4, "`screen:` tests only");
    bad("a test of no kind", action("boot: {}\n- test: {}"), 4, "`screen:` with steps");
    bad("no steps", action("boot: {}\n- test: {screen: {steps: []}}"), 4, "at least one step");
    bad(
        "no needles",
        action("boot: {}\n- test: {screen: {steps: [assert_screen: x]}}"),
        4,
        "no `needles:`",
    );
    bad(
        "an unknown key beside steps",
        steps("- save_screenshot\n      needle: x"),
        9,
        "did you mean `needles`?",
    );
    bad("an unknown step", steps("- asert_screen: x"), 8, "did you mean `assert_screen`?");
    bad("a step without value", steps("- assert_screen"), 8, "`assert_screen` needs a value");
    bad("a step of nothing", steps("- assert_screen:"), 8, "found nothing");
    bad(
        "two steps in one",
        steps("- send_key: ret\n        power: off"),
        9,
        "one step in each list item",
    );
    bad(
        "options not indented",
        steps("- assert_screen: x\n        timeout: 5"),
        9,
        "indented below the step's name",
    );
    bad("sleep", steps("- sleep: 5"), 8, "wait for what comes next");
    bad("no tag", steps("- assert_screen: []"), 8, "1 to 64 tags");
    bad("an empty tag", steps("- assert_screen: ['']"), 8, "one line of text");
    bad(
        "an unknown option",
        steps("- assert_screen: {tags: x, timout: 5}"),
        8,
        "did you mean `timeout`?",
    );
    bad(
        "an endless wait",
        steps("- assert_screen: {tags: x, timeout: 1e9}"),
        8,
        "a duration up to 7 days",
    );
    bad(
        "a huge wait",
        steps("- assert_screen: {tags: x, timeout: 604801}"),
        8,
        "a duration up to 7 days",
    );
    bad(
        "a negative wait",
        steps("- check_screen: {tags: x, timeout: -1}"),
        8,
        "a duration up to 7 days",
    );
    bad(
        "an unknown button",
        steps("- assert_and_click: {tags: x, button: lft}"),
        8,
        "did you mean `left`?",
    );
    bad(
        "a switch in words",
        steps("- assert_and_click: {tags: x, double: maybe}"),
        8,
        "`true` or `false`",
    );
    bad(
        "a quoted switch",
        steps("- assert_and_click: {tags: x, double: 'true'}"),
        8,
        "`true` or `false`",
    );
    bad("the enter key", steps("- send_key: enter"), 8, "did you mean `ret`?");
    bad("f13", steps("- send_key: f13"), 8, "the key `f13`");
    bad("two keys at once", steps("- send_key: [a, b]"), 8, "one `send_key` for each");
    bad("an accent", steps("- type_string: café"), 8, "characters of a US keyboard");
    bad("an empty string", steps("- type_string: ''"), 8, "1 to 16384 characters");
    bad(
        "a long string",
        steps(&format!("- type_string: {}", "x".repeat(20_000))),
        8,
        "1 to 16384 characters",
    );
    bad(
        "a date with percent signs",
        steps("- type_string: date +%Y%m%d"),
        8,
        "write %% for a percent sign",
    );
    bad(
        "stiller than the time",
        steps("- wait_still_screen: 60"),
        8,
        "a timeout not below stilltime",
    );
    bad(
        "similarity of NaN",
        steps("- wait_still_screen: {similarity: .nan}"),
        8,
        "a number from 0",
    );
    bad("a regex left open", steps("- wait_serial: '(x'"), 8, "a regular expression");
    bad("look-around", steps("- wait_serial: '(?=x)'"), 8, "look-around is not supported");
    bad(
        "a regex that explodes",
        steps("- wait_serial: '((x{1000}){1000}){1000}'"),
        8,
        "a regular expression",
    );
    bad("a screenshot with a name", steps("- save_screenshot: {name: x}"), 8, "unknown key `name`");
    bad("power on", steps("- power: on"), 8, "one of `off`, `reset`, `acpi`");
    bad(
        "a module in a module",
        steps("- module: a\n        steps:\n        - module: b"),
        10,
        "modules do not hold modules",
    );
    bad("a module without steps", steps("- module: a"), 8, "no `steps`");
    bad(
        "an unknown flag",
        steps("- module: a\n        flags: {fatl: 1}\n        steps: [save_screenshot]"),
        9,
        "did you mean `fatal`?",
    );
    bad(
        "a rollback",
        steps("- module: a\n        flags: {always_rollback: 1}\n        steps: [save_screenshot]"),
        9,
        "keeps no snapshots",
    );
    bad(
        "too many steps",
        steps(&"- save_screenshot\n      ".repeat(10_001)),
        10_008,
        "at most 10000 steps",
    );
}
