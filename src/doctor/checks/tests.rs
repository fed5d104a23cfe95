use jiff::SignedDuration;

use super::*;
use crate::{
    config::Lends,
    doctor::{
        facts::{Account, Memory, Open},
        finding::{State, hold, worst},
    },
};

fn well() -> Facts {
    let program = |name, package, is_needed| Program {
        name,
        package,
        is_needed,
        path: Some(format!("/usr/bin/{name}").into()),
    };
    let folder = |path: &str| Folder {
        path: path.into(),
        state: FolderState::Writable,
        rights: Some((990, 990, 0o2755)),
    };
    Facts {
        viewer: Viewer::Appliance,
        qemu: Qemu {
            version: Ok("QEMU emulator version 7.2.22 (Debian 1:7.2)".into()),
            lacks: vec![],
            bios_missing: vec![],
            uefi_missing: vec![],
        },
        programs: vec![
            program("qemu-img", "qemu-utils", true),
            program("chrt", "util-linux", false),
        ],
        acceleration: Some(Proof {
            acceleration: Acceleration::Kvm,
            why: "a guest booted under KVM".into(),
        }),
        proof: "/lab/acceleration.json".into(),
        memory: Memory { total_mib: 16_000, available_mib: Some(9_000) },
        lends: Lends { memory_mib: 14_000, cores: 4, machines: 4 },
        data: folder("/lab"),
        disk: Some(Disk {
            free_mib: 100_000,
            free_files: Some(6_000_000),
            file_system: Some("ext4".into()),
            is_read_only: false,
            durable: Some(Ok(Duration::from_micros(2_340))),
        }),
        inbox: folder("/lab/inbox"),
        watching: Watching::Works { instances: Some(128), watches: Some(65_536) },
        account: Account {
            name: "sutler".into(),
            uid: 990,
            groups: vec!["sutler".into(), "kvm".into()],
            umask: Some("0022".into()),
        },
        clock: ClockFacts {
            now: "2026-11-22T02:41:07Z".parse().unwrap(),
            kept: KeptTime::Synchronized,
            jumped: None,
        },
        open_files: Open { most: Some(1024), could_be: Some(524_288) },
        left_over: vec![],
        socket: "/lab/sutler.sock".into(),
        appliance_answers: true,
        listen: "127.0.0.1:8470".into(),
        listen_refused: None,
    }
}

#[test]
fn a_box_that_is_well_has_nothing_to_do() {
    let findings = check(&well(), Bounds::default());
    assert_eq!(worst(&findings), State::Fine, "{findings:#?}");
    assert!(findings.iter().all(|found| found.remedy.is_none() && found.wrong.is_none()));
    assert_eq!(hold(&findings), None);
}

