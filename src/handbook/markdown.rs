//! Markdown to HTML. This file alone names pulldown-cmark.
//!
//! Headings get anchors, links to other pages become addresses, tables a frame they can scroll in.
//! HTML in a page is shown as text: our pages need none, and a page of ours cannot break the policy
//! its address is served with.

use std::collections::HashMap;

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// A rendered page.
#[derive(Debug)]
pub struct Html {
    /// Without the title, which the page around it shows.
    pub body: String,
    /// What begins with a heading, for the list of contents and the search.
    pub sections: Vec<Section>,
}

/// A heading and what is below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    pub anchor: String,
    pub title: String,
    /// 1 for the title of the page.
    pub level: u8,
    /// Its text without marks.
    pub text: String,
}

pub(super) fn to_html(markdown: &str) -> Html {
    let mut events: Vec<_> = Parser::new_ext(markdown, Options::ENABLE_TABLES).collect();
    let sections = sections(&mut events);
    let mut body = String::new();
    html::push_html(&mut body, without_title(events).into_iter().flat_map(framed));
    // An example may be wider than a phone, and who has only keys scrolls it, too.
    let body = body.replace("<pre>", "<pre tabindex=\"0\">");
    Html { body, sections }
}

/// Finds the sections, and gives every heading its anchor.
#[expect(clippy::wildcard_enum_match_arm, reason = "Markdown has more than a search reads")]
fn sections(events: &mut [Event<'_>]) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut taken: HashMap<String, u32> = HashMap::new();
    let mut heading = None;
    for at in 0..events.len() {
        match &events[at] {
            Event::Start(Tag::Heading { level, .. }) => {
                heading = Some(at);
                let level = *level as u8;
                let (anchor, title, text) = Default::default();
                sections.push(Section { anchor, title, level, text });
            }
            Event::End(TagEnd::Heading(_)) => {
                let (Some(start), Some(section)) = (heading.take(), sections.last_mut()) else {
                    continue;
                };
                section.anchor = unique(anchor_of(&section.title), &mut taken);
                let name = CowStr::from(section.anchor.clone());
                if let Event::Start(Tag::Heading { id, .. }) = &mut events[start] {
                    *id = Some(name);
                }
            }
            Event::Text(words) | Event::Code(words) => {
                if let Some(section) = sections.last_mut() {
                    match heading {
                        Some(_) => section.title.push_str(words),
                        None => section.text.push_str(words),
                    }
                }
            }
            Event::End(TagEnd::Paragraph | TagEnd::TableCell | TagEnd::Item)
            | Event::SoftBreak
            | Event::HardBreak => {
                if let Some(section) = sections.last_mut() {
                    section.text.push(' ');
                }
            }
            _ => {}
        }
    }
    sections
}

/// Letters and digits in small, everything else one hyphen.
fn anchor_of(title: &str) -> String {
    let mut anchor = String::new();
    for char in title.chars() {
        if char.is_alphanumeric() || char == '_' {
            anchor.extend(char.to_lowercase());
        } else if !anchor.ends_with('-') && !anchor.is_empty() {
            anchor.push('-');
        }
    }
    anchor.trim_end_matches('-').to_owned()
}

fn unique(anchor: String, taken: &mut HashMap<String, u32>) -> String {
    let times = taken.entry(anchor.clone()).or_default();
    *times += 1;
    if *times == 1 { anchor } else { format!("{anchor}-{times}") }
}

fn without_title(events: Vec<Event<'_>>) -> Vec<Event<'_>> {
    let is_end = |event: &Event<'_>| matches!(event, Event::End(TagEnd::Heading(HeadingLevel::H1)));
    match events.iter().position(is_end) {
        Some(end) => events.into_iter().skip(end + 1).collect(),
        None => events,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all else stays as it is")]
fn framed(event: Event<'_>) -> Vec<Event<'_>> {
    match event {
        Event::Start(Tag::Table(columns)) => {
            let open = r#"<div class="wide" tabindex="0" role="group" aria-label="Table">"#;
            vec![Event::Html(open.into()), Event::Start(Tag::Table(columns))]
        }
        Event::End(TagEnd::Table) => {
            vec![Event::End(TagEnd::Table), Event::Html("</div>".into())]
        }
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            let dest_url = address(&dest_url).into();
            vec![Event::Start(Tag::Link { link_type, dest_url, title, id })]
        }
        Event::Html(text) | Event::InlineHtml(text) => vec![Event::Text(text)],
        other => vec![other],
    }
}

/// Where a link leads: `needles#areas` is another page of the handbook.
fn address(link: &str) -> String {
    if link.starts_with(['#', '/']) || link.contains("://") {
        return link.to_owned();
    }
    format!("/handbook/{link}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_anchors_and_sections() {
        let page = to_html("# Title\n\nIntro.\n\n## `send_key`\n\nPress *it*.\n\n## `send_key`\n");
        let told: Vec<_> =
            page.sections.iter().map(|s| (s.level, s.anchor.as_str(), s.text.trim())).collect();
        assert_eq!(
            told,
            [(1, "title", "Intro."), (2, "send_key", "Press it."), (2, "send_key-2", "")]
        );
        assert!(page.body.starts_with("<p>Intro.</p>"), "{}", page.body);
        assert!(
            page.body.contains(r#"<h2 id="send_key"><code>send_key</code></h2>"#),
            "{}",
            page.body
        );
    }

    #[test]
    fn links_lead_into_the_handbook_and_html_is_text() {
        let page = to_html(
            "[a](needles#areas) [b](#here) [c](/schema/job.json) [d](https://x.example/) <b>x</b>\n",
        );
        for part in [
            r#"href="/handbook/needles#areas""#,
            "href=\"#here\"",
            r#"href="/schema/job.json""#,
            r#"href="https://x.example/""#,
            "&lt;b&gt;x&lt;/b&gt;",
        ] {
            assert!(page.body.contains(part), "{part}: {}", page.body);
        }
    }

    #[test]
    fn anchors_are_plain() {
        for (title, anchor) in [
            ("Coming from LAVA", "coming-from-lava"),
            ("`send_key`", "send_key"),
            ("What is it? (And why)", "what-is-it-and-why"),
        ] {
            assert_eq!(anchor_of(title), anchor);
        }
    }
}
