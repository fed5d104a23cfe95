//! How everything drawn looks: one style sheet, its tokens first.

/// The style sheet of pages and of reports.
pub const STYLE: &str = concat!(
    include_str!("../../assets/web/tokens.css"),
    include_str!("../../assets/web/sutler.css")
);

#[cfg(test)]
mod tests;
