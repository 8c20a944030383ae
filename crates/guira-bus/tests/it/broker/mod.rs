//! A broker at work, and an agent that says exactly what it is told to.

mod frames;
mod records;
mod scripted;
