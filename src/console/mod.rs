//! The guest's serial console: kept, and searched.
