//! A Chromium without a window, driven through Debian's chromedriver, for as long as a test.

use std::{
    os::unix::process::CommandExt,
    panic::{AssertUnwindSafe, resume_unwind},
    process::{Child, Command, Stdio},
    time::Duration,
};

use futures_util::FutureExt as _;
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use thirtyfour::{ChromiumLikeCapabilities, DesiredCapabilities, WebDriver};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// Scripts that wait for an event of the page give up after this. Generous: the machine may be
/// busy with other tests.
const SCRIPT_LIMIT: Duration = Duration::from_secs(60);
/// Functions for scripts about a page's `video`, to stand before them: waiting for its next event,
/// and how many colours of its picture are not dark. On a busy host Chromium (156) says that it has
/// sought before there is a picture to draw, so a wholly dark one is looked at again for a while.
pub(crate) const VIDEO: &str = r"
    const once = (video, name) => new Promise((ok, no) => {
        video.addEventListener(name, ok, { once: true });
        video.addEventListener('error', () => no(video.error.message), { once: true });
    });
    const light = async (video) => {
        const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
        const context = canvas.getContext('2d', { willReadFrequently: true });
        for (let looks = 0; ; looks += 1) {
            context.drawImage(video, 0, 0);
            const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
            const lit = data.filter((byte, index) => index % 4 < 3 && byte > 60).length;
            if (lit || looks === 200) return lit;
            await new Promise((ok) => setTimeout(ok, 50));
        }
    };
";
const MISSING: &str = "this test needs chromium and chromedriver: run packaging/test.sh";

/// Starts a browser, hands its driver to `test`, and closes everything, whatever comes of it.
pub(crate) async fn with_browser<T>(test: impl AsyncFnOnce(&WebDriver) -> T) -> T {
    let browser = Browser::start().await;
    let done = AssertUnwindSafe(test(&browser.driver)).catch_unwind().await;
    browser.close().await;
    done.unwrap_or_else(|panic| resume_unwind(panic))
}

/// One browser and its driver. Dropped, both are killed; [`close`](Self::close) is kinder.
pub(crate) struct Browser {
    pub(crate) driver: WebDriver,
    /// Held for its `Drop`.
    _processes: Processes,
    _profile: TempDir,
}

/// The group of chromedriver and of the Chromium it starts.
struct Processes(Child);

impl Drop for Processes {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect(MISSING);
        let stdout = child.stdout.take().unwrap();
        let processes = Processes(child);
        let stdout = tokio::process::ChildStdout::from_std(stdout).unwrap();
        let port = port(stdout).await.expect("chromedriver tells its port");

        let profile = tempfile::tempdir().unwrap();
        let mut wanted = DesiredCapabilities::chrome();
        for arg in [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--autoplay-policy=no-user-gesture-required",
        ] {
            wanted.add_arg(arg).unwrap();
        }
        wanted.add_arg(&format!("--user-data-dir={}", profile.path().display())).unwrap();
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), wanted).await;
        let driver = driver.unwrap_or_else(|error| panic!("{MISSING}\n{error}"));
        driver.set_script_timeout(SCRIPT_LIMIT).await.unwrap();
        Self { driver, _processes: processes, _profile: profile }
    }

    pub(crate) async fn close(self) {
        self.driver.quit().await.unwrap();
    }
}

/// Reads chromedriver's own words for the port it chose.
async fn port(stdout: impl AsyncRead + Unpin) -> Option<u16> {
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await.ok()? {
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            return port.trim_end_matches('.').parse().ok();
        }
    }
    None
}
