//! The health check of the actors.

use std::time::Duration;

use actix::{Message, Recipient};
use futures_util::future::join_all;
use tokio::time::timeout;

/// Longest time that an actor may take over a simple question.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// Every actor that the health check asks, with its name.
pub type HealthTargets = Vec<(&'static str, Recipient<Healthz>)>;

/// Reply. *Asked by HttpApi* of every actor for `GET /healthz`, *and by the service* for the
/// watchdog. The reply itself is the answer: an actor that hangs gives none.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Healthz;

/// The names of the actors that do not answer.
pub async fn silent(actors: &HealthTargets) -> Vec<&'static str> {
    let asked = actors.iter().map(|(name, actor)| async move {
        let answered = timeout(ANSWER_LIMIT, actor.send(Healthz)).await;
        (!matches!(answered, Ok(Ok(())))).then_some(*name)
    });
    join_all(asked).await.into_iter().flatten().collect()
}

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

#[cfg(test)]
mod tests {
    use actix::prelude::*;

    use super::*;

    struct Well;

    impl Actor for Well {
        type Context = Context<Self>;
    }

    answers_healthz!(Well);

    /// An actor that waits for something that never comes.
    struct Hangs;

    impl Actor for Hangs {
        type Context = Context<Self>;

        fn started(&mut self, ctx: &mut Self::Context) {
            ctx.wait(std::future::pending::<()>().into_actor(self));
        }
    }

    answers_healthz!(Hangs);

    #[actix_rt::test]
    async fn an_actor_that_hangs_is_named() {
        tokio::time::pause();
        let actors: HealthTargets =
            vec![("well", Well.start().recipient()), ("hanging", Hangs.start().recipient())];
        assert_eq!(silent(&actors).await, ["hanging"]);
    }
}
