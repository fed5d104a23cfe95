//! Finding a word in the handbook: a few pages, read from beginning to end.

use super::{
    book::{Handbook, Page},
    markdown::Section,
};

/// Sections shown, at most.
const MOST: usize = 30;
/// Letters around the first word found.
const AROUND: usize = 90;

/// A section that has all the words.
#[derive(Debug)]
pub struct Hit<'a> {
    pub page: &'a Page,
    pub section: &'a Section,
    /// A piece of its text around the first of them.
    pub excerpt: String,
}

impl Handbook {
    /// The sections in which all words of the query are, those with a word in their heading first.
    pub fn find(&self, query: &str) -> Vec<Hit<'_>> {
        let words: Vec<_> = query.split_whitespace().map(str::to_lowercase).take(8).collect();
        let Some(first) = words.first() else { return Vec::new() };
        let mut hits: Vec<(bool, Hit<'_>)> = Vec::new();
        for page in &self.pages {
            for section in &page.html().sections {
                let title = section.title.to_lowercase();
                let text = section.text.to_lowercase();
                if words.iter().all(|word| title.contains(word) || text.contains(word)) {
                    let is_title = words.iter().any(|word| title.contains(word));
                    let excerpt = excerpt(&section.text, first);
                    hits.push((is_title, Hit { page, section, excerpt }));
                }
            }
        }
        hits.sort_by_key(|(is_title, _)| !is_title);
        hits.into_iter().map(|(_, hit)| hit).take(MOST).collect()
    }
}

/// What stands around `word`, or the beginning.
fn excerpt(text: &str, word: &str) -> String {
    let letters: Vec<char> =
        text.split_whitespace().collect::<Vec<_>>().join(" ").chars().collect();
    let small: Vec<char> = letters.iter().map(|c| c.to_ascii_lowercase()).collect();
    let word: Vec<char> = word.chars().collect();
    let at = small.windows(word.len().max(1)).position(|piece| piece == word).unwrap_or(0);
    let (from, to) = (at.saturating_sub(AROUND), (at + AROUND).min(letters.len()));
    let before = if from > 0 { "… " } else { "" };
    let after = if to < letters.len() { " …" } else { "" };
    let piece: String = letters[from..to].iter().collect();
    format!("{before}{}{after}", piece.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_come_first_and_all_words_count() {
        let book = Handbook::new(&[]);
        let hits = book.find("wait_serial");
        assert_eq!(
            (hits[0].page.slug, hits[0].section.anchor.as_str()),
            ("screen-steps", "wait_serial")
        );
        assert!(book.find("wait_serial zebra").is_empty());
        assert!(book.find(" ").is_empty());
        assert!(book.find("QEMU").len() > 3);
    }

    #[test]
    fn an_excerpt_is_around_the_word() {
        let text = format!("{} Needle {}", "a ".repeat(100), "é ".repeat(100));
        let piece = excerpt(&text, "needle");
        assert!(
            piece.starts_with("… ") && piece.ends_with(" …") && piece.contains("Needle"),
            "{piece}"
        );
        assert_eq!(excerpt("short", "none"), "short");
    }
}
