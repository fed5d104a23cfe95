//! What the address of a list of jobs asks for, and the addresses of the same list with something
//! changed: a filter more or less, another order, the next page.

use serde::Deserialize;
use utoipa::{
    IntoParams,
    openapi::{
        Array, Object, ObjectBuilder, Required, Type,
        path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle},
    },
};

use super::{
    errors::WebError,
    list::{MOST, MOST_LINES},
};
use crate::{
    clock,
    decide::access::Denied,
    model::{
        Cursor, Field, Identity, JobFilter, JobState, OTHER_FILTERS, Sort, SortBy, TERM_BYTES,
        Wanted,
    },
    store::JobsAsked,
};

/// What somebody wrote behind the `?`, in that order.
pub(super) type Said = Vec<(String, String)>;

/// A list of jobs as its address has it.
#[derive(Debug, Clone, Default)]
pub(super) struct Listing {
    /// The filters, as they were written.
    said: Said,
    filter: JobFilter,
    sort: Sort,
    cursor: Option<Cursor>,
    whose: Option<Whose>,
    /// Jobs asked for.
    pub limit: Option<usize>,
}

/// Of all the jobs there are, those of whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Whose {
    Mine,
    /// Of the groups they are in.
    Groups,
    All,
}

impl Whose {
    pub(super) const ALL: [Self; 3] = [Self::Mine, Self::Groups, Self::All];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Mine => "mine",
            Self::Groups => "groups",
            Self::All => "all",
        }
    }
}

impl Listing {
    /// # Errors
    /// [`WebError::BadRequest`] for the first name or value that is none.
    pub(super) fn read(said: Said, most: usize) -> Result<Self, WebError> {
        let bad = WebError::BadRequest;
        let mut listing = Self::default();
        let (mut sort, mut cursor, mut limit, mut whose) = (None, None, None, None);
        for (name, value) in said {
            let place = match name.as_str() {
                "sort" => &mut sort,
                "cursor" => &mut cursor,
                "limit" => &mut limit,
                "whose" => &mut whose,
                _ => {
                    listing.said.push((name, value));
                    continue;
                }
            };
            if place.replace(value).is_some() {
                return Err(bad(format!("{name}: is said twice")));
            }
        }
        if let Some(text) = sort {
            listing.sort = text.parse().map_err(|error| bad(format!("sort: {error}")))?;
        }
        if let Some(text) = cursor {
            let cursor = Cursor::read(&text, &listing.sort);
            listing.cursor = Some(cursor.map_err(|error| bad(format!("cursor: {error}")))?);
        }
        if let Some(text) = limit {
            let number = text.parse().ok().filter(|number| (1..=most).contains(number));
            let wrong = || bad(format!("limit: a number from 1 to {most}, not {text:?}"));
            listing.limit = Some(number.ok_or_else(wrong)?);
        }
        if let Some(text) = whose {
            let found = Whose::ALL.into_iter().find(|whose| whose.name() == text);
            let wrong = || bad("whose: is mine, groups or all".to_owned());
            listing.whose = Some(found.ok_or_else(wrong)?);
        }
        let said = listing.said.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        listing.filter = match JobFilter::read(said, clock::now()) {
            Ok(filter) => filter,
            Err(error) => return Err(bad(error.to_string())),
        };
        let live = listing.filter.states.iter().find(|state| **state != JobState::Ended);
        if let (Some(state), true) = (live, listing.sort != Sort::default()) {
            let words = format!("sort: jobs that are {state} come as the queue has them");
            return Err(bad(words));
        }
        Ok(listing)
    }

    /// What the store is asked for. A list of somebody's own is of nobody else's jobs.
    ///
    /// # Errors
    /// When somebody nobody knows asks for theirs.
    pub(super) fn asked(&self, who: &Identity, usually: Whose) -> Result<JobsAsked, WebError> {
        let mut filter = self.filter.clone();
        let (field, any) = match self.whose.unwrap_or(usually) {
            Whose::All => (None, Vec::new()),
            Whose::Mine => (Some(Field::Submitter), vec![me(who)?]),
            Whose::Groups => me(who).map(|_| (Some(Field::Team), teams(who)))?,
        };
        filter.wanted.extend(field.map(|field| Wanted { field, key: String::new(), any }));
        let limit = self.limit.unwrap_or_default();
        let (sort, cursor) = (self.sort.clone(), self.cursor.clone());
        Ok(JobsAsked { filter, sort, cursor, limit })
    }

