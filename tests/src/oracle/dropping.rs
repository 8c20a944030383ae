//! Removing and invalidating.

use guira_segment::RecordKind;

use super::agreeing::Subject;
use super::episode::Episode;
use super::names::{Place, tag_name};

impl Episode<'_, '_> {
    pub(super) fn remove(&mut self, place: Place) {
        let was_found = self.call(place, |segment| segment.remove(place.name()));
        self.model.meet(place, was_found);
        self.tally
            .note(if was_found { "remove yes" } else { "remove no" });
        if !place.is_empty() {
            self.model.counters.removes += 1;
            self.model.write(place, None);
        }
    }

    pub(super) fn invalidate(&mut self, place: Place) {
        let was_found = self.call(place, |segment| segment.invalidate(place.name()));
        self.model.meet(place, was_found);
        self.tally.note(if was_found {
            "invalidate yes"
        } else {
            "invalidate no"
        });
        self.model.births += 1;
        self.model.counters.invalidations += 1;
        self.model.invalidate(place, None);
        self.tell_of_key(RecordKind::Invalidate, place);
    }

    pub(super) fn invalidate_tag(&mut self, tag: usize) {
        self.tally.note("invalidate_tag");
        self.segment(0).invalidate_tag(tag_name(tag));
        self.model.invalidate_tag(tag);
        self.tell(RecordKind::Tag, Subject::Tag(tag));
    }

    pub(super) fn clear(&mut self, space: u8) {
        self.tally.note("clear");
        let segment = self.segment(space);
        segment.clear();
        self.model.invalidate_space(space);
        self.tell(RecordKind::Namespace, Subject::Space(space));
    }

    pub(super) fn clear_all(&mut self) {
        self.tally.note("clear_all");
        self.segment(0).clear_all();
        self.model.invalidate_all();
        self.tell(RecordKind::Clear, Subject::All);
    }
}
