//! Disk images: what they are, and overlays that keep them as they are.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use serde::Deserialize;
use tokio::{process::Command, time::timeout};

use super::VmError;

/// `qemu-img` reads a header; a file that takes longer is on a disk that hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Formats a guest's image may have. Others can name further files to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageFormat {
    Raw,
    Qcow2,
}

impl ImageFormat {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageInfo {
    pub format: ImageFormat,
    /// Bytes the guest sees.
    pub size: u64,
}

#[derive(Deserialize)]
struct Info {
    format: String,
    #[serde(rename = "virtual-size")]
    virtual_size: u64,
    #[serde(rename = "backing-filename")]
    backing: Option<String>,
    #[serde(default)]
    encrypted: bool,
    #[serde(default, rename = "format-specific")]
    specific: serde_json::Value,
}

/// Looks at an image somebody gave us. One that would make QEMU open further files is refused:
/// a header can name any file of this host.
///
/// `path` is absolute, so that no part of it is taken for a protocol.
pub async fn image_info(qemu_img: &Path, path: &Path) -> Result<ImageInfo, VmError> {
    let output = run(Command::new(qemu_img).args(["info", "--output=json"]).arg(path)).await;
    let output = output.map_err(|source| failed(qemu_img, source))?;
    let unreadable = |words| VmError::NotAnImage { path: path.into(), words };
    if !output.status.success() {
        return Err(unreadable(words(&output)));
    }
    let info: Info = serde_json::from_slice(&output.stdout)
        .map_err(|_| unreadable("its answer is not JSON".into()))?;
    judge(&info).map_err(|why| VmError::UnsafeImage { path: path.into(), why })
}

fn judge(info: &Info) -> Result<ImageInfo, &'static str> {
    let format = match info.format.as_str() {
        "raw" => ImageFormat::Raw,
        "qcow2" => ImageFormat::Qcow2,
        _ => return Err("its format is neither raw nor qcow2"),
    };
    if info.backing.is_some() {
        return Err("it has a backing file");
    }
    if !info.specific["data"]["data-file"].is_null() {
        return Err("it keeps its data in another file");
    }
    if info.encrypted {
        return Err("it is encrypted");
    }
    Ok(ImageInfo { format, size: info.virtual_size })
}

/// Makes `to`, a qcow2 file that reads as `base` until it is written. An old one is replaced.
pub async fn create_overlay(
    qemu_img: &Path,
    base: &Path,
    format: ImageFormat,
    to: &Path,
) -> Result<(), VmError> {
    // The base is opened as it is named, so that a comma in its name needs no escape.
    let mut command = Command::new(qemu_img);
    command.args(["create", "-q", "-f", "qcow2", "-F", format.name(), "-b"]).arg(base).arg(to);
    let output = run(&mut command).await.map_err(|source| failed(qemu_img, source))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(VmError::Overlay { path: base.into(), words: words(&output) })
    }
}

async fn run(command: &mut Command) -> io::Result<Output> {
    let command = command.stdin(Stdio::null()).kill_on_drop(true);
    timeout(PATIENCE, command.output()).await.map_err(|_| io::ErrorKind::TimedOut)?
}

fn failed(qemu_img: &Path, source: io::Error) -> VmError {
    if source.kind() == io::ErrorKind::NotFound {
        VmError::MissingTool { tool: PathBuf::from(qemu_img) }
    } else {
        VmError::Tool { tool: "qemu-img", source }
    }
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().trim_start_matches("qemu-img: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_reach_further_are_refused() {
        let judged = |text: &str| judge(&serde_json::from_str(text).unwrap());
        let plain = r#"{"format": "qcow2", "virtual-size": 4096, "format-specific":
            {"type": "qcow2", "data": {"compat": "1.1"}}}"#;
        assert_eq!(judged(plain), Ok(ImageInfo { format: ImageFormat::Qcow2, size: 4096 }));
        for (text, why) in [
            (r#"{"format": "vmdk", "virtual-size": 1}"#, "its format is neither raw nor qcow2"),
            (
                r#"{"format": "qcow2", "virtual-size": 1, "backing-filename": "/etc/shadow"}"#,
                "it has a backing file",
            ),
            (
                r#"{"format": "qcow2", "virtual-size": 1,
                    "format-specific": {"data": {"data-file": "/etc/shadow"}}}"#,
                "it keeps its data in another file",
            ),
            (r#"{"format": "qcow2", "virtual-size": 1, "encrypted": true}"#, "it is encrypted"),
        ] {
            assert_eq!(judged(text), Err(why));
        }
    }

    #[tokio::test]
    async fn an_overlay_reads_as_its_base_and_is_itself_refused_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("base,one.img");
        std::fs::write(&base, vec![7; 1 << 16]).unwrap();
        let tool = Path::new("qemu-img");
        let info = image_info(tool, &base).await.unwrap();
        assert_eq!(info, ImageInfo { format: ImageFormat::Raw, size: 1 << 16 });
        let overlay = folder.path().join("disk.qcow2");
        create_overlay(tool, &base, info.format, &overlay).await.unwrap();
        assert!(matches!(
            image_info(tool, &overlay).await,
            Err(VmError::UnsafeImage { why: "it has a backing file", .. })
        ));
        let missing = folder.path().join("missing");
        assert!(matches!(image_info(tool, &missing).await, Err(VmError::NotAnImage { .. })));
        let nowhere = Path::new("/nonexistent/qemu-img");
        assert!(matches!(image_info(nowhere, &base).await, Err(VmError::MissingTool { .. })));
    }
}
