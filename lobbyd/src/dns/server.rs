//! The DNS server: an actor on a thread of its own, so that no flood of questions keeps the other
//! actors waiting.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tracing::error;

use super::answers::FreshAuthority;
use super::{Sockets, tcp, udp};
use lobby_core::dns::Zone;
use lobby_core::registry::snapshot::Snapshot;

/// Actor that answers questions to the DNS.
pub struct DnsServer {
    answers: Rc<FreshAuthority>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    sockets: Option<Sockets>,
}

impl DnsServer {
    /// Starts to answer on sockets that are bound already, on a new thread.
    pub fn serve(
        sockets: Sockets,
        zone: Zone,
        snapshots: watch::Receiver<Arc<Snapshot>>,
    ) -> Addr<Self> {
        Self::start_in_arbiter(&Arbiter::new().handle(), move |_| Self {
            answers: Rc::new(FreshAuthority::new(zone, snapshots.clone())),
            snapshots,
            sockets: Some(sockets),
        })
    }

    fn listen(&self, sockets: Sockets) -> io::Result<()> {
        let (udp, tcp) = (UdpSocket::from_std(sockets.udp)?, TcpListener::from_std(sockets.tcp)?);
        actix_rt::spawn(udp::serve(udp, Rc::clone(&self.answers)));
        actix_rt::spawn(tcp::serve(tcp, Rc::clone(&self.answers)));
        Ok(())
    }
}

crate::healthz::answers_healthz!(DnsServer);

impl Actor for DnsServer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.add_stream(WatchStream::new(self.snapshots.clone()));
        let listening = self.sockets.take().map(|sockets| self.listen(sockets));
        if let Some(Err(error)) = listening {
            error!(target: "lobby::dns", %error, "cannot answer DNS");
        }
    }
}

/// Follows the snapshots while nobody asks, so that an answer never has long to catch up.
impl StreamHandler<Arc<Snapshot>> for DnsServer {
    fn handle(&mut self, _: Arc<Snapshot>, _: &mut Self::Context) {
        self.answers.follow();
    }
}