#[test]
fn each_fault_is_found_by_name_says_what_to_do_and_holds_the_queue_where_it_must() {
    type Break = fn(&mut Facts);
    fn disk(facts: &mut Facts) -> &mut Disk {
        facts.disk.as_mut().unwrap()
    }
    let (holds, lets) = (true, false);
    let cases: &[(&str, State, bool, Break)] = &[
        ("qemu", State::Broken, holds, |f| f.qemu.version = Err(Asked::NotInstalled)),
        ("qemu", State::Broken, holds, |f| f.qemu.version = Err(Asked::Failed("no".into()))),
        ("qemu", State::Warning, lets, |f| {
            f.qemu.version = Ok("QEMU emulator version 5.2.0".into());
        }),
        ("qemu", State::Warning, lets, |f| f.qemu.version = Ok("hello".into())),
        ("qemu parts", State::Broken, holds, |f| f.qemu.lacks = vec!["device VGA".into()]),
        ("bios firmware", State::Broken, holds, |f| f.qemu.bios_missing = vec!["bios-256k.bin"]),
        ("uefi firmware", State::Warning, lets, |f| f.qemu.uefi_missing = vec!["/OVMF".into()]),
        ("qemu-img", State::Broken, holds, |f| f.programs[0].path = None),
        ("chrt", State::Warning, lets, |f| f.programs[1].path = None),
        ("acceleration", State::Warning, lets, |f| {
            let why = "/dev/kvm does not open: Permission denied (os error 13)".into();
            f.acceleration = Some(Proof { acceleration: Acceleration::Tcg, why });
        }),
        ("memory", State::Warning, lets, |f| f.lends.memory_mib = 512),
        ("memory", State::Broken, holds, |f| f.memory.total_mib = 2_000),
        ("memory", State::Broken, holds, |f| f.memory.available_mib = Some(20)),
        ("data folder", State::Broken, holds, |f| f.data.state = FolderState::Closed),
        ("data folder", State::Broken, holds, |f| f.data.state = FolderState::NoFolder),
        ("data folder", State::Warning, lets, |f| f.data.rights = Some((0, 0, 0o777))),
        ("disk", State::Warning, lets, |f| f.disk = None),
        ("disk", State::Warning, lets, |f| disk(f).free_mib = 2_000),
        ("disk", State::Broken, holds, |f| disk(f).free_mib = 100),
        ("disk", State::Broken, holds, |f| disk(f).free_files = Some(7)),
        ("disk", State::Broken, holds, |f| disk(f).is_read_only = true),
        ("disk", State::Broken, holds, |f| disk(f).durable = Some(Err("no space".into()))),
        ("disk", State::Warning, lets, |f| disk(f).file_system = Some("tmpfs".into())),
        ("disk", State::Warning, lets, |f| disk(f).file_system = Some("nfs4".into())),
        ("disk", State::Warning, lets, |f| {
            disk(f).durable = Some(Ok(Duration::from_secs(1)));
        }),
        ("inbox", State::Broken, lets, |f| f.inbox.state = FolderState::Closed),
        ("inbox watch", State::Broken, lets, |f| {
            f.watching = Watching::UsedUp { what: "max_user_watches", most: Some(8_192) };
        }),
        ("account", State::Warning, lets, |f| f.account.umask = Some("0777".into())),
        ("clock", State::Warning, lets, |f| f.clock.now = Timestamp::UNIX_EPOCH),
        ("clock", State::Warning, lets, |f| f.clock.kept = KeptTime::NotSynchronized),
        ("clock", State::Warning, lets, |f| {
            f.clock.jumped = Some(SignedDuration::from_secs(-3_600));
        }),
        ("open files", State::Warning, lets, |f| f.open_files.most = Some(64)),
        ("left-over processes", State::Warning, lets, |f| {
            f.left_over = vec![(7, "qemu-system-x86_64".into())];
        }),
        ("page address", State::Warning, lets, |f| f.listen = "0.0.0.0:8470".into()),
        ("appliance", State::Warning, lets, |f| {
            f.appliance_answers = false;
            f.listen_refused = Some("Address already in use".into());
        }),
        ("appliance", State::NotUsed, lets, |f| f.appliance_answers = false),
    ];
    for (name, state, holds, harm) in cases {
        let mut facts = well();
        harm(&mut facts);
        let findings = check(&facts, Bounds::default());
        let mut faults = findings.iter().filter(|found| found.state != State::Fine);
        let fault = faults.next().unwrap_or_else(|| panic!("{name} is not found"));
        assert_eq!((fault.name.as_str(), fault.state), (*name, *state), "{fault:?}");
        assert!(fault.remedy.is_some(), "{fault:?}");
        assert_eq!(hold(&findings).is_some(), *holds, "{fault:?}");
        assert_eq!(faults.next(), None, "{name}");
    }
}

#[test]
fn a_box_that_has_not_served_yet_is_no_worse_for_it() {
    let mut facts = well();
    for folder in [&mut facts.data, &mut facts.inbox] {
        (folder.state, folder.rights) = (FolderState::Missing, None);
    }
    (facts.viewer, facts.appliance_answers) = (Viewer::Person, false);
    let findings = check(&facts, Bounds::default());
    assert_eq!(worst(&findings), State::Fine);
}

#[test]
fn a_bound_larger_than_the_disk_holds_the_queue() {
    let bounds = Bounds { least_disk_mib: 200_000, ..Bounds::default() };
    assert_eq!(
        hold(&check(&well(), bounds)).unwrap(),
        "this box is not well: the disk has 100000 MiB left, less than 200000"
    );
}

#[test]
fn each_way_of_having_no_kvm_has_its_own_remedy() {
    for (why, remedy) in [
        ("/dev/kvm does not open: Permission denied (os error 13)", "sudo adduser sutler kvm"),
        ("/dev/kvm does not open: No such file or directory", "switch on VT-x"),
        ("/dev/kvm opens, but a guest under KVM made no progress within 2 s", "rm -f /lab/acc"),
    ] {
        let mut facts = well();
        let proof = Proof { acceleration: Acceleration::Tcg, why: why.into() };
        facts.acceleration = Some(proof.clone());
        let found = acceleration(&proof, &facts).remedy.unwrap();
        assert!(found.contains(remedy), "{found}");
    }
}
