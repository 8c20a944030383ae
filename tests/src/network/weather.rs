//! What the bridge does to what passes it.

use super::lab::Place;

/// Which way nothing passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Neither.
    Both,
    /// To the place.
    In,
    /// From the place.
    Out,
}

/// Loss and cuts. By default none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Weather {
    /// Of a hundred packets from or to a host so many are lost, at random.
    pub loss_percent: u64,
    /// Places that are cut off.
    pub cuts: Vec<(Place, Way)>,
}

impl Weather {
    /// Only loss.
    #[must_use]
    pub const fn of_loss(loss_percent: u64) -> Self {
        Self {
            loss_percent,
            cuts: Vec::new(),
        }
    }

    /// What matches the packets that do not pass, for `nft`.
    pub(super) fn rules(&self, places: &[Place]) -> Vec<String> {
        let mut rules = Vec::new();
        for (place, way) in &self.cuts {
            let port = place.port();
            if *way != Way::Out {
                rules.push(format!("oifname \"{port}\""));
            }
            if *way != Way::In {
                rules.push(format!("iifname \"{port}\""));
            }
        }
        if self.loss_percent == 0 {
            return rules;
        }
        for place in places.iter().filter(|place| matches!(place, Place::Host(_))) {
            for side in ["iifname", "oifname"] {
                rules.push(format!(
                    "{side} \"{}\" numgen random mod 100 < {}",
                    place.port(),
                    self.loss_percent
                ));
            }
        }
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_of_hosts_in_both_directions_and_a_cut_of_its_own() {
        let places = [Place::Host(0), Place::Broker(0)];
        assert_eq!(Weather::default().rules(&places), Vec::<String>::new());
        let weather = Weather {
            loss_percent: 10,
            cuts: vec![(Place::Broker(0), Way::In)],
        };
        assert_eq!(
            weather.rules(&places),
            [
                "oifname \"b0\"",
                "iifname \"h0\" numgen random mod 100 < 10",
                "oifname \"h0\" numgen random mod 100 < 10"
            ]
        );
    }
}
