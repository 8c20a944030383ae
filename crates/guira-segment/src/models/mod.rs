//! Models: protocols of the engine in every order of their steps, by the checker loom.
//!
//! A model sets up a tiny world, lets two or three threads run engine code in it, and judges what is
//! left. `docs/models.md` says what each shows and what none does.

mod run;
mod world;

mod deriving;
mod draining;
mod fill;
mod flying;
mod forking;
mod journaling;
mod moving;
mod pinning;
mod put_put;
mod put_read;
mod recovering;
mod reserving;
mod second_life;
mod sweeping;
mod taking_over;
