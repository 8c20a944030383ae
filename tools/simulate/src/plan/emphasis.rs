//! Plans for mistakes that few worlds find: what they need comes together in each.

use fastrand::Rng;
use guira_bus::core::mutant::Mutant;

use super::{Fault, HEALED_WITHIN_US, Micros, Plan};

impl Plan {
    pub(super) fn emphasize(&mut self, mutant: Mutant, rng: &mut Rng) {
        match mutant {
            Mutant::SingleBrokerAccepts => self.add_lonely_words(rng),
            Mutant::NothingAgain | Mutant::MembersIgnored => self.add_late_words(rng),
            Mutant::AcceptedUnknown => self.add_newcomer(rng),
            Mutant::LostUnsaid | Mutant::OverrunTakenForSettled => self.add_overflow(rng),
            Mutant::UnsettledLeftOut => self.add_replaced_speaker(rng),
            Mutant::SingleBrokerTrusts => self.add_lonely_ear(rng),
            Mutant::StrangerAccepted => self.add_stranger(rng),
            Mutant::ShortListCounts => self.add_short_list(rng),
            Mutant::TrustOnArrival => {
                self.slow = 0.1;
                self.delay_us = self.delay_us.max(2_000);
                self.bound_us = 200_000;
            }
            Mutant::FreshBrokerGrants => self.make_quiet(rng),
            Mutant::DoneWithoutPosition => {
                self.leased = 1.0;
                self.op_every_us = self.op_every_us.clamp(2_000, 20_000);
            }
            Mutant::SoughtWithoutTrust => self.add_suspect_giver(rng),
            Mutant::SoughtWithGaps => {
                self.make_plain();
                self.make_seeking();
                self.loss = 0.3;
            }
            Mutant::SoughtDeaf => self.add_unknown_speaker(rng),
            Mutant::SoughtTooSoon => self.add_outlived_record(rng),
            _ => {}
        }
    }

    /// Whoever misses asks other hosts, and computes if none has it.
    const fn make_seeking(&mut self) {
        self.leased = 0.0;
        self.sought = 1.0;
    }

    /// Two hosts hear of each other by one broker alone, which does not hear a third one.
    fn add_suspect_giver(&mut self, rng: &mut Rng) {
        self.brokers = 3;
        self.clock_ppm.resize(self.hosts + 3, 0);
        self.clock_offsets_us.resize(self.hosts + 3, 1_000_000);
        self.make_plain();
        self.make_seeking();
        let (at_us, speaker, _) = self.everybody_is_there(rng);
        for host in 0..self.hosts {
            if host == speaker {
                self.cut(at_us, 1_000_000, host, 2);
            } else {
                self.cut(at_us, 1_000_000, host, 0);
                self.cut(at_us, 1_000_000, host, 1);
            }
        }
    }

    /// A host is new and says something that one host hears and another does not, and neither hears that it is there; then the
    /// broker begins anew, and hears of it late.
    fn add_unknown_speaker(&mut self, rng: &mut Rng) {
        let (at_us, speaker, deaf) = self.with_one_old_broker(rng);
        self.make_seeking();
        self.op_every_us = 50_000;
        let there_us = rng.u64(1_000..8_000);
        if let Some(start_us) = self.starts_us.get_mut(speaker) {
            *start_us = at_us - there_us;
        }
        self.cut(at_us - 10_000, 10_000, deaf, 0);
        self.begins_anew(at_us, rng);
        self.cut(at_us, 800_000, speaker, 0);
    }

    /// A host hears another by a broker that then begins anew and does not hear it any more, and asks a third one, which
    /// has heard nothing of it and is met by another broker alone.
    fn add_outlived_record(&mut self, rng: &mut Rng) {
        self.brokers = 3;
        self.clock_ppm.resize(self.hosts + 3, 0);
        self.clock_offsets_us.resize(self.hosts + 3, 1_000_000);
        self.make_plain();
        self.make_seeking();
        let (at_us, speaker, asker) = self.everybody_is_there(rng);
        let for_us = 700_000;
        for host in 0..self.hosts {
            if host == speaker {
                self.cut(at_us, for_us, host, 2);
            } else {
                self.cut(at_us, for_us, host, 1);
                if host != asker {
                    self.cut(at_us, for_us, host, 0);
                }
            }
        }
        let anew_us = at_us + rng.u64(50_000..150_000);
        self.begins_anew(anew_us, rng);
        self.cut(anew_us, for_us, speaker, 0);
    }

