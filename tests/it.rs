mod layers;
mod needles;
