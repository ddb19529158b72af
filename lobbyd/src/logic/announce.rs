//! What this server says of itself on the channels.

use lobby_client::{Discovery, HostName};

use super::packet::{self, Verb};

/// One packet to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Whose packet this is.
    pub host: HostName,
    /// The encoded envelope.
    pub payload: Vec<u8>,
    /// Whether this is the host's goodbye.
    pub last: bool,
}

/// Knows what was said last and what is to be said next.
#[derive(Debug, Default)]
pub struct Announcer {
    own: Option<Discovery>,
}

impl Announcer {
    /// The server's name or labels are these now: a hi, and a goodbye to a former name.
    pub fn local_changed(&mut self, fresh: Discovery) -> Vec<Announcement> {
        let former = self.own.take().map(|own| own.hostname).filter(|former| *former != fresh.hostname);
        self.own = Some(fresh);
        self.hi().into_iter().chain(former.map(farewell)).collect()
    }

    /// The keep-alive; nothing before the server knows its labels.
    pub fn hi(&self) -> Option<Announcement> {
        self.own.as_ref().map(|own| announcement(Verb::Hi, own))
    }

    /// The goodbye of a server that leaves.
    pub fn goodbye(&self) -> Option<Announcement> {
        self.own.as_ref().map(|own| announcement(Verb::Goodbye, own))
    }
}

fn announcement(verb: Verb, own: &Discovery) -> Announcement {
    Announcement { host: own.hostname.clone(), payload: packet::encode(verb, own), last: verb == Verb::Goodbye }
}

fn farewell(former: HostName) -> Announcement {
    Announcement { payload: packet::encode_farewell(&former), host: former, last: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str) -> Discovery {
        Discovery::new(HostName::parse(name).unwrap(), vec![])
    }

    fn texts(announcements: Vec<Announcement>) -> Vec<String> {
        announcements.into_iter().map(|a| String::from_utf8(a.payload).unwrap()).collect()
    }

    #[test]
    fn nothing_is_said_before_the_server_knows_itself() {
        assert_eq!((Announcer::default().hi(), Announcer::default().goodbye()), (None, None));
    }

    #[test]
    fn a_new_name_is_announced_and_the_former_one_said_goodbye_to() {
        let mut announcer = Announcer::default();
        announcer.local_changed(server("old"));
        assert_eq!(
            texts(announcer.local_changed(server("new"))),
            [
                r#"{"discovery":{"hostname":"new","labels":[],"last_check":0},"message":"hi"}"#,
                r#"{"discovery":{"hostname":"old","labels":null,"last_check":0},"message":"goodbye"}"#
            ]
        );
    }

    #[test]
    fn the_same_name_again_is_only_a_hi() {
        let mut announcer = Announcer::default();
        announcer.local_changed(server("a"));
        assert_eq!(announcer.local_changed(server("a")).len(), 1);
    }
}
