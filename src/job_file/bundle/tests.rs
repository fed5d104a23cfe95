use std::os::unix::fs::symlink;

use super::*;

type Entry<'a> = (&'a str, tar::EntryType, &'a [u8]);

const FILE: tar::EntryType = tar::EntryType::Regular;

/// A tar with exactly these names: the crate's own writer refuses the bad ones.
fn tar_of(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o777);
        if matches!(kind, tar::EntryType::Symlink | tar::EntryType::Link) {
            header.set_link_name("/etc/shadow").unwrap();
        }
        header.set_cksum();
        tar.append(&header, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

fn accept_tar(bytes: Vec<u8>, bundles: &Path, limits: Limits) -> Result<Accepted, BundleError> {
    accept(Source::Tar(Box::new(io::Cursor::new(bytes))), bundles, limits)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_bundle_is_the_same_however_it_comes() {
    let bundles = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("needles")).unwrap();
    fs::write(folder.path().join("job.yaml"), "job_name: x").unwrap();
    fs::write(folder.path().join("needles/a.json"), "{}").unwrap();
    let first =
        accept(Source::Folder(folder.path().into()), bundles.path(), Limits::default()).unwrap();
    assert!(!first.reused);
    assert_eq!(first.text, b"job_name: x");
    assert_eq!(fs::read(first.folder.join("needles/a.json")).unwrap(), b"{}");

    let tar = tar_of(&[
        ("./", tar::EntryType::Directory, b""),
        ("./needles/a.json", FILE, b"{}"),
        ("./job.yaml", FILE, b"job_name: x"),
    ]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    io::Write::write_all(&mut gzip, &tar).unwrap();
    let zstd = zstd::encode_all(tar.as_slice(), 1).unwrap();
    for bytes in [tar, gzip.finish().unwrap(), zstd] {
        let again = accept_tar(bytes, bundles.path(), Limits::default()).unwrap();
        assert_eq!(again, Accepted { reused: true, ..first.clone() });
    }
    assert_eq!(names(bundles.path()), [first.bundle.to_string()], "nothing staged is left");
}

#[test]
fn a_file_alone_is_a_bundle() {
    let bundles = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, inside) in [("a.yaml", "job.yaml"), ("b.json", "job.json"), ("c", "job.yaml")] {
        let path = folder.path().join(name);
        fs::write(&path, name).unwrap();
        let source = Source::of_file(File::open(&path).unwrap(), name);
        let accepted = accept(source, bundles.path(), Limits::default()).unwrap();
        assert_eq!((accepted.job_file, accepted.text.as_slice()), (inside, name.as_bytes()));
        assert!(path.exists(), "copied, not moved");
        assert_eq!(accepted.bundle, alone(inside, name.as_bytes()));

        // In a tar or a folder by itself it is the same, and there is no folder of it.
        let tar = accept_tar(
            tar_of(&[(inside, FILE, name.as_bytes())]),
            bundles.path(),
            Limits::default(),
        );
        assert_eq!(tar.unwrap(), accepted);
        assert_eq!(names(bundles.path()), [""; 0]);
    }
}

#[test]
fn hostile_tars_are_refused_by_name() {
    use tar::EntryType as Kind;
    let job: Entry<'_> = ("job.yaml", FILE, b"x");
    let deep = "d/".repeat(40) + "x";
    for (entries, phrase) in [
        (vec![("../job.yaml", FILE, b"x".as_slice())], "../job.yaml: this name leads outside"),
        (vec![job, ("a/../../x", FILE, b"x")], "a/../../x: this name leads outside"),
        (vec![job, ("/etc/x", FILE, b"x")], "/etc/x: this name leads outside"),
        (vec![job, ("l", Kind::Symlink, b"")], "l: a link is refused"),
        (vec![job, ("l", Kind::Link, b"")], "l: a link is refused"),
        (vec![("job.yaml", Kind::Symlink, b"")], "job.yaml: a link is refused"),
        (vec![job, ("p", Kind::Fifo, b"")], "p: a pipe is refused"),
        (vec![job, ("d", Kind::Char, b"")], "d: a device is refused"),
        (vec![job, ("d", Kind::Block, b"")], "d: a device is refused"),
        (vec![job, job], "job.yaml: it is there twice"),
        (vec![job, ("job.yaml/x", FILE, b"")], "job.yaml: it is there twice"),
        (vec![job, ("a/b", FILE, b""), ("a", FILE, b"")], "a: it is there twice"),
        (vec![job, ("job.json", FILE, b"")], "job.yaml and job.json are both there"),
        (vec![("my/job.yaml", FILE, b"x")], "at the root of the bundle, only my/job.yaml"),
        (vec![("Job.YAML", FILE, b"x")], "at the root of the bundle, only Job.YAML"),
        (vec![], "there is no job.yaml"),
        (vec![job, ("a\nb", FILE, b"")], "a\\nb: a name must be UTF-8"),
        (vec![job, (&deep, FILE, b"")], "more than 32 folders inside each other"),
        (vec![("job.yaml", FILE, &[b'x'; MAX + 1])], "more than 1 MiB"),
    ] {
        let bundles = tempfile::tempdir().unwrap();
        let error = accept_tar(tar_of(&entries), bundles.path(), Limits::default()).unwrap_err();
        assert!(error.to_string().contains(phrase), "{phrase}: {error}");
        assert!(!error.is_ours());
        assert_eq!(names(bundles.path()), [""; 0], "{phrase}: nothing is left");
    }
}

const MAX: usize = crate::job_file::MAX_TEXT;

#[test]
fn names_that_are_not_utf8_are_refused() {
    let bundles = tempfile::tempdir().unwrap();
    let mut tar = tar_of(&[("job.yaml", FILE, b"x"), ("ab", FILE, b"")]);
    // The second header begins after the first and its content of one block.
    tar[1024] = 0xff;
    let mut header = tar::Header::from_byte_slice(&tar[1024..1536]).clone();
    header.set_cksum();
    tar[1024..1536].copy_from_slice(header.as_bytes());
    let error = accept_tar(tar, bundles.path(), Limits::default()).unwrap_err();
    assert!(error.to_string().contains("a name must be UTF-8"), "{error}");
}

#[test]
fn bombs_go_off_outside() {
    let bundles = tempfile::tempdir().unwrap();
    let small = Limits { bytes: 1 << 20, files: 10, ..Limits::default() };
    let zeros = vec![0; 64 << 20];

    let large = tar_of(&[("job.yaml", FILE, b"x"), ("zeros", FILE, &zeros)]);
    let bomb = zstd::encode_all(large.as_slice(), 1).unwrap();
    let error = accept_tar(bomb, bundles.path(), small).unwrap_err();
    assert!(error.to_string().contains("more than 1048576 bytes"), "{error}");

    // A name of 64 MiB would be held in memory.
    let long = tar_of(&[("././@LongLink", tar::EntryType::GNULongName, &zeros)]);
    let bomb = zstd::encode_all(long.as_slice(), 1).unwrap();
    let error = accept_tar(bomb, bundles.path(), small).unwrap_err();
    assert!(matches!(error, BundleError::Tar { .. }), "{error}");

    let many: Vec<String> = (0..20).map(|index| format!("f{index}")).collect();
    let many: Vec<Entry<'_>> =
        many.iter().map(|name| (name.as_str(), FILE, b"".as_slice())).collect();
    let error = accept_tar(tar_of(&many), bundles.path(), small).unwrap_err();
    assert!(matches!(error, BundleError::TooMany { limit: 10 }), "{error}");

    let whole = tar_of(&[("job.yaml", FILE, b"x"), ("a", FILE, &[1; 4096])]);
    let error = accept_tar(whole[..3000].to_vec(), bundles.path(), small).unwrap_err();
    assert!(matches!(error, BundleError::Tar { .. } | BundleError::Read { .. }), "{error}");

    for bytes in [b"".to_vec(), b"\x1f\x8b\x08garbage".to_vec(), vec![0x28, 0xb5, 0x2f, 0xfd, 1]] {
        assert!(accept_tar(bytes, bundles.path(), small).is_err());
    }
    assert_eq!(names(bundles.path()), [""; 0]);
}

#[test]
fn hostile_folders_are_refused_by_name() {
    let bundles = tempfile::tempdir().unwrap();
    type Make = fn(&Path);
    let cases: [(&str, Make); 6] = [
        ("l: a link is refused", |folder| symlink("/etc/passwd", folder.join("l")).unwrap()),
        ("d: a link is refused", |folder| symlink("/etc", folder.join("d")).unwrap()),
        ("p: a pipe is refused", |folder| {
            let mode = rustix::fs::Mode::from_raw_mode(0o644);
            rustix::fs::mkfifoat(rustix::fs::CWD, folder.join("p"), mode).unwrap();
        }),
        ("s: a socket or device is refused", |folder| {
            drop(std::os::unix::net::UnixListener::bind(folder.join("s")).unwrap());
        }),
        ("both there", |folder| fs::write(folder.join("job.json"), "{}").unwrap()),
        ("a name must be UTF-8", |folder| {
            let name = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff".as_slice());
            let name: &std::ffi::OsStr = name;
            fs::write(folder.join(name), "").unwrap();
        }),
    ];
    for (phrase, make) in cases {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("job.yaml"), "x").unwrap();
        make(folder.path());
        let source = Source::Folder(folder.path().into());
        let error = accept(source, bundles.path(), Limits::default()).unwrap_err();
        assert!(error.to_string().contains(phrase), "{phrase}: {error}");
    }
    let link = tempfile::tempdir().unwrap();
    symlink("/etc", link.path().join("folder")).unwrap();
    let source = Source::Folder(link.path().join("folder"));
    assert!(accept(source, bundles.path(), Limits::default()).is_err());
}

