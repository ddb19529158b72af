//! The question whether an actor answers.

use actix::Message;

/// Are you there? *Asked by HttpApi* of every actor. The reply itself is the answer: an actor whose handler panicked gives none.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Healthz;

/// Lets actors answer [`Healthz`].
macro_rules! answers_are_you_there {
    ($($actor:path),+) => {
        $(impl actix::Handler<Healthz> for $actor {
            type Result = ();

            fn handle(&mut self, _: Healthz, _: &mut Self::Context) {}
        })+
    };
}

answers_are_you_there!(
    crate::callback::runner::CallbackRunner,
    crate::labels::source::LabelSource,
    crate::link::publisher::Publisher,
    crate::registry::Registry,
    crate::link::subscriber::Subscriber
);