    /// Whatever is lost stays so for a while: keys are invalidated one by one, and seldom.
    fn make_plain(&mut self) {
        self.is_narrow = true;
        self.keys = 20;
        self.op_every_us = 10_000;
        self.bound_us = 200_000;
        self.loss = 0.0;
        self.slow = 0.0;
        self.log_entries = 100_000;
        self.ring = 4_096;
        self.faults.clear();
    }

    fn cut(&mut self, at_us: Micros, for_us: Micros, host: usize, broker: usize) {
        let fault = Fault::Cut { host, broker, for_us };
        self.faults.push((at_us, fault));
    }

    fn everybody_is_there(&mut self, rng: &mut Rng) -> (Micros, usize, usize) {
        self.starts_us.fill(0);
        let at_us = rng.u64(1_500_000..self.calm_us.max(1_500_001));
        let speaker = rng.usize(..self.hosts);
        let deaf = (speaker + rng.usize(1..self.hosts)) % self.hosts;
        (at_us, speaker, deaf)
    }

    /// A host is heard by one broker alone, not by another host, and then it and the broker are gone.
    fn add_lonely_words(&mut self, rng: &mut Rng) {
        self.brokers = 3;
        self.clock_ppm.resize(self.hosts + 3, 0);
        self.clock_offsets_us.resize(self.hosts + 3, 1_000_000);
        self.make_plain();
        let (at_us, speaker, deaf) = self.everybody_is_there(rng);
        let quiet_us = rng.u64(20_000..100_000);
        let before_us = at_us - quiet_us;
        self.cut(before_us, quiet_us, speaker, 1);
        self.cut(before_us, quiet_us, speaker, 2);
        self.cut(before_us, quiet_us, deaf, 0);
        let for_us = 1_000_000;
        self.faults.push((at_us, Fault::BrokerDies { broker: 0, for_us }));
        self.faults.push((at_us, Fault::HostDies { host: speaker }));
    }

    /// A host hears one broker alone, which does not hear another host.
    fn add_lonely_ear(&mut self, rng: &mut Rng) {
        self.brokers = 3;
        self.clock_ppm.resize(self.hosts + 3, 0);
        self.clock_offsets_us.resize(self.hosts + 3, 1_000_000);
        self.make_plain();
        let (at_us, speaker, deaf) = self.everybody_is_there(rng);
        self.cut(at_us, 700_000, speaker, 2);
        self.cut(at_us, 700_000, deaf, 0);
        self.cut(at_us, 700_000, deaf, 1);
    }

    /// A host does not hear what another says; then all brokers begin anew, and the other comes late.
    fn add_late_words(&mut self, rng: &mut Rng) {
        self.make_plain();
        let (at_us, speaker, deaf) = self.everybody_is_there(rng);
        let quiet_us = rng.u64(10_000..60_000);
        let late_us = rng.u64(1_000..400_000);
        for broker in 0..self.brokers {
            self.cut(at_us - quiet_us, quiet_us, deaf, broker);
            let for_us = rng.u64(1_000..5_000);
            self.faults.push((at_us, Fault::BrokerDies { broker, for_us }));
            self.cut(at_us, late_us, speaker, broker);
        }
    }

    /// A host is new, says something that another does not hear, as little as that it is there, and then it and
    /// the brokers are gone.
    fn add_newcomer(&mut self, rng: &mut Rng) {
        self.make_plain();
        let (at_us, speaker, deaf) = self.everybody_is_there(rng);
        let quiet_us = rng.u64(40_000..100_000);
        let there_us = rng.u64(10_000..quiet_us - 5_000);
        if let Some(start_us) = self.starts_us.get_mut(speaker) {
            *start_us = at_us - there_us;
        }
        for broker in 0..self.brokers {
            self.cut(at_us - quiet_us, quiet_us, deaf, broker);
            let for_us = rng.u64(1_000..50_000);
            self.faults.push((at_us, Fault::BrokerDies { broker, for_us }));
        }
        self.faults.push((at_us, Fault::HostDies { host: speaker }));
    }

