//! DNS over UDP: one datagram in, one out. What comes faster than it can be answered waits in the
//! socket's buffer, of which the operating system drops what has no room.

use std::rc::Rc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::sleep;
use tracing::warn;

use super::answers::FreshAuthority;
use lobby_core::dns::Transport;

/// Longest message that is read: a question is shorter.
const MAX_QUESTION: usize = 4096;

/// Pause after an error of the socket, which does not end soon.
const ERROR_PAUSE: Duration = Duration::from_secs(1);

/// Answers for ever.
pub(super) async fn serve(socket: UdpSocket, answers: Rc<FreshAuthority>) {
    let mut question = vec![0; MAX_QUESTION];
    loop {
        match socket.recv_from(&mut question).await {
            Ok((len, client)) => {
                if let Some(answer) = answers.answer(&question[..len], Transport::Udp) {
                    // It may find no room or no way; then its client asks again.
                    socket.try_send_to(&answer, client).ok();
                }
            }
            Err(error) => {
                warn!(target: "lobby::dns", %error, "cannot read questions to the DNS over UDP");
                sleep(ERROR_PAUSE).await;
            }
        }
    }
}
