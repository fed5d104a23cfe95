//! What a guest says about itself on port 0xe9, with the time it said it.
//!
//! A QEMU of this name stands first in `PATH`; it starts the real one with a debug console that ends
//! here. So neither Sutler nor its peer takes part in the measuring.

use std::{
    env, fs,
    io::Read,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

use jiff::Timestamp;

const QEMU: &str = "qemu-system-x86_64";

/// Stands for the start of QEMU itself, which connects before its guest runs.
pub(crate) const STARTED: u8 = 0;

/// A byte the guest wrote, and when it was read.
pub(crate) type Mark = (Timestamp, u8);

pub(crate) struct Marks {
    /// The folder of our QEMU.
    folder: PathBuf,
    heard: Arc<Mutex<Vec<Mark>>>,
}

impl Marks {
    /// Listens in `folder`, which it makes.
    pub(crate) fn listen(folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("a bench can write to its folder");
        let socket = folder.join("marks.sock");
        let listener = UnixListener::bind(&socket).expect("a socket can be made");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let into = heard.clone();
        // Ends with the bench: it only waits for connections.
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut byte = [STARTED];
                into.lock().expect("nobody panics here").push((Timestamp::now(), byte[0]));
                while stream.read_exact(&mut byte).is_ok() {
                    into.lock().expect("nobody panics here").push((Timestamp::now(), byte[0]));
                }
            }
        });
        let real = real_qemu();
        let ours = folder.join(QEMU);
        let script = format!(
            "#!/bin/sh\nexec {} \"$@\" -chardev socket,id=marks,path={} \
             -device isa-debugcon,chardev=marks,iobase=0xe9\n",
            real.display(),
            socket.display(),
        );
        fs::write(&ours, script).expect("a bench can write to its folder");
        fs::set_permissions(&ours, fs::Permissions::from_mode(0o755)).expect("it is ours");
        Self { folder: folder.into(), heard }
    }

    /// The QEMU that tells us.
    pub(crate) fn qemu(&self) -> PathBuf {
        self.folder.join(QEMU)
    }

    /// `PATH` with that QEMU first.
    pub(crate) fn path(&self) -> String {
        format!("{}:{}", self.folder.display(), env::var("PATH").unwrap_or_default())
    }

    /// What was heard since the last call.
    pub(crate) fn take(&self) -> Vec<Mark> {
        std::mem::take(&mut self.heard.lock().expect("nobody panics here"))
    }
}

/// The QEMU that is installed.
pub(crate) fn real_qemu() -> PathBuf {
    which(QEMU)
}

fn which(program: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join(program)).find(|at| at.is_file());
    found.unwrap_or_else(|| panic!("{program} is not installed: packaging/test.sh installs it"))
}
