use super::*;

#[test]
fn harmless_arguments_pass_as_they_are() {
    for (line, want) in [
        (
            "-kernel {i} -append \"vga=788 quiet\"",
            vec!["-kernel", "{i}", "-append", "vga=788 quiet"],
        ),
        ("--initrd {i}", vec!["-initrd", "{i}"]),
        ("-drive format=qcow2,file={i}", vec!["-drive", "format=qcow2,file={i}"]),
        ("-drive file={i}", vec!["-drive", "file={i}"]),
        (
            "-drive file={i},if=none,id=d0,readonly -device virtio-blk-pci,drive=d0,bootindex=1",
            vec![
                "-drive",
                "file={i},if=none,id=d0,readonly",
                "-device",
                "virtio-blk-pci,drive=d0,bootindex=1",
            ],
        ),
        ("-machine q35,usb=off -M pc-q35-7.2", vec!["-machine", "q35,usb=off", "-M", "pc-q35-7.2"]),
        ("-boot order=dc,menu=on -boot d", vec!["-boot", "order=dc,menu=on", "-boot", "d"]),
        ("-cpu Nehalem,+aes,vmx=off", vec!["-cpu", "Nehalem,+aes,vmx=off"]),
        ("-usb -device usb-tablet", vec!["-usb", "-device", "usb-tablet"]),
        ("-rtc base=utc,clock=vm", vec!["-rtc", "base=utc,clock=vm"]),
        ("", vec![]),
    ] {
        let words = parse(line, "i").map(|arguments| arguments.words);
        assert_eq!(words, Ok(want.into_iter().map(str::to_owned).collect()), "{line}");
    }
}

#[test]
fn what_the_engine_decides_is_handed_over_as_values() {
    let arguments = parse("-m 2G -smp cpus=4 -vga cirrus -cdrom {i}", "i").unwrap();
    let want = Arguments {
        words: vec!["-cdrom".into(), "{i}".into()],
        memory_mib: Some(2048),
        cpus: Some(4),
        display: Some(Display::Cirrus),
        uses_image: true,
    };
    assert_eq!(arguments, want);
}

