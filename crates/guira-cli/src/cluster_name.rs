//! The cluster of a segment, by name: the segment itself has only its number.

use guira_segment::{Segment, Trust};

/// What is said of a segment without a cluster.
pub(crate) const NO_CLUSTER: &str = "the segment belongs to no cluster: make it anew with `guira create --cluster NAME`, or \
    let `guira agent --size`, or a program that opens it with coherence, make it";

/// Whose the segment is, tried with one name.
pub(crate) fn show_cluster(segment: &Segment, name: &str) -> String {
    match known_name(segment, name) {
        Some(name) => format!("{name:?}"),
        None => format!(
            "number {:016x}, which is not that of {name:?}; no more is known of its name",
            segment.cluster_id().unwrap_or(0)
        ),
    }
}

/// The name, if it is this one.
pub(crate) fn known_name<'n>(segment: &Segment, name: &'n str) -> Option<&'n str> {
    segment.is_of_cluster(name).then_some(name)
}

/// Whether hits of this handle's namespace are trusted now; `None` for a segment of no cluster.
pub(crate) fn is_trusted(segment: &Segment) -> Option<bool> {
    match segment.trust() {
        Trust::Trusted { .. } => Some(true),
        Trust::Suspect => Some(false),
        Trust::NotCoherent => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_known_by_the_right_name_only() {
        let builder = Segment::builder().size(8 << 20);
        let segment = builder.clone().cluster("shop").private().expect("room");
        assert_eq!(show_cluster(&segment, "shop"), "\"shop\"");
        let other = show_cluster(&segment, "default");
        assert!(other.contains("not that of \"default\""), "{other}");
        assert_eq!(is_trusted(&segment), Some(false));
        let of_none = builder.private().expect("room");
        assert_eq!((is_trusted(&of_none), known_name(&of_none, "shop")), (None, None));
    }
}