    /// Means ended jobs, unless other states are named.
    pub(super) fn or_ended(mut self) -> Self {
        if self.filter.states.is_empty() {
            self.filter.states.insert(JobState::Ended);
        }
        self
    }

    /// The filters, as they were written.
    pub(super) fn said(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.said.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) const fn sort(&self) -> &Sort {
        &self.sort
    }

    pub(super) const fn whose(&self) -> Option<Whose> {
        self.whose
    }

    /// Of theirs, where the address does not say of whose jobs it is.
    pub(super) fn whose_or(mut self, usually: Whose) -> Self {
        self.whose.get_or_insert(usually);
        self
    }

    pub(super) const fn is_first(&self) -> bool {
        self.cursor.is_none()
    }

    /// Whether only jobs that have a value of what is sorted by are listed.
    pub(super) fn leaves_out(&self) -> bool {
        matches!(self.sort.by, SortBy::Duration | SortBy::Field { .. })
    }

    /// The address of the same list, from its begin.
    pub(super) fn address(&self, path: &str) -> String {
        self.written(path, None, Some(&self.sort), None)
    }

    /// Of this very page.
    pub(super) fn here(&self, path: &str) -> String {
        self.written(path, None, Some(&self.sort), self.cursor.as_ref())
    }

    /// Of the list that goes on at `cursor`.
    pub(super) fn next(&self, path: &str, cursor: &Cursor) -> String {
        self.written(path, None, Some(&self.sort), Some(cursor))
    }

    /// Of the list without its filter of that number.
    pub(super) fn without(&self, path: &str, index: usize) -> String {
        self.written(path, Some(index), Some(&self.sort), None)
    }

    /// Of the list in another order.
    pub(super) fn sorted(&self, path: &str, sort: &Sort) -> String {
        self.written(path, None, Some(sort), None)
    }

    /// Of the list of somebody else's.
    pub(super) fn of(&self, path: &str, whose: Whose) -> String {
        Self { whose: Some(whose), ..self.clone() }.address(path)
    }

    /// Of the list without any filter.
    pub(super) fn bare(path: &str, whose: Option<Whose>) -> String {
        Self { whose, ..Self::default() }.address(path)
    }

    fn written(
        &self,
        path: &str,
        skip: Option<usize>,
        sort: Option<&Sort>,
        cursor: Option<&Cursor>,
    ) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (index, (name, value)) in self.said().enumerate() {
            if skip != Some(index) {
                query.append_pair(name, value);
            }
        }
        if let Some(whose) = self.whose {
            query.append_pair("whose", whose.name());
        }
        if let Some(limit) = self.limit {
            query.append_pair("limit", &limit.to_string());
        }
        if let Some(sort) = sort.filter(|sort| **sort != Sort::default()) {
            query.append_pair("sort", &sort.to_string());
        }
        if let Some(cursor) = cursor {
            query.append_pair("cursor", &cursor.write(&self.sort));
        }
        let query = query.finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
}

fn me(who: &Identity) -> Result<String, WebError> {
    Ok(who.name().ok_or(Denied::Unnamed)?.to_owned())
}

fn teams(who: &Identity) -> Vec<String> {
    who.groups.iter().cloned().collect()
}

/// The same without what a form has left blank, where it has.
pub(super) fn without_blanks(path: &str, said: &Said) -> Option<String> {
    if said.iter().all(|(_, value)| !value.is_empty()) {
        return None;
    }
    let rest = said.iter().filter(|(_, value)| !value.is_empty());
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(rest).finish();
    Some(if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") })
}

/// What `GET /api/jobs` takes, for its documentation: the same tables a filter is read with.
pub(super) struct ListParams;

/// And `GET /api/jobs.csv`, which may be longer.
pub(super) struct TableParams;

impl IntoParams for ListParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        params(MOST)
    }
}

