//! What a daemon costs that nobody asks anything.

use std::time::Duration;

use anyhow::Result;

use crate::clock;
use crate::figures::{Goal, REPETITIONS, Row, Samples, Unit};
use crate::stage::Stage;
use crate::wire::Steady;

/// Interval of every host's packets.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How long is counted each time: twice every host, and most times a sweep.
const WINDOW: Duration = Duration::from_secs(10);
/// Fleets, and the most per cent of a core that each may cost.
const FLEETS: [(usize, f64); 2] = [(1_000, 0.5), (10_000, 4.0)];

/// Processor time while each host of a fleet sends its keep-alives, evenly spread. The fleets are measured at the same time, for
/// neither keeps a processor busy.
pub async fn at_rest(stage: &mut Stage) -> Result<Vec<Row>> {
    let (mut lobbies, mut senders) = (Vec::new(), Vec::new());
    for (hosts, _) in FLEETS {
        let lobby = stage.lobby(hosts).await?;
        senders.push(Steady::start(stage.nats.port(), lobby.frames(0), KEEP_ALIVE)?);
        lobbies.push((lobby, Samples::default()));
    }
    clock::pause(Duration::from_secs(1)).await;
    for _ in 0..REPETITIONS {
        let before: Vec<_> = lobbies.iter().map(|(lobby, _)| lobby.lobbyd.process.cpu()).collect::<Result<_>>()?;
        let begin = clock::now();
        clock::pause(WINDOW).await;
        let window = begin.elapsed();
        for ((lobby, shares), before) in lobbies.iter_mut().zip(before) {
            let used = lobby.lobbyd.process.cpu()? - before;
            shares.push(used.div_duration_f64(window) * 100.0);
        }
    }
    for sender in senders {
        sender.stop().await?;
    }
    let row = |((hosts, most), (_, shares))| {
        let goal = Goal::AtMost { times: 0.0, plus: most };
        let row = Row::new("processor time at rest, of one core", Unit::Percent).hosts(hosts).goal(goal);
        row.measured(shares, Samples::default())
    };
    Ok(FLEETS.into_iter().zip(lobbies).map(row).collect())
}
