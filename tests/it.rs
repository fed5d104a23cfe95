mod layers;
mod needles;
mod machine;
mod support {
    pub(crate) mod tiny_guest;
}
