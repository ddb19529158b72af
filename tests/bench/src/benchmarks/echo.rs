//! The limit of spreading a label: a message published and received, and nothing else.

use anyhow::{Context, Result};
use futures_util::future::{LocalBoxFuture, try_join};
use futures_util::stream::LocalBoxStream;
use futures_util::{FutureExt, StreamExt};
use redis::AsyncCommands;

use crate::clock;
use crate::figures::Samples;
use crate::fleet::Fleet;

/// What the messages go through, in either kind of broker.
pub(super) const CHANNEL: &str = "spreading";
/// What these messages go through: no daemon is to hear them.
const OWN_CHANNEL: &str = "echoing";

/// One connection that publishes and another that is subscribed.
pub(super) struct Echo {
    publish: Box<dyn FnMut() -> LocalBoxFuture<'static, Result<()>>>,
    messages: LocalBoxStream<'static, ()>,
}

impl Echo {
    /// Through a NATS server.
    pub(super) async fn over_nats(url: &str) -> Result<Self> {
        let (publisher, subscriber) =
            (async_nats::connect(url).await?, async_nats::connect(url).await?);
        let messages = subscriber.subscribe(OWN_CHANNEL).await?.map(drop).boxed_local();
        subscriber.flush().await?;
        let payload = payload();
        let publish = move || {
            let (publisher, payload) = (publisher.clone(), payload.clone());
            async move { Ok(publisher.publish(OWN_CHANNEL, payload).await?) }.boxed_local()
        };
        Ok(Self { publish: Box::new(publish), messages })
    }

    /// Through a Redis server.
    pub(super) async fn over_redis(url: &str) -> Result<Self> {
        let client = redis::Client::open(url)?;
        let connection = client.get_multiplexed_async_connection().await?;
        let mut subscriber = client.get_async_pubsub().await?;
        subscriber.subscribe(OWN_CHANNEL).await?;
        let payload = payload();
        let publish = move || {
            let (mut connection, payload) = (connection.clone(), payload.clone());
            async move { Ok(connection.publish(OWN_CHANNEL, payload.as_ref()).await?) }
                .boxed_local()
        };
        Ok(Self {
            publish: Box::new(publish),
            messages: subscriber.into_on_message().map(drop).boxed_local(),
        })
    }

    /// How long each of so many messages took, in milliseconds.
    pub(super) async fn times(&mut self, messages: usize) -> Result<Samples> {
        let mut times = Samples::default();
        for _ in 0..messages {
            let begin = clock::now();
            let received = async {
                self.messages.next().await.context("the broker hung up")?;
                Ok(begin.elapsed().as_secs_f64() * 1e3)
            };
            let ((), time) = try_join((self.publish)(), received).await?;
            times.push(time);
            clock::pause(std::time::Duration::from_millis(1)).await;
        }
        Ok(times)
    }
}

/// A packet as daemons send it.
fn payload() -> bytes::Bytes {
    Fleet::new(10).payload(0, 0)
}
