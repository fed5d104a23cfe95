//! What is in the package, looked at from outside.

use std::{fs, path::Path, process::Command};

use crate::support::debian::{Package, succeed};

/// `systemd-analyze` counts from 0 (nothing is open) to 10.
const EXPOSURE_TENTHS: &str = "--threshold=20";

fn unpacked() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    Package::built().unpack(folder.path());
    folder
}

#[test]
#[ignore = "needs the package: packaging/test.sh"]
fn it_needs_of_opencv_only_what_it_uses() {
    let package = Package::built();
    let depends = package.names("Depends");
    let opencv: Vec<_> = depends.iter().filter(|name| name.contains("opencv")).collect();
    assert_eq!(opencv, ["libopencv-core406", "libopencv-imgproc406"], "{depends:?}");
    for needed in ["qemu-system-x86", "qemu-utils", "seabios"] {
        assert!(depends.iter().any(|name| name == needed), "{needed}: {depends:?}");
    }
    let folder = unpacked();
    let dynamic =
        succeed(Command::new("readelf").arg("-d").arg(folder.path().join("usr/bin/sutler")));
    let linked = dynamic.lines().filter(|line| line.contains("NEEDED") && line.contains("opencv"));
    assert_eq!(linked.count(), 2, "{dynamic}");
}

#[test]
#[ignore = "needs the package: packaging/test.sh"]
fn lintian_finds_nothing() {
    let mut lintian = Command::new("lintian");
    lintian.args(["--pedantic", "--display-info", "--fail-on=error,warning,info,pedantic"]);
    // Letters in a table or a symbol that happen to look like a misspelt word, others each time.
    lintian.args(["--suppress-tags", "spelling-error-in-binary"]);
    // As root it complains of root.
    succeed(lintian.arg("--allow-root").arg(Package::built().0));
}

#[test]
#[ignore = "needs the package: packaging/test.sh"]
fn each_command_has_a_manual_page_that_renders() {
    let folder = unpacked();
    let pages = folder.path().join("usr/share/man/man1");
    let mut names = Vec::new();
    for page in fs::read_dir(&pages).unwrap().flatten() {
        let mut man = Command::new("man");
        man.args(["--warnings", "--local-file"]).arg(page.path());
        let output =
            man.env("LC_ALL", "C.UTF-8").env("MANROFFSEQ", "").env("MANWIDTH", "80").output();
        let output = output.unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && complaints.is_empty(), "{page:?}: {complaints}");
        assert!(output.stdout.len() > 300, "{page:?}");
        names.push(page.file_name().into_string().unwrap());
    }
    for page in ["sutler.1.gz", "sutler-serve.1.gz", "sutler-needle-match.1.gz"] {
        assert!(names.iter().any(|name| name == page), "{page}: {names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("engine")), "nobody starts it: {names:?}");
}

#[test]
#[ignore = "needs the package: packaging/test.sh"]
fn bash_completes_commands_and_not_the_hidden_ones() {
    let folder = unpacked();
    let file = folder.path().join("usr/share/bash-completion/completions/sutler");
    let complete = ". \"$0\"; COMP_WORDS=(sutler \"$1\"); COMP_CWORD=1; \
                    _sutler sutler \"$1\" sutler; echo \"${COMPREPLY[@]}\"";
    let completed = |word: &str| {
        succeed(Command::new("bash").args(["-uc", complete]).arg(&file).arg(word)).trim().to_owned()
    };
    assert_eq!(completed("val"), "validate");
    assert_eq!(completed("eng"), "");
}

#[test]
#[ignore = "needs the package: packaging/test.sh"]
fn the_unit_leaves_little_open() {
    let folder = unpacked();
    let unit = folder.path().join("lib/systemd/system/sutler.service");
    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--offline=true", "--no-pager", EXPOSURE_TENTHS]);
    let said = succeed(security.arg(&unit));
    println!("{}", said.lines().last().unwrap_or_default());
}

#[test]
fn the_package_has_the_programs_version() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let changelog = fs::read_to_string(root.join("packaging/debian/changelog")).unwrap();
    let newest = concat!("sutler (", env!("CARGO_PKG_VERSION"), "-");
    assert!(
        changelog.starts_with(newest),
        "packaging/debian/changelog begins with another version"
    );
}
