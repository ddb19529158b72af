//! What goes wrong, and what is promised then.

use std::time::Duration;

use fastrand::Rng;
use futures_util::future::join_all;
use lobby_tests::eventually::now;
use lobby_tests::{NatsServer, Signal};

use crate::fleet::{BACK, Fleet, KEEP_ALIVE, TTL};
use crate::hazards::Hazard;
use crate::report::Report;

/// A goodbye is heard at once.
const AT_ONCE: Duration = Duration::from_millis(500);

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Brokers are killed or frozen for a while.
    BrokersAway(Brokers, Away),
    /// Brokers are killed and started again at once.
    BrokersRestarted(Brokers),
    /// Daemons are told to end, and started again later.
    Terminated,
    /// Daemons die without a word, and are started again later.
    Killed,
    /// Daemons stand still for less than TTL: nobody misses them.
    FrozenBriefly,
    /// Daemons stand still for longer than TTL, and go on.
    FrozenLong,
    /// Daemons die while brokers are away.
    DeathsUnseen(Brokers, Away),
    /// Daemons start while brokers are away.
    JoinsUnseen(Brokers, Away),
    /// One of the hazards around daemons and brokers.
    Hazard(Hazard),
}

/// Which brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Brokers {
    Nats,
    Redis,
    Both,
}

/// How brokers are away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Away {
    Killed,
    Frozen,
}

/// Faults without end: every kind once, in random order, then all again in another.
pub(crate) struct Script {
    rng: Rng,
    deck: Vec<Fault>,
}

impl Script {
    /// The script of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed), deck: Vec::new() }
    }

    fn shuffled(&mut self) -> Vec<Fault> {
        let all = [Brokers::Nats, Brokers::Redis, Brokers::Both];
        let away = all.into_iter().flat_map(|brokers| {
            [Fault::BrokersAway(brokers, Away::Killed), Fault::BrokersAway(brokers, Away::Frozen)]
        });
        let unseen = |rng: &mut Rng| {
            (all[rng.usize(..3)], if rng.bool() { Away::Killed } else { Away::Frozen })
        };
        let (deaths, joins) = (unseen(&mut self.rng), unseen(&mut self.rng));
        let others = [
            Fault::Terminated,
            Fault::Killed,
            Fault::FrozenBriefly,
            Fault::FrozenLong,
            Fault::DeathsUnseen(deaths.0, deaths.1),
            Fault::JoinsUnseen(joins.0, joins.1),
        ];
        let others = others.into_iter().chain(Hazard::ALL.map(Fault::Hazard));
        let mut deck: Vec<_> = away.chain(all.map(Fault::BrokersRestarted)).chain(others).collect();
        self.rng.shuffle(&mut deck);
        deck
    }
}

impl Iterator for Script {
    type Item = Fault;

    fn next(&mut self) -> Option<Fault> {
        if self.deck.is_empty() {
            self.deck = self.shuffled();
        }
        self.deck.pop()
    }
}

impl Fault {
    /// Lets it happen, and waits for the fleet to get over it.
    pub(crate) async fn happen(self, fleet: &mut Fleet, report: &mut Report) {
        match self {
            Self::BrokersAway(brokers, away) => {
                brokers.leave(away, fleet);
                hold(0.5, TTL.as_secs_f64() * 1.8, fleet).await;
                let back = brokers.come_back(away, fleet).await;
                fleet.settle(&brokers.are(away), back, BACK, report).await;
            }
            Self::BrokersRestarted(brokers) => {
                let back = brokers.come_back(Away::Killed, fleet).await;
                fleet.settle(&format!("{} restarted", brokers.name()), back, BACK, report).await;
            }
            Self::Terminated => {
                leave_and_return("terminated", Signal::TERM, AT_ONCE, fleet, report).await;
            }
            Self::Killed => leave_and_return("killed", Signal::KILL, TTL, fleet, report).await,
            Self::FrozenBriefly => frozen_briefly(fleet, report).await,
            Self::FrozenLong => frozen_long(fleet, report).await,
            Self::DeathsUnseen(brokers, away) => deaths_unseen(brokers, away, fleet, report).await,
            Self::JoinsUnseen(brokers, away) => joins_unseen(brokers, away, fleet, report).await,
            Self::Hazard(hazard) => hazard.happen(fleet, report).await,
        }
    }
}

