//! Who does what. Actors own their state and talk by messages; they ask the logic what to do and decide nothing themselves.

use actix::Message;

pub mod callback_runner;
pub mod http_api;
pub mod label_source;
pub mod publisher;
pub mod registry;
mod registry_log;
pub mod subscriber;

/// Are you there? *Asked by HttpApi* of every actor. The reply itself is the answer: an actor whose handler panicked gives none.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct AreYouThere;

/// Lets actors answer [`AreYouThere`].
macro_rules! answers_are_you_there {
    ($($actor:path),+) => {
        $(impl actix::Handler<AreYouThere> for $actor {
            type Result = ();

            fn handle(&mut self, _: AreYouThere, _: &mut Self::Context) {}
        })+
    };
}

answers_are_you_there!(
    callback_runner::CallbackRunner,
    label_source::LabelSource,
    publisher::Publisher,
    registry::Registry,
    subscriber::Subscriber
);