#[test]
fn what_a_crash_left_is_cleaned() {
    let bundles = tempfile::tempdir().unwrap();
    fs::create_dir_all(bundles.path().join(".staging-1/needles")).unwrap();
    fs::create_dir(bundles.path().join("kept")).unwrap();
    clean(bundles.path()).unwrap();
    assert_eq!(names(bundles.path()), ["kept"]);
}

/// A job that names `disk` and its needles.
fn definition(disk: &str) -> crate::model::Definition {
    let text = format!(
        "job_name: x\nactions:\n- boot:\n    guest: {{disk: {disk}, cdrom: /srv/cd.iso}}\n\
         - test: {{screen: {{needles: ./needles/, steps: [assert_screen: a]}}}}\n"
    );
    crate::job_file::read(&text, "x", crate::job_file::Options::default()).unwrap().definition
}

#[test]
fn what_the_job_names_is_packed_and_accepted() {
    let bundles = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    fs::create_dir_all(file("needles/sub")).unwrap();
    fs::create_dir(file("images")).unwrap();
    for name in ["x.yaml", "needles/a.json", "needles/sub/b.png", "images/d.img", "secret"] {
        fs::write(file(name), name).unwrap();
    }
    let mut tar = Vec::new();
    let packed =
        pack(&file("x.yaml"), &definition("images/d.img"), Limits::default(), &mut tar).unwrap();
    assert_eq!(packed, 4);
    let accepted = accept_tar(tar, bundles.path(), Limits::default()).unwrap();
    assert_eq!(accepted.text, b"x.yaml");
    assert_eq!(names(&accepted.folder), ["images", "job.yaml", "needles"]);
    assert_eq!(fs::read(accepted.folder.join("needles/sub/b.png")).unwrap(), b"needles/sub/b.png");

    symlink("/etc/hostname", file("images/link")).unwrap();
    symlink("/etc", file("etc")).unwrap();
    for (disk, phrase) in [
        ("images/link", "images/link: a link is refused"),
        ("etc/hostname", "a link is refused"),
        ("images/none", "it cannot be read"),
    ] {
        let told = pack(&file("x.yaml"), &definition(disk), Limits::default(), io::sink());
        let error = told.unwrap_err().to_string();
        assert!(error.contains(phrase), "{disk}: {error}");
    }
}
