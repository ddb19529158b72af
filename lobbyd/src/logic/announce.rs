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
#[derive(Debug)]
pub struct Announcer {
    instance: String,
    own: Option<Discovery>,
}

impl Announcer {
    /// `instance` names this run of this daemon.
    pub fn new(instance: String) -> Self {
        Self { instance, own: None }
    }

    /// The server's name or labels are these now: a hi, and a goodbye to a former name.
    pub fn local_changed(&mut self, fresh: Discovery) -> Vec<Announcement> {
        let former = self.own.take().map(|own| own.hostname).filter(|former| *former != fresh.hostname);
        self.own = Some(fresh);
        self.hi().into_iter().chain(former.map(|former| self.farewell(former))).collect()
    }

    /// The keep-alive; nothing before the server knows its labels.
    pub fn hi(&self) -> Option<Announcement> {
        self.announcement(Verb::Hi)
    }

    /// The goodbye of a server that leaves.
    pub fn goodbye(&self) -> Option<Announcement> {
        self.announcement(Verb::Goodbye)
    }

    fn announcement(&self, verb: Verb) -> Option<Announcement> {
        let own = self.own.as_ref()?;
        let payload = packet::encode(verb, own, &self.instance);
        Some(Announcement { host: own.hostname.clone(), payload, last: verb == Verb::Goodbye })
    }

    fn farewell(&self, former: HostName) -> Announcement {
        Announcement { payload: packet::encode_farewell(&former, &self.instance), host: former, last: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcer() -> Announcer {
        Announcer::new("i1".to_owned())
    }

    fn server(name: &str) -> Discovery {
        Discovery::new(HostName::parse(name).unwrap(), vec![])
    }

    fn texts(announcements: Vec<Announcement>) -> Vec<String> {
        announcements.into_iter().map(|a| String::from_utf8(a.payload).unwrap()).collect()
    }

    #[test]
    fn nothing_is_said_before_the_server_knows_itself() {
        assert_eq!((announcer().hi(), announcer().goodbye()), (None, None));
    }

    #[test]
    fn a_new_name_is_announced_and_the_former_one_said_goodbye_to() {
        let mut announcer = announcer();
        announcer.local_changed(server("old"));
        assert_eq!(
            texts(announcer.local_changed(server("new"))),
            [
                r#"{"discovery":{"hostname":"new","labels":[],"last_check":0},"message":"hi","instance":"i1"}"#,
                r#"{"discovery":{"hostname":"old","labels":null,"last_check":0},"message":"goodbye","instance":"i1"}"#
            ]
        );
    }

    #[test]
    fn the_same_name_again_is_only_a_hi() {
        let mut announcer = announcer();
        announcer.local_changed(server("a"));
        assert_eq!(announcer.local_changed(server("a")).len(), 1);
    }
}
