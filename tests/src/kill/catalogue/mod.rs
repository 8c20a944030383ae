//! Every scene: the operations of the API in the situations that lead them along another path.

mod agreeing;
mod blocks;
mod files;
mod flights;
mod processes;
mod reading;
mod removing;
mod writing;

use guira_segment::StoreError;

use super::KillError;
use super::effect::Answer;
use super::scene::Scene;

/// Every scene.
pub fn scenes() -> impl Iterator<Item = &'static Scene> {
    [
        writing::SCENES,
        removing::SCENES,
        reading::SCENES,
        blocks::SCENES,
        flights::SCENES,
        processes::SCENES,
        files::SCENES,
        agreeing::SCENES,
    ]
    .into_iter()
    .flatten()
}

/// The scene of this name.
///
/// # Errors
/// There is none.
pub fn scene_named(name: &str) -> Result<&'static Scene, KillError> {
    scenes()
        .find(|scene| scene.name == name)
        .ok_or_else(|| KillError::NoScene {
            name: name.to_owned(),
        })
}

/// The answer of an operation for which there may be no space; other errors are none that a scene
/// intends.
fn answered<T>(result: Result<T, StoreError>, answer: impl FnOnce(T) -> Answer) -> Answer {
    match result {
        Ok(value) => answer(value),
        Err(StoreError::NoSpace) => Answer::NoSpace,
        Err(StoreError::NotANumber) => Answer::Refused,
        Err(error) => panic!("{error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn scenes_have_names_of_their_own_and_those_who_died_before_are_scenes() {
        let names: HashSet<&str> = scenes().map(|scene| scene.name).collect();
        assert_eq!(names.len(), scenes().count());
        for death in scenes().filter_map(|scene| scene.after_death_in) {
            assert!(names.contains(death.scene), "{}", death.scene);
        }
    }
}
