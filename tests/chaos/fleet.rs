//! The daemons, their brokers, and what each daemon must know.

use std::collections::BTreeSet;
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::join_all;
use lobby_tests::eventually::now;
use lobby_tests::{
    ContinuityCheck, LIMIT, Lobbyd, LobbydBuilder, NatsServer, Proxy, RedisServer, Signal, http,
};
use serde_json::Value;
use tokio::time::Instant;

use crate::report::Report;

/// Settings of every daemon: quick, so that much happens in a minute.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(1);
pub(crate) const TTL: Duration = Duration::from_secs(4);

/// A link is up again this long after its broker is back.
pub(crate) const BACK: Duration = Duration::from_secs(5);

/// What is added to every promise, because two dozen daemons, two brokers and those who ask them
/// share two cores.
pub(crate) const NOISE: Duration = Duration::from_secs(2);

const ON_BOTH: usize = 14;
const ON_ONE: usize = 5;

/// The places of those whose way to Redis can be cut: two on both brokers, one on Redis.
const FLAKY: [usize; 3] = [3, 4, ON_BOTH + ON_ONE + 2];

/// Every third daemon is asked all the time whether somebody is missing.
const WATCHED: usize = 3;

/// The label by which a second daemon of one name differs from the first.
pub(crate) const NAMESAKE_LABEL: &str = "namesake:1";

/// Between two looks at whether all agree.
const PAUSE: Duration = Duration::from_millis(100);

/// All that runs.
pub(crate) struct Fleet {
    pub(crate) rng: Rng,
    /// Three servers of one cluster.
    pub(crate) nats: Vec<NatsServer>,
    pub(crate) redis: RedisServer,
    /// The way to Redis of the [`FLAKY`] members.
    pub(crate) flaky: Proxy,
    members: Vec<Member>,
    slowest_answer: Duration,
    lost: Vec<String>,
}

/// A server: a daemon that is there, or was and will be again.
struct Member {
    name: String,
    nats: bool,
    redis: bool,
    watched: bool,
    builder: LobbydBuilder,
    daemon: Option<Lobbyd>,
    vigil: Option<ContinuityCheck>,
    /// Whether the others may miss it although it runs: it is frozen, or cannot be reached.
    missed: bool,
}

/// By which ways a member is reached.
pub(crate) struct Reach {
    pub(crate) nats: bool,
    pub(crate) redis: bool,
    /// Whether the way to Redis can be cut.
    pub(crate) flaky: bool,
}

impl Member {
    fn new(place: usize, nats: &[NatsServer], redis: &RedisServer, flaky: &Proxy) -> Self {
        let (on_nats, on_redis) =
            (place < ON_BOTH + ON_ONE, !(ON_BOTH..ON_BOTH + ON_ONE).contains(&place));
        let name = format!("server-{place:02}");
        let builder = Lobbyd::named(&name).labels(ContinuityCheck::LABELS).muted();
        let builder = builder
            .set("KEEP_ALIVE", KEEP_ALIVE.as_secs().to_string())
            .set("TTL", TTL.as_secs().to_string());
        let builder = if on_nats { builder.nats(&nats[place % nats.len()]) } else { builder };
        let port = if FLAKY.contains(&place) { flaky.port() } else { redis.port() };
        let builder = if on_redis { builder.redis_at(port) } else { builder };
        let watched = place.is_multiple_of(WATCHED);
        Self {
            name,
            nats: on_nats,
            redis: on_redis,
            watched,
            builder,
            daemon: None,
            vigil: None,
            missed: false,
        }
    }

    /// Whether it is there for others.
    fn lives(&self) -> bool {
        self.daemon.is_some() && !self.missed
    }

    fn hears(&self, other: &Self) -> bool {
        self.nats && other.nats || self.redis && other.redis
    }

    async fn start(&mut self) {
        self.start_as(self.builder.clone()).await;
    }

    async fn start_as(&mut self, builder: LobbydBuilder) {
        let daemon = builder.start().await;
        self.vigil = self.watched.then(|| ContinuityCheck::at(daemon.address()));
        self.daemon = Some(daemon);
    }
}

impl Fleet {
    /// Starts brokers and daemons.
    pub(crate) async fn start(rng: Rng) -> Self {
        let nats = NatsServer::cluster("log_file: \"/dev/null\"").await;
        let redis = RedisServer::with_config("logfile /dev/null").await;
        let flaky = Proxy::to(redis.port()).await;
        let places = 0..ON_BOTH + 2 * ON_ONE;
        let mut members: Vec<_> =
            places.map(|place| Member::new(place, &nats, &redis, &flaky)).collect();
        join_all(members.iter_mut().map(Member::start)).await;
        let (slowest_answer, lost) = (Duration::ZERO, Vec::new());
        Self { rng, nats, redis, flaky, members, slowest_answer, lost }
    }

