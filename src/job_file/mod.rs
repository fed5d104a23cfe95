//! Definition text to model, with an explanation when it is wrong.
