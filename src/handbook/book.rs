//! The pages, in the order in which they are read.

use std::sync::OnceLock;

use super::{
    markdown::{self, Html},
    tables,
};
use crate::job_file;

/// A command as the commands themselves tell it.
#[derive(Debug, Clone)]
pub struct CommandText {
    /// `needle match`
    pub name: String,
    /// In one line.
    pub about: String,
    /// All of its `--help`.
    pub help: String,
}

/// One page.
#[derive(Debug)]
pub struct Page {
    /// Its name in addresses and on the command line.
    pub slug: &'static str,
    pub title: String,
    pub markdown: String,
    html: OnceLock<Html>,
}

impl Page {
    /// As a browser takes it; made when it is first asked for.
    pub fn html(&self) -> &Html {
        self.html.get_or_init(|| markdown::to_html(&self.markdown))
    }
}

/// All pages.
#[derive(Debug)]
pub struct Handbook {
    pub pages: Vec<Page>,
}

macro_rules! pages {
    ($($slug:literal),* $(,)?) => {
        [$(($slug, include_str!(concat!("../../assets/handbook/", $slug, ".md")))),*]
    };
}

const PAGES: [(&str, &str); 20] = pages![
    "first-job",
    "job-file",
    "screen-steps",
    "needles",
    "editors",
    "commands",
    "verdicts",
    "queue",
    "devices",
    "times",
    "slow-jobs",
    "measures",
    "known-failures",
    "troubleshooting",
    "box",
    "people",
    "configuration",
    "http-api",
    "coming-from-openqa",
    "coming-from-lava",
];

impl Handbook {
    /// With what the pages cannot know by themselves.
    pub fn new(commands: &[CommandText]) -> Self {
        let pages = PAGES.map(|(slug, text)| page(slug, text, commands));
        Self { pages: pages.into() }
    }

    pub fn page(&self, slug: &str) -> Option<&Page> {
        self.pages.iter().find(|page| page.slug == slug)
    }

    /// The pages before and after this one.
    pub fn around(&self, slug: &str) -> (Option<&Page>, Option<&Page>) {
        let Some(at) = self.pages.iter().position(|page| page.slug == slug) else {
            return (None, None);
        };
        (at.checked_sub(1).and_then(|before| self.pages.get(before)), self.pages.get(at + 1))
    }
}

fn page(slug: &'static str, text: &str, commands: &[CommandText]) -> Page {
    let title = text.lines().next().and_then(|line| line.strip_prefix("# "));
    let title = title.expect("every page begins with its title").to_owned();
    let mut markdown = String::with_capacity(text.len());
    for line in text.lines() {
        let name = line.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        match name {
            Some(name) => markdown.push_str(&written(name, commands)),
            None => markdown.push_str(line),
        }
        markdown.push('\n');
    }
    Page { slug, title, markdown, html: OnceLock::new() }
}

/// Text that is made of the program's own tables.
fn written(name: &str, commands: &[CommandText]) -> String {
    match name {
        "job-file" => job_file::job_file_reference(),
        "screen-steps" => job_file::steps_reference(),
        "commands" => tables::commands(commands),
        "settings" => tables::settings(),
        "verdicts" => tables::verdicts(),
        "causes" => tables::causes(),
        "measures" => tables::measures(),
        "operations" => tables::operations(),
        "series" => tables::series(),
        "stalls" => tables::stalls(),
        _ => unreachable!("a page asks for `{name}`, which nothing writes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other() {
        let book = Handbook::new(&[]);
        let slug = |page: Option<&Page>| page.map(|page| page.slug);
        let (before, after) = book.around("job-file");
        assert_eq!((slug(before), slug(after)), (Some("first-job"), Some("screen-steps")));
        assert!(book.around("first-job").0.is_none() && book.around("none").1.is_none());
        assert!(book.pages.iter().all(|page| !page.html().body.contains("{{")));
    }
}
