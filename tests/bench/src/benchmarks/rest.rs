//! What a daemon costs that nobody asks anything.

use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;

use crate::clock;
use crate::counter::Counter;
use crate::environment::{Environment, Lobby};
use crate::figures::{Goal, REPETITIONS, Row, Samples, Unit};
use crate::wire::Steady;

/// Interval of every host's packets.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How long is counted each time: twice every host, and most times a sweep.
const WINDOW: Duration = Duration::from_secs(10);
/// Fleets, and the most per cent of a core that each may cost.
const FLEETS: [(usize, f64); 2] = [(1_000, 0.5), (10_000, 4.0)];

/// Processor time while each host of a fleet sends its keep-alives, evenly spread, beside a bare
/// subscriber that hears them too. The fleets are measured at the same time, for neither keeps a
/// processor busy.
pub(super) async fn at_rest(environment: &mut Environment) -> Result<Vec<Row>> {
    let (mut listeners, mut senders) = (Vec::new(), Vec::new());
    for (hosts, _) in FLEETS {
        let lobby = environment.lobby(hosts).await?;
        senders.push(Steady::start(environment.nats.port(), lobby.frames(0), KEEP_ALIVE)?);
        let counter = Counter::start(&environment.nats.url(), &lobby.subject)?;
        listeners.push(Listeners { lobby, counter, shares: Default::default() });
    }
    clock::pause(Duration::from_secs(1)).await;
    for _ in 0..REPETITIONS {
        watch(&mut listeners).await?;
    }
    for sender in senders {
        sender.stop().await?;
    }
    let rows = FLEETS.into_iter().zip(listeners).map(
        |((hosts, most), Listeners { shares: [lobbyd, baseline], .. })| {
            let goal = Goal::AtMost { times: 0.0, plus: most };
            let row = Row::new("processor time at rest, of one core", Unit::Percent)
                .hosts(hosts)
                .goal(goal);
            row.measured(lobbyd, baseline)
        },
    );
    Ok(rows.collect())
}

/// Those who hear the same packets, and their shares of a processor in per cent.
struct Listeners {
    lobby: Rc<Lobby>,
    counter: Counter,
    shares: [Samples; 2],
}

impl Listeners {
    fn cpu(&self) -> Result<[Duration; 2]> {
        Ok([self.lobby.lobbyd.process.cpu()?, self.counter.process.cpu()?])
    }
}

async fn watch(listeners: &mut [Listeners]) -> Result<()> {
    let before: Vec<_> = listeners.iter().map(Listeners::cpu).collect::<Result<_>>()?;
    let begin = clock::now();
    clock::pause(WINDOW).await;
    let window = begin.elapsed();
    for (listeners, before) in listeners.iter_mut().zip(before) {
        let after = listeners.cpu()?;
        for ((shares, before), after) in listeners.shares.iter_mut().zip(before).zip(after) {
            shares.push((after - before).div_duration_f64(window) * 100.0);
        }
    }
    Ok(())
}
