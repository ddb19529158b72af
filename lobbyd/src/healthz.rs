//! The health check of an actor.

use actix::Message;

/// Reply. *Asked by HttpApi* of every actor for `GET /healthz`. The reply itself is the answer: an
/// actor that hangs gives none.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Healthz;

/// Lets an actor answer [`Healthz`]; the line stands beside the actor, which this module must not
/// know.
macro_rules! answers_healthz {
    ($actor:ty) => {
        impl actix::Handler<$crate::healthz::Healthz> for $actor {
            type Result = ();

            fn handle(&mut self, _: $crate::healthz::Healthz, _: &mut Self::Context) {}
        }
    };
}
pub(crate) use answers_healthz;
