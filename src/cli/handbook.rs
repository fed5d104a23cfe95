//! `sutler handbook`

use serde_json::json;

use super::{args, error::CliError, output};
use crate::handbook::Handbook;

/// Read the handbook: how to use Sutler, in a few pages
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler handbook                   the list of pages
  sutler handbook job-file | less   one of them, as Markdown
  sutler handbook --find wait       where the handbook has a word

The same pages are in the appliance, at /handbook.")]
pub(super) struct Args {
    /// The page, by its short name
    page: Option<String>,
    /// Search all pages for words
    #[arg(long, value_name = "WORDS", conflicts_with = "page")]
    find: Option<String>,
}

pub(super) fn run(args: &Args, json: bool) -> Result<u8, CliError> {
    let book = Handbook::new(&args::commands());
    match (&args.page, &args.find) {
        (Some(slug), _) => {
            let page = book.page(slug).ok_or_else(|| CliError::NoPage {
                page: slug.clone(),
                pages: book.pages.iter().map(|page| page.slug).collect(),
            })?;
            if json {
                output::print_json(
                    &json!({ "page": page.slug, "title": page.title, "markdown": page.markdown }),
                )?;
            } else {
                output::print(&page.markdown)?;
            }
        }
        (None, Some(words)) => {
            let hits = book.find(words);
            if json {
                let hit = |hit: &crate::handbook::Hit<'_>| {
                    json!({
                        "page": hit.page.slug, "anchor": hit.section.anchor,
                        "title": hit.section.title, "excerpt": hit.excerpt,
                    })
                };
                output::print_json(&hits.iter().map(hit).collect())?;
            } else {
                let line = |hit: &crate::handbook::Hit<'_>| {
                    format!("{}, {}\n    {}\n", hit.page.slug, hit.section.title, hit.excerpt)
                };
                output::print(&hits.iter().map(line).collect::<String>())?;
            }
        }
        (None, None) => {
            if json {
                let page = |page: &crate::handbook::Page| json!({ "page": page.slug, "title": page.title });
                output::print_json(&book.pages.iter().map(page).collect())?;
            } else {
                let line =
                    |page: &crate::handbook::Page| format!("{:20} {}\n", page.slug, page.title);
                output::print(&book.pages.iter().map(line).collect::<String>())?;
            }
        }
    }
    Ok(0)
}
