//! Which runs are made: for each scene, at which of its points, and what the survivors do.

use std::collections::HashMap;

use super::run::Job;
use super::scene::Scene;
use super::survivors::SCRIPTS;
use super::victim::{PointName, Task};
use crate::random::Random;

/// How much is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    /// Every point of every operation; else of each source line the first, the second and the last
    /// time that it is passed.
    pub every_point: bool,
    /// Scripts of the survivors for each point.
    pub scripts: usize,
    /// Which scripts: every random choice.
    pub seed: u64,
}

/// The runs for a scene that passes `points`.
#[must_use]
pub fn jobs(scene: &Scene, points: &[PointName], extent: Extent) -> Vec<Job> {
    let mut random = Random::new(extent.seed, stream_of(scene.name));
    let mut jobs = Vec::new();
    for at in chosen(points, extent.every_point) {
        for task in [Task::Kill(at), Task::Stop(at)] {
            let first = random.below(SCRIPTS.len() as u64) as usize;
            for step in 0..extent.scripts.min(SCRIPTS.len()) {
                jobs.push(Job {
                    scene: scene.name.to_owned(),
                    task,
                    script: (first + step) % SCRIPTS.len(),
                });
            }
        }
    }
    jobs
}

fn stream_of(name: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(name.as_bytes())
}

fn chosen(points: &[PointName], every_point: bool) -> Vec<usize> {
    if every_point {
        return (0..points.len()).collect();
    }
    let mut times: HashMap<&PointName, Vec<usize>> = HashMap::new();
    for (at, point) in points.iter().enumerate() {
        times.entry(point).or_default().push(at);
    }
    let mut chosen: Vec<usize> = times
        .into_values()
        .flat_map(|at| {
            let last = at.last().copied();
            at.into_iter().take(2).chain(last)
        })
        .collect();
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(line: u32) -> PointName {
        PointName {
            file: "a.rs".to_owned(),
            line,
            column: 1,
            what: "store".to_owned(),
        }
    }

    #[test]
    fn of_each_line_the_first_second_and_last_time_are_chosen() {
        let points: Vec<PointName> = [1, 2, 2, 2, 2, 3, 3].map(point).to_vec();
        assert_eq!(chosen(&points, false), [0, 1, 2, 4, 5, 6]);
        assert_eq!(chosen(&points, true), [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_seed_gives_the_same_runs_and_each_point_is_killed_and_stopped() {
        let scene = crate::kill::catalogue::scenes().next().expect("a scene");
        let points: Vec<PointName> = [1, 2, 3].map(point).to_vec();
        let extent = |seed| Extent {
            every_point: true,
            scripts: 2,
            seed,
        };
        let made = jobs(scene, &points, extent(1));
        assert_eq!(made, jobs(scene, &points, extent(1)));
        assert_eq!(made.len(), 3 * 2 * 2);
        for at in 0..3 {
            assert!(made.iter().any(|job| job.task == Task::Kill(at)));
            assert!(made.iter().any(|job| job.task == Task::Stop(at)));
        }
    }
}