#[test]
fn everything_else_is_refused_by_name() {
    for (line, phrase) in [
        ("-kernel /etc/shadow", "`-kernel {i}`"),
        ("-kernel {other}", "names its own file only"),
        ("-kernel {i}x", "`-kernel {i}`"),
        ("-kernel", "a value after it"),
        ("-append x{i}", "without the name of the image's file"),
        ("-drive file=/etc/shadow", "`file={i}` once"),
        ("-drive file={i},file={i}", "once in `-drive`"),
        ("-drive file={i},file=/etc/shadow", "`file=/etc/shadow` in `-drive`"),
        ("-drive file={i},,x", "`` in `-drive`"),
        ("-drive file=nbd:localhost:10809", "a protocol"),
        ("-drive file=json:{i}", "`file={i}` once"),
        ("-drive format=raw,if=virtio", "`file={i}` once"),
        ("-drive file={i},backing.file.filename=/etc/shadow", "one of format"),
        ("-drive file={i},format=vvfat", "format: one of raw, qcow2"),
        ("-drive file={i},driver=blkdebug", "one of format"),
        ("-drive file={i},snapshot=on", "one of format"),
        ("-drive 'json:{\"driver\":\"file\"}'", "`file={i}` once"),
        ("-cdrom http://x/y.iso", "`-cdrom {i}`"),
        ("-bios /tmp/x", "`-bios {i}`"),
        ("-device vfio-pci,host=01:00.0", "touches nothing of the host"),
        ("-device loader,file=/etc/shadow,addr=0", "touches nothing of the host"),
        ("-device virtio-blk-pci,romfile=/etc/shadow", "`romfile=/etc/shadow` in `-device`"),
        ("-device virtio-net-pci,netdev=n0", "`network: user`"),
        ("-device ivshmem-plain,memdev=m", "the device `ivshmem-plain`"),
        ("-device virtio-blkpci", "did you mean `virtio-blk-pci`"),
        ("-device '{\"driver\":\"usb-tablet\"}'", "the device"),
        ("-device usb-tablet,", "`` in `-device`"),
        ("-netdev user,id=n,hostfwd=tcp::22-:22", "never listen outside"),
        ("-netdev tap,ifname=tap0,script=/tmp/x", "never listen outside"),
        ("-net user,smb=/", "never listen outside"),
        ("-nic user,guestfwd=tcp:10.0.2.100:1234-cmd:sh", "never listen outside"),
        ("-chardev file,id=x,path=/etc/passwd", "owns consoles"),
        ("-serial file:/etc/passwd", "owns consoles"),
        ("-monitor stdio", "owns consoles"),
        ("-qmp tcp:0:4444,server", "owns consoles"),
        ("-gdb tcp::1234", "owns consoles"),
        ("-s", "owns consoles"),
        ("-S", "how a guest starts"),
        ("-daemonize", "how a guest starts"),
        ("-pidfile /x", "how a guest starts"),
        ("-no-reboot", "how a guest starts"),
        ("-fsdev local,path=/,id=f,security_model=none", "no folder of the host"),
        ("-virtfs local,path=/,mount_tag=x,security_model=none", "no folder of the host"),
        ("-object memory-backend-file,id=m,mem-path=/dev/shm/x", "administrator"),
        ("-object secret,id=s,file=/etc/shadow", "administrator"),
        ("-blockdev file,filename=/etc/shadow,node-name=n", "administrator"),
        ("-fw_cfg name=opt/x,file=/etc/shadow", "administrator"),
        ("-smbios file=/etc/shadow", "administrator"),
        ("-acpitable file=/etc/shadow", "administrator"),
        ("-sandbox off", "how QEMU itself runs"),
        ("-runas root", "how QEMU itself runs"),
        ("-chroot /", "how QEMU itself runs"),
        ("-plugin /tmp/x.so", "how QEMU itself runs"),
        ("-readconfig /tmp/x", "how QEMU itself runs"),
        ("-writeconfig /tmp/x", "how QEMU itself runs"),
        ("-trace file=/tmp/x", "how QEMU itself runs"),
        ("-D /tmp/x", "how QEMU itself runs"),
        ("-incoming exec:sh", "fresh overlay"),
        ("-loadvm x", "fresh overlay"),
        ("-snapshot", "fresh overlay"),
        ("-enable-kvm", "KVM where"),
        ("-accel kvm", "KVM where"),
        ("-machine q35,accel=kvm", "decides on acceleration"),
        ("-machine virt", "type: one of pc, q35"),
        ("-machine pc,memory-backend=m", "one of type"),
        ("-machine pc,dumpdtb=/tmp/x", "one of type"),
        ("-cpu host", "leave it out"),
        ("-cpu 'max;id'", "a processor and features"),
        ("-nographic", "owns the display"),
        ("-vnc 0.0.0.0:0", "owns the display"),
        ("-display gtk", "owns the display"),
        ("-vga qxl", "one of `std`"),
        ("-boot splash=/etc/shadow", "one of order"),
        ("-m 99T", "a size from 4M to 1T"),
        ("-m 1G,maxmem=2T", "a size from 4M to 1T"),
        ("-smp 0", "a number of processors"),
        ("-smp 4096", "a number of processors"),
        ("-kernal {i}", "did you mean `kernel`"),
        ("-xyzzy", "ask this box's administrator"),
        ("{i}", "an option before it"),
        ("-append a b", "needs quotes"),
        ("-append \"a", "a quote that is not closed"),
        ("-", "an option before it"),
        ("--", "ask this box's administrator"),
    ] {
        let refusals = parse(line, "i").expect_err(line);
        let told = format!("{refusals:?}");
        assert!(told.contains(phrase), "{line}: {told}");
    }
}

#[test]
fn every_refusal_is_told_at_once() {
    assert_eq!(parse("-S -netdev user -kernel {i} -D x", "i").map_err(|all| all.len()), Err(3));
}
