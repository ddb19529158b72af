//! What another daemon tells of everybody.

use actix::prelude::*;
use anyhow::ensure;
use bytes::Bytes;

use super::Registry;
use crate::sys::clock;
use lobby_core::liveness::connectivity::DriverId;
use lobby_core::liveness::reception::Reception;
use lobby_core::registry::host_registry::Applied;
use lobby_core::sync::piece::{self, Line};

/// A piece of what another daemon tells. *Sent by a Subscriber*, which asked for it. Replies what
/// was in it.
#[derive(Debug, Message)]
#[rtype(result = "anyhow::Result<PieceTaken>")]
pub struct SyncPiece {
    /// The driver of the link that it came through.
    pub driver_id: DriverId,
    /// The piece, as it came.
    pub piece: Bytes,
}

/// What a piece held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PieceTaken {
    /// How many packets.
    pub packets: usize,
    /// The end: how many packets were told in all, and how many were left out.
    pub end: Option<(usize, usize)>,
    /// That the other daemon is busy.
    pub is_busy: bool,
}

/// Another daemon has told all that it knows. *Sent by a Subscriber*, which asked for it. No reply.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct SyncEnded {
    /// The driver of the link that it came through.
    pub driver_id: DriverId,
    /// Whether that is everybody who can be heard there.
    pub is_complete: bool,
}

impl Handler<SyncPiece> for Registry {
    type Result = anyhow::Result<PieceTaken>;

    fn handle(
        &mut self,
        SyncPiece { driver_id, piece }: SyncPiece,
        ctx: &mut Self::Context,
    ) -> Self::Result {
        // Nothing of a piece counts that is not valid as a whole.
        let lines = piece::parse(&piece)?;
        ensure!(self.hosts.is_link_up(driver_id), "the link is down");
        self.tick();
        let (at, mut taken) = (clock::now(), PieceTaken::default());
        let now = Reception::fresh(driver_id, at, clock::unix_millis());
        let mut changes = self.hosts.expire(at);
        for line in lines {
            match line {
                Line::Packet { age, payload } => {
                    taken.packets += 1;
                    match self.apply_retold(payload, now.kept_for(age)) {
                        Ok(Applied::Changed(change)) => changes.push(change),
                        Ok(_) => {}
                        Err(refusal) => self.refuse(driver_id, &refusal),
                    }
                }
                Line::End { told, left_out } => taken.end = Some((told, left_out)),
                Line::Busy => taken.is_busy = true,
            }
        }
        self.tell(&changes, ctx);
        Ok(taken)
    }
}

impl Handler<SyncEnded> for Registry {
    type Result = ();

    fn handle(
        &mut self,
        SyncEnded { driver_id, is_complete }: SyncEnded,
        _: &mut Self::Context,
    ) -> Self::Result {
        if is_complete {
            self.hosts.told_by_another(driver_id, clock::now());
        }
        // The one who asked looks at the list at once.
        self.publish();
    }
}