impl Brokers {
    fn name(self) -> &'static str {
        match self {
            Self::Nats => "NATS",
            Self::Redis => "Redis",
            Self::Both => "both brokers",
        }
    }

    fn are(self, away: Away) -> String {
        let how = match away {
            Away::Killed => "killed",
            Away::Frozen => "frozen",
        };
        format!("{} {how} for a while", self.name())
    }

    fn leave(self, away: Away, fleet: &mut Fleet) {
        if self != Self::Redis {
            match away {
                Away::Killed => fleet.nats.iter_mut().for_each(NatsServer::kill),
                Away::Frozen => fleet.nats.iter().for_each(NatsServer::pause),
            }
        }
        if self != Self::Nats {
            match away {
                Away::Killed => fleet.redis.kill(),
                Away::Frozen => fleet.redis.pause(),
            }
        }
    }

    /// Returns the moment from which they were all back.
    async fn come_back(self, away: Away, fleet: &mut Fleet) -> tokio::time::Instant {
        if self != Self::Redis {
            match away {
                Away::Killed => {
                    // All of them at once: what one of them sees is not what this is about.
                    join_all(fleet.nats.iter_mut().map(NatsServer::restart)).await;
                }
                Away::Frozen => fleet.nats.iter().for_each(NatsServer::resume),
            }
        }
        if self != Self::Nats {
            match away {
                Away::Killed => fleet.redis.restart().await,
                Away::Frozen => fleet.redis.resume(),
            }
        }
        now()
    }
}

/// Waits for a random time within these seconds: this is what a script of faults is made of.
pub(crate) async fn hold(shortest: f64, longest: f64, fleet: &mut Fleet) {
    let seconds = shortest + (longest - shortest) * fleet.rng.f64();
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

/// Whoever was not heard since the last fault dies now, if anybody.
pub(crate) async fn aftermath(fleet: &mut Fleet, report: &mut Report) {
    tokio::time::sleep(TTL + KEEP_ALIVE).await;
    fleet.settle("nothing any more", now(), KEEP_ALIVE, report).await;
}

async fn leave_and_return(
    how: &str,
    signal: Signal,
    promised: Duration,
    fleet: &mut Fleet,
    report: &mut Report,
) {
    let victims = fleet.victims();
    let left = now();
    fleet.end(&victims, signal).await;
    fleet.settle(&format!("daemons {how}"), left, promised, report).await;
    start_again(&victims, fleet, report).await;
}

pub(crate) async fn start_again(victims: &[usize], fleet: &mut Fleet, report: &mut Report) {
    fleet.start_again(victims).await;
    fleet.settle("daemons started", now(), KEEP_ALIVE * 2, report).await;
}

async fn frozen_briefly(fleet: &mut Fleet, report: &mut Report) {
    let victims = fleet.victims();
    fleet.freeze(&victims, false);
    // They were last heard up to a KEEP_ALIVE before.
    hold(0.2, (TTL - KEEP_ALIVE).as_secs_f64() / 2.0, fleet).await;
    fleet.thaw(&victims);
    fleet.settle("daemons frozen briefly", now(), KEEP_ALIVE, report).await;
}

async fn frozen_long(fleet: &mut Fleet, report: &mut Report) {
    let victims = fleet.victims();
    fleet.freeze(&victims, true);
    fleet.settle("daemons frozen", now(), TTL, report).await;
    hold(0.0, TTL.as_secs_f64(), fleet).await;
    fleet.thaw(&victims);
    fleet.settle("frozen daemons went on", now(), BACK, report).await;
}

async fn deaths_unseen(brokers: Brokers, away: Away, fleet: &mut Fleet, report: &mut Report) {
    let (victims, signal) =
        (fleet.victims(), if fleet.rng.bool() { Signal::TERM } else { Signal::KILL });
    brokers.leave(away, fleet);
    fleet.end(&victims, signal).await;
    hold(0.5, TTL.as_secs_f64() * 1.8, fleet).await;
    let back = brokers.come_back(away, fleet).await;
    fleet.settle("daemons died while brokers were away", back, BACK + TTL, report).await;
    start_again(&victims, fleet, report).await;
}

async fn joins_unseen(brokers: Brokers, away: Away, fleet: &mut Fleet, report: &mut Report) {
    let victims = fleet.victims();
    let left = now();
    fleet.end(&victims, Signal::TERM).await;
    fleet.settle("daemons terminated", left, AT_ONCE, report).await;
    brokers.leave(away, fleet);
    fleet.start_again(&victims).await;
    hold(0.5, TTL.as_secs_f64() * 1.8, fleet).await;
    let back = brokers.come_back(away, fleet).await;
    fleet.settle("daemons started while brokers were away", back, BACK + KEEP_ALIVE, report).await;
}
