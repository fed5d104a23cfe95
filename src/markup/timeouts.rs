//! How long a job and its parts may take, and who has said so.

use maud::{Markup, html};

use crate::model::{Limited, TimeoutOrigin, spoken};

/// All times in a table, folded away: most readers need none of them.
pub fn timeouts(limited: &[Limited]) -> Markup {
    html! {
        @if !limited.is_empty() {
            details #timeouts {
                summary { "Timeouts" span.tally { (limited.len()) } }
                table.jobs {
                    thead { tr {
                        th scope="col" { "Of" } th.figure scope="col" { "Timeout" }
                        th scope="col" { "Said by" }
                    } }
                    tbody { @for one in limited { tr {
                        td.main { bdi { (one.what) } }
                        td.figure data-label="Timeout" { (spoken(one.timeout.value)) }
                        td data-label="Said by" {
                            (one.timeout.origin)
                            @if let TimeoutOrigin::JobFile { key, .. } = &one.timeout.origin {
                                " " code.hint { (key) }
                            }
                        }
                    } } }
                }
            }
        }
    }
}