    /// One broker, old enough that everybody is known to it: from when on, who speaks, and who does not hear.
    fn with_one_old_broker(&mut self, rng: &mut Rng) -> (Micros, usize, usize) {
        self.brokers = 1;
        self.make_plain();
        let (_, speaker, deaf) = self.everybody_is_there(rng);
        let at_us = rng.u64(2_300_000..2_600_000);
        self.calm_us = at_us + 1_000_000;
        self.end_us = self.calm_us + HEALED_WITHIN_US + 500_000;
        (at_us, speaker, deaf)
    }

    fn begins_anew(&mut self, at_us: Micros, rng: &mut Rng) {
        let for_us = rng.u64(500..3_000);
        self.faults.push((at_us, Fault::BrokerDies { broker: 0, for_us }));
    }

    /// A broker begins anew and meets a new host only, which says something; then it begins anew once more and
    /// meets the others only.
    fn add_stranger(&mut self, rng: &mut Rng) {
        let (at_us, speaker, _) = self.with_one_old_broker(rng);
        let first_us = rng.u64(60_000..120_000);
        if let Some(start_us) = self.starts_us.get_mut(speaker) {
            *start_us = at_us + rng.u64(3_000..20_000);
        }
        self.begins_anew(at_us, rng);
        for host in (0..self.hosts).filter(|&host| host != speaker) {
            self.cut(at_us, first_us, host, 0);
        }
        self.begins_anew(at_us + first_us, rng);
        self.cut(at_us + first_us, 600_000, speaker, 0);
    }

    /// A host that is new to the second of four lives hears nothing of another, which was known to the first, is
    /// accepted in the third at once and not there in the fourth.
    fn add_short_list(&mut self, rng: &mut Rng) {
        let (at_us, speaker, deaf) = self.with_one_old_broker(rng);
        let life_us = rng.u64(50_000..90_000);
        if let Some(start_us) = self.starts_us.get_mut(deaf) {
            *start_us = at_us + rng.u64(3_000..10_000);
        }
        for life in 0..3 {
            self.begins_anew(at_us + life * life_us, rng);
        }
        self.cut(at_us, life_us, speaker, 0);
        self.cut(at_us + life_us, life_us, deaf, 0);
        self.cut(at_us + 2 * life_us, 600_000, speaker, 0);
    }

    /// A host does not hear what another says for longer than a broker needs to begin anew, and the agent that said
    /// it is replaced by one that remembers only that it was accepted.
    fn add_replaced_speaker(&mut self, rng: &mut Rng) {
        self.make_plain();
        self.ring = 32;
        self.op_every_us = 5_000;
        let (at_us, speaker, deaf) = self.everybody_is_there(rng);
        let quiet_us = rng.u64(20_000..80_000);
        for broker in 0..self.brokers {
            self.cut(at_us - quiet_us, quiet_us + 400_000, deaf, broker);
            let for_us = rng.u64(2_000..10_000);
            self.faults.push((at_us, Fault::BrokerDies { broker, for_us }));
        }
        let before_us = rng.u64(500..5_000);
        let host = speaker;
        let for_us = rng.u64(..1_000);
        self.faults
            .push((at_us - before_us, Fault::AgentDies { host, for_us }));
    }

    /// A host says more than its ring holds while no broker hears it, and the others do not start over for
    /// other reasons.
    fn add_overflow(&mut self, rng: &mut Rng) {
        self.make_plain();
        self.ring = 32;
        self.keys = 100;
        self.op_every_us = 2_000;
        let (at_us, speaker, _) = self.everybody_is_there(rng);
        let at_us = at_us.min(self.calm_us - 400_000);
        for broker in 0..self.brokers {
            self.cut(at_us, 300_000, speaker, broker);
        }
    }
}
