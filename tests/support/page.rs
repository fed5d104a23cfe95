//! What a person does on a page: reads it, writes into it, presses buttons.
//!
//! Our script exchanges parts of a page while one looks at it, and a click that leads elsewhere returns
//! before the next page is there: an element that was found may be gone when it is used. So a page is
//! read in one go, what was exchanged is looked for again, and [`follow`] waits for the next page.

use std::time::Duration;

use thirtyfour::{
    By, WebDriver, WebElement,
    error::{WebDriverError, WebDriverErrorInner, WebDriverResult},
};
use tokio::time::{sleep, timeout};

/// How long a page may take to come, or to stop exchanging what is pressed. Generous: the machine may
/// be busy with other tests.
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// All that can be read on the page.
pub(crate) async fn read_page(browser: &WebDriver) -> String {
    let text = browser.execute("return document.body.innerText", Vec::new()).await.unwrap();
    text.convert().unwrap()
}

/// The text of the first element that `css` names.
pub(crate) async fn read_part(browser: &WebDriver, css: &str) -> String {
    do_with(browser, By::Css(css), async |element| element.text().await).await
}

/// Presses what stays on this page.
pub(crate) async fn press(browser: &WebDriver, css: &str) {
    do_with(browser, By::Css(css), async |element| element.click().await).await;
}

/// Presses what leads to another page, and waits for that.
pub(crate) async fn follow(browser: &WebDriver, css: &str) {
    let left = loaded(browser).await.expect("the page to leave has loaded");
    press(browser, css).await;
    let arrive = async {
        // A script that is asked while the page changes fails; the next one will tell.
        while loaded(browser).await.is_none_or(|page| page == left) {
            sleep(POLL).await;
        }
    };
    if timeout(LIMIT, arrive).await.is_err() {
        panic!("{css} leads nowhere: {}", read_page(browser).await);
    }
}

/// Shows what is folded away behind these words.
pub(crate) async fn unfold(browser: &WebDriver, words: &str) {
    let summary = By::XPath(format!("//summary[contains(., '{words}')]"));
    do_with(browser, summary, async |element| element.click().await).await;
}

/// Writes into the field, in place of what is there.
pub(crate) async fn write(browser: &WebDriver, css: &str, words: &str) {
    do_with(browser, By::Css(css), async |field| {
        field.clear().await?;
        field.send_keys(words).await
    })
    .await;
}

/// Fills the fields of the page's form, by their ids, and sends it.
pub(crate) async fn fill(browser: &WebDriver, fields: &[(&str, &str)]) {
    for (id, words) in fields {
        write(browser, &format!("#{id}"), words).await;
    }
    follow(browser, ".entry form button").await;
}

/// When the page began, if it has loaded: no two pages have the same.
async fn loaded(browser: &WebDriver) -> Option<f64> {
    let when = "return document.readyState === 'complete' ? performance.timeOrigin : null";
    browser.execute(when, Vec::new()).await.ok()?.convert().ok()?
}

/// Finds the element and does this with it, again when it was exchanged in between.
async fn do_with<T>(
    browser: &WebDriver,
    element: By,
    action: impl AsyncFn(WebElement) -> WebDriverResult<T>,
) -> T {
    let done = async {
        loop {
            let found = browser.find(element.clone()).await;
            let found = found.unwrap_or_else(|error| panic!("{element:?}: {error}"));
            match action(found).await {
                Ok(done) => return done,
                Err(error) if is_stale(&error) => {}
                Err(error) => panic!("{element:?}: {error}"),
            }
        }
    };
    let done = timeout(LIMIT, done).await;
    done.unwrap_or_else(|_| panic!("{element:?} is exchanged all the time"))
}

fn is_stale(error: &WebDriverError) -> bool {
    matches!(error.as_inner(), WebDriverErrorInner::StaleElementReference(_))
}