impl IntoParams for TableParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        params(MOST_LINES)
    }
}

fn params(most: usize) -> Vec<Parameter> {
    let mut all: Vec<_> = Field::ALL
        .into_iter()
        .map(|field| {
            let text = match field.values() {
                Some(values) => one_of(values),
                None if field.has_key() => text().pattern(Some("^[^=]+=(?s:.+)$")).build(),
                None => text().build(),
            };
            many(field.name(), field.about(), text)
        })
        .collect();
    for (name, about) in OTHER_FILTERS {
        all.push(match name {
            "state" => many(name, about, one_of(JobState::ALL.map(JobState::name).to_vec())),
            "rule" => many(name, about, text().build()),
            _ => one(name, about, text().build()),
        });
    }
    all.push(one(
        "whose",
        "mine is of whoever asks, groups of the groups they are in",
        one_of(Whose::ALL.map(Whose::name).to_vec()),
    ));
    let about = "the order of ended jobs, as -ended, number, duration, name or metadata.KEY; a - is the greatest first";
    all.push(one("sort", about, text().build()));
    all.push(one("cursor", "where to go on: `next` of the page before", text().build()));
    let limit = ObjectBuilder::new().schema_type(Type::Integer);
    let limit = limit.minimum(Some(1)).maximum(Some(most)).build();
    all.push(one("limit", "at most this many", limit));
    all
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(TERM_BYTES))
}

fn one_of(values: Vec<&'static str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values)).build()
}

fn one(name: &str, about: &str, schema: Object) -> Parameter {
    param(name, about).schema(Some(schema)).build()
}

/// One that may be said several times.
fn many(name: &str, about: &str, schema: Object) -> Parameter {
    let list = Array::new(schema);
    param(name, about)
        .schema(Some(list))
        .style(Some(ParameterStyle::Form))
        .explode(Some(true))
        .build()
}

fn param(name: &str, about: &str) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(about))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(said: &[(&str, &str)]) -> Result<Listing, WebError> {
        let said = said.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Listing::read(said, 500)
    }

    #[test]
    fn a_list_has_an_address_for_each_change() {
        let list =
            read(&[("verdict", "failed"), ("setting", "A=b c&d"), ("sort", "-name")]).unwrap();
        assert_eq!(list.address("/x"), "/x?verdict=failed&setting=A%3Db+c%26d&sort=-name");
        assert_eq!(list.without("/x", 1), "/x?verdict=failed&sort=-name");
        assert_eq!(
            list.of("/x", Whose::All),
            "/x?verdict=failed&setting=A%3Db+c%26d&whose=all&sort=-name"
        );
        assert_eq!(read(&[]).unwrap().address("/x"), "/x");
        let blank = vec![("verdict".to_owned(), String::new()), ("tag".into(), "a b".into())];
        assert_eq!(without_blanks("/x", &blank).as_deref(), Some("/x?tag=a+b"));
        assert_eq!(without_blanks("/x", &blank[1..].to_vec()), None);
    }

    #[test]
    fn what_a_list_does_not_know_is_refused() {
        for (said, words) in [
            ([("limit", "0"), ("tag", "a")], "limit: a number from 1 to 500, not \"0\""),
            ([("whose", "yours"), ("tag", "a")], "whose: is mine, groups or all"),
            ([("sort", "ended"), ("sort", "name")], "sort: is said twice"),
            ([("sort", "colour"), ("tag", "a")], "sort: jobs are not sorted by \"colour\""),
            ([("cursor", "7"), ("tag", "a")], "cursor: a list sorted by -ended has no such place"),
            ([("sort", "name"), ("state", "waiting")], "sort: jobs that are waiting come"),
            ([("colour", "red"), ("tag", "a")], "jobs are not found by \"colour\""),
        ] {
            let refused = read(&said).unwrap_err().to_string();
            assert!(refused.starts_with(words), "{refused}");
        }
    }
}
