//! Pure choices: given the time and the facts, they return what to do.