    /// What it consists of, for people.
    pub(crate) fn introduction(&self) -> String {
        let (count, watched) =
            (self.members.len(), self.members.iter().filter(|member| member.watched).count());
        format!(
            "{count} daemons ({ON_BOTH} on three NATS servers and Redis, {ON_ONE} on NATS, {ON_ONE} on Redis), {watched} of them asked all the time, \
             KEEP_ALIVE {KEEP_ALIVE:?}, TTL {TTL:?}; {NOISE:?} are added to every promise for the noise of the machine"
        )
    }

    /// Waits for all to know each other after the start.
    pub(crate) async fn gather(&mut self, report: &mut Report) {
        self.settle("fleet started", now(), KEEP_ALIVE * 2, report).await;
    }

    /// Waits until every living daemon lists exactly the living ones that it can hear, is warm and
    /// has all its links up; enters how long that took since the moment from which the promise
    /// counts. From then on nobody may be missing.
    pub(crate) async fn settle(
        &mut self,
        fault: &str,
        since: Instant,
        promised: Duration,
        report: &mut Report,
    ) {
        let agreed = self.agreement(since, promised + NOISE).await;
        self.guard(&[]);
        let lost = self.take_lost();
        report.enter(fault, promised, agreed, lost);
    }

    async fn agreement(&self, since: Instant, limit: Duration) -> Result<Duration, String> {
        loop {
            let doubts = join_all(self.living().map(|member| self.doubt(member))).await;
            let took = since.elapsed();
            match doubts.into_iter().flatten().next() {
                None => return Ok(took),
                Some(doubt) if took > limit => return Err(doubt),
                Some(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    fn living(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.lives())
    }

    /// Whom this daemon must list.
    fn expected(&self, member: &Member) -> BTreeSet<String> {
        self.living().filter(|other| member.hears(other)).map(|other| other.name.clone()).collect()
    }

    /// What is not yet right at this daemon.
    async fn doubt(&self, member: &Member) -> Option<String> {
        let (daemon, expected) = (member.daemon.as_ref()?, self.expected(member));
        let right = async {
            let status = get(daemon, "/v1/status").await?;
            let links = status["drivers"].as_array().into_iter().flatten();
            if let Some(down) = links.into_iter().find(|link| link["state"] != "up") {
                return Err(down.to_string());
            }
            if status["warm"] != true {
                return Err("is not warm".to_owned());
            }
            let listed = get(daemon, "/v1/discoveries").await?;
            let listed = listed
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|host| host["hostname"].as_str());
            let listed: BTreeSet<_> = listed.map(str::to_owned).collect();
            let missing: Vec<_> = expected.difference(&listed).collect();
            let ghosts: Vec<_> = listed.difference(&expected).collect();
            if missing.is_empty() && ghosts.is_empty() {
                return Ok(());
            }
            Err(format!("lacks {missing:?}, still lists {ghosts:?}"))
        };
        let doubt = tokio::time::timeout(LIMIT, right)
            .await
            .unwrap_or_else(|_| Err("does not answer".to_owned()));
        doubt
            .err()
            .map(|doubt| format!("{}: {doubt}; it said last:\n{}", member.name, last_words(daemon)))
    }

    /// From now on nobody may be missing anywhere but these, who are about to leave.
    pub(crate) fn guard(&mut self, leaving: &[usize]) {
        let gone: BTreeSet<_> =
            leaving.iter().map(|place| self.members[*place].name.clone()).collect();
        for member in &self.members {
            let Some(vigil) = &member.vigil else { continue };
            let asked = member.lives() && !gone.contains(&member.name);
            vigil.expect(if asked { &self.expected(member) - &gone } else { BTreeSet::new() });
        }
    }

    fn take_lost(&mut self) -> Vec<String> {
        let vigils = self.members.iter().filter_map(|member| member.vigil.as_ref());
        let lost = vigils.flat_map(ContinuityCheck::take_lost);
        let lost: Vec<_> = std::mem::take(&mut self.lost).into_iter().chain(lost).collect();
        self.slowest_answer = self.slowest_answer();
        lost
    }

    /// The longest time that a daemon took to answer.
    pub(crate) fn slowest_answer(&self) -> Duration {
        let vigils = self.members.iter().filter_map(|member| member.vigil.as_ref());
        vigils.map(ContinuityCheck::slowest).max().unwrap_or_default().max(self.slowest_answer)
    }

    /// One to three of those who live.
    pub(crate) fn victims(&mut self) -> Vec<usize> {
        let count = self.rng.usize(1..=3);
        let living = (0..self.members.len()).filter(|place| self.members[*place].lives());
        let mut victims: Vec<_> = living.collect();
        self.rng.shuffle(&mut victims);
        victims.truncate(count);
        victims
    }

    /// Ends these daemons by a signal and waits until they are gone.
    pub(crate) async fn end(&mut self, victims: &[usize], signal: Signal) {
        self.guard(victims);
        for &victim in victims {
            self.signal(victim, signal);
        }
        for &victim in victims {
            let member = &mut self.members[victim];
            if let Some(daemon) = member.daemon.take() {
                daemon.wait(LIMIT).await;
            }
            self.lost.extend(member.vigil.take().iter().flat_map(ContinuityCheck::take_lost));
        }
    }

    /// Starts those who were ended.
    pub(crate) async fn start_again(&mut self, victims: &[usize]) {
        let members = self.members.iter_mut().enumerate();
        let starts =
            members.filter(|(place, _)| victims.contains(place)).map(|(_, member)| member.start());
        join_all(starts).await;
    }

    /// Stops these daemons in the middle of whatever they do. If they are `missed`, they no longer
    /// count as living.
    pub(crate) fn freeze(&mut self, victims: &[usize], missed: bool) {
        self.guard(if missed { victims } else { &[] });
        for &victim in victims {
            if let Some(vigil) = &self.members[victim].vigil {
                vigil.expect(BTreeSet::new());
            }
            self.signal(victim, Signal::STOP);
            self.members[victim].missed = missed;
        }
    }

    /// From now on the others may miss those that are reached so. If they are `watched` all the
    /// same, they themselves must not miss anybody else.
    pub(crate) fn lose_sight(&mut self, of: impl Fn(&Reach) -> bool, watched: bool) {
        for (place, member) in self.members.iter_mut().enumerate() {
            let reach =
                Reach { nats: member.nats, redis: member.redis, flaky: FLAKY.contains(&place) };
            member.missed |= member.daemon.is_some() && of(&reach);
        }
        self.guard(&[]);
        for member in self.members.iter().filter(|member| watched && member.missed) {
            if let Some(vigil) = &member.vigil {
                vigil.expect(self.expected(member));
            }
        }
    }

    /// The others must see them again.
    pub(crate) fn regain_sight(&mut self) {
        self.members.iter_mut().for_each(|member| member.missed = false);
    }

    /// The running daemon of a member.
    pub(crate) fn daemon(&self, place: usize) -> Option<&Lobbyd> {
        self.members[place].daemon.as_ref()
    }

    /// The name of a member.
    pub(crate) fn name(&self, place: usize) -> &str {
        &self.members[place].name
    }

    /// Starts another daemon under the name of a member, with one label more. It is no member.
    pub(crate) async fn start_namesake(&self, place: usize) -> Lobbyd {
        let labels = format!("{},{NAMESAKE_LABEL}", ContinuityCheck::LABELS);
        self.members[place].builder.clone().labels(&labels).start().await
    }

    /// The other living daemons that hear a member.
    pub(crate) fn who_hear(&self, place: usize) -> impl Iterator<Item = &Lobbyd> {
        let heard = &self.members[place];
        let others = self.living().filter(|other| other.name != heard.name && other.hears(heard));
        others.filter_map(|other| other.daemon.as_ref())
    }

    /// Starts one that was ended, with other settings or another launcher.
    pub(crate) async fn start_again_as(
        &mut self,
        place: usize,
        change: impl FnOnce(LobbydBuilder) -> LobbydBuilder,
    ) {
        let builder = change(self.members[place].builder.clone());
        self.members[place].start_as(builder).await;
    }

    /// Lets them go on. They themselves must not miss anybody, not even in their first answer.
    pub(crate) fn thaw(&mut self, victims: &[usize]) {
        for &victim in victims {
            self.signal(victim, Signal::CONT);
            self.members[victim].missed = false;
            let member = &self.members[victim];
            let names: BTreeSet<_> =
                victims.iter().map(|place| self.members[*place].name.clone()).collect();
            if let Some(vigil) = &member.vigil {
                vigil.expect(&self.expected(member) - &names);
            }
        }
    }

    fn signal(&self, victim: usize, signal: Signal) {
        if let Some(daemon) = &self.members[victim].daemon {
            daemon.signal(signal);
        }
    }
}

pub(crate) async fn get(daemon: &Lobbyd, path: &str) -> Result<Value, String> {
    let answer = http::try_send(daemon.address(), "GET", path, &[], "").await?;
    if answer.status == 200 { Ok(answer.json()) } else { Err(format!("{path}: {}", answer.text())) }
}

fn last_words(daemon: &Lobbyd) -> String {
    let said = daemon.logs();
    said[said.len().saturating_sub(8)..].join("\n")
}
