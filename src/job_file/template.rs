//! Writes the job file somebody begins with: commented, so that it teaches. Pure.

use std::fmt::Write as _;

/// What a first job is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstJob {
    pub name: String,
    pub memory_mib: u32,
    /// Keys and values of `guest:` that name what is booted; empty boots nothing but the firmware.
    pub media: Vec<(&'static str, String)>,
    /// The tag to wait for, and how many seconds at most; without one nothing is asserted.
    pub needle: Option<(String, u64)>,
}

impl FirstJob {
    /// The whole file.
    pub fn to_yaml(&self) -> String {
        let limit = self.needle.as_ref().map_or(60, |(_, seconds)| *seconds);
        let mut text = format!(
            "# A first job. Run it here and now:   sutler run job.yaml\n\
             # or send it to the appliance:        sutler submit job.yaml\n\
             # Check it after each change with:    sutler validate job.yaml\n\
             \n\
             job_name: {}\n\
             device_type: qemu-x86_64\n\
             # After this long the job is stopped, whatever it does.\n\
             timeouts: {{ job: {{ seconds: {} }}, action: {{ seconds: {} }} }}\n\
             \n\
             actions:\n\
             # The machine. Also: cpus, firmware (bios, uefi), display (std, virtio, cirrus, none) and\n\
             # network (none, user). Paths are relative to this file, or below a folder that the\n\
             # keeper of the box allows. A disk is never written: each run has an overlay of its own.\n\
             - boot:\n\
             \x20   method: qemu\n\
             \x20   guest:\n\
             \x20     memory: {}M\n",
            quoted(&self.name),
            limit + 120,
            limit + 60,
            self.memory_mib,
        );
        for (key, value) in &self.media {
            let _ = writeln!(text, "      {key}: {}", quoted(value));
        }
        if self.media.is_empty() {
            text += "      # disk: system.qcow2     # or cdrom: installer.iso, or kernel:, initrd: and append:\n";
        }
        text += "\n# What is done on its screen, one step after the other; the first that fails ends the job.\n\
                 - test:\n\
                 \x20   screen:\n";
        match &self.needle {
            Some((tag, seconds)) => {
                let _ = write!(
                    text,
                    "\x20     # A needle is a picture and areas of it (NAME.png, NAME.json). A step waits for its tag.\n\
                     \x20     needles: needles/\n\
                     \x20     steps:\n\
                     \x20     - assert_screen: {{ tags: {tag}, timeout: {seconds}s }}\n\
                     \x20     # Go on from here: press a key, see what comes, keep it, cut the next needle from it.\n\
                     \x20     # - send_key: ret\n\
                     \x20     # - wait_still_screen: {{ stilltime: 2s, timeout: 30s }}\n\
                     \x20     # - save_screenshot\n"
                );
            }
            None => {
                text += "\x20     # With needles (NAME.png and NAME.json in a folder) a step can wait for a screen:\n\
                         \x20     # needles: needles/\n\
                         \x20     steps:\n\
                         \x20     - wait_still_screen: { stilltime: 2s, timeout: 30s }\n\
                         \x20     - save_screenshot\n\
                         \x20     # - assert_screen: { tags: login, timeout: 2m }\n\
                         \x20     # - type_string: \"root\\n\"\n";
            }
        }
        text
    }
}

/// As JSON writes it, which YAML reads the same.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job_file::{Options, read};

    #[test]
    fn what_is_written_can_be_read_without_a_warning() {
        let media = vec![
            ("kernel", "/boot/a \"kernel\": #1".to_owned()),
            ("initrd", "initrd.gz".to_owned()),
            ("append", "console=ttyS0 a='b'".to_owned()),
        ];
        for (media, needle) in [
            (vec![], None),
            (vec![("cdrom", "memtest.iso".to_owned())], Some(("first-screen".to_owned(), 90))),
            (media, Some(("first-screen".to_owned(), 90))),
        ] {
            let job = FirstJob { name: "a: job # \"one\"".into(), memory_mib: 512, media, needle };
            let text = job.to_yaml();
            let read = read(&text, "job.yaml", Options { strict: true, ..Options::default() });
            let read = read.unwrap_or_else(|problems| panic!("{problems}\n{text}"));
            assert_eq!(read.definition.name, job.name);
            assert!(read.warnings.is_empty());
        }
    }
}
